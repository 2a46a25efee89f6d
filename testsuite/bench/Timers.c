/* Timers.c -- row 14: 1,000,000 timers with callbacks, armed, then fired within one second.
 *
 * No runtime: iomgr/EventManager.h and its heap of timers alone.  The timers belong to the caller
 * and are filled in beforehand, the deadlines are drawn beforehand.  A round whose timers fire at
 * once warms up: the heap has grown and its pages are there.
 */
#include "iomgr/EventManager.h"
#include "testsuite/bench/support/Bench.h"

#include <stdlib.h>

enum { TIMERS = 1000000 };

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
    cpu_ns = benchCpu() - cpu_ns;
    benchPrint("timer_arm", (double)arming_ns / TIMERS, "ns");
    benchPrint("timer_all", (double)cpu_ns / TIMERS, "ns");
    eventManagerClose(&manager);
    free(timers);
    return 0;
}
