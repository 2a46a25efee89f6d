/* TimerCancel.c -- row 15: while 1000 timers are armed: arm one more, cancel it; on its own core.
 *
 * No runtime: iomgr/TimerHeap.h alone.  The deadlines are drawn beforehand, from the same second
 * as the thousand's.
 */
#include "iomgr/TimerHeap.h"
#include "testsuite/bench/support/Bench.h"

enum { ARMED = 1000, DEADLINES = 1024 };

static TimerHeap heap;
static int64_t deadlines_ns[DEADLINES];

static void neverFires(Timer *timer, uint64_t number, void *sink)
{
    (void)timer;
    (void)number;
    (void)sink;
    BENCH_CHECK(false); /* nobody lets them expire */
}

static void armAndCancel(uint64_t count, void *env)
{
    Timer *timer = env;
    for (uint64_t i = 1; i <= count; i++) {
        BENCH_CHECK(timerHeapArm(&heap, timer, i, deadlines_ns[i % DEADLINES]) == 0);
        timerHeapDisarm(&heap, timer);
    }
}

int main(void)
{
    static Timer armed[ARMED], timer = {.fire = neverFires};
    uint64_t random = 42;
    int64_t start_ns = benchNow();
    ownerGateStart();
    BENCH_CHECK(timerHeapInit(&heap, NULL) == 0);
    for (int i = 0; i < DEADLINES; i++)
        deadlines_ns[i] = start_ns + (int64_t)(benchDraw(&random) % BENCH_S);
    for (int i = 0; i < ARMED; i++) {
        armed[i].fire = neverFires;
        int64_t deadline_ns = start_ns + (int64_t)(benchDraw(&random) % BENCH_S);
        BENCH_CHECK(timerHeapArm(&heap, &armed[i], 1, deadline_ns) == 0);
    }
    benchPrint("timer_cancel", benchRate(armAndCancel, &timer), "ns");
    timerHeapFree(&heap);
    return 0;
}
