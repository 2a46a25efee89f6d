/* ProcessTest.c -- Process.c and Spawn.c of rts/: children, how they start and how they ended.
 *
 * not-under: qemu valgrind
 * qemu-user makes a fork of vfork: posix_spawn(3) does not learn why exec failed.  valgrind 3.19
 * has no pidfd_open(2).
 */
#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int spawnShell(const char *line, const ProcessAttributes *attributes, Process **process)
{
    char *arguments[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)line, NULL};
    return processSpawn("/bin/sh", arguments, attributes, process);
}

static ProcessStatus runShell(const char *line, const ProcessAttributes *attributes)
{
    Process *process;
    ProcessStatus status = {.code = -1};
    CHECK_EQ(spawnShell(line, attributes, &process), 0);
    CHECK_GT(processId(process), 1);
    CHECK_EQ(processWait(process, &status), 0);
    CHECK_EQ(processWait(process, NULL), 0); /* again */
    CHECK_EQ(processKill(process, SIGTERM), -ESRCH);
    processRelease(process);
    return status;
}

static void *lookAtEnds(void *env)
{
    ProcessStatus status = runShell("exit 42", NULL);
    (void)env;
    CHECK(status.exited);
    CHECK_EQ(status.code, 42);
    status = runShell("kill -TERM $$", NULL);
    CHECK(!status.exited);
    CHECK_EQ(status.code, SIGTERM);
    return NULL;
}

TEST(Process, tellsHowItEnded)
{
    uint32_t before = fdsOpen();
    greenRun(2, lookAtEnds, NULL);
    greenStart(1);
    lookAtEnds(NULL); /* on a plain OS thread */
    greenStop();
    CHECK_EQ(fdsOpen(), before);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
}

/* What the child writes to `out` under these attributes. */
static void checkOutput(const char *line, ProcessAttributes attributes, const char *wanted)
{
    char text[200] = "";
    int ends[2], fds[3] = {-1, -1, 2};
    size_t size = 0;
    Process *process;
    CHECK_EQ(fdPipe(ends), 0);
    fds[1] = ends[1];
    attributes.fds = fds;
    attributes.fd_count = 3;
    CHECK_EQ(spawnShell(line, &attributes, &process), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    for (ssize_t n; (n = fdRead(ends[0], text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)n;
    text[size] = 0;
    if (strcmp(text, wanted) != 0)
        fprintf(stderr, "'%s' instead of '%s'\n", text, wanted);
    CHECK_EQ(strcmp(text, wanted), 0);
    CHECK_EQ(processWait(process, NULL), 0);
    processRelease(process);
    CHECK_EQ(closeFd(ends[0]), 0);
}

static void *startAsTold(void *env)
{
    char *environment[] = {(char *)"COLOUR=blue", NULL};
    char *names[] = {(char *)"echo", NULL};
    Process *process;
    (void)env;
    checkOutput("pwd", (ProcessAttributes){.directory = "/usr"}, "/usr\n");
    checkOutput("echo $COLOUR", (ProcessAttributes){.environment = environment}, "blue\n");
    checkOutput("read x 2>&- || echo closed", (ProcessAttributes){0}, "closed\n");
    CHECK_EQ(processSpawn("true", names, &(ProcessAttributes){.search = true}, &process), 0);
    CHECK_EQ(processWait(process, NULL), 0);
    processRelease(process);
    CHECK_EQ(spawnShell("kill -TERM 0", &(ProcessAttributes){.new_group = true}, &process), 0);
    CHECK_EQ(processWait(process, NULL), 0); /* and we are still there */
    processRelease(process);
    return NULL;
}

TEST(Process, startsAsItIsTold)
{
    greenRun(2, startAsTold, NULL);
}

/* The child's 3, 4, 5 are our fds in a circle: each would be overwritten before it is copied. */
static void *turnCircle(void *env)
{
    int ends[3][2], fds[6] = {0, 1, 2};
    Process *process;
    ProcessStatus status;
    char bytes[4];
    (void)env;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pipe2(ends[i], O_CLOEXEC), 0);
    for (int i = 0; i < 3; i++) { /* make them the numbers 3, 4, 5 as far as they are free */
        fds[3 + i] = ends[(i + 1) % 3][1];
    }
    ProcessAttributes attributes = {.fds = fds, .fd_count = 6};
    CHECK_EQ(spawnShell("echo A >&3; echo B >&4; echo C >&5; ls /proc/self/fd | wc -l >&3; "
                        "test -e /proc/self/fd/6",
                        &attributes, &process),
             0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(close(ends[(i + 1) % 3][1]), 0);
        CHECK_EQ(fdRead(ends[(i + 1) % 3][0], bytes, 2), 2);
        CHECK_EQ(bytes[0], 'A' + i);
    }
    CHECK_EQ(processWait(process, &status), 0);
    CHECK_EQ(status.code, 1); /* nothing else was open */
    processRelease(process);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(close(ends[i][0]), 0);
    return NULL;
}

TEST(Process, hasTheFdsItIsGiven)
{
    greenRun(2, turnCircle, NULL);
}

/* 0 and 1 change places: through the shell's own words. */
static void *swapFds(void *env)
{
    int there[2], back[2], kept[2] = {dup(0), dup(1)};
    Process *process;
    char bytes[8];
    (void)env;
    CHECK_EQ(fdPipe(there) + fdPipe(back), 0);
    CHECK_GE(dup2(back[1], 0), 0); /* our 0 writes, our 1 reads: the child wants them swapped */
    CHECK_GE(dup2(there[0], 1), 0);
    CHECK_EQ(fcntl(there[0], F_SETFL, 0) + fcntl(back[1], F_SETFL, 0), 0);
    int fds[3] = {1, 0, 2};
    int result =
        spawnShell("read x; echo $x$x", &(ProcessAttributes){.fds = fds, .fd_count = 3}, &process);
    CHECK_GE(dup2(kept[0], 0), 0);
    CHECK_GE(dup2(kept[1], 1), 0);
    CHECK_EQ(close(kept[0]) + close(kept[1]), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(fdWrite(there[1], "ab\n", 3), 3);
    CHECK_EQ(processWait(process, NULL), 0);
    processRelease(process);
    CHECK_EQ(fdRead(back[0], bytes, sizeof bytes), 5);
    CHECK_EQ(memcmp(bytes, "abab\n", 5), 0);
    CHECK_EQ(closeFd(there[0]) + closeFd(there[1]) + closeFd(back[0]) + closeFd(back[1]), 0);
    return NULL;
}

TEST(Process, fdsMayChangePlaces)
{
    greenRun(2, swapFds, NULL);
}

static void *failToStart(void *env)
{
    char *arguments[] = {(char *)"x", NULL}, *none[] = {NULL};
    int bad_fds[3] = {0, 1, 999}, worse_fds[1] = {-2};
    Process *process = NULL;
    struct rlimit old, tight;
    (void)env;
    uint32_t before = fdsOpen();
    CHECK_EQ(processSpawn("/no/such/program", arguments, NULL, &process), -ENOENT);
    CHECK_EQ(processSpawn("/etc/passwd", arguments, NULL, &process), -EACCES);
    CHECK_EQ(
        processSpawn("no-such-program", arguments, &(ProcessAttributes){.search = true}, &process),
        -ENOENT);
    CHECK_EQ(spawnShell(":", &(ProcessAttributes){.directory = "/no/such"}, &process), -ENOENT);
    CHECK_EQ(spawnShell(":", &(ProcessAttributes){.fds = bad_fds, .fd_count = 3}, &process),
             -EBADF);
    CHECK_EQ(spawnShell(":", &(ProcessAttributes){.fds = worse_fds, .fd_count = 1}, &process),
             -EINVAL);
    CHECK_EQ(processSpawn(NULL, arguments, NULL, &process), -EINVAL);
    CHECK_EQ(processSpawn("/bin/sh", none, NULL, &process), -EINVAL);
    CHECK_EQ(processSpawn("/bin/sh", NULL, NULL, &process), -EINVAL);
    CHECK_EQ(spawnShell(":", NULL, NULL), -EINVAL);
    CHECK_EQ(fdsOpen(), before);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    int lowest = dup(0);
    CHECK_EQ(close(lowest), 0);
    tight = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = old.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    CHECK_EQ(spawnShell(":", NULL, &process), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    CHECK_EQ(process, NULL);
    CHECK_EQ(fdsOpen(), before);
    return NULL;
}

TEST(Process, failuresLeaveNothing)
{
    greenRun(1, failToStart, NULL);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

static void *waitForCode(void *env)
{
    ProcessStatus status = {.code = -1};
    CHECK_EQ(processWait(env, &status), 0);
    return (void *)(intptr_t)status.code;
}

/* Green threads and an OS thread wait for one child; a wait that gives up hurts nobody. */
static void *waitTogether(void *env)
{
    enum { WAITERS = 8 };
    Process *process;
    Thread *waiters[WAITERS];
    (void)env;
    CHECK_EQ(spawnShell("read x; exit 7", NULL, &process), 0);
    CHECK_EQ(processKill(process, SIGKILL), 0); /* the terminal's may be anything: start again */
    CHECK_EQ(processWait(process, NULL), 0);
    processRelease(process);
    int ends[2], fds[3];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    fds[0] = ends[0];
    fds[1] = fds[2] = 2;
    CHECK_EQ(
        spawnShell("read x; exit 7", &(ProcessAttributes){.fds = fds, .fd_count = 3}, &process), 0);
    CHECK_EQ(processWaitUntil(process, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = greenFork(waitForCode, process);
        greenUntil(waiters[i], ThreadBlockedOnRead);
    }
    pthread_t outside = osFork(waitForCode, process);
    CHECK_EQ(write(ends[1], "x\n", 2), 2);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ((intptr_t)greenJoin(waiters[i]), 7);
    CHECK_EQ((intptr_t)osJoin(outside), 7);
    CHECK_EQ(processRetain(process), process);
    processRelease(process);
    processRelease(process);
    processRelease(NULL);
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
    return NULL;
}

TEST(Process, manyWaitForOne)
{
    greenRun(2, waitTogether, NULL);
}

static bool hasChildren(void)
{
    return waitpid(-1, NULL, WNOHANG) >= 0;
}

/* Children that were let go while they ran are reaped by a later spawn. */
static void *letGo(void *env)
{
    Process *process;
    int ends[2], fds[3];
    siginfo_t info;
    (void)env;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    fds[0] = ends[0];
    fds[1] = fds[2] = 2;
    CHECK_EQ(spawnShell("read x", &(ProcessAttributes){.fds = fds, .fd_count = 3}, &process), 0);
    processRelease(process);
    CHECK_EQ(write(ends[1], "x\n", 2), 2);
    CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0); /* it has ended, and is a zombie */
    runShell(":", NULL);
    CHECK(!hasChildren());
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
    return NULL;
}

TEST(Process, orphansAreReaped)
{
    uint32_t before = fdsOpen();
    greenRun(2, letGo, NULL);
    CHECK_EQ(fdsOpen(), before);
}

/* SIGCHLD is ignored: the kernel reaps. */
static void *loseStatus(void *env)
{
    Process *process;
    (void)env;
    CHECK_EQ(spawnShell("exit 3", NULL, &process), 0);
    CHECK_EQ(processWait(process, NULL), -ECHILD);
    CHECK_EQ(processWait(process, NULL), -ECHILD);
    processRelease(process);
    return NULL;
}

TEST(Process, anIgnoredChildHasNoStatus)
{
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    greenRun(2, loseStatus, NULL);
    CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

/* Whatever is blocked here, nothing is in the child. */
static void *unblock(void *env)
{
    ProcessStatus status = runShell("kill -USR1 $$; exit 0", NULL);
    CHECK(!status.exited);
    CHECK_EQ(status.code, SIGUSR1);
    return env;
}

TEST(Process, nothingIsBlockedInTheChild)
{
    sigset_t all, before;
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    greenRun(1, unblock, NULL);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static int spawnInCallback(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager;
    (void)key;
    CHECK(events & EventClose);
    CHECK(threadSelf() != NULL); /* a stack that could wait */
    CHECK_EQ(spawnShell("exit 7", NULL, env), 0);
    return 0;
}

static void *closeAndSpawn(void *env)
{
    Process *process = NULL;
    ProcessStatus status = {.code = -1};
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(registerFd(capabilityManager(), spawnInCallback, &process, ends[0], EventRead,
                        MultiShot, NULL),
             0);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
    CHECK_EQ(processWait(process, &status), 0);
    CHECK_EQ(status.code, 7);
    processRelease(process);
    return env;
}

/* Goal: nothing may wait in a callback, which runs on an interrupted thread's stack here. */
TEST(Process, aCallbackSpawnsInPlace)
{
    greenRun(1, closeAndSpawn, NULL);
}

static pid_t waiter; /* its thread id, 0: not there yet */

static void *waitWithoutEnd(void *env)
{
    SEQ_CST_STORE(&waiter, (pid_t)syscall(SYS_gettid));
    CHECK_EQ(processWait(env, NULL), -ECANCELED);
    return env;
}

/* Until the kernel has put it to sleep. */
static void untilAsleep(const pid_t *id)
{
    char path[64], state = 0;
    while (SEQ_CST_LOAD(id) == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)SEQ_CST_LOAD(id));
    while (state != 'S') {
        sched_yield();
        FILE *file = fopen(path, "re");
        CHECK(file != NULL);
        CHECK_EQ(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
    }
}

/* A plain OS thread waits for a child when the runtime ends, in either way. */
TEST(Process, aShutdownEndsWaitsOfOsThreads)
{
    uint32_t before = fdsOpen();
    for (int i = 0; i < 2; i++) {
        Process *process;
        int ends[2], fds[3] = {-1, 2, 2};
        waiter = 0;
        greenStart(1);
        CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
        fds[0] = ends[0];
        CHECK_EQ(spawnShell("read x", &(ProcessAttributes){.fds = fds, .fd_count = 3}, &process),
                 0);
        pid_t child = processId(process);
        pthread_t thread = osFork(waitWithoutEnd, process);
        untilAsleep(&waiter);
        CHECK_EQ(rtsShutdown(i == 0 ? Drain : Cancel, INT64_MAX), 0);
        CHECK_EQ(write(ends[1], "x\n", 2), 2);
        osJoin(thread);
        CHECK_EQ(waitpid(child, NULL, 0), child); /* nobody has reaped it */
        CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
    }
    CHECK_EQ(fdsOpen(), before);
}
