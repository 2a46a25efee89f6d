/* PauseTest.c -- rtsPause, rtsResume; what is shown of threads: PausedThreadsTest.c. */
#include "rts/Pause.h"

#include "capability/CapabilityTable.h"
#include "capability/Monitor.h"
#include "capability/Sleep.h"
#include "rts/Foreign.h"
#include "rts/World.h"
#include "testsuite/support/Forked.h"

enum { THREADS = 4, TURNS = 100 };

#define LONG_NS (INT64_C(60) * 1000 * MS_NS)

static int64_t later(void)
{
    return rtsNow() + LONG_NS;
}

static void ignore(const PausedThread *paused, void *env)
{
    (void)paused, (void)env;
}

/* ---- refusals -------------------------------------------------------------------------------- */

TEST(Pause, isRefusedWithoutARuntime)
{
    CHECK_EQ(rtsPause(later()), -ENXIO);
    CHECK_EQ(rtsResume(), -EPERM);
    CHECK_EQ(rtsPausedThreads(ignore, NULL), -EPERM);
}

typedef struct Called {
    uint32_t calls; /* relaxed adds */
    int result;
} Called;

static int pauseInCallback(EventManager *manager, TimeoutKey key, void *env)
{
    Called *called = env;
    (void)manager, (void)key;
    called->result = rtsPause(later());
    ADD_RELEASE(&called->calls, 1);
    return 0;
}

static void *registerOne(void *env)
{
    CHECK_EQ(registerTimeout(capabilityManager(), 1, pauseInCallback, env, NULL), 0);
    return NULL;
}

TEST(Pause, isRefusedInACallback)
{
    Called called = {0, 0};
    greenStart(1);
    greenJoin(greenFork(registerOne, &called));
    while (ACQUIRE_LOAD(&called.calls) == 0)
        sched_yield();
    CHECK_EQ(called.result, -EPERM);
    greenStop();
}

static void *resumeAnothers(void *env)
{
    (void)env;
    CHECK_EQ(rtsResume(), -EPERM);
    CHECK_EQ(rtsPausedThreads(ignore, NULL), -EPERM);
    CHECK_EQ(rtsPause(rtsNow() + MS_NS), -ETIMEDOUT);
    return NULL;
}

TEST(Pause, belongsToWhoPaused)
{
    greenStart(2);
    CHECK_EQ(rtsPause(later()), 0);
    osJoin(osFork(resumeAnothers, NULL));
    CHECK_EQ(rtsPause(0), 0); /* nested: counted */
    CHECK_EQ(rtsResume(), 0);
    osJoin(osFork(resumeAnothers, NULL));
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(rtsResume(), -EPERM);
    greenStop();
}

/* ---- everybody else stands still ------------------------------------------------------------- */

static uint32_t stopping; /* relaxed */
static uint64_t rounds;   /* relaxed adds */
static uint64_t guarded;  /* plain: only while paused */

static void *yieldForEver(void *env)
{
    while (RELAXED_LOAD(&stopping) == 0) {
        ADD_RELAXED(&rounds, 1);
        threadYield();
    }
    return env;
}

static void *sleepForEver(void *env)
{
    while (RELAXED_LOAD(&stopping) == 0) {
        ADD_RELAXED(&rounds, 1);
        CHECK_EQ(threadDelay(50), 0);
    }
    return env;
}

static void *computeForEver(void *env)
{
    while (RELAXED_LOAD(&stopping) == 0) {
        ADD_RELAXED(&rounds, 1);
        threadSafepoint();
    }
    return env;
}

static void pauseOnce(void)
{
    CHECK_EQ(rtsPause(later()), 0);
    uint64_t before = RELAXED_LOAD(&rounds);
    guarded++;
    sched_yield();
    CHECK_EQ(RELAXED_LOAD(&rounds), before);
    CHECK_EQ(rtsResume(), 0);
}

static void *pauseOften(void *env)
{
    for (uint32_t i = 0; i < greenScale(TURNS); i++) {
        pauseOnce();
        if (threadSelf() != NULL)
            threadYield();
    }
    return env;
}

/* Goal: pausers on green threads and OS threads come one after the other, beside all kinds of
 * threads. */
TEST(Pause, everybodyElseStandsStill)
{
    ThreadFn *const bodies[] = {yieldForEver, sleepForEver, computeForEver};
    Thread *busy[3 * THREADS], *inside[2];
    pthread_t plain[2];
    RELAXED_STORE(&stopping, 0);
    rounds = guarded = 0;
    greenStart(3);
    for (int i = 0; i < 3 * THREADS; i++)
        busy[i] = greenFork(bodies[i % 3], NULL);
    for (int i = 0; i < 2; i++) {
        inside[i] = greenFork(pauseOften, NULL);
        plain[i] = osFork(pauseOften, NULL);
    }
    for (int i = 0; i < 2; i++) {
        greenJoin(inside[i]);
        osJoin(plain[i]);
    }
    CHECK_EQ(guarded, 4ull * greenScale(TURNS));
    uint64_t before = RELAXED_LOAD(&rounds);
    while (RELAXED_LOAD(&rounds) == before)
        sched_yield();
    RELAXED_STORE(&stopping, 1);
    for (int i = 0; i < 3 * THREADS; i++)
        greenJoin(busy[i]);
    greenStop();
}

/* ---- those who sleep ------------------------------------------------------------------------- */

static bool allAsleep(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        if (SEQ_CST_LOAD(&capabilities.items[i]->sleep) != IdleAsleep ||
            SEQ_CST_LOAD(&capabilities.items[i]->manager.rest.standing) != StandingResting)
            return false;
    }
    return true;
}

/* Times anybody got up, and wake-ups sent. */
static uint64_t countWakes(void)
{
    uint64_t wakes = 0;
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        wakes += RELAXED_LOAD(&capability->stats.wakes_sent) +
                 RELAXED_LOAD(&capability->stats.sleeps) +
                 RELAXED_LOAD(&capability->manager.stats.polls);
    }
    return wakes;
}

/* Goal: who sleeps is not woken, enabled or disabled, by however many pauses. */
TEST(Pause, sleepersAreLeftAsleep)
{
    greenStart(4);
    CHECK_EQ(capabilitySetCount(3), 0);
    while (!allAsleep())
        sched_yield();
    bool quiet = false;
    for (int tries = 0; !quiet && tries < TURNS; tries++) { /* a last tick, a late wake-up */
        uint64_t before = countWakes();
        for (uint32_t i = 0; i < 10 * TURNS; i++)
            pauseOnce();
        quiet = countWakes() == before && allAsleep();
    }
    CHECK(quiet);
    greenStop();
}

static int countCall(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key;
    ADD_RELAXED((uint32_t *)env, 1);
    return 0;
}

static int countEvent(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager, (void)key, (void)events;
    ADD_RELAXED((uint32_t *)env, 1);
    return 0;
}

typedef struct Standstill {
    uint32_t timer, event; /* calls */
    int ends[2];
    int64_t due_ns;
} Standstill;

static void *registerBoth(void *env)
{
    Standstill *all = env;
    CHECK_EQ(fdPipe(all->ends), 0);
    CHECK_EQ(registerFd(capabilityManager(), countEvent, &all->event, all->ends[0], EventRead,
                        OneShot, NULL),
             0);
    all->due_ns = rtsNow() + 20 * MS_NS;
    CHECK_EQ(registerTimeout(capabilityManager(), 20 * 1000, countCall, &all->timer, NULL), 0);
    return NULL;
}

/* Goal: what comes for a sleeper meanwhile is not looked at before the end; then it is. */
TEST(Pause, timersAndPollsStandStill)
{
    Standstill all = {0};
    greenStart(2);
    greenJoin(greenFork(registerBoth, &all));
    CHECK_EQ(rtsPause(later()), 0);
    uint32_t early = RELAXED_LOAD(&all.timer); /* a slow machine */
    CHECK_EQ(write(all.ends[1], "x", 1), 1);
    while (rtsNow() < all.due_ns + 20 * MS_NS)
        sched_yield();
    CHECK_EQ(RELAXED_LOAD(&all.event), 0);
    CHECK_EQ(RELAXED_LOAD(&all.timer), early);
    CHECK_EQ(rtsResume(), 0);
    while (RELAXED_LOAD(&all.event) == 0 || RELAXED_LOAD(&all.timer) == 0)
        sched_yield();
    CHECK_EQ(closeFd(all.ends[0]) + closeFd(all.ends[1]), 0);
    greenStop();
}

/* ---- who does not stop, who need not --------------------------------------------------------- */

typedef struct Call {
    uint32_t entered, leave, left, back; /* seq_cst */
} Call;

static void runAway(void *env)
{
    Call *call = env;
    SEQ_CST_STORE(&call->entered, 1);
    while (SEQ_CST_LOAD(&call->leave) == 0)
        sched_yield();
    SEQ_CST_STORE(&call->left, 1);
}

static void *runAwayHere(void *env)
{
    runAway(env);
    return NULL;
}

TEST(Pause, aRunawayBoundsIt)
{
    Call call = {0};
    greenStart(2);
    RELAXED_STORE(&stopping, 0);
    Thread *thread = greenFork(runAwayHere, &call), *other = greenFork(yieldForEver, NULL);
    while (SEQ_CST_LOAD(&call.entered) == 0)
        sched_yield();
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rtsPause(rtsNow() + 5 * MS_NS), -ETIMEDOUT);
        CHECK_EQ(rtsResume(), -EPERM);
        uint64_t before = RELAXED_LOAD(&rounds);
        while (RELAXED_LOAD(&rounds) == before) /* the world goes on */
            sched_yield();
    }
    SEQ_CST_STORE(&call.leave, 1);
    greenJoin(thread);
    pauseOnce();
    RELAXED_STORE(&stopping, 1);
    greenJoin(other);
    greenStop();
}

static void *callAway(void *env)
{
    Call *call = env;
    CHECK_EQ(foreignRun(runAway, call), 0);
    SEQ_CST_STORE(&call->back, 1);
    return NULL;
}

TEST(Pause, aBlockingCallDoesNotDelayIt)
{
    Call call = {0};
    greenStart(1);
    Thread *thread = greenFork(callAway, &call);
    while (SEQ_CST_LOAD(&call.entered) == 0)
        sched_yield();
    CHECK_EQ(rtsPause(later()), 0);
    SEQ_CST_STORE(&call.leave, 1);
    while (SEQ_CST_LOAD(&call.left) == 0)
        sched_yield();
    for (int i = 0; i < 1000; i++)
        sched_yield();
    CHECK_EQ(SEQ_CST_LOAD(&call.back), 0); /* it waits for the end of the pause */
    CHECK_EQ(rtsResume(), 0);
    greenJoin(thread);
    CHECK_EQ(SEQ_CST_LOAD(&call.back), 1);
    greenStop();
}

static void *callHere(void *env)
{
    CHECK_EQ(foreignCall(runAwayHere, env, NULL), 0);
    return NULL;
}

/* Goal: what waits behind a call that was held does so no longer than without the pause.  Method:
 * the Monitor's OS thread is gone, so only the end of the pause can end its long sleep. */
TEST(Pause, itsEndHasHeldCallsLookedAt)
{
    Call call = {0};
    greenStart(1);
    monitorStop();
    Thread *thread = greenFork(callHere, &call);
    while (SEQ_CST_LOAD(&call.entered) == 0)
        sched_yield();
    RELAXED_STORE(&monitor.alarm, MonitorSlow);
    CHECK_EQ(rtsPause(later()), 0);
    CHECK_EQ(RELAXED_LOAD(&monitor.alarm), MonitorSlow);
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(RELAXED_LOAD(&monitor.alarm), 0);
    SEQ_CST_STORE(&call.leave, 1);
    greenJoin(thread);
    greenStop();
}

static void *takeOne(void *env)
{
    void *value = NULL;
    CHECK_EQ(mvarTake(env, &value), 0);
    return value;
}

TEST(Pause, whatIsPutMeanwhileComesLater)
{
    greenStart(2);
    MVar *mvar = mvarNewEmpty();
    Waker *waker = wakerNewMVar(mvar);
    Thread *thread = greenFork(takeOne, mvar);
    greenUntil(thread, ThreadBlockedOnMVar);
    CHECK_EQ(rtsPause(later()), 0);
    CHECK_EQ(wakerPut(waker, &guarded), 0);
    for (int i = 0; i < 100; i++)
        sched_yield();
    CHECK_EQ(threadStatus(thread).state, ThreadBlockedOnMVar);
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(greenJoin(thread), &guarded);
    wakerFree(waker);
    mvarFree(mvar);
    greenStop();
}

TEST(Pause, nothingIsAllocated)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&stopping, 0);
    Thread *thread = greenFork(yieldForEver, NULL);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(rtsPause(later()), 0);
        uint64_t stopped = RELAXED_LOAD(&heap.asked);
        CHECK_EQ(rtsPausedThreads(ignore, NULL), 1);
        sched_yield();
        CHECK_EQ(RELAXED_LOAD(&heap.asked), stopped);
        CHECK_EQ(rtsResume(), 0);
    }
    RELAXED_STORE(&stopping, 1);
    greenJoin(thread);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void *forkMeanwhile(void *env)
{
    uint32_t *forking = env;
    SEQ_CST_STORE(forking, 1);
    pid_t child = forkFlushed();
    if (child == 0)
        _exit(capabilityCount() == 2 ? CODE : CODE + 1);
    expectExit(child, CODE);
    return NULL;
}

/* Goal: a fork waits for the pause, however long that is. */
TEST(Pause, aForkWaitsForItsEnd)
{
    uint32_t forking = 0;
    RELAXED_STORE(&fork_patience_ns, MS_NS);
    greenStart(2);
    CHECK_EQ(rtsPause(later()), 0);
    pthread_t plain = osFork(forkMeanwhile, &forking);
    while (SEQ_CST_LOAD(&forking) == 0)
        sched_yield();
    for (int64_t end_ns = rtsNow() + 10 * MS_NS; rtsNow() < end_ns;)
        sched_yield();
    RELAXED_STORE(&fork_patience_ns, LONG_NS); /* from the end of the pause on */
    CHECK_EQ(rtsResume(), 0);
    osJoin(plain);
    greenStop();
}
