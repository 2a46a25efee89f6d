/* Once.c -- a value that is computed when it is first wanted, by one; the others wait.
 *
 * Owns    Once.value, holder; queue.state of a Once.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/OnceTest.c
 *
 * Note [Once states]
 *   Under the lock, but that Done is for ever and seen without it (acquire: the value).
 *     OnceEmpty    get      OnceRunning  the caller computes
 *     OnceRunning  get      OnceRunning  waits
 *     OnceRunning  success  OnceDone     all who wait are served
 *     OnceRunning  failure  OnceRunning  the first who can be won computes
 *     OnceRunning  failure  OnceEmpty    nobody waits
 */
#include "rts/Holder.h"
#include "rts/Outside.h"
#include "rts/WaitQueue.h"

#include <capri/once.h>
#include <errno.h>

enum { OnceEmpty = 0, OnceRunning = 1, OnceDone = 2 };

enum { ONCE_COMPUTE = 16 }; /* an attempt's answer, and what a waiter is served with */

struct Once {
    WaitQueue queue;
    Holder holder; /* Running: who computes */
    void *value;   /* Done */
};

_Static_assert(sizeof(Once) <= WAIT_QUEUE_BYTES, "the pool's items");

Once *onceNew(void)
{
    return waitQueueNew();
}

void onceFree(Once *once)
{
    waitQueueFree(once == NULL ? NULL : &once->queue);
}

/* value: the caller's Holder.  See Note [Once states]. */
static int attemptGet(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    Once *once = (Once *)(void *)queue;
    Holder me = (Holder)(uintptr_t)waiter->value;
    uint32_t state = RELAXED_LOAD(&queue->state);
    (void)woken;
    if (state == OnceDone)
        return 0;
    if (state == OnceRunning)
        return once->holder == me ? -EDEADLK : WAIT;
    once->holder = me;
    RELAXED_STORE(&queue->state, OnceRunning);
    return ONCE_COMPUTE;
}

/* The caller has computed: well, or not. */
static void endCompute(Once *once, int result, void *value)
{
    Woken woken = {NULL, NULL};
    WaitQueue *queue = &once->queue;
    Capability *here = scheduleHere();
    waitQueueLock(queue);
    bool running = false;
    if (result == 0)
        once->value = value;
    while (!running && queue->first != NULL) {
        Holder next = (Holder)(uintptr_t)queue->first->value;
        bool won = waitQueueServe(queue, queue->first, result == 0 ? 0 : ONCE_COMPUTE, &woken);
        running = won && result != 0;
        if (running)
            once->holder = next;
    }
    if (!running)
        RELEASE_STORE(&queue->state, result == 0 ? OnceDone : OnceEmpty);
    waitQueueFinish(queue, &woken, here);
}

/* It is not Done, or was not just now. */
static __attribute__((noinline)) int getSlow(Once *once, OnceFn *fn, void *env, void **value,
                                             int64_t deadline_ns)
{
    Waiter waiter;
    bool outside = outsideStayHere();
    void *me = (void *)(uintptr_t)holderSelf();
    waitQueueWaiter(&waiter, &once->queue, attemptGet, NULL, 0, me);
    int result = waitQueueDo(&waiter, ThreadBlockedOnLock, deadline_ns);
    if (result == ONCE_COMPUTE) {
        void *made = NULL;
        result = fn(env, &made);
        endCompute(once, result, made);
    }
    if (result == 0 && value != NULL)
        *value = once->value;
    if (outside)
        outsideStayOver();
    return result;
}

int onceGetUntil(Once *once, OnceFn *fn, void *env, void **value, int64_t deadline_ns)
{
    if (UNLIKELY(ACQUIRE_LOAD(&once->queue.state) != OnceDone))
        return getSlow(once, fn, env, value, deadline_ns);
    if (value != NULL)
        *value = once->value;
    return 0;
}

int onceGet(Once *once, OnceFn *fn, void *env, void **value)
{
    return onceGetUntil(once, fn, env, value, DEADLINE_NEVER);
}
