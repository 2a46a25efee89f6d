/* ProcessConformance.c -- waiting for children and signals, on every back-end (--backend NAME).
 *
 * not-under: qemu
 * qemu-user makes a fork of vfork, and keeps a guest's blocked signals to itself.
 */
#include "testsuite/support/Green.h"
#include "testsuite/support/SignalMask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 6, WAITERS = 3 };

static Process *spawnReader(int fd)
{
    char *arguments[] = {(char *)"sh", (char *)"-c", (char *)"read x; exit $x", NULL};
    int fds[3] = {fd, 1, 2};
    Process *process = NULL;
    CHECK_EQ(processSpawn("/bin/sh", arguments, &(ProcessAttributes){.fds = fds, .fd_count = 3},
                          &process),
             0);
    return process;
}

static void *waitForCode(void *env)
{
    ProcessStatus status;
    CHECK_EQ(processWait(env, &status), 0);
    CHECK(status.exited);
    return (void *)(intptr_t)status.code;
}

static void *waitUntilTimeOut(void *env)
{
    return (void *)(intptr_t)processWaitUntil(env, NULL, rtsNow() + 1000000);
}

GREEN_TEST(Process, everyWaiterGetsTheStatus)
{
    int pipes[CHILDREN][2];
    Process *processes[CHILDREN];
    Thread *waiters[CHILDREN][WAITERS], *losers[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
        processes[i] = spawnReader(pipes[i][0]);
        for (int j = 0; j < WAITERS; j++)
            waiters[i][j] = greenFork(waitForCode, processes[i]);
        losers[i] = greenFork(waitUntilTimeOut, processes[i]);
        for (int j = 0; j < WAITERS; j++)
            greenAwait(waiters[i][j], ThreadBlockedOnRead);
    }
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(greenJoin(losers[i]), -ETIMEDOUT);
    for (int i = CHILDREN - 1; i >= 0; i--) {
        char line[2] = {(char)('1' + i), '\n'};
        CHECK_EQ(write(pipes[i][1], line, 2), 2);
        for (int j = 0; j < WAITERS; j++)
            CHECK_EQ(greenJoin(waiters[i][j]), i + 1);
        CHECK_EQ((intptr_t)waitForCode(processes[i]), i + 1);
        processRelease(processes[i]);
        CHECK_EQ(close(pipes[i][0]) + close(pipes[i][1]), 0);
    }
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

GREEN_TEST(Process, isKilled)
{
    int ends[2];
    ProcessStatus status;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    Process *process = spawnReader(ends[0]);
    CHECK_EQ(processKill(process, 0), 0);
    CHECK_EQ(processKill(process, SIGKILL), 0);
    CHECK_EQ(processWait(process, &status), 0);
    CHECK(!status.exited);
    CHECK_EQ(status.code, SIGKILL);
    CHECK_EQ(processKill(process, SIGKILL), -ESRCH);
    processRelease(process);
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
}

/* A child's end is told twice: by its signal and by its handle. */
GREEN_TEST(Signal, tellsOfAChild)
{
    int ends[2], number = SIGCHLD;
    SignalWatch *watch;
    SignalInfo info;
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    Process *process = spawnReader(ends[0]);
    CHECK_EQ(write(ends[1], "9\n", 2), 2);
    do /* one of an earlier child may have been pending */
        CHECK_EQ(signalWait(watch, &info), 0);
    while (info.sender != processId(process));
    CHECK_EQ(info.status, 9);
    CHECK_EQ((intptr_t)waitForCode(process), 9);
    processRelease(process);
    signalRelease(watch);
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
}
