/* StatsTest.c -- the counters are exact: what is counted is what was done. */
#include "testsuite/support/Runtime.h"

static RtsStats statsOf(uint32_t capability)
{
    RtsStats stats;
    CHECK_EQ(rtsStats(capability, &stats), 0);
    return stats;
}

TEST(Stats, needsARuntimeAndACapability)
{
    RtsStats stats;
    CHECK_EQ(rtsStats(0, &stats), -ENXIO);
    greenStart(2);
    CHECK_EQ(rtsStats(0, &stats), 0);
    CHECK_EQ(rtsStats(1, &stats), 0);
    CHECK_EQ(rtsStats(2, &stats), -EINVAL);
    CHECK_EQ(rtsStats(UINT32_MAX, &stats), -EINVAL);
    CHECK_EQ(rtsStats(0, NULL), -EINVAL);
    greenStop();
    CHECK_EQ(rtsStats(0, &stats), -ENXIO);
}

static void *endAtOnce(void *env)
{
    return env;
}

static void *countForks(void *env)
{
    enum { FORKS = 50 };
    Thread *threads[FORKS];
    (void)env;
    RtsStats before = statsOf(0);
    CHECK_EQ(before.stacks_live, 1); /* this one's */
    for (int i = 0; i < FORKS; i++)
        threads[i] = greenFork(endAtOnce, NULL);
    for (int i = 0; i < FORKS; i++)
        greenJoin(threads[i]);
    RtsStats after = statsOf(0);
    CHECK_EQ(after.forks - before.forks, FORKS);
    CHECK_EQ(after.ended - before.ended, FORKS);
    CHECK_GE(after.switches - before.switches, FORKS + 1);
    CHECK_EQ(after.stolen, 0); /* nobody to steal from */
    CHECK_LE(after.stacks_live, 2);
    return NULL;
}

TEST(Stats, countForksAndEnds)
{
    greenRun(1, countForks, NULL);
}

static void *countWaits(void *env)
{
    enum { ROUNDS = 20 };
    int ends[2];
    char byte;
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    RtsStats before = statsOf(0);
    uint32_t delays = 0;
    RtsStats after = before;
    for (; after.timers_fired - before.timers_fired < ROUNDS; delays++) {
        CHECK_EQ(threadDelay(50), 0);
        RtsStats now = statsOf(0);
        CHECK_LE(now.timers_fired - after.timers_fired,
                 1); /* 0: it was over before it could begin */
        CHECK_LE(now.parks - after.parks, now.timers_fired - after.timers_fired);
        after = now;
    }
    CHECK_GE(delays, ROUNDS);
    CHECK_GE(after.polls, before.polls);
    CHECK_LE(after.sleeps, after.polls);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
    CHECK_EQ(statsOf(0).parks, after.parks); /* it was there: no park */
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return NULL;
}

TEST(Stats, countTimersAndParks)
{
    greenRun(1, countWaits, NULL);
}

/* Sums over all capabilities, from outside, while nothing runs. */
TEST(Stats, addUp)
{
    enum { MOST = 100, CAPABILITIES = 3 };
    Thread *threads[MOST];
    uint64_t ended = 0, switches = 0;
    greenStart(CAPABILITIES);
    for (int i = 0; i < MOST; i++)
        threads[i] = greenFork(endAtOnce, NULL);
    for (int i = 0; i < MOST; i++)
        greenJoin(threads[i]);
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        RtsStats stats = statsOf(i);
        ended += stats.ended;
        switches += stats.switches;
        CHECK_LE(stats.stacks_live, MOST);
    }
    CHECK_EQ(ended, MOST);
    CHECK_EQ(switches, MOST); /* each of them was resumed once */
    greenStop();
}
