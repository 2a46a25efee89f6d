/* Times.h -- paths of HotPaths.c: delays and timers. */
#ifndef TESTSUITE_TIMES_H
#define TESTSUITE_TIMES_H

#include "capability/CapabilityTable.h"
#include "testsuite/bench/paths/Steady.h"

#include <capri/scope.h>
#include <capri/thread.h>

enum { OTHER_TIMERS = 1000, TIMERS = 64, DELAY_US = 10 };

static void runDelay(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        require(threadDelay(DELAY_US) == 0, "threadDelay failed");
}

static void *noWork(void *env)
{
    return env;
}

static void runLimit(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        require(timeoutRun(60 * 1000 * 1000, noWork, NULL, NULL) == 0, "timeoutRun failed");
}

static void fireNever(Timer *timer, uint64_t number, void *sink)
{
    (void)timer;
    (void)number;
    (void)sink;
    require(false, "a cancelled timer fired");
}

/* Arm and cancel, deadlines scattered over a second from an hour on, among others that stay. */
static void runTimer(uint32_t count)
{
    static Timer others[OTHER_TIMERS], timers[TIMERS];
    TimerHeap *heap = &capabilities.items[0]->manager.timers;
    int64_t from_ns = now_ns + INT64_C(3600000000000);
    uint32_t random = 1;
    for (uint32_t i = 0; i < OTHER_TIMERS; i++) {
        others[i].fire = fireNever;
        random = random * 1664525u + 1013904223u;
        require(timerHeapArm(heap, &others[i], 1, from_ns + (random >> 2)) == 0, "no timer");
    }
    for (uint32_t i = 0; i < count; i++) {
        Timer *timer = &timers[i % TIMERS];
        timer->fire = fireNever;
        random = random * 1664525u + 1013904223u;
        require(timerHeapArm(heap, timer, i + 1, from_ns + (random >> 2)) == 0, "no timer");
        timerHeapDisarm(heap, timer);
    }
    for (uint32_t i = 0; i < OTHER_TIMERS; i++)
        timerHeapDisarm(heap, &others[i]);
}

#endif
