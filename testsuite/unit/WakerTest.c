/* WakerTest.c -- puts from plain OS threads, signal handlers and green threads; merging; freeing.
 */
#include "rts/Waker.h"

#include "capability/CapabilityTable.h"
#include "capability/Sleep.h"
#include "testsuite/support/Runtime.h"

#include <signal.h>

enum { TURNS = 200 };

static void *const first = (void *)1, *const second = (void *)2, *const third = (void *)3;

/* ---- to an MVar, to a TVar ------------------------------------------------------------------- */

static void *takeOnce(void *env)
{
    void *value = NULL;
    CHECK_EQ(mvarTake(env, &value), 0);
    return value;
}

TEST(Waker, fillsAnEmptyMVar)
{
    greenStart(2);
    MVar *mvar = mvarNewEmpty();
    Waker *waker = wakerNewMVar(mvar);
    for (uintptr_t i = 1; i <= greenScale(TURNS); i++) {
        Thread *taker = greenFork(takeOnce, mvar);
        CHECK_EQ(wakerPut(waker, (void *)i), 0);
        CHECK_EQ(greenJoin(taker), (void *)i);
    }
    CHECK_EQ(wakerPut(waker, NULL), 0); /* an OS thread takes, and NULL is a value */
    CHECK_EQ(takeOnce(mvar), NULL);
    wakerFree(waker);
    mvarFree(mvar);
    greenStop();
}

TEST(Waker, dropsWhatFindsTheMVarFull)
{
    greenStart(1);
    MVar *mvar = mvarNew(first);
    Waker *waker = wakerNewMVar(mvar);
    CHECK_EQ(wakerPut(waker, second), 0);
    while (wakerPut(waker, second) == 1) /* 0: the one before is done or is being done, */
        sched_yield();
    wakerFree(waker); /* ... and now it is done */
    CHECK_EQ(takeOnce(mvar), first);
    CHECK_EQ(mvarTryTake(mvar, NULL), -EAGAIN);
    mvarFree(mvar);
    greenStop();
}

static void *awaitWrite(void *env)
{
    TVar *tvar = env;
    uint64_t version;
    while (tvarReadVersionIO(tvar, &version) == NULL)
        CHECK_EQ(tvarAwait(tvar, version), 0);
    return tvarReadIO(tvar);
}

TEST(Waker, writesATVar)
{
    greenStart(2);
    for (uint32_t i = 0; i < greenScale(TURNS); i++) {
        TVar *tvar = tvarNew(NULL);
        Waker *waker = wakerNewTVar(tvar);
        Thread *threads[3];
        for (int k = 0; k < 3; k++)
            threads[k] = greenFork(awaitWrite, tvar);
        CHECK_EQ(wakerPut(waker, second), 0);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(greenJoin(threads[k]), second);
        wakerFree(waker);
        tvarFree(tvar);
    }
    greenStop();
}

TEST(Waker, isRefusedWhereItMakesNoSense)
{
    TVar *delay;
    CHECK_EQ(wakerNewMVar(NULL), NULL);
    CHECK_EQ(wakerNewTVar(NULL), NULL);
    wakerFree(NULL);
    greenStart(1);
    CHECK_EQ(registerDelay(0, &delay), 0);
    CHECK_EQ(wakerNewTVar(delay), NULL); /* its timer alone writes it */
    tvarFree(delay);
    greenStop();
}

/* ---- what nobody has seen to yet ------------------------------------------------------------- */

typedef struct Busy {
    uint32_t entered, leave; /* seq_cst */
} Busy;

static void *beBusy(void *env)
{
    Busy *busy = env;
    SEQ_CST_STORE(&busy->entered, 1);
    while (SEQ_CST_LOAD(&busy->leave) == 0)
        SMP_PAUSE();
    return NULL;
}

static Thread *startBusy(Busy *busy)
{
    Thread *thread = greenFork(beBusy, busy);
    while (SEQ_CST_LOAD(&busy->entered) == 0)
        sched_yield();
    return thread;
}

/* Goal: the last one counts; a busy capability is not woken. */
TEST(Waker, mergesWhatWasNotPerformed)
{
    Busy busy = {0};
    greenStart(1);
    TVar *tvar = tvarNew(NULL);
    MVar *mvar = mvarNewEmpty();
    Waker *writes = wakerNewTVar(tvar), *puts = wakerNewMVar(mvar);
    Thread *thread = startBusy(&busy);
    uint64_t wakes = RELAXED_LOAD(&capabilities.items[0]->stats.wakes_sent);
    void *const values[] = {first, second, NULL, third};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(wakerPut(puts, values[i]), i > 0);
        CHECK_EQ(wakerPut(writes, values[i]), i > 0);
    }
    CHECK_EQ(RELAXED_LOAD(&capabilities.items[0]->stats.wakes_sent), wakes);
    SEQ_CST_STORE(&busy.leave, 1);
    greenJoin(thread);
    CHECK_EQ(takeOnce(mvar), third);
    CHECK_EQ(mvarTryTake(mvar, NULL), -EAGAIN); /* it was one put */
    CHECK_EQ(awaitWrite(tvar), third);
    wakerFree(puts);
    wakerFree(writes);
    tvarFree(tvar);
    mvarFree(mvar);
    greenStop();
}

/* Goal: who puts onto a sleeper wakes it, once for all that comes before it is up. */
TEST(Waker, onePutIsOneWakeUpAtMost)
{
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    Waker *waker = wakerNewMVar(mvar);
    Capability *only = capabilities.items[0];
    uint64_t before = RELAXED_LOAD(&only->stats.wakes_sent), alone = 0;
    for (uint32_t i = 0; i < greenScale(TURNS); i++) {
        while (SEQ_CST_LOAD(&only->sleep) != IdleAsleep)
            sched_yield();
        uint64_t wakes = RELAXED_LOAD(&only->stats.wakes_sent);
        CHECK_EQ(wakerPut(waker, first), 0);
        alone += wakerPut(waker, second) == 1; /* before the first was performed */
        while (mvarTryTake(mvar, NULL) != 0)
            sched_yield();
        while (SEQ_CST_LOAD(&only->sleep) != IdleAsleep)
            sched_yield();
        uint64_t woken = RELAXED_LOAD(&only->stats.wakes_sent) - wakes;
        CHECK_LE(woken, 2);      /* 0: it was just getting up by itself */
        mvarTryTake(mvar, NULL); /* the second, if it came alone */
    }
    uint64_t all = RELAXED_LOAD(&only->stats.wakes_sent) - before;
    CHECK_LE(all, 2 * greenScale(TURNS) - alone);
    wakerFree(waker);
    mvarFree(mvar);
    greenStop();
}

/* Goal: a value that comes while the one before it is performed is performed as well. */
TEST(Waker, theLastOneAlwaysComes)
{
    greenStart(2);
    TVar *tvar = tvarNew(NULL);
    Waker *waker = wakerNewTVar(tvar);
    for (uintptr_t i = 1; i <= 20 * greenScale(TURNS); i++)
        CHECK_GE(wakerPut(waker, (void *)i), 0);
    uint64_t version;
    while ((uintptr_t)tvarReadVersionIO(tvar, &version) != 20 * greenScale(TURNS))
        CHECK_EQ(tvarAwait(tvar, version), 0);
    wakerFree(waker);
    tvarFree(tvar);
    greenStop();
}

/* ---- signal handlers ------------------------------------------------------------------------- */

static Waker *handled; /* constant while signals come */
static uint32_t handler_runs;

static void putInHandler(int number)
{
    (void)number;
    errno = EDOM;
    ADD_RELAXED(&handler_runs, 1);
    CHECK_GE(wakerPut(handled, first), 0);
    CHECK_EQ(errno, EDOM);
}

static void *raiseAndTake(void *env)
{
    for (uint32_t i = 0; i < greenScale(TURNS); i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(takeOnce(env), first);
    }
    return NULL;
}

TEST(Waker, fromASignalHandler)
{
    struct sigaction action = {.sa_handler = putInHandler}, kept;
    greenStart(2);
    MVar *mvar = mvarNewEmpty();
    handled = wakerNewMVar(mvar);
    handler_runs = 0;
    CHECK_EQ(sigaction(SIGUSR1, &action, &kept), 0);
    raiseAndTake(mvar);                       /* on a plain OS thread */
    greenJoin(greenFork(raiseAndTake, mvar)); /* on a green thread's stack */
    CHECK_EQ(RELAXED_LOAD(&handler_runs), 2 * greenScale(TURNS));
    CHECK_EQ(sigaction(SIGUSR1, &kept, NULL), 0);
    wakerFree(handled);
    mvarFree(mvar);
    greenStop();
}

/* ---- green threads and callbacks ------------------------------------------------------------- */

static void *putFromInside(void *env)
{
    Waker *waker = wakerNewMVar(env);
    for (uint32_t i = 0; i < greenScale(TURNS); i++) {
        CHECK_EQ(wakerPut(waker, second), 0);
        CHECK_EQ(takeOnce(env), second);
    }
    wakerFree(waker);
    return NULL;
}

TEST(Waker, fromGreenThreads)
{
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    greenJoin(greenFork(putFromInside, mvar));
    mvarFree(mvar);
    greenStop();
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* Goal: what was not performed never is, be the variable's memory another one by then. */
TEST(Waker, freedIsNotPerformed)
{
    Busy busy = {0};
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    Waker *waker = wakerNewMVar(mvar), *next = NULL;
    Thread *thread = startBusy(&busy);
    CHECK_EQ(wakerPut(waker, first), 0);
    wakerFree(waker);
    mvarFree(mvar);
    MVar *again = mvarNewEmpty();
    CHECK_EQ(again, mvar); /* the pool's newest */
    SEQ_CST_STORE(&busy.leave, 1);
    greenJoin(thread);
    while (next != waker) { /* it is free only when it has come out of the queue */
        Waker *other = wakerNewMVar(again);
        wakerFree(next);
        next = other;
        threadDelay(100);
    }
    CHECK(mvarIsEmpty(again));
    CHECK_EQ(wakerPut(next, second), 0);
    CHECK_EQ(takeOnce(again), second);
    wakerFree(next);
    mvarFree(again);
    greenStop();
}

static void *putAndFree(void *env)
{
    for (uint32_t i = 0; i < 5 * greenScale(TURNS); i++) {
        MVar *mvar = mvarNewEmpty();
        Waker *waker = wakerNewMVar(mvar);
        CHECK(mvarIsEmpty(mvar));
        CHECK_EQ(wakerPut(waker, first), 0);
        for (uint32_t k = i % 50; k > 0; k--)
            SMP_PAUSE();
        wakerFree(waker);
        mvarFree(mvar);
    }
    return env;
}

TEST(Waker, freeingMeetsPerforming)
{
    pthread_t plain[2];
    Thread *green[2];
    greenStart(2);
    for (int i = 0; i < 2; i++) {
        plain[i] = osFork(putAndFree, NULL);
        green[i] = greenFork(putAndFree, NULL);
    }
    for (int i = 0; i < 2; i++) {
        osJoin(plain[i]);
        greenJoin(green[i]);
    }
    greenStop();
}

/* ---- the runtime around it ------------------------------------------------------------------- */

/* Goal: its capability is disabled, another one performs. */
TEST(Waker, outlivesItsHome)
{
    greenStart(3);
    MVar *mvar = mvarNewEmpty();
    Waker *wakers[6];
    uint32_t homes = 0;
    for (int i = 0; i < 6; i++) {
        wakers[i] = wakerNewMVar(mvar);
        homes |= 1u << wakers[i]->home;
    }
    CHECK_EQ(homes, 7); /* round robin */
    for (uint32_t count = 3; count > 0; count--) {
        CHECK_EQ(capabilitySetCount(count), 0);
        for (int i = 0; i < 6; i++) {
            CHECK_EQ(wakerPut(wakers[i], second), 0);
            CHECK_EQ(takeOnce(mvar), second);
        }
    }
    for (int i = 0; i < 6; i++)
        wakerFree(wakers[i]);
    mvarFree(mvar);
    greenStop();
}

TEST(Waker, isRefusedWithoutARuntime)
{
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    Waker *waker = wakerNewMVar(mvar); /* gone with the runtime */
    CHECK_EQ(wakerPut(waker, first), 0);
    greenStop();
    CHECK_EQ(wakerPut(waker, second), -ENXIO);
    wakerFree(waker);
}

/* Who still lives while the runtime drains may be waiting for just this. */
static void *drain(void *env)
{
    CHECK_EQ(rtsShutdown(*(RtsShutdownMode *)env, INT64_MAX), 0);
    return NULL;
}

TEST(Waker, worksWhileTheRuntimeDrains)
{
    RtsShutdownMode mode = Drain;
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    Waker *waker = wakerNewMVar(mvar);
    Thread *taker = greenFork(takeOnce, mvar);
    threadRelease(taker);
    pthread_t stopper = osFork(drain, &mode);
    while (threadFork(NULL, takeOnce, mvar) != -ESHUTDOWN) /* those before it are let go, too */
        wakerPut(waker, first);
    int result;
    while ((result = wakerPut(waker, first)) >= 0)
        sched_yield();
    CHECK_EQ(result, -ENXIO);
    osJoin(stopper);
}

static void *stormOn(void *env)
{
    int result;
    while ((result = wakerPut(env, first)) >= 0) {
    }
    CHECK_EQ(result, -ENXIO);
    return NULL;
}

TEST(Waker, putsMeetTheEnd)
{
    for (uint32_t i = 0; i < greenScale(TURNS) / 4; i++) {
        RtsShutdownMode mode = i % 2 == 0 ? Drain : Cancel;
        greenStart(2);
        Waker *waker = wakerNewTVar(tvarNew(NULL));
        pthread_t one = osFork(stormOn, waker), two = osFork(stormOn, waker);
        drain(&mode);
        osJoin(one);
        osJoin(two);
    }
}

TEST(Waker, outOfMemory)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    MVar *mvar = mvarNewEmpty();
    RELAXED_STORE(&heap.fail_from, RELAXED_LOAD(&heap.asked) + 1);
    CHECK_EQ(wakerNewMVar(mvar), NULL);
    RELAXED_STORE(&heap.fail_from, 0);
    Waker *waker = wakerNewMVar(mvar);
    CHECK(waker != NULL);
    wakerFree(waker);
    mvarFree(mvar);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}
