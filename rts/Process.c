/* Process.c -- children: their handles, their status, their end.
 *
 * Owns    Process; the list of all of them.
 * Before  rts/Spawn.c: a child was started.   After  rts/ThreadWait.c: its pidfd.
 * Tests   testsuite/unit/ProcessTest.c, testsuite/conformance/ProcessConformance.c
 *
 * Note [Reaping]
 *   A pidfd becomes readable when the child has ended, and stays so.  Whoever sees that first asks
 *   for the status (waitid, under the process's lock) and keeps it for all others.  A child whose
 *   last handle went while it ran is an orphan: it stays in the list, and every spawn and every
 *   last release looks whether orphans have ended.  So there are no more zombies than children
 *   that were let go, and none of them outlives the next spawn.
 */
#include "rts/Process.h"

#include "iomgr/Memory.h"
#include "rts/FdCall.h"
#include "rts/Foreign.h"
#include "rts/Outside.h"
#include "rts/Spawn.h"
#include "rts/Startup.h"

#include <capri/fd.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct Process {
    pthread_mutex_t lock;
    pid_t id;         /* constant */
    int fd;           /* constant: its pidfd, -1: the kernel had reaped it before there was one */
    uint32_t handles; /* holders, acq_rel */
    bool ended;       /* under lock: result and status are known */
    int result;       /* under lock: 0 or -ECHILD */
    ProcessStatus status; /* under lock */
    Process *next;        /* under children.lock */
};

static struct {
    pthread_mutex_t lock;
    Process *first; /* all that have not been freed */
} children = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* 0 or -E...; *info: si_pid 0: it still runs. */
static __attribute__((noinline)) int askKernel(int fd, siginfo_t *info)
{
    int failed;
    do {
        info->si_pid = 0;
        failed = waitid((idtype_t)P_PIDFD, (id_t)fd, info, WEXITED | WNOHANG) == 0 ? 0 : -errno;
    } while (failed == -EINTR);
    return failed;
}

/* -EAGAIN: it still runs; else 0 or -ECHILD.  See Note [Reaping]. */
static int lookAt(Process *process, ProcessStatus *status)
{
    int result = -EAGAIN;
    pthread_mutex_lock(&process->lock);
    if (!process->ended) {
        siginfo_t info;
        process->result = askKernel(process->fd, &info);
        process->ended = process->result != 0 || info.si_pid != 0;
        if (process->ended && process->result == 0)
            process->status = (ProcessStatus){.exited = info.si_code == CLD_EXITED,
                                              .code = info.si_status,
                                              .dumped = info.si_code == CLD_DUMPED};
    }
    if (process->ended) {
        result = process->result;
        if (result == 0 && status != NULL)
            *status = process->status;
    }
    pthread_mutex_unlock(&process->lock);
    return result;
}

static int awaitEnd(Process *process, ProcessStatus *status, bool outside, int64_t deadline_ns)
{
    for (;;) {
        FdView view = threadWaitView(process->fd, FdRead);
        int result = lookAt(process, status);
        if (result != -EAGAIN) {
            fdCallDone();
            return result;
        }
        result = outside ? outsideWaitFdStaying(process->fd, FdRead, deadline_ns)
                         : threadWaitFd(process->fd, FdRead, &view, deadline_ns);
        if (result != 0)
            return result;
    }
}

int processWaitUntil(Process *process, ProcessStatus *status, int64_t deadline_ns)
{
    bool outside = outsideStayHere(); /* it looks at the process after each wait */
    int result = awaitEnd(process, status, outside, deadline_ns);
    if (outside)
        outsideStayOver();
    return result;
}

int processWait(Process *process, ProcessStatus *status)
{
    return processWaitUntil(process, status, DEADLINE_NEVER);
}

int processKill(Process *process, int number)
{
    return process->fd < 0 ? -ESRCH : spawnSignal(process->fd, number);
}

pid_t processId(const Process *process)
{
    return process->id;
}

Process *processRetain(Process *process)
{
    ADD_RELAXED(&process->handles, 1);
    return process;
}

/* ---- the list ---- */

static void freeProcess(Process *process)
{
    if (process->fd >= 0)
        closeFd(process->fd);
    pthread_mutex_destroy(&process->lock);
    memoryRelease(startupAllocator(), process, sizeof *process, CACHE_LINE);
}

/* Take out of the list whoever has no handle and has ended (or all of them). */
static Process *takeOrphans(bool all)
{
    Process *taken = NULL;
    pthread_mutex_lock(&children.lock);
    for (Process **at = &children.first; *at != NULL;) {
        Process *process = *at;
        bool orphan = ACQUIRE_LOAD(&process->handles) == 0 && lookAt(process, NULL) != -EAGAIN;
        if (all || orphan) {
            *at = process->next;
            process->next = taken;
            taken = process;
        } else {
            at = &process->next;
        }
    }
    pthread_mutex_unlock(&children.lock);
    return taken;
}

static void freeOrphans(bool all)
{
    Process *taken = takeOrphans(all);
    while (taken != NULL) {
        Process *next = taken->next;
        freeProcess(taken);
        taken = next;
    }
}

void processRelease(Process *process)
{
    if (process != NULL && ADD_ACQ_REL(&process->handles, (uint32_t)-1) == 1)
        freeOrphans(false);
}

void processEnd(void)
{
    freeOrphans(true);
}

void processSurvive(void)
{
    children.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    for (Process *at = children.first; at != NULL; at = at->next)
        at->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* ---- start ---- */

typedef struct StartCall {
    const SpawnRequest *request;
    pid_t id;
    int fd;
} StartCall;

static void runStart(void *env)
{
    StartCall *call = env;
    call->fd = spawnRun(call->request, &call->id);
}

static int start(const SpawnRequest *request, Process *process)
{
    StartCall call = {.request = request};
    if (scheduleSelf() == NULL || foreignRun(runStart, &call) != 0)
        runStart(&call);
    process->fd = -1;
    if (call.fd == -ESRCH) { /* SIGCHLD is ignored, and it has ended */
        process->ended = true;
        process->result = -ECHILD;
    } else {
        int fd = fdCallRegister(call.fd, FdAdopted);
        if (fd < 0 && call.fd >= 0) /* started, but its fd cannot be waited for */
            spawnUndo(call.id);
        if (fd < 0)
            return fd;
        process->fd = fd;
    }
    process->id = call.id;
    process->handles = 1;
    pthread_mutex_init(&process->lock, NULL);
    pthread_mutex_lock(&children.lock);
    process->next = children.first;
    children.first = process;
    pthread_mutex_unlock(&children.lock);
    return 0;
}

int processSpawn(const char *program, char *const *arguments, const ProcessAttributes *attributes,
                 Process **process)
{
    static const ProcessAttributes defaults;
    SpawnRequest request = {program, arguments, attributes == NULL ? &defaults : attributes};
    if (program == NULL || arguments == NULL || arguments[0] == NULL || process == NULL)
        return -EINVAL;
    bool outside = scheduleHere() == NULL;
    int result = outside ? startupEnter() : 0;
    if (result != 0)
        return result;
    freeOrphans(false);
    Process *fresh = memoryAllocateZeroed(startupAllocator(), sizeof *fresh, CACHE_LINE);
    result = fresh == NULL ? -ENOMEM : start(&request, fresh);
    if (result == 0)
        *process = fresh;
    else
        memoryRelease(startupAllocator(), fresh, sizeof *fresh, CACHE_LINE);
    if (outside)
        startupLeave();
    return result;
}
