/* Barrier.c -- so many parties meet, again and again.
 *
 * Owns    queue.state of a Barrier: how many wait; queue.spare: how many are to meet.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/WaitGroupTest.c
 *
 * Note [Barrier]
 *   Whether the caller is the last is asked first, without counting it: the last need not wait, and
 *   is not interrupted.  Who is not is counted when it joins the queue, if it is not the last by
 *   then.
 *   The last party wins the waiters one by one.  Finding one whose claim is lost (it gives up at
 *   this moment) it cannot go back on those it has won, so that one counts as having come, and
 *   hears -ETIMEDOUT or -ECANCELED all the same.
 */
#include "rts/WaitQueue.h"

#include <capri/gather.h>
#include <errno.h>

struct Barrier {
    WaitQueue queue;
};

Barrier *barrierNew(uint32_t parties)
{
    Barrier *barrier = parties == 0 ? NULL : waitQueueNew();
    if (barrier != NULL)
        RELAXED_STORE(&barrier->queue.spare, parties);
    return barrier;
}

void barrierFree(Barrier *barrier)
{
    waitQueueFree(barrier == NULL ? NULL : &barrier->queue);
}

enum { BARRIER_LAST = 16 }; /* an attempt's answer: the caller is the last */

static int attemptLast(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    if (queue->first == NULL) /* in a fork's child those who waited are lost */
        RELAXED_STORE(&queue->state, 0);
    (void)waiter;
    if (RELAXED_LOAD(&queue->state) + 1 < RELAXED_LOAD(&queue->spare))
        return WAIT;
    RELAXED_STORE(&queue->state, 0);
    while (queue->first != NULL) /* See Note [Barrier] */
        waitQueueServe(queue, queue->first, 0, woken);
    return BARRIER_LAST;
}

static int attemptWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    int result = attemptLast(queue, waiter, woken);
    if (result == WAIT)
        RELAXED_STORE(&queue->state, RELAXED_LOAD(&queue->state) + 1);
    return result;
}

static void countLeft(WaitQueue *queue, Woken *woken)
{
    (void)woken;
    RELAXED_STORE(&queue->state, RELAXED_LOAD(&queue->state) - 1);
}

int barrierWaitUntil(Barrier *barrier, int64_t deadline_ns)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &barrier->queue, attemptLast, countLeft, 0, NULL);
    int result = waitQueueTry(&waiter);
    if (result == WAIT) {
        waiter.attempt = attemptWait;
        result = waitQueueAwait(&waiter, ThreadBlockedOnLock, deadline_ns);
    } else {
        waitQueueSafepoint(scheduleHere());
    }
    return result == BARRIER_LAST ? 1 : result;
}

int barrierWait(Barrier *barrier)
{
    return barrierWaitUntil(barrier, DEADLINE_NEVER);
}
