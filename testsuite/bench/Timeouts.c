/* Timeouts.c -- row 14 by the public calls: 1,000,000 timeouts on a standalone manager.
 *
 * No runtime: the manager runs on the program's own OS thread.  `timeout`: each is given a delay,
 * so that the clock is read; `timeout_at`: each is given its moment.  The first round, whose
 * timeouts fire within a second of their being armed, warms up: the records are there.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/event.h>
#include <capri/timeout.h>

enum { TIMEOUTS = 1000000, US_NS = 1000 };

static uint32_t fired;              /* one OS thread */
static uint32_t after_ns[TIMEOUTS]; /* the round's start */

static int countFired(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    (void)env;
    fired++;
    return 0;
}

typedef void ArmAll(EventManager *manager, int64_t lead_ns);

static void armDelays(EventManager *manager, int64_t lead_ns)
{
    int64_t lead_us = lead_ns / US_NS;
    for (int i = 0; i < TIMEOUTS; i++)
        BENCH_CHECK(
            registerTimeout(manager, lead_us + after_ns[i] / US_NS, countFired, NULL, NULL) == 0);
}

static void armMoments(EventManager *manager, int64_t lead_ns)
{
    int64_t start_ns = eventManagerNow(manager) + lead_ns;
    for (int i = 0; i < TIMEOUTS; i++)
        BENCH_CHECK(timeoutRegisterAt(manager, start_ns + after_ns[i], countFired, NULL, NULL) ==
                    0);
}

/* Arm all for their moments from lead_ns on, and wait.  Returns what arming took. */
static int64_t runRound(EventManager *manager, ArmAll *arm_all, int64_t lead_ns)
{
    int64_t begin_ns = benchNow();
    arm_all(manager, lead_ns);
    int64_t armed_ns = benchNow();
    for (fired = 0; fired < TIMEOUTS;)
        BENCH_CHECK(eventManagerStep(manager, -1) >= 0);
    return armed_ns - begin_ns;
}

static void measure(EventManager *manager, ArmAll *arm_all, const char *arm, const char *all)
{
    int64_t cpu_ns = benchCpu();
    int64_t arming_ns = runRound(manager, arm_all, BENCH_S / 2);
    cpu_ns = benchCpu() - cpu_ns;
    benchPrint(arm, (double)arming_ns / TIMEOUTS, "ns");
    benchPrint(all, (double)cpu_ns / TIMEOUTS, "ns");
}

int main(void)
{
    EventManager *manager;
    uint64_t random = 42;
    for (int i = 0; i < TIMEOUTS; i++)
        after_ns[i] = (uint32_t)(benchDraw(&random) % BENCH_S);
    BENCH_CHECK(eventManagerNew(NULL, &manager) == 0);
    BENCH_CHECK(eventManagerStep(manager, 0) == 0);
    runRound(manager, armDelays, 0);
    measure(manager, armDelays, "timeout_arm", "timeout_all");
    measure(manager, armMoments, "timeout_at_arm", "timeout_at_all");
    BENCH_CHECK(eventManagerFree(manager) == 0);
    return 0;
}
