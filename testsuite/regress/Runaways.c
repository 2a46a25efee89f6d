/* Runaways.c -- every capability has a thread that computes without a safepoint, and all others
 * must go on.
 *
 * not-under: tsan asan valgrind qemu migrate
 *
 * (Where threads migrate the frames hold stale return addresses now and then: who has one is not
 * handed over, See Note [Active frames].)
 * With RtsConfig.hand_over the runaways lose their capabilities; without, the others would run only
 * when these are done.  The runaways compute until all others have done their work: a regression is
 * seen as a time-out.
 */
#include "rts/HandOver.h"
#include "rts/Schedule.h"
#include "testsuite/support/Green.h"

#include <capri/mvar.h>

#include <stdio.h>

enum { CORES = 2, RUNAWAYS = 4, OTHERS = 100, ROUNDS = 200 };

static uint32_t begun, done, handed_back;

static uint64_t computeUntilDone(void)
{
    uint64_t sum = 1;
    while (RELAXED_LOAD(&done) < OTHERS)
        sum = sum * 6364136223846793005u + 1442695040888963407u;
    return sum;
}

static void *runAway(void *env)
{
    Thread *self = threadSelf();
    (void)env;
    ADD_RELAXED(&begun, 1);
    volatile uint64_t sum = computeUntilDone();
    (void)sum;
    CHECK_EQ(threadSelf(), self);
    if (scheduleHere() == NULL)
        ADD_RELAXED(&handed_back, 1);
    CHECK_EQ(threadYield(), 0);
    CHECK(scheduleHere() != NULL);
    CHECK_EQ(threadSelf(), self);
    return self;
}

static void *work(void *env)
{
    MVar *turn = env;
    for (int i = 0; i < ROUNDS; i++) {
        void *value;
        CHECK_EQ(mvarTake(turn, &value), 0);
        CHECK_EQ(mvarPut(turn, value), 0);
        CHECK_EQ(threadYield(), 0);
    }
    ADD_RELAXED(&done, 1);
    return env;
}

static void *runAll(void *env)
{
    Thread *runaways[RUNAWAYS], *others[OTHERS];
    MVar *turn = mvarNew(env);
    for (int i = 0; i < OTHERS; i++)
        others[i] = greenFork(work, turn);
    for (int i = 0; i < RUNAWAYS; i++)
        CHECK_EQ(threadForkOn(&runaways[i], (uint32_t)i % CORES, runAway, NULL), 0);
    for (int i = 0; i < OTHERS; i++)
        greenJoin(others[i]);
    for (int i = 0; i < RUNAWAYS; i++)
        greenJoin(runaways[i]);
    mvarFree(turn);
    return NULL;
}

TEST(Runaways, othersGoOn)
{
    RtsConfig config = {.capabilities = CORES, .hand_over = true};
    RtsStats stats;
    uint64_t handed_over = 0;
    CHECK_EQ(rtsInit(&config), 0);
    Thread *thread;
    CHECK_EQ(threadFork(&thread, runAll, NULL), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    for (uint32_t i = 0; i < CORES; i++) {
        CHECK_EQ(rtsStats(i, &stats), 0);
        handed_over += stats.handed_over;
    }
    printf("# handed over %llu, came back at a call %u\n", (unsigned long long)handed_over,
           handed_back);
    CHECK_LE(1, handed_over);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK(!callAnyAway());
}
