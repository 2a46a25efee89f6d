/* RWLock.c -- any number of readers or one writer, in the order in which they came.
 *
 * Owns    RWLock.writer; queue.state: how many read.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/RWLockTest.c, testsuite/stress/Locks.c
 *
 * Note [RWLock states]
 *   Under the queue's lock.  Who comes while somebody waits waits behind.  admit() lets in from the
 *   front: a writer if nobody is inside, readers until a writer is next; it runs whenever one comes
 *   out, and when a waiter has given up (a writer in front kept readers waiting).
 *   Invariant: the first who waits cannot be let in.
 */
#include "rts/Holder.h"
#include "rts/WaitQueue.h"

#include <capri/lock.h>
#include <errno.h>

struct RWLock {
    WaitQueue queue;
    Holder writer; /* stored under the lock, read by anyone: is it me? */
};

_Static_assert(sizeof(RWLock) <= WAIT_QUEUE_BYTES, "the pool's items");

enum { Reads, Writes }; /* Waiter.kind */

RWLock *rwlockNew(void)
{
    return waitQueueNew();
}

void rwlockFree(RWLock *rwlock)
{
    waitQueueFree(rwlock == NULL ? NULL : &rwlock->queue);
}

static RWLock *rwlockOf(WaitQueue *queue)
{
    return (RWLock *)(void *)queue;
}

static bool mayEnter(RWLock *rwlock, uint32_t kind)
{
    return RELAXED_LOAD(&rwlock->writer) == 0 &&
           (kind == Reads || RELAXED_LOAD(&rwlock->queue.state) == 0);
}

static void enter(RWLock *rwlock, uint32_t kind, Holder who)
{
    if (kind == Writes)
        RELAXED_STORE(&rwlock->writer, who);
    else
        RELAXED_STORE(&rwlock->queue.state, RELAXED_LOAD(&rwlock->queue.state) + 1);
}

/* See Note [RWLock states]. */
static void admit(WaitQueue *queue, Woken *woken)
{
    RWLock *rwlock = rwlockOf(queue);
    Waiter *waiter;
    while ((waiter = queue->first) != NULL && mayEnter(rwlock, waiter->kind)) {
        uint32_t kind = waiter->kind;
        Holder who = (Holder)(uintptr_t)waiter->value;
        if (waitQueueServe(queue, waiter, 0, woken))
            enter(rwlock, kind, who);
    }
}

static int attemptEnter(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    RWLock *rwlock = rwlockOf(queue);
    Holder me = (Holder)(uintptr_t)waiter->value;
    (void)woken;
    if (RELAXED_LOAD(&rwlock->writer) == me)
        return -EDEADLK;
    if (queue->first != NULL || !mayEnter(rwlock, waiter->kind))
        return WAIT;
    enter(rwlock, waiter->kind, me);
    return 0;
}

static void becomeWaiter(Waiter *waiter, RWLock *rwlock, uint32_t kind)
{
    void *me = (void *)(uintptr_t)holderSelf();
    waitQueueWaiter(waiter, &rwlock->queue, attemptEnter, admit, kind, me);
}

static int await(RWLock *rwlock, uint32_t kind, int64_t deadline_ns)
{
    Waiter waiter;
    becomeWaiter(&waiter, rwlock, kind);
    return waitQueueDo(&waiter, ThreadBlockedOnLock, deadline_ns);
}

static int attempt(RWLock *rwlock, uint32_t kind)
{
    Waiter waiter;
    becomeWaiter(&waiter, rwlock, kind);
    int result = waitQueueTry(&waiter);
    waitQueueSafepoint(scheduleHere());
    return result == WAIT ? -EBUSY : result;
}

int rwlockReadUntil(RWLock *rwlock, int64_t deadline_ns)
{
    return await(rwlock, Reads, deadline_ns);
}

int rwlockRead(RWLock *rwlock)
{
    return await(rwlock, Reads, DEADLINE_NEVER);
}

int rwlockTryRead(RWLock *rwlock)
{
    return attempt(rwlock, Reads);
}

int rwlockWriteUntil(RWLock *rwlock, int64_t deadline_ns)
{
    return await(rwlock, Writes, deadline_ns);
}

int rwlockWrite(RWLock *rwlock)
{
    return await(rwlock, Writes, DEADLINE_NEVER);
}

int rwlockTryWrite(RWLock *rwlock)
{
    return attempt(rwlock, Writes);
}

int rwlockUnlock(RWLock *rwlock)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    Holder me = holderSelf();
    int result = 0;
    waitQueueLock(&rwlock->queue);
    Holder writer = RELAXED_LOAD(&rwlock->writer);
    uint32_t readers = RELAXED_LOAD(&rwlock->queue.state);
    if (writer != 0 ? writer != me : readers == 0)
        result = -EPERM;
    else if (writer != 0)
        RELAXED_STORE(&rwlock->writer, 0);
    else
        RELAXED_STORE(&rwlock->queue.state, readers - 1);
    if (result == 0)
        admit(&rwlock->queue, &woken);
    waitQueueFinish(&rwlock->queue, &woken, here);
    waitQueueSafepoint(here);
    return result;
}
