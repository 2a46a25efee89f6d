/* TimerCancel.c -- row 15: while 1000 timers are armed: arm one more, cancel it; on its own core.
 *
 * No runtime: iomgr/TimerHeap.h alone.  The deadlines are drawn beforehand, from the same second
 * as the thousand's.  `timeout`: registerTimeout and unregisterTimeout, on a standalone manager and
 * its own OS thread; `timeout_at`: with the moment given.
 */
#include "iomgr/EventManager.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/timeout.h>

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

static int neverCalled(EventManager *manager, TimeoutKey key, void *env)
{
    neverFires(NULL, key.generation, manager);
    (void)env;
    return 0;
}

static void registerAtAndCancel(uint64_t count, void *env)
{
    TimeoutKey key;
    for (uint64_t i = 1; i <= count; i++) {
        int64_t deadline_ns = deadlines_ns[i % DEADLINES] + BENCH_S * 3600;
        BENCH_CHECK(timeoutRegisterAt(env, deadline_ns, neverCalled, NULL, &key) == 0);
        BENCH_CHECK(unregisterTimeout(env, key) == 1);
    }
}

static void registerOne(EventManager *manager, int64_t deadline_ns, TimeoutKey *key)
{
    int64_t delay_us = (deadline_ns - deadlines_ns[0] + 3600 * BENCH_S) / 1000;
    BENCH_CHECK(registerTimeout(manager, delay_us, neverCalled, NULL, key) == 0);
}

static void registerAndCancel(uint64_t count, void *env)
{
    TimeoutKey key;
    for (uint64_t i = 1; i <= count; i++) {
        registerOne(env, deadlines_ns[i % DEADLINES], &key);
        BENCH_CHECK(unregisterTimeout(env, key) == 1);
    }
}

static void measureTimeouts(void)
{
    EventManager *manager;
    BENCH_CHECK(eventManagerNew(NULL, &manager) == 0);
    for (int i = 0; i < ARMED; i++)
        registerOne(manager, deadlines_ns[i], NULL);
    BENCH_CHECK(eventManagerStep(manager, 0) == 0); /* they are in the heap */
    benchPrint("timeout_cancel", benchRate(registerAndCancel, manager), "ns");
    benchPrint("timeout_at_cancel", benchRate(registerAtAndCancel, manager), "ns");
    BENCH_CHECK(eventManagerFree(manager) == 0);
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
    measureTimeouts();
    timerHeapFree(&heap);
    return 0;
}
