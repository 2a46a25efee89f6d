/* Condition.c -- waiting for something that a Mutex guards.
 *
 * Owns    its queue.
 * After   rts/Mutex.c, rts/WaitQueue.c.
 * Tests   testsuite/unit/ConditionTest.c, testsuite/stress/Locks.c
 *
 * Note [Condition wait]
 *   The mutex is handed on under the condition's own lock, in the section that adds the waiter: who
 *   has the mutex next and signals comes to this lock later and finds it.  Locks are taken in that
 *   order only.  What was not added (cancelled, freed) has not given the mutex away.
 *   The mutex may be freed meanwhile, and its memory be another object's: it is locked again in the
 *   life in which it was given away, or not at all.
 */
#include "rts/Interrupt.h"
#include "rts/Mutex.h"
#include "rts/Outside.h"
#include "rts/Park.h"

#include <errno.h>

struct Condition {
    WaitQueue queue;
};

Condition *conditionNew(void)
{
    return waitQueueNew();
}

void conditionFree(Condition *condition)
{
    waitQueueFree(condition == NULL ? NULL : &condition->queue);
}

/* value: the mutex until it has been given away; kind: its life.  See Note [Condition wait]. */
static int attemptWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    Mutex *mutex = waiter->value;
    (void)queue;
    waitQueueLock(&mutex->queue);
    bool freed = RELAXED_LOAD(&mutex->queue.life) != waiter->kind;
    if (!freed) {
        waiter->value = NULL;
        mutexHandOn(mutex, woken);
    }
    waitQueueUnlock(&mutex->queue);
    return freed ? -EINVAL : WAIT;
}

static int lockUntilDone(Mutex *mutex, uint32_t life, bool outside)
{
    for (;;) {
        int locked = mutexLockInLife(mutex, life);
        bool again =
            locked == -ENOMEM || (!outside && (locked == -ECANCELED || locked == -EDEADLK));
        if (!again)
            return locked;
        threadYield();
    }
}

/* A green thread whose wait was cancelled gets the mutex all the same: its holders are being told
 * to end as well.  A plain OS thread does not: who has it may be gone. */
static int lockAgain(Mutex *mutex, uint32_t life, int result)
{
    Thread *self = scheduleSelf();
    bool outside = self == NULL;
    if (outside && result == -ECANCELED)
        return result;
    MaskingState before = outside ? Unmasked : interruptMask(self, MaskedUninterruptible);
    int locked = lockUntilDone(mutex, life, outside);
    if (!outside)
        interruptMask(self, before);
    return locked == 0 ? result : locked;
}

int conditionWaitUntil(Condition *condition, Mutex *mutex, int64_t deadline_ns)
{
    Waiter waiter;
    uint32_t life = ACQUIRE_LOAD(&mutex->queue.life); /* before the look: the one it holds it in */
    if (RELAXED_LOAD(&mutex->holder) != holderSelf() || scheduleInStep(scheduleHere()) ||
        !scheduleMayWait())
        return -EPERM;
    bool outside = outsideStayHere(); /* between its two waits, too */
    waitQueueWaiter(&waiter, &condition->queue, attemptWait, NULL, life, mutex);
    int result = waitQueueAwait(&waiter, ThreadBlockedOnLock, deadline_ns);
    if (waiter.value == NULL)
        result = lockAgain(mutex, life, result);
    if (outside)
        outsideStayOver();
    return result;
}

int conditionWait(Condition *condition, Mutex *mutex)
{
    return conditionWaitUntil(condition, mutex, DEADLINE_NEVER);
}

/* Wake `most` of them. */
static int wakeSome(Condition *condition, int most)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    int count = 0;
    waitQueueLock(&condition->queue);
    while (count < most && condition->queue.first != NULL)
        count += waitQueueServe(&condition->queue, condition->queue.first, 0, &woken);
    waitQueueFinish(&condition->queue, &woken, here);
    waitQueueSafepoint(here);
    return count;
}

int conditionSignal(Condition *condition)
{
    return wakeSome(condition, 1);
}

int conditionBroadcast(Condition *condition)
{
    return wakeSome(condition, INT32_MAX);
}
