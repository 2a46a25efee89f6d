/* Barrier.c -- so many parties meet, again and again.
 *
 * Owns    queue.state of a Barrier: how many wait; queue.spare: how many are to meet.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/WaitGroupTest.c
 *
 * Note [Barrier]
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

static int attemptWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    /* In a fork's child those who waited are lost, and the state is as they left it. */
    uint32_t waiting = queue->first == NULL ? 0 : RELAXED_LOAD(&queue->state);
    (void)waiter;
    if (waiting + 1 < RELAXED_LOAD(&queue->spare)) {
        RELAXED_STORE(&queue->state, waiting + 1);
        return WAIT;
    }
    RELAXED_STORE(&queue->state, 0);
    while (queue->first != NULL) /* See Note [Barrier] */
        waitQueueServe(queue, queue->first, 0, woken);
    return BARRIER_LAST;
}

static void countLeft(WaitQueue *queue, Woken *woken)
{
    (void)woken;
    RELAXED_STORE(&queue->state, RELAXED_LOAD(&queue->state) - 1);
}

int barrierWaitUntil(Barrier *barrier, int64_t deadline_ns)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &barrier->queue, attemptWait, countLeft, 0, NULL);
    int result = waitQueueAwait(&waiter, ThreadBlockedOnLock, deadline_ns);
    return result == BARRIER_LAST ? 1 : result;
}

int barrierWait(Barrier *barrier)
{
    return barrierWaitUntil(barrier, DEADLINE_NEVER);
}
