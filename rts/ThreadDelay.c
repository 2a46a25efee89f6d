/* ThreadDelay.c -- sleeping: threadDelay, threadDelayUntil.
 *
 * Owns    nothing: a delay is a wait with no source but its timer.
 * After   rts/Park.c: the wait.   iomgr/TimerHeap.c: the deadline.
 * Tests   testsuite/unit/ThreadDelayTest.c
 */
#include "rts/Outside.h"
#include "rts/Park.h"

#include <errno.h>

int threadDelayUntil(int64_t deadline_ns)
{
    Thread *self = scheduleEnterSelf();
    if (self == NULL)
        return outsideSleep(deadline_ns);
    if (deadline_ns <= clockRead(scheduleHere()->manager.clock))
        return interruptPoint(self);
    parkBegin(self);
    int result = parkUntil(self, ThreadBlockedOnDelay, -1, deadline_ns);
    return result == -ETIMEDOUT ? 0 : result;
}

int threadDelay(int64_t delay_us)
{
    Capability *here = scheduleEnter();
    if (delay_us <= 0)
        return scheduleWaiter(here) == NULL ? 0 : interruptPoint(here->current);
    return threadDelayUntil(
        clockDeadline(here == NULL ? &clockMonotonic : here->manager.clock, delay_us));
}
