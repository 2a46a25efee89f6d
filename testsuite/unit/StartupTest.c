/* StartupTest.c -- start and stop: in order, again and again, and when everything fails. */
#include "rts/Startup.h"

#include "rts/Outside.h"
#include "testsuite/support/Runtime.h"

#include <capri/once.h>
#include <capri/scope.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What a life must give back: descriptors, blocks of its allocator, mappings, OS threads. */
typedef struct Footprint {
    uint32_t fds, mappings, os_threads;
} Footprint;

static uint32_t linesOf(const char *path, const char *first)
{
    char line[4096];
    uint32_t count = 0;
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned number;
        if (first == NULL)
            count++;
        else if (sscanf(line, first, &number) == 1)
            count = number;
    }
    fclose(file);
    return count;
}

static Footprint footprint(void)
{
    return (Footprint){fdsOpen(), linesOf("/proc/self/maps", NULL),
                       linesOf("/proc/self/status", "Threads: %u")};
}

static void *returnEnv(void *env)
{
    return env;
}

/* ---- lives ----------------------------------------------------------------------------------- */

TEST(Startup, livesAgainAndAgain)
{
    CountingHeap heap = {0};
    Footprint first = {0, 0, 0};
    uint32_t lives = greenScale(200);
    for (uint32_t i = 0; i < lives; i++) {
        RtsConfig config = {.capabilities = 1 + i % 3, .allocator = countingAllocator(&heap)};
        config.backend = i % 2 ? "poll" : "epoll";
        config.no_signals = i % 5 == 0;
        CHECK_EQ(rtsInit(&config), 0);
        CHECK_EQ(capabilityCount(), 1 + i % 3);
        CHECK_EQ(greenJoin(greenFork(returnEnv, &config)), &config);
        CHECK_EQ(rtsShutdown(i % 2 ? Drain : Cancel, INT64_MAX), 0);
        CHECK_EQ(capabilityCount(), 0);
        CHECK_EQ(heap.live_blocks, 0);
        CHECK_EQ(heap.live_bytes, 0);
        if (i == 9)
            first = footprint(); /* libc caches stacks of OS threads: the first lives fill them */
    }
    while (footprint().os_threads > first.os_threads) /* joined, and not gone from /proc yet */
        sched_yield();
    Footprint last = footprint();
    CHECK_EQ(last.fds, first.fds);
    CHECK_EQ(last.os_threads, first.os_threads);
    if (!UNDER_TSAN) /* which maps its own shadow of every stack */
        CHECK_LE(last.mappings, first.mappings + 10);
}

TEST(Startup, countsItsInits)
{
    RtsConfig one = {.capabilities = 1}, three = {.capabilities = 3};
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), -ENXIO);
    CHECK_EQ(rtsInit(&one), 0);
    CHECK_EQ(rtsInit(&three), 0);
    CHECK_EQ(capabilityCount(), 1); /* only the first one's config counts */
    CHECK_EQ(rtsInit(NULL), 0);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(rtsShutdown(Cancel, 0), 0);
    CHECK_EQ(greenJoin(greenFork(returnEnv, &one)), &one); /* still up */
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), -ENXIO);
    CHECK_EQ(threadFork(NULL, returnEnv, NULL), -ENXIO);
}

TEST(Startup, refusesBadConfigs)
{
    Footprint before = footprint();
    CountingHeap heap = {0};
    RtsConfig bad[] = {{.backend = "no such thing"},
                       {.capabilities = 65},
                       {.capabilities = UINT32_MAX},
                       {.stack_size = ((size_t)64 << 20) + 1},
                       {.allocator = {.allocate = countingAllocate, .context = &heap}},
                       {.allocator = {.release = countingRelease, .context = &heap}}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(rtsInit(&bad[i]), -EINVAL);
        CHECK_EQ(capabilityCount(), 0);
        CHECK_EQ(rtsShutdown(Drain, 0), -ENXIO);
    }
    CHECK_EQ(footprint().fds, before.fds);
    greenStart(1);
    greenStop();
}

TEST(Startup, readsItsEnvironment)
{
    RtsConfig config = {0};
    setenv("CAPRI_CAPABILITIES", "3", 1);
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(capabilityCount(), 3);
    greenStop();
    config.capabilities = 2; /* the program's own word counts more */
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(capabilityCount(), 2);
    greenStop();
    config.capabilities = 0;
    setenv("CAPRI_CAPABILITIES", "128", 1); /* as many as there can be */
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(capabilityCount(), 64);
    greenStop();
    setenv("CAPRI_CAPABILITIES", "nonsense", 1);
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_GE(capabilityCount(), 1);
    greenStop();
    unsetenv("CAPRI_CAPABILITIES");
}

/* ---- failing at every allocation ------------------------------------------------------------- */

TEST(Startup, failsCleanlyAtEveryAllocation)
{
    Footprint before = footprint();
    int result = -ENOMEM;
    uint64_t number;
    for (number = 1; result != 0; number++) {
        CountingHeap heap = {.fail_from = number};
        RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
        CHECK_LT(number, 1000);
        result = rtsInit(&config);
        if (result != 0) {
            CHECK_EQ(result, -ENOMEM);
            CHECK_GE(heap.asked, number);
            CHECK_EQ(heap.live_blocks, 0);
            CHECK_EQ(heap.live_bytes, 0);
            CHECK_EQ(capabilityCount(), 0);
            CHECK_EQ(fdsOpen(), before.fds);
        } else {
            greenStop();
            CHECK_EQ(heap.live_blocks, 0);
        }
    }
    CHECK_GT(number, 4); /* it did fail now and then */
}

/* ---- stopping -------------------------------------------------------------------------------- */

static TVar *gate;
static uint32_t ended; /* threads add */

static void *awaitGate(void *env)
{
    intptr_t result = greenAwaitNext(gate);
    CHECK_EQ(result, (intptr_t)env);
    ADD_SEQ_CST(&ended, 1);
    return NULL;
}

static void *forkMore(void *env)
{
    uintptr_t depth = (uintptr_t)env;
    threadYield();
    if (depth > 0) {
        CHECK_EQ(threadFork(NULL, forkMore, (void *)(depth - 1)), 0);
        CHECK_EQ(threadFork(NULL, forkMore, (void *)(depth - 1)), 0);
    }
    threadYield();
    ADD_SEQ_CST(&ended, 1);
    return NULL;
}

/* Drain waits for all, also for those that are forked meanwhile. */
TEST(Startup, drainWaitsForEverybody)
{
    for (int i = 0; i < 10; i++) {
        ended = 0;
        greenStart(2);
        CHECK_EQ(threadFork(NULL, forkMore, (void *)6), 0);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(ended, 127);
    }
}

TEST(Startup, givesUpAtTheDeadlineAndGoesOn)
{
    greenStart(2);
    ended = 0;
    gate = tvarNew(NULL);
    Thread *thread = greenFork(awaitGate, (void *)0);
    greenUntil(thread, ThreadBlockedOnTVar);
    for (int i = 0; i < 3; i++) {
        int64_t deadline_ns = rtsNow() + i * MS_NS;
        CHECK_EQ(rtsShutdown(Drain, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        CHECK_EQ(capabilityCount(), 2);                          /* still up ... */
        CHECK_EQ(threadFork(NULL, returnEnv, NULL), -ESHUTDOWN); /* ... but nobody may come in */
        CHECK_EQ(ended, 0);
    }
    CHECK_EQ(tvarWriteIO(gate, NULL), 0);
    greenJoin(thread);
    tvarFree(gate);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(ended, 1);
    greenStart(1);
    greenStop();
}

/* It does not wait beyond its deadline, and the runtime stays up. */
static void giveUpOnce(void)
{
    int64_t deadline_ns = rtsNow() + MS_NS;
    CHECK_EQ(rtsShutdown(Drain, deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    CHECK_EQ(capabilityCount(), 1);
}

static uint32_t paused, resuming;

static void *pauseForLong(void *env)
{
    CHECK_EQ(rtsPause(INT64_MAX), 0);
    SEQ_CST_STORE(&paused, 1);
    while (SEQ_CST_LOAD(&resuming) == 0)
        sched_yield();
    CHECK_EQ(rtsResume(), 0);
    return env;
}

TEST(Startup, givesUpBesideAPause)
{
    const int number = SIGUSR1;
    SignalWatch *watch;
    greenStart(1);
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    paused = resuming = 0;
    pthread_t pauser = osFork(pauseForLong, NULL);
    while (SEQ_CST_LOAD(&paused) == 0)
        sched_yield();
    giveUpOnce();
    giveUpOnce();
    signalRelease(watch); /* still there */
    SEQ_CST_STORE(&resuming, 1);
    osJoin(pauser);
    greenStop();
}

/* Who resizes is inside until a pause is over; who is in a transaction stays for that long. */
TEST(Startup, givesUpBesideCallsOfOthers)
{
    greenStart(1);
    CHECK_EQ(startupEnter(), 0);
    giveUpOnce();
    startupLeave();
    greenStop();
    greenStart(1);
    outsideStay();
    giveUpOnce();
    outsideStayOver();
    greenStop();
}

/* It waits for plain OS threads whose calls run code of their own, whatever that takes: they use
 * what is the runtime's afterwards. */
static uint32_t inside, leaving; /* release, acquire */

static void stayInside(void)
{
    RELEASE_STORE(&inside, 1);
    while (ACQUIRE_LOAD(&leaving) == 0)
        sched_yield();
}

static int endAtOnce(void *env)
{
    (void)env;
    return 0;
}

static int stayInScope(Scope *scope, void *env)
{
    CHECK_EQ(scopeFork(scope, NULL, endAtOnce, env), 0);
    stayInside();
    return 7;
}

static void *callScope(void *env)
{
    CHECK_EQ(scopeRun(stayInScope, env), 7);
    return env;
}

static int stayInOnce(void *env, void **value)
{
    stayInside();
    *value = env;
    return 0;
}

static void *callOnce(void *env)
{
    void *value = NULL;
    CHECK_EQ(onceGet(onceNew(), stayInOnce, env, &value), 0);
    CHECK_EQ(value, env);
    return env;
}

static void *stayInModify(void *value, void *env)
{
    CHECK_EQ(value, env);
    stayInside();
    return value;
}

static void *callModify(void *env)
{
    CHECK_EQ(mvarModify(mvarNew(env), stayInModify, env), 0);
    return env;
}

TEST(Startup, givesUpBesideCallsThatRunTheirCallers)
{
    static void *(*const calls[])(void *env) = {callScope, callOnce, callModify};
    for (int i = 0; i < 3; i++) {
        greenStart(1);
        RELEASE_STORE(&inside, 0);
        RELEASE_STORE(&leaving, 0);
        pthread_t caller = osFork(calls[i], &gate);
        while (ACQUIRE_LOAD(&inside) == 0)
            sched_yield();
        giveUpOnce();
        giveUpOnce();
        RELEASE_STORE(&leaving, 1);
        greenStop();
        osJoin(caller);
    }
}

static void *awaitForEver(void *env)
{
    int *ends = env;
    CHECK_EQ(threadWaitRead(ends[0]), -ECANCELED);
    CHECK_EQ(threadWaitRead(ends[0]), -ECANCELED); /* the next wait as well */
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    ADD_SEQ_CST(&ended, 1);
    return NULL;
}

static void *joinForEver(void *env)
{
    int result = threadJoin(env, NULL);
    CHECK(result == -ECANCELED ||
          result == 0); /* 0: the other one was cancelled first, and ended */
    ADD_SEQ_CST(&ended, 1);
    return NULL;
}

TEST(Startup, cancelEndsEveryWait)
{
    enum { EACH = 20 };
    int ends[2];
    Thread *threads[3 * EACH];
    for (int round = 0; round < 3; round++) {
        CountingHeap heap = {0};
        RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
        CHECK_EQ(rtsInit(&config), 0);
        ended = 0;
        CHECK_EQ(fdPipe(ends), 0);
        gate = tvarNew(NULL);
        Thread *pillar = greenFork(awaitGate, (void *)-ECANCELED);
        for (int i = 0; i < EACH; i++) {
            threads[3 * i] = greenFork(awaitForEver, ends);
            threads[3 * i + 1] = greenFork(awaitGate, (void *)-ECANCELED);
            threads[3 * i + 2] = greenFork(joinForEver, pillar);
        }
        if (round > 0) /* in round 0 the cancellation meets them on their way */
            for (int i = 0; i < 3 * EACH; i++)
                while (threadStatus(threads[i]).state < ThreadBlockedOnRead)
                    threadYield();
        for (int i = 0; i < 3 * EACH; i++)
            threadRelease(threads[i]); /* but not the pillar: others still join it */
        CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
        CHECK_EQ(ended, 3 * EACH + 1);
        CHECK_EQ(heap.live_blocks, 0); /* not even the variable, which nobody could free in time */
        close(ends[0]);
        close(ends[1]);
    }
}

static void *stopFromInside(void *env)
{
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), -EPERM);
    CHECK_EQ(rtsShutdown(Drain, 0), -EPERM);
    CHECK_EQ(capabilityCount(), 1);
    return env;
}

TEST(Startup, isNotStoppedFromInside)
{
    greenRun(1, stopFromInside, NULL);
}

/* Nobody who keeps a shutdown waiting waits for it. */
static void *startAgain(void *env)
{
    while (threadDelay(1000) == 0)
        continue;
    CHECK_EQ(rtsInit(NULL), -ESHUTDOWN);
    ADD_SEQ_CST(&ended, 1);
    return env;
}

/* A shutdown while fn runs, which counts itself as ended; likewise of a stepped runtime. */
static void endUnder(ThreadFn *fn, RtsShutdownMode how)
{
    static const RtsConfig configs[] = {{.capabilities = 2}, {.stepped = true}};
    for (int i = 0; i < 2; i++) {
        ended = 0;
        CHECK_EQ(rtsInit(&configs[i]), 0);
        CHECK_EQ(threadFork(NULL, fn, NULL), 0);
        CHECK_EQ(rtsShutdown(how, INT64_MAX), 0);
        CHECK_EQ(ended, 1);
    }
}

TEST(Startup, isNotStartedFromInsideWhileItEnds)
{
    endUnder(startAgain, Cancel);
}

/* In a foreign call: a plain OS thread, for which a shutdown waits. */
static void *callFromCall(void *env)
{
    while (startupEnter() == 0) { /* until it ends */
        startupLeave();
        sched_yield();
    }
    CHECK_EQ(rtsInit(NULL), -ESHUTDOWN);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), -EPERM);
    ADD_SEQ_CST(&ended, 1);
    return env;
}

static void *makeCall(void *env)
{
    CHECK_EQ(foreignCall(callFromCall, env, NULL), 0);
    return env;
}

TEST(Startup, isNotStartedFromCallsWhileItEnds)
{
    endUnder(makeCall, Drain);
}
