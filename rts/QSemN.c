/* QSemN.c -- a counting semaphore, any number of units at a time.
 *
 * Owns    queue.state of a QSemN: its units.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/QSemTest.c, testsuite/stress/Locks.c
 *
 * Note [QSemN order]
 *   Under the lock.  The first who waits wants more than there is; who comes behind waits, however
 *   little it wants.  serve() goes on from the front as long as there is enough: after a signal,
 *   and when a waiter has given up.
 */
#include "rts/WaitQueue.h"

#include <capri/qsem.h>
#include <errno.h>

struct QSemN {
    WaitQueue queue;
};

QSemN *qsemnNew(uint32_t units)
{
    QSemN *sem = waitQueueNew();
    if (sem != NULL)
        RELAXED_STORE(&sem->queue.state, units);
    return sem;
}

void qsemnFree(QSemN *sem)
{
    waitQueueFree(sem == NULL ? NULL : &sem->queue);
}

/* See Note [QSemN order].  Waiter.kind: units. */
static void serve(WaitQueue *queue, Woken *woken)
{
    uint32_t units = RELAXED_LOAD(&queue->state);
    while (queue->first != NULL && queue->first->kind <= units) {
        uint32_t wanted = queue->first->kind;
        if (waitQueueServe(queue, queue->first, 0, woken))
            units -= wanted;
    }
    RELAXED_STORE(&queue->state, units);
}

static int attemptWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    uint32_t units = RELAXED_LOAD(&queue->state);
    (void)woken;
    if (queue->first != NULL || waiter->kind > units)
        return WAIT;
    RELAXED_STORE(&queue->state, units - waiter->kind);
    return 0;
}

int qsemnWaitUntil(QSemN *sem, uint32_t units, int64_t deadline_ns)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &sem->queue, attemptWait, serve, units, NULL);
    return waitQueueDo(&waiter, ThreadBlockedOnLock, deadline_ns);
}

int qsemnWait(QSemN *sem, uint32_t units)
{
    return qsemnWaitUntil(sem, units, DEADLINE_NEVER);
}

int qsemnTryWait(QSemN *sem, uint32_t units)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &sem->queue, attemptWait, serve, units, NULL);
    int result = waitQueueTry(&waiter);
    waitQueueSafepoint(scheduleHere());
    return result == WAIT ? -EAGAIN : result;
}

int qsemnSignal(QSemN *sem, uint32_t units)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    WaitQueue *queue = &sem->queue;
    int result = 0;
    waitQueueLock(queue);
    uint32_t before = RELAXED_LOAD(&queue->state);
    if (units > UINT32_MAX - before) {
        result = -EOVERFLOW;
    } else {
        RELAXED_STORE(&queue->state, before + units);
        serve(queue, &woken);
    }
    waitQueueFinish(queue, &woken, here);
    waitQueueSafepoint(here);
    return result;
}
