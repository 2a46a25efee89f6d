/* WorldTest.c -- the world's lock, and standing still. */
#include "rts/World.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Schedule.h"
#include "testsuite/support/Runtime.h"

enum { THREADS = 4, SECOND_NS = 1000 * 1000 * 1000 };

/* ---- the lock -------------------------------------------------------------------------------- */

static uint32_t lock;    /* worldTake */
static uint64_t counted; /* under it, plain */

static void *countUnderLock(void *env)
{
    for (uint32_t i = 0; i < *(uint32_t *)env; i++) {
        CHECK(worldTake(&lock, DEADLINE_NEVER));
        counted++;
        worldGive(&lock);
    }
    return NULL;
}

TEST(World, oneAtATime)
{
    uint32_t rounds = greenScale(200);
    pthread_t plain[THREADS];
    Thread *green[THREADS];
    counted = 0;
    greenStart(2);
    for (int i = 0; i < THREADS; i++) {
        plain[i] = osFork(countUnderLock, &rounds);
        green[i] = greenFork(countUnderLock, &rounds);
    }
    for (int i = 0; i < THREADS; i++) {
        osJoin(plain[i]);
        greenJoin(green[i]);
    }
    greenStop();
    CHECK_EQ(counted, 2ull * THREADS * rounds);
}

TEST(World, whoWaitsForALockGivesUpAtItsDeadline)
{
    CHECK(worldTake(&lock, DEADLINE_NEVER));
    CHECK(!worldTake(&lock, rtsNow()));
    CHECK(!worldTake(&lock, rtsNow() + 1000000));
    worldGive(&lock);
    CHECK(worldTake(&lock, 0));
    worldGive(&lock);
}

/* ---- standing still -------------------------------------------------------------------------- */

typedef struct Busy {
    uint32_t stop;   /* relaxed */
    uint64_t rounds; /* relaxed adds */
} Busy;

static void *yieldOn(void *env)
{
    Busy *busy = env;
    while (RELAXED_LOAD(&busy->stop) == 0) {
        ADD_RELAXED(&busy->rounds, 1);
        threadYield();
    }
    return NULL;
}

static void *sleepOn(void *env)
{
    Busy *busy = env;
    while (RELAXED_LOAD(&busy->stop) == 0) {
        ADD_RELAXED(&busy->rounds, 1);
        CHECK_EQ(threadDelay(50), 0);
    }
    return NULL;
}

/* It stands, or is on its way from an earlier halt to this one (H4: See Note [Standing]). */
static void checkStands(Capability *capability)
{
    while (!haltStands(capability, StandingHalted))
        sched_yield();
}

/* While the world stands still nothing of what it runs moves; afterwards everything does. */
static void stopAndGo(Busy *busy, Capability *own)
{
    worldLock();
    CHECK(worldStop(own, StandingHalted, rtsNow() + 60ll * SECOND_NS));
    uint64_t before = RELAXED_LOAD(&busy->rounds);
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        CHECK(own != NULL ||
              capability->current == NULL); /* a green thread may wait for the lock */
        if (capability != own)
            checkStands(capability);
        CHECK(runQueueSane(&capability->queue));
    }
    sched_yield();
    CHECK_EQ(RELAXED_LOAD(&busy->rounds), before);
    worldGo(own);
    worldUnlock();
}

static void *stopFromInside(void *env)
{
    for (uint32_t i = 0; i < greenScale(100); i++) {
        stopAndGo(env, scheduleHere());
        threadYield();
    }
    return NULL;
}

TEST(World, standsStillAndGoesOn)
{
    Busy busy = {0};
    Thread *threads[2 * THREADS], *inside[2];
    greenStart(3);
    for (int i = 0; i < THREADS; i++) {
        threads[2 * i] = greenFork(yieldOn, &busy);
        threads[2 * i + 1] = greenFork(sleepOn, &busy);
    }
    for (uint32_t i = 0; i < greenScale(100); i++)
        stopAndGo(&busy, NULL);
    for (int i = 0; i < 2; i++) /* who waits for the lock stands still as well */
        inside[i] = greenFork(stopFromInside, &busy);
    for (int i = 0; i < 2; i++)
        greenJoin(inside[i]);
    uint64_t before = RELAXED_LOAD(&busy.rounds);
    while (RELAXED_LOAD(&busy.rounds) == before)
        sched_yield();
    RELAXED_STORE(&busy.stop, 1);
    for (int i = 0; i < 2 * THREADS; i++)
        greenJoin(threads[i]);
    greenStop();
}

TEST(World, sleepersAndDisabledOnesStandStillToo)
{
    Busy idle_busy = {0};
    greenStart(4);
    CHECK_EQ(capabilitySetCount(2), 0);
    for (uint32_t i = 0; i < greenScale(50); i++)
        stopAndGo(&idle_busy, NULL);
    greenStop();
}

typedef struct Runaway {
    uint32_t entered, leave; /* seq_cst */
} Runaway;

static void *runAway(void *env)
{
    Runaway *runaway = env;
    SEQ_CST_STORE(&runaway->entered, 1);
    while (SEQ_CST_LOAD(&runaway->leave) == 0)
        SMP_PAUSE();
    return NULL;
}

TEST(World, aRunawayIsNotWaitedForLongerThanAsked)
{
    Runaway runaway = {0};
    greenStart(2);
    Thread *thread = greenFork(runAway, &runaway);
    while (SEQ_CST_LOAD(&runaway.entered) == 0)
        sched_yield();
    worldLock();
    CHECK(!worldStop(NULL, StandingHalted, rtsNow() + 20 * MS_NS));
    worldGo(NULL);
    worldUnlock();
    SEQ_CST_STORE(&runaway.leave, 1);
    greenJoin(thread);
    greenStop();
}
