/* SignalStorm.c -- children that end all the time: each end is told by the handle, each SIGCHLD to
 * whoever watches, watches come and go, and no fd and no zombie stays.
 *
 * not-under: qemu
 * qemu-user makes a fork of vfork, and keeps a guest's blocked signals to itself.
 */
#include "testsuite/support/Crowd.h"
#include "testsuite/support/SignalMask.h"

#include <capri/process.h>
#include <capri/signal.h>

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

enum { SPAWNERS = 6, WATCHERS = 4 };

static uint32_t stopping; /* main stores, all read */
static uint64_t children, told;
static uint64_t seeds[SPAWNERS + WATCHERS];

static uint32_t countFds(void)
{
    uint32_t count = 0;
    DIR *all = opendir("/proc/self/fd");
    CHECK(all != NULL);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

static void *spawnAndWait(void *env)
{
    char *good[] = {(char *)"sh", (char *)"-c", (char *)"exit 5", NULL};
    while (RELAXED_LOAD(&stopping) == 0) {
        Process *process;
        ProcessStatus status;
        if (crowdDraw(env, 4) == 0) {
            CHECK_EQ(processSpawn("/no/such/program", good, NULL, &process), -ENOENT);
            continue;
        }
        CHECK_EQ(processSpawn("/bin/sh", good, NULL, &process), 0);
        ADD_RELAXED(&children, 1);
        switch (crowdDraw(env, 3)) {
        case 0: /* let it go */
            break;
        case 1:
            processWaitUntil(process, NULL, rtsNow() + (int64_t)crowdDraw(env, 1000000));
            break;
        default:
            CHECK_EQ(processWait(process, &status), 0);
            CHECK(status.exited);
            CHECK_EQ(status.code, 5);
        }
        processRelease(process);
    }
    return NULL;
}

static void *watchSome(void *env)
{
    int numbers[2] = {SIGCHLD, SIGUSR1};
    while (RELAXED_LOAD(&stopping) == 0) {
        SignalWatch *watch;
        SignalInfo info;
        CHECK_EQ(signalWatch(numbers, 2, &watch), 0);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0); /* it is watched at least by us */
        do
            CHECK_EQ(signalWait(watch, &info), 0);
        while (info.number != SIGUSR1);
        for (uint64_t i = crowdDraw(env, 5); i > 0; i--)
            signalWaitUntil(watch, &info, rtsNow() + (int64_t)crowdDraw(env, 2000000));
        ADD_RELAXED(&told, 1);
        signalRelease(watch);
    }
    return NULL;
}

TEST(SignalStorm, everyEndIsToldAndNothingIsLeft)
{
    Crowd crowd;
    uint32_t fds = countFds();
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR); /* between two watches */
    crowdStart(&crowd, 2, SPAWNERS + WATCHERS);
    for (size_t i = 0; i < SPAWNERS + WATCHERS; i++) {
        seeds[i] = crowdSeed(i);
        crowdFork(&crowd, i < SPAWNERS ? spawnAndWait : watchSome, &seeds[i], "storm");
    }
    crowdPause((int64_t)(testSeconds() * 1e9));
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    crowdStop(&crowd);
    while (waitpid(-1, NULL, 0) > 0) { /* those that were let go last are ours again */
    }
    CHECK_EQ(countFds(), fds);
    printf("%llu children, %llu watches\n", (unsigned long long)children, (unsigned long long)told);
    CHECK_GT(children, 0);
    CHECK_GT(told, 0);
}
