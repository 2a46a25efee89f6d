/* QSem.c -- a counting semaphore, one unit at a time.
 *
 * Owns    queue.state of a QSem: its units.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/QSemTest.c, testsuite/stress/Locks.c
 *
 * Under the lock; who waits does so because there is no unit, so a signal that finds a waiter hands
 * the unit over.
 */
#include "rts/WaitQueue.h"

#include <capri/qsem.h>
#include <errno.h>

struct QSem {
    WaitQueue queue;
};

QSem *qsemNew(uint32_t units)
{
    QSem *sem = waitQueueNew();
    if (sem != NULL)
        RELAXED_STORE(&sem->queue.state, units);
    return sem;
}

void qsemFree(QSem *sem)
{
    waitQueueFree(sem == NULL ? NULL : &sem->queue);
}

static int attemptWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    uint32_t units = RELAXED_LOAD(&queue->state);
    (void)waiter;
    (void)woken;
    if (units == 0)
        return WAIT;
    RELAXED_STORE(&queue->state, units - 1);
    return 0;
}

int qsemWaitUntil(QSem *sem, int64_t deadline_ns)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &sem->queue, attemptWait, NULL, 0, NULL);
    return waitQueueDo(&waiter, ThreadBlockedOnLock, deadline_ns);
}

int qsemWait(QSem *sem)
{
    return qsemWaitUntil(sem, DEADLINE_NEVER);
}

int qsemTryWait(QSem *sem)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &sem->queue, attemptWait, NULL, 0, NULL);
    int result = waitQueueTry(&waiter);
    waitQueueSafepoint(scheduleHere());
    return result == WAIT ? -EAGAIN : result;
}

int qsemSignal(QSem *sem)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    WaitQueue *queue = &sem->queue;
    int result = 0;
    waitQueueLock(queue);
    uint32_t units = RELAXED_LOAD(&queue->state);
    bool given = false;
    while (!given && queue->first != NULL)
        given = waitQueueServe(queue, queue->first, 0, &woken);
    if (!given && units == UINT32_MAX)
        result = -EOVERFLOW;
    else if (!given)
        RELAXED_STORE(&queue->state, units + 1);
    waitQueueFinish(queue, &woken, here);
    waitQueueSafepoint(here);
    return result;
}
