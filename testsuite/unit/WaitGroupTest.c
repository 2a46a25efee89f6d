/* WaitGroupTest.c -- waiting for many: WaitGroup, Barrier. */
#include "rts/Thread.h"

#include "testsuite/support/Runtime.h"

static void *countDown(void *env)
{
    WaitGroup *group = waitGroupNew();
    (void)env;
    CHECK_EQ(waitGroupWait(group), 0); /* nothing to be done */
    CHECK_EQ(waitGroupDone(group), -EINVAL);
    CHECK_EQ(waitGroupAdd(group, UINT32_MAX), 0);
    CHECK_EQ(waitGroupAdd(group, 1), -EOVERFLOW);
    CHECK_EQ(waitGroupWaitUntil(group, rtsNow() + MS_NS), -ETIMEDOUT);
    waitGroupFree(group);
    waitGroupFree(NULL);
    return NULL;
}

static void *awaitGroup(void *env)
{
    return (void *)(intptr_t)waitGroupWait(env);
}

static void *waitForAll(void *env)
{
    enum { WAITERS = 3, WORK = 4 };
    Thread *threads[WAITERS];
    WaitGroup *group = waitGroupNew();
    (void)env;
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(waitGroupAdd(group, WORK), 0);
        for (int i = 0; i < WAITERS; i++) {
            threads[i] = greenFork(awaitGroup, group);
            greenUntil(threads[i], ThreadBlockedOnLock);
        }
        pthread_t plain = osFork(awaitGroup, group);
        for (int i = 0; i < WORK; i++) {
            for (int k = 0; k < WAITERS; k++)
                CHECK_EQ(threadStatus(threads[k]).state, ThreadBlockedOnLock);
            if (round < 2)
                CHECK_EQ(waitGroupDone(group), 0);
        }
        for (int k = 0; k < WAITERS && round < 2; k++)
            CHECK_EQ((intptr_t)greenJoin(threads[k]), 0);
        if (round == 2) {
            for (int i = 0; i < WORK; i++)
                CHECK_EQ(waitGroupDone(group), 0);
            for (int k = 0; k < WAITERS; k++)
                CHECK_EQ((intptr_t)greenJoin(threads[k]), 0);
        }
        CHECK_EQ((intptr_t)osJoin(plain), 0);
    }
    waitGroupFree(group);
    return NULL;
}

TEST(WaitGroup, waitsForAll)
{
    CHECK_EQ(waitGroupNew(), NULL);
    greenRun(1, countDown, NULL);
    greenRun(1, waitForAll, NULL);
    greenStart(1);
    countDown(NULL);
    greenStop();
}

/* ---- barriers -------------------------------------------------------------------------------- */

enum { PARTIES = 5 };

typedef struct Race {
    Barrier *barrier;
    uint32_t laps;
    uint32_t lap[PARTIES]; /* each its own, relaxed */
    uint32_t lasts;        /* relaxed add */
    uint32_t next;         /* likewise: which party am I? */
} Race;

static void *runLaps(void *env)
{
    Race *race = env;
    uint32_t me = ADD_RELAXED(&race->next, 1);
    for (uint32_t lap = 1; lap <= race->laps; lap++) {
        RELAXED_STORE(&race->lap[me], lap);
        int result = barrierWait(race->barrier);
        CHECK(result == 0 || result == 1);
        ADD_RELAXED(&race->lasts, (uint32_t)result);
        for (int i = 0; i < PARTIES; i++)
            CHECK_GE(RELAXED_LOAD(&race->lap[i]), lap); /* all have come this far */
    }
    return NULL;
}

static void raceOn(uint32_t capabilities_wanted)
{
    Thread *threads[PARTIES - 1];
    greenStart(capabilities_wanted);
    Race race = {.barrier = barrierNew(PARTIES), .laps = greenScale(500)};
    for (int i = 0; i < PARTIES - 1; i++)
        threads[i] = greenFork(runLaps, &race);
    osJoin(osFork(runLaps, &race));
    for (int i = 0; i < PARTIES - 1; i++)
        greenJoin(threads[i]);
    CHECK_EQ(race.lasts, race.laps);
    barrierFree(race.barrier);
    greenStop();
}

static void *awaitBarrier(void *env)
{
    return (void *)(intptr_t)barrierWait(env);
}

static void *missOne(void *env)
{
    Barrier *barrier = barrierNew(2), *alone = barrierNew(1);
    (void)env;
    CHECK_EQ(barrierNew(0), NULL);
    CHECK_EQ(barrierWait(alone), 1);
    CHECK_EQ(barrierWaitUntil(alone, INT64_MIN), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(barrierWaitUntil(barrier, rtsNow() + i * 100000), -ETIMEDOUT);
    Thread *other = greenFork(awaitBarrier, barrier);
    greenUntil(other, ThreadBlockedOnLock); /* those who gave up do not count */
    CHECK_EQ(barrierWait(barrier), 1);
    CHECK_EQ((intptr_t)greenJoin(other), 0);
    other = greenFork(awaitBarrier, barrier);
    greenUntil(other, ThreadBlockedOnLock);
    barrierFree(barrier);
    CHECK_EQ((intptr_t)greenJoin(other), -EINVAL);
    barrierFree(alone);
    barrierFree(NULL);
    return NULL;
}

static void *throwSeven(void *env)
{
    CHECK_EQ(threadThrowTo(env, 7, NULL), 0);
    return NULL;
}

/* What can be done at once is done, whatever is pending. */
static void *comeLastInterrupted(void *env)
{
    int64_t deadline_ns = *(const int64_t *)env;
    Barrier *barrier = barrierNew(2);
    int code = 0;
    Thread *other = greenFork(awaitBarrier, barrier);
    greenUntil(other, ThreadBlockedOnLock);
    MaskingState before = threadMask();
    Thread *thrower = greenFork(throwSeven, threadSelf());
    greenUntil(thrower, ThreadBlockedOnThrowTo);
    CHECK_EQ(barrierWaitUntil(barrier, deadline_ns), 1);
    CHECK_EQ(barrierWaitUntil(barrier, deadline_ns), -ECANCELED); /* now it would wait */
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, 7);
    CHECK_EQ(threadRestore(before), 0);
    greenJoin(thrower);
    CHECK_EQ((intptr_t)greenJoin(other), 0);
    barrierFree(barrier);
    return NULL;
}

TEST(Barrier, theLastIsNotInterrupted)
{
    int64_t never = INT64_MAX, later = rtsNow() + INT64_C(3600) * 1000 * MS_NS;
    for (uint32_t count = 1; count <= 2; count++) {
        greenRun(count, comeLastInterrupted, &never);
        greenRun(count, comeLastInterrupted, &later);
    }
}

TEST(Barrier, letsAllThroughTogether)
{
    raceOn(1);
    raceOn(2);
    greenRun(1, missOne, NULL);
}
