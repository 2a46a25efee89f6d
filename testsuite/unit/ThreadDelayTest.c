/* ThreadDelayTest.c -- sleeping: never early, in order, for ever until cancelled. */
#include "testsuite/support/Runtime.h"

static void *sleepNeverEarly(void *env)
{
    static const int64_t delays_us[] = {INT64_MIN, -1, 0, 1, 2, 50, 999, 1000, 1001, 3000};
    (void)env;
    for (unsigned i = 0; i < sizeof delays_us / sizeof *delays_us; i++) {
        int64_t began_ns = rtsNow();
        CHECK_EQ(threadDelay(delays_us[i]), 0);
        CHECK_GE(rtsNow() - began_ns, delays_us[i] < 0 ? 0 : delays_us[i] * 1000);
        int64_t delay_ns = delays_us[i] < 0 ? -1 : delays_us[i] * 1000 + 7;
        int64_t deadline_ns = rtsNow() + delay_ns;
        CHECK_EQ(threadDelayUntil(deadline_ns), 0);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    CHECK_EQ(threadDelayUntil(INT64_MIN), 0);
    CHECK_EQ(threadDelayUntil(0), 0);
    return NULL;
}

TEST(ThreadDelay, isNeverEarly)
{
    greenRun(1, sleepNeverEarly, NULL);
    greenRun(2, sleepNeverEarly, NULL);
    greenStart(1);
    sleepNeverEarly(NULL); /* a plain OS thread */
    greenStop();
}

static void *sleepUntilCancelled(void *env)
{
    return (void *)(intptr_t)threadDelay(*(int64_t *)env);
}

static void *sleepUntilDeadline(void *env)
{
    return (void *)(intptr_t)threadDelayUntil(*(int64_t *)env);
}

typedef struct Kept {
    ThreadFn *fn;
    int64_t *delay;
    intptr_t result;
} Kept;

static void *keepResult(void *env)
{
    Kept *kept = env;
    kept->result = (intptr_t)kept->fn(kept->delay);
    return NULL;
}

/* Goal: huge delays do not wrap around.  Method: they still sleep when everything is cancelled. */
TEST(ThreadDelay, hugeOnesSaturate)
{
    static int64_t delays[] = {INT64_MAX,        INT64_MAX - 1,
                               INT64_MAX / 1000, INT64_MAX / 1000 + 1,
                               INT64_MAX / 2,    INT64_C(1) << 53};
    enum { COUNT = sizeof delays / sizeof *delays };
    Kept kept[2 * COUNT];
    Thread *threads[2 * COUNT];
    greenStart(1);
    for (int i = 0; i < 2 * COUNT; i++) {
        kept[i] =
            (Kept){i < COUNT ? sleepUntilCancelled : sleepUntilDeadline, &delays[i % COUNT], 1};
        threads[i] = greenFork(keepResult, &kept[i]);
        greenUntil(threads[i], ThreadBlockedOnDelay);
    }
    greenJoin(greenFork(sleepNeverEarly, NULL)); /* time goes by, and they are not in the way */
    for (int i = 0; i < 2 * COUNT; i++) {
        CHECK_EQ(threadStatus(threads[i]).state, ThreadBlockedOnDelay);
        threadRelease(threads[i]);
    }
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    for (int i = 0; i < 2 * COUNT; i++)
        CHECK_EQ(kept[i].result, -ECANCELED);
}

/* ---- order ----------------------------------------------------------------------------------- */

enum { SLEEPERS = 200 };

static struct {
    int64_t deadlines_ns[SLEEPERS];
    uint32_t woken[SLEEPERS]; /* the one capability's threads */
    uint32_t count;
} beds;

static void *sleepThenLog(void *env)
{
    uint32_t index = (uint32_t)(uintptr_t)env;
    CHECK_EQ(threadDelayUntil(beds.deadlines_ns[index]), 0);
    CHECK_GE(rtsNow(), beds.deadlines_ns[index]);
    beds.woken[beds.count++] = index;
    return NULL;
}

static void *sleepMany(void *env)
{
    Thread *threads[SLEEPERS];
    uint64_t state = testSeed();
    int64_t base_ns = rtsNow() + 2 * MS_NS;
    bool seen[SLEEPERS] = {false};
    (void)env;
    beds.count = 0;
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        beds.deadlines_ns[i] = base_ns + (int64_t)(testRandomFrom(&state) % 20) * 500000;
        threads[i] = greenFork(sleepThenLog, (void *)(uintptr_t)i);
    }
    for (uint32_t i = 0; i < SLEEPERS; i++)
        greenJoin(threads[i]);
    CHECK_EQ(beds.count, SLEEPERS);
    for (uint32_t i = 0; i < SLEEPERS; i++) {
        CHECK(!seen[beds.woken[i]]);
        seen[beds.woken[i]] = true;
    }
    return NULL;
}

TEST(ThreadDelay, wakesEverySleeperOnce)
{
    greenRun(1, sleepMany, NULL);
}

/* A timer is armed anew for each sleep; none of the old ones ends a later sleep early. */
static void *sleepInTurn(void *env)
{
    (void)env;
    for (int round = 0; round < 20; round++) {
        int64_t base_ns = rtsNow();
        beds.count = 0;
        beds.deadlines_ns[0] = base_ns + 300000;
        Thread *early = greenFork(sleepThenLog, (void *)0);
        greenJoin(early);
        CHECK_EQ(beds.count, 1);
        CHECK_EQ(beds.woken[0], 0);
        CHECK_GE(rtsNow(), base_ns + 300000);
    }
    return NULL;
}

TEST(ThreadDelay, sleepsAgainAndAgain)
{
    greenRun(1, sleepInTurn, NULL);
    greenRun(2, sleepInTurn, NULL);
}

/* A sleeping thread costs nothing: other threads run, the process sleeps. */
static void *countWhileSleeping(void *env)
{
    uint32_t *turns = env;
    while (RELAXED_LOAD(turns) < 1000) {
        ADD_RELAXED(turns, 1);
        threadYield();
    }
    return NULL;
}

TEST(ThreadDelay, letsOthersRun)
{
    uint32_t turns = 0;
    greenStart(1);
    int64_t forever = INT64_MAX;
    Thread *sleeper = greenFork(sleepUntilCancelled, &forever);
    greenUntil(sleeper, ThreadBlockedOnDelay);
    greenJoin(greenFork(countWhileSleeping, &turns));
    CHECK_EQ(turns, 1000);
    CHECK_EQ(threadStatus(sleeper).state, ThreadBlockedOnDelay);
    threadRelease(sleeper);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}
