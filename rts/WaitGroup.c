/* WaitGroup.c -- a count of what is not done yet, and who waits for the end of it.
 *
 * Owns    queue.state of a WaitGroup: its count.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/WaitGroupTest.c
 *
 * Under the lock: who waits does so because the count is not 0.
 */
#include "rts/WaitQueue.h"

#include <capri/gather.h>
#include <errno.h>

struct WaitGroup {
    WaitQueue queue;
};

WaitGroup *waitGroupNew(void)
{
    return waitQueueNew();
}

void waitGroupFree(WaitGroup *group)
{
    waitQueueFree(group == NULL ? NULL : &group->queue);
}

static int attemptWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    (void)waiter;
    (void)woken;
    return RELAXED_LOAD(&queue->state) == 0 ? 0 : WAIT;
}

int waitGroupWaitUntil(WaitGroup *group, int64_t deadline_ns)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &group->queue, attemptWait, NULL, 0, NULL);
    return waitQueueDo(&waiter, ThreadBlockedOnLock, deadline_ns);
}

int waitGroupWait(WaitGroup *group)
{
    return waitGroupWaitUntil(group, DEADLINE_NEVER);
}

int waitGroupAdd(WaitGroup *group, uint32_t more)
{
    WaitQueue *queue = &group->queue;
    waitQueueLock(queue);
    uint32_t count = RELAXED_LOAD(&queue->state);
    bool fits = more <= UINT32_MAX - count;
    if (fits)
        RELAXED_STORE(&queue->state, count + more);
    waitQueueUnlock(queue);
    waitQueueSafepoint(scheduleHere());
    return fits ? 0 : -EOVERFLOW;
}

int waitGroupDone(WaitGroup *group)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    WaitQueue *queue = &group->queue;
    waitQueueLock(queue);
    uint32_t count = RELAXED_LOAD(&queue->state);
    if (count != 0)
        RELAXED_STORE(&queue->state, count - 1);
    while (count == 1 && queue->first != NULL)
        waitQueueServe(queue, queue->first, 0, &woken);
    waitQueueFinish(queue, &woken, here);
    waitQueueSafepoint(here);
    return count == 0 ? -EINVAL : 0;
}
