/* Timers.c -- row 14: 1,000,000 timers with callbacks, armed, then fired within one second.
 *
 * No runtime: iomgr/EventManager.h and its heap of timers alone.  The timers belong to the caller
 * and are filled in beforehand, the deadlines are drawn beforehand.  A round whose timers fire at
 * once warms up: the heap has grown and its pages are there.  `timeout`: the same by the public
 * calls, on a standalone manager and its own OS thread; `timeout_at`: those that are given the
 * moment instead of a delay, and do not read the clock.
 */
#include "iomgr/EventManager.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/timeout.h>

#include <stdlib.h>

enum { TIMERS = 1000000, US_NS = 1000 };

static uint32_t fired;            /* one OS thread */
static uint32_t after_ns[TIMERS]; /* the round's start */

static void countFired(Timer *timer, uint64_t number, void *sink)
{
    (void)timer;
    (void)number;
    (void)sink;
    fired++;
}

static void drawDeadlines(void)
{
    uint64_t random = 42;
    for (int i = 0; i < TIMERS; i++)
        after_ns[i] = (uint32_t)(benchDraw(&random) % BENCH_S);
}

/* Arm all for their moments after start_ns, and wait.  Returns what arming took. */
static int64_t runRound(EventManager *manager, Timer *timers, uint64_t number, int64_t start_ns)
{
    int64_t begin_ns = benchNow();
    for (int i = 0; i < TIMERS; i++) {
        int64_t deadline_ns = start_ns + after_ns[i];
        BENCH_CHECK(timerHeapArm(&manager->timers, &timers[i], number, deadline_ns) == 0);
    }
    int64_t armed_ns = benchNow();
    BENCH_CHECK(armed_ns <= start_ns || number == 1);
    for (fired = 0; fired < TIMERS;)
        eventManagerPoll(manager, DEADLINE_NEVER, NULL);
    return armed_ns - begin_ns;
}

static int countTimeout(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    (void)env;
    fired++;
    return 0;
}

static void armDelays(EventManager *manager, int64_t lead_ns)
{
    int64_t lead_us = lead_ns / US_NS;
    for (int i = 0; i < TIMERS; i++)
        BENCH_CHECK(
            registerTimeout(manager, lead_us + after_ns[i] / US_NS, countTimeout, NULL, NULL) == 0);
}

static void armMoments(EventManager *manager, int64_t lead_ns)
{
    int64_t start_ns = eventManagerNow(manager) + lead_ns;
    for (int i = 0; i < TIMERS; i++)
        BENCH_CHECK(timeoutRegisterAt(manager, start_ns + after_ns[i], countTimeout, NULL, NULL) ==
                    0);
}

typedef void ArmAll(EventManager *manager, int64_t lead_ns);

static int64_t runTimeouts(EventManager *manager, ArmAll *arm_all, int64_t lead_ns)
{
    int64_t begin_ns = benchNow();
    arm_all(manager, lead_ns);
    int64_t armed_ns = benchNow();
    for (fired = 0; fired < TIMERS;)
        BENCH_CHECK(eventManagerStep(manager, -1) >= 0);
    return armed_ns - begin_ns;
}

static void printRound(const char *arm, const char *all, int64_t arming_ns, int64_t cpu_ns)
{
    benchPrint(arm, (double)arming_ns / TIMERS, "ns");
    benchPrint(all, (double)cpu_ns / TIMERS, "ns");
}

static void measureTimeouts(void)
{
    EventManager *manager;
    BENCH_CHECK(eventManagerNew(NULL, &manager) == 0);
    BENCH_CHECK(eventManagerStep(manager, 0) == 0);
    runTimeouts(manager, armDelays, US_NS); /* the records are there */
    int64_t cpu_ns = benchCpu();
    int64_t arming_ns = runTimeouts(manager, armDelays, BENCH_S / 2);
    printRound("timeout_arm", "timeout_all", arming_ns, benchCpu() - cpu_ns);
    cpu_ns = benchCpu();
    arming_ns = runTimeouts(manager, armMoments, BENCH_S / 2);
    printRound("timeout_at_arm", "timeout_at_all", arming_ns, benchCpu() - cpu_ns);
    BENCH_CHECK(eventManagerFree(manager) == 0);
}

int main(void)
{
    static EventManager manager;
    Timer *timers = calloc(TIMERS, sizeof(Timer));
    BENCH_CHECK(timers != NULL);
    for (int i = 0; i < TIMERS; i++)
        timers[i].fire = countFired;
    ownerGateStart();
    BENCH_CHECK(eventManagerOpen(&manager, NULL, NULL, NULL) == 0);
    runRound(&manager, timers, 1, benchNow() - BENCH_S);
    drawDeadlines();
    int64_t cpu_ns = benchCpu();
    int64_t arming_ns = runRound(&manager, timers, 2, benchNow() + BENCH_S / 2);
    printRound("timer_arm", "timer_all", arming_ns, benchCpu() - cpu_ns);
    eventManagerClose(&manager);
    free(timers);
    measureTimeouts();
    return 0;
}
