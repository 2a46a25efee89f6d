/* FdWaitStage.h -- what FdWaitModel.c plays on: the state, the kernel and the scheduler. */
#ifndef MODEL_FD_WAIT_STAGE_H
#define MODEL_FD_WAIT_STAGE_H

#include "rts/ThreadWait.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/FdWaitStubs.h"

#include <errno.h>

enum { FD = 5, CAPABILITIES = 2 };

struct BackendState {
    uint32_t file; /* which file is registered under FD; 0: none */
    uint32_t armed;
    uint64_t cookie;
};

typedef struct State {
    Capability capabilities[CAPABILITIES];
    BackendState epolls[CAPABILITIES];
    uint32_t calls;    /* of the kernel: they come one after the other */
    uint32_t file;     /* what the number stands for; 0: closed */
    uint32_t readable; /* bit per file */
    Thread thread;
    uint32_t queued; /* times the thread was made ready */
    uint32_t parks;  /* the thread's own */
    uint32_t over;   /* relaxed: its wait is over */
    uint64_t timed;  /* the wait that has a timer */
    WatchNode other; /* another thread's, which waits for the same number */
} State;

static State *current;               /* the one state of this execution */
static FdTable tables[CAPABILITIES]; /* made once, each with the slot of FD */

CapabilityTable capabilities;

/* ---- The kernel ------------------------------------------------------------------------------ */

/* One step of the explorer is a whole call: what follows it, up to the thread's next step, nobody
 * can come between.  So the kernel's fields are plain. */
static void enterKernel(void)
{
    ADD_SEQ_CST(&current->calls, 1);
}

static bool isReadable(uint32_t file)
{
    return file != 0 && (current->readable >> file & 1) != 0;
}

static void registerFile(BackendState *epoll, uint32_t file, uint64_t cookie)
{
    epoll->file = file;
    epoll->cookie = cookie;
    epoll->armed = isReadable(file); /* a change is also a look */
}

static int addFd(BackendState *epoll, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    (void)fd, (void)mode, (void)interest;
    enterKernel();
    uint32_t file = current->file;
    if (file == 0)
        return -EBADF;
    if (epoll->file == file)
        return -EEXIST;
    registerFile(epoll, file, cookie);
    return 0;
}

static int modifyFd(BackendState *epoll, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    (void)fd, (void)mode, (void)interest;
    enterKernel();
    uint32_t file = current->file;
    if (file == 0 || epoll->file != file)
        return file == 0 ? -EBADF : -ENOENT;
    registerFile(epoll, file, cookie);
    return 0;
}

static int removeFd(BackendState *epoll, int fd)
{
    (void)fd;
    enterKernel();
    uint32_t file = current->file;
    if (file == 0 || epoll->file != file)
        return file == 0 ? -EBADF : -ENOENT;
    epoll->file = 0;
    epoll->armed = 0;
    return 0;
}

static int pollFds(BackendState *epoll, int64_t timeout_ns, EventRecord *records, int most)
{
    (void)timeout_ns, (void)most;
    enterKernel();
    bool ready = epoll->armed != 0;
    if (ready) {
        records[0] = (EventRecord){epoll->cookie, EventRead};
        epoll->armed = 0;
    }
    return ready ? 1 : 0;
}

static const Backend backend = {
    .name = "model",
    .edges = true,
    .add = addFd,
    .modify = modifyFd,
    .remove = removeFd,
    .poll = pollFds,
};

const Backend *backendByName(const char *name)
{
    (void)name;
    return &backend;
}

int backendOpen(const Backend **opened, BackendState **state, int wake_fd,
                const Allocator *allocator)
{
    (void)opened, (void)state, (void)wake_fd, (void)allocator;
    return -ENOSYS; /* managers are put together by hand */
}

/* The last reference to the file goes, and with it what is registered for it. */
static void dropFile(void)
{
    uint32_t file = current->file;
    for (int i = 0; i < CAPABILITIES; i++) {
        if (current->epolls[i].file != file)
            continue;
        current->epolls[i].file = 0;
        current->epolls[i].armed = 0;
    }
}

static int closeNumber(int fd, void *env)
{
    (void)fd, (void)env;
    enterKernel();
    dropFile();
    current->file = 0;
    return 0;
}

/* Data for the file that the number stands for now. */
static void arrive(State *state)
{
    enterKernel();
    uint32_t file = state->file;
    if (file == 0)
        return;
    state->readable = state->readable | 1u << file;
    for (int i = 0; i < CAPABILITIES; i++)
        state->epolls[i].armed |= state->epolls[i].file == file;
}

/* ---- The scheduler --------------------------------------------------------------------------- */

/* Model thread 0 carries capability 0 and runs the green thread; the others are plain OS
 * threads. */
Capability *workerCapability(void)
{
    return modelThread() == 0 ? &current->capabilities[0] : NULL;
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}

Thread *scheduleSelf(void)
{
    return modelThread() == 0 ? &current->thread : NULL;
}

static bool isQueued(void *at)
{
    State *state = at;
    return state->queued == state->parks;
}

Capability *schedulePark(Capability *capability)
{
    if (claimCommit(&current->thread.claim, 0)) {
        current->parks++;
        modelBlock(isQueued, current);
    }
    return capability;
}

/* Only timeOut makes it expire. */
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap, (void)timer, (void)deadline_ns;
    RELEASE_STORE(&current->timed, number);
    return 0;
}

/* Its stack is saved. */
int scheduleParkListed(Capability *capability)
{
    current->parks++;
    if (!parkPublish(&current->thread, scheduleWait(capability)))
        ADD_RELAXED(&current->queued, 1);
    modelBlock(isQueued, current);
    return claimResult(RELAXED_LOAD(&current->thread.claim));
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->thread);
    ADD_RELAXED(&current->queued, 1);
}

#endif
