/* DelayTest.c -- registerDelay: written once, never early, cancelled by tvarFree. */
#include "rts/stm/Delay.h"

#include "testsuite/support/Runtime.h"

static void *delayOnce(void *env)
{
    static const int64_t delays_us[] = {INT64_MIN, -1, 0, 1, 100, 1000, 2500};
    (void)env;
    for (unsigned i = 0; i < sizeof delays_us / sizeof *delays_us; i++) {
        TVar *tvar = NULL;
        uint64_t seen;
        int64_t began_ns = rtsNow();
        CHECK_EQ(registerDelay(delays_us[i], &tvar), 0);
        void *value = tvarReadVersionIO(tvar, &seen);
        if (delays_us[i] <= 0)
            CHECK_EQ(value, (void *)1); /* written already */
        CHECK_EQ(tvarWriteIO(tvar, NULL), -EPERM);
        while (value == NULL) {
            CHECK_EQ(tvarAwait(tvar, seen), 0);
            value = tvarReadVersionIO(tvar, &seen);
        }
        CHECK_EQ(value, (void *)1);
        CHECK_GE(rtsNow() - began_ns, delays_us[i] < 0 ? 0 : delays_us[i] * 1000);
        CHECK_EQ(tvarAwaitUntil(tvar, seen, rtsNow() + 1000), -ETIMEDOUT); /* once only */
        tvarFree(tvar);
    }
    CHECK_EQ(registerDelay(1, NULL), -EINVAL);
    return NULL;
}

TEST(Delay, isWrittenOnceAndNeverEarly)
{
    TVar *tvar;
    CHECK_EQ(registerDelay(1, &tvar), -ENXIO);
    greenRun(1, delayOnce, NULL);
    greenRun(2, delayOnce, NULL);
    greenStart(2);
    delayOnce(NULL); /* a plain OS thread */
    osJoin(osFork(delayOnce, NULL));
    greenStop();
}

static void *awaitOnce(void *env)
{
    return (void *)(intptr_t)greenAwaitNext(env);
}

/* Huge ones do not wrap around; freed before their time they end their waits and never fire. */
static void *cancelDelays(void *env)
{
    static const int64_t delays_us[] = {INT64_MAX, INT64_MAX / 1000, INT64_C(1) << 53, 200};
    (void)env;
    for (int i = 0; i < 40; i++) {
        TVar *tvar = NULL;
        CHECK_EQ(registerDelay(delays_us[i % 3], &tvar), 0);
        CHECK_EQ(tvarReadIO(tvar), NULL);
        Thread *waiter = greenFork(awaitOnce, tvar);
        greenUntil(waiter, ThreadBlockedOnTVar);
        tvarFree(tvar);
        CHECK_EQ((intptr_t)greenJoin(waiter), -EINVAL);
        TVar *next = NULL; /* likely in the same memory: the cancelled timer must not write it */
        uint64_t seen;
        int64_t began_ns = rtsNow();
        CHECK_EQ(registerDelay(delays_us[3], &next), 0);
        while (tvarReadVersionIO(next, &seen) == NULL)
            CHECK_EQ(tvarAwait(next, seen), 0);
        CHECK_GE(rtsNow() - began_ns, delays_us[3] * 1000);
        tvarFree(next);
    }
    return NULL;
}

TEST(Delay, isCancelledByFreeing)
{
    greenRun(1, cancelDelays, NULL);
}

/* Goal: a free that meets the timer's fire waits for it or wins, and the memory is clean for the
 * next one.  Method: delays of about the time until they are freed, on both sorts of threads. */
static void *freeNearTheEnd(void *env)
{
    uint64_t state = testSeed() + (uintptr_t)env;
    uint32_t rounds = greenScale(300);
    for (uint32_t i = 0; i < rounds; i++) {
        TVar *tvar = NULL;
        int64_t delay_us = (int64_t)(testRandomFrom(&state) % 60);
        int64_t began_ns = rtsNow();
        CHECK_EQ(registerDelay(delay_us, &tvar), 0);
        int64_t until_ns = rtsNow() + (int64_t)(testRandomFrom(&state) % 60) * 1000;
        while (rtsNow() < until_ns)
            threadSafepoint();
        uint64_t seen;
        void *value = tvarReadVersionIO(tvar, &seen);
        if (value != NULL)
            CHECK_GE(rtsNow() - began_ns, delay_us * 1000); /* nor by an earlier owner's timer */
        tvarFree(tvar);
    }
    return NULL;
}

TEST(Delay, freesMeetFires)
{
    greenStart(2);
    Thread *one = greenFork(freeNearTheEnd, (void *)1), *two = greenFork(freeNearTheEnd, (void *)2);
    pthread_t plain = osFork(freeNearTheEnd, (void *)3);
    greenJoin(one);
    greenJoin(two);
    osJoin(plain);
    greenStop();
}

/* Memory is reused, given back at the end, and its lack is told. */
static void *registerMany(void *env)
{
    TVar *tvars[200];
    (void)env;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++)
            CHECK_EQ(registerDelay(INT64_MAX, &tvars[i]), 0);
        for (int i = 0; i < 200; i++) {
            CHECK_EQ(tvarReadIO(tvars[i]), NULL);
            tvarFree(tvars[i]);
        }
    }
    return NULL;
}

TEST(Delay, leaksNothing)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
    TVar *tvar = NULL;
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&heap.fail_from, 1);
    CHECK_EQ(registerDelay(1000, &tvar), -ENOMEM);
    CHECK_EQ(registerDelay(0, &tvar), -ENOMEM);
    CHECK_EQ(tvar, NULL);
    RELAXED_STORE(&heap.fail_from, 0);
    greenJoin(greenFork(registerMany, NULL));
    registerMany(NULL);
    CHECK_EQ(registerDelay(INT64_MAX, &tvar), 0); /* left to the runtime's end */
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
    CHECK_EQ(heap.live_bytes, 0);
}
