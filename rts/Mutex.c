/* Mutex.c -- one holder at a time, handed on in order.
 *
 * Owns    Mutex.holder.
 * Before  rts/Condition.c.   After  rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/MutexTest.c, testsuite/stress/Locks.c
 *
 * See Note [Mutex states].
 */
#include "rts/Mutex.h"

#include <errno.h>

Mutex *mutexNew(void)
{
    return waitQueueNew();
}

void mutexFree(Mutex *mutex)
{
    waitQueueFree(mutex == NULL ? NULL : &mutex->queue);
}

/* value: the Holder to be. */
static int attemptLock(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    Mutex *mutex = (Mutex *)(void *)queue;
    Holder holder = RELAXED_LOAD(&mutex->holder), me = (Holder)(uintptr_t)waiter->value;
    (void)woken;
    if (holder != 0)
        return holder == me ? -EDEADLK : WAIT;
    RELAXED_STORE(&mutex->holder, me);
    return 0;
}

static inline void becomeWaiter(Waiter *waiter, Mutex *mutex)
{
    waitQueueWaiter(waiter, &mutex->queue, attemptLock, NULL, 0, (void *)(uintptr_t)holderSelf());
}

int mutexLockUntil(Mutex *mutex, int64_t deadline_ns)
{
    Waiter waiter;
    becomeWaiter(&waiter, mutex);
    return waitQueueDo(&waiter, ThreadBlockedOnLock, deadline_ns);
}

int mutexLock(Mutex *mutex)
{
    return mutexLockUntil(mutex, DEADLINE_NEVER);
}

int mutexLockInLife(Mutex *mutex, uint32_t life)
{
    Waiter waiter;
    becomeWaiter(&waiter, mutex);
    return waitQueueDoInLife(&waiter, life, ThreadBlockedOnLock, DEADLINE_NEVER);
}

int mutexTryLock(Mutex *mutex)
{
    Waiter waiter;
    becomeWaiter(&waiter, mutex);
    int result = waitQueueTry(&waiter);
    waitQueueSafepoint(scheduleHere());
    return result == WAIT ? -EBUSY : result;
}

void mutexHandOn(Mutex *mutex, Woken *woken)
{
    Waiter *waiter;
    while ((waiter = mutex->queue.first) != NULL) {
        Holder next = (Holder)(uintptr_t)waiter->value;
        if (waitQueueServe(&mutex->queue, waiter, 0, woken)) {
            RELAXED_STORE(&mutex->holder, next);
            return;
        }
    }
    RELAXED_STORE(&mutex->holder, 0);
}

int mutexUnlock(Mutex *mutex)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    if (RELAXED_LOAD(&mutex->holder) != holderSelf())
        return -EPERM;
    waitQueueLock(&mutex->queue);
    mutexHandOn(mutex, &woken);
    waitQueueFinish(&mutex->queue, &woken, here);
    waitQueueSafepoint(here);
    return 0;
}
