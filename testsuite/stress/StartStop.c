/* StartStop.c -- the runtime starts, carries a random load, and stops: again and again in one
 * process.
 *
 * Cancel ends threads that would wait for ever: each wait returns -ECANCELED.  Drain waits for
 * threads that end by themselves.  Afterwards nothing is left: as many descriptors and OS threads
 * as before, all bodies ran to their end.
 */
#include "testsuite/support/Crowd.h"

#include <capri/tvar.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>

enum { MOST_THREADS = 60 };

typedef struct Task {
    uint64_t seed;
    bool endless;
    uint32_t ended; /* the thread; main reads after the shutdown */
} Task;

static TVar *never; /* written by nobody; constant while the runtime is up */
static uint64_t cancelled_waits;

static size_t countEntries(const char *folder)
{
    DIR *list = opendir(folder);
    size_t count = 0;
    CHECK(list != NULL);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

/* A wait that ends only by cancelling. */
static void waitForEver(uint64_t *seed)
{
    int result, pair[2];
    uint64_t version;
    switch (crowdDraw(seed, 4)) {
    case 0:
        tvarReadVersionIO(never, &version);
        result = tvarAwait(never, version);
        break;
    case 1:
        result = threadDelay(INT64_MAX);
        break;
    case 2:
        crowdPair(pair, crowdDraw(seed, 2));
        result = threadWaitRead(pair[0]);
        CHECK_EQ(closeFd(pair[0]), 0);
        CHECK_EQ(closeFd(pair[1]), 0);
        break;
    default:
        crowdPair(pair, true);
        char byte;
        result = (int)fdRead(pair[0], &byte, 1);
        CHECK_EQ(closeFd(pair[0]), 0);
        CHECK_EQ(closeFd(pair[1]), 0);
        break;
    }
    CHECK_EQ(result, -ECANCELED);
    ADD_RELAXED(&cancelled_waits, 1);
}

static void *countChild(void *env)
{
    ADD_RELAXED((uint32_t *)env, 1);
    return NULL;
}

/* Something that ends, whether the runtime is being stopped or not. */
static void workBriefly(uint64_t *seed)
{
    int pair[2], result;
    uint32_t children = 0;
    Thread *child;
    switch (crowdDraw(seed, 5)) {
    case 0:
        result = threadDelay((int64_t)crowdDraw(seed, 2000));
        CHECK(result == 0 || result == -ECANCELED);
        break;
    case 1:
        crowdPair(pair, true);
        CHECK_EQ(fdWrite(pair[0], "x", 1), 1);
        result = threadWaitRead(pair[1]);
        CHECK(result == 0 || result == -ECANCELED);
        CHECK_EQ(closeFd(pair[0]), 0);
        CHECK_EQ(closeFd(pair[1]), 0);
        break;
    case 2:
        result = threadFork(&child, countChild, &children);
        if (result == 0) {
            while ((result = threadJoin(child, NULL)) == -ECANCELED)
                threadYield(); /* the child counts in our frame */
            CHECK_EQ(result, 0);
            CHECK_EQ(children, 1);
            threadRelease(child);
        } else {
            CHECK_EQ(result, -ESHUTDOWN);
        }
        break;
    case 3:
        crowdCompute((int64_t)crowdDraw(seed, 300000));
        break;
    default:
        threadYield();
        break;
    }
}

static void *runTask(void *env)
{
    Task *task = env;
    for (uint64_t i = crowdDraw(&task->seed, 10); i > 0; i--)
        workBriefly(&task->seed);
    if (task->endless)
        waitForEver(&task->seed);
    RELEASE_STORE(&task->ended, 1);
    return NULL;
}

static void playCycle(uint64_t *seed)
{
    static Task tasks[MOST_THREADS];
    RtsShutdownMode mode = crowdDraw(seed, 2) ? Cancel : Drain;
    RtsConfig config = {.capabilities = 1 + (uint32_t)crowdDraw(seed, 4),
                        .backend = crowdDraw(seed, 4) ? NULL : "poll",
                        .no_signals = crowdDraw(seed, 2)};
    size_t count = crowdDraw(seed, MOST_THREADS), started = 0;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(rtsInit(NULL), 0); /* counted */
    never = tvarNew(NULL);
    CHECK(never != NULL);
    for (; started < count; started++) {
        Task *task = &tasks[started];
        *task = (Task){.seed = testRandomFrom(seed),
                       .endless = mode == Cancel && crowdDraw(seed, 2) == 0};
        CHECK_EQ(threadFork(NULL, runTask, task), 0);
    }
    if (crowdDraw(seed, 2))
        crowdPause((int64_t)crowdDraw(seed, 3000000));
    CHECK_EQ(rtsShutdown(Drain, 0), 0); /* the counted one only */
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    if (crowdDraw(seed, 3) == 0) {
        int result = rtsShutdown(mode, rtsNow() + (int64_t)crowdDraw(seed, 1000000));
        CHECK(result == 0 || result == -ETIMEDOUT);
        if (result == -ETIMEDOUT)
            CHECK_EQ(rtsShutdown(mode, deadline_ns), 0);
    } else {
        CHECK_EQ(rtsShutdown(mode, deadline_ns), 0);
    }
    CHECK_EQ(rtsShutdown(Cancel, deadline_ns), -ENXIO);
    CHECK_EQ(threadFork(NULL, runTask, tasks), -ENXIO);
    for (size_t i = 0; i < started; i++)
        CHECK_EQ(ACQUIRE_LOAD(&tasks[i].ended), 1);
}

/* One that was joined is there a moment longer; one that stays hangs the test. */
static void awaitEnds(size_t os_threads)
{
    while (countEntries("/proc/self/task") > os_threads)
        sched_yield();
}

TEST(StartStop, nothingIsLeft)
{
    uint64_t seed = crowdSeed(0), cycles = 0;
    size_t os_threads = countEntries("/proc/self/task") + CROWD_SANITIZED; /* the tool's, late */
    playCycle(&seed); /* whatever the C library makes once is there now */
    awaitEnds(os_threads);
    size_t fds = countEntries("/proc/self/fd");
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        playCycle(&seed);
        cycles++;
        CHECK_EQ(countEntries("/proc/self/fd"), fds);
        awaitEnds(os_threads);
    } while (rtsNow() < end_ns || RELAXED_LOAD(&cancelled_waits) == 0);
    printf("%llu cycles, %llu waits cancelled\n", (unsigned long long)cycles,
           (unsigned long long)RELAXED_LOAD(&cancelled_waits));
}
