/* MVar.c -- a box for one value, with a fair queue.
 *
 * Owns    MVar.value, and queue.state of an MVar.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/MVarTest.c, testsuite/model/MVarModel.c, testsuite/stress/MVarStorm.c
 *
 * See Note [MVar states], Note [Waiters of tasks] and Note [Interruptible waits].
 */
#include "rts/MVar.h"

#include "rts/Outside.h"
#include "rts/Park.h"

#include <errno.h>

static MVar *mvarOf(WaitQueue *queue)
{
    return (MVar *)(void *)queue;
}

static inline bool isFull(MVar *mvar)
{
    return RELAXED_LOAD(&mvar->queue.state) == MVarFull;
}

static inline void become(MVar *mvar, uint32_t state)
{
    RELEASE_STORE(&mvar->queue.state, state); /* for who looks without the lock, and forks */
}

MVar *mvarNewEmpty(void)
{
    return waitQueueNew();
}

MVar *mvarNew(void *value)
{
    MVar *mvar = waitQueueNew();
    if (mvar != NULL) {
        mvar->value = value;
        become(mvar, MVarFull);
    }
    return mvar;
}

void mvarFree(MVar *mvar)
{
    waitQueueFree(mvar == NULL ? NULL : &mvar->queue);
}

/* ---- The four operations, under the lock: done, or -EAGAIN ----------------------------------- */

/* It has been emptied: the first putter's value comes in, if there is one. */
static __attribute__((noinline)) void fetchFromPutters(MVar *mvar, Woken *woken)
{
    for (Waiter *putter; (putter = mvar->queue.first) != NULL;) {
        if (waitQueueServe(&mvar->queue, putter, 0, woken)) {
            mvar->value = waiterValue(putter);
            return;
        }
    }
    become(mvar, MVarEmpty);
}

static inline int take(MVar *mvar, void **value, Woken *woken)
{
    if (!isFull(mvar))
        return -EAGAIN;
    *value = mvar->value;
    if (UNLIKELY(mvar->queue.first != NULL))
        fetchFromPutters(mvar, woken);
    else
        become(mvar, MVarEmpty);
    return 0;
}

static inline void fillWith(MVar *mvar, void *value)
{
    mvar->value = value;
    become(mvar, MVarFull);
}

/* It is empty, and some wait for that. */
static __attribute__((noinline)) void giveToTakers(MVar *mvar, void *value, Woken *woken)
{
    for (Waiter *waiter; (waiter = mvar->queue.first) != NULL;) {
        uint32_t kind = waiterKind(waiter);
        void *brought = waiterValue(waiter);
        if (!waitQueueServe(&mvar->queue, waiter, 0, woken))
            continue;
        waiterBring(waiter, value);
        if (kind == MVarTakes)
            return;
        if (kind == MVarSwaps)
            value = brought;
    }
    fillWith(mvar, value);
}

static inline int put(MVar *mvar, void *value, Woken *woken)
{
    if (isFull(mvar))
        return -EAGAIN;
    if (UNLIKELY(mvar->queue.first != NULL))
        giveToTakers(mvar, value, woken);
    else
        fillWith(mvar, value);
    return 0;
}

static inline int peek(MVar *mvar, void **value)
{
    if (!isFull(mvar))
        return -EAGAIN;
    *value = mvar->value;
    return 0;
}

static inline int swap(MVar *mvar, void **value)
{
    if (!isFull(mvar))
        return -EAGAIN;
    void *old = mvar->value;
    mvar->value = *value;
    *value = old;
    return 0;
}

/* ---- The same for a waiter ------------------------------------------------------------------- */

static int attemptTake(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    void *value = NULL;
    if (take(mvarOf(queue), &value, woken) != 0)
        return WAIT;
    RELAXED_STORE(&waiter->value, value);
    return 0;
}

static int attemptPut(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    return put(mvarOf(queue), RELAXED_LOAD(&waiter->value), woken) == 0 ? 0 : WAIT;
}

static int attemptRead(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    void *value = NULL;
    (void)woken;
    if (peek(mvarOf(queue), &value) != 0)
        return WAIT_FRONT;
    RELAXED_STORE(&waiter->value, value);
    return 0;
}

static int attemptSwap(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    void *value = RELAXED_LOAD(&waiter->value);
    (void)woken;
    if (swap(mvarOf(queue), &value) != 0)
        return WAIT;
    RELAXED_STORE(&waiter->value, value);
    return 0;
}

/* ---- Without waiting ------------------------------------------------------------------------- */

/* A look before the lock: who will have to wait takes it only once, when it has left its stack. */
static inline int tryTake(MVar *mvar, void **value, Capability *here)
{
    Woken woken = {NULL, NULL};
    void *taken = NULL;
    if (!isFull(mvar))
        return -EAGAIN;
    waitQueueLock(&mvar->queue);
    int result = take(mvar, &taken, &woken);
    waitQueueFinish(&mvar->queue, &woken, here);
    if (result == 0 && value != NULL)
        *value = taken;
    return result;
}

/* With the lock, which it gives back. */
static __attribute__((noinline)) int putOtherwise(MVar *mvar, void *value, Capability *here)
{
    Woken woken = {NULL, NULL};
    int result = put(mvar, value, &woken);
    waitQueueFinish(&mvar->queue, &woken, here);
    return result;
}

/* Under the lock: the first waiter has it, which is listed and takes; NULL: there is none. */
static inline Thread *handOver(MVar *mvar, void *value)
{
    Waiter *first = mvar->queue.first;
    if (first == NULL)
        return NULL;
    if (LIKELY(first->number == 0))
        return first->kind == MVarTakes ? waitQueueHandOver(&mvar->queue, first, value) : NULL;
    if (!waiterIsTask(first) || waiterTaskKind(waiterTask(first)) != MVarTakes)
        return NULL;
    return waitQueueHandOverTask(&mvar->queue, first, value);
}

static ALWAYS_INLINE int tryPut(MVar *mvar, void *value, Capability *here)
{
    if (isFull(mvar))
        return -EAGAIN;
    waitQueueLock(&mvar->queue);
    Thread *taker = handOver(mvar, value);
    if (UNLIKELY(taker == NULL))
        return putOtherwise(mvar, value, here);
    waitQueueUnlock(&mvar->queue);
    scheduleReady(taker, here);
    return 0;
}

static inline int tryRead(MVar *mvar, void **value)
{
    void *seen = NULL;
    if (!isFull(mvar))
        return -EAGAIN;
    waitQueueLock(&mvar->queue);
    int result = peek(mvar, &seen);
    waitQueueUnlock(&mvar->queue);
    if (result == 0 && value != NULL)
        *value = seen;
    return result;
}

static inline int trySwap(MVar *mvar, void **value)
{
    if (!isFull(mvar))
        return -EAGAIN;
    waitQueueLock(&mvar->queue);
    int result = swap(mvar, value);
    waitQueueUnlock(&mvar->queue);
    return result;
}

int mvarTryTake(MVar *mvar, void **value)
{
    Capability *here = scheduleHere();
    int result = tryTake(mvar, value, here);
    waitQueueSafepoint(here);
    return result;
}

int mvarTryPut(MVar *mvar, void *value)
{
    Capability *here = scheduleHere();
    int result = tryPut(mvar, value, here);
    waitQueueSafepoint(here);
    return result;
}

int mvarTryRead(MVar *mvar, void **value)
{
    int result = tryRead(mvar, value);
    waitQueueSafepoint(scheduleHere());
    return result;
}

bool mvarIsEmpty(MVar *mvar)
{
    return ACQUIRE_LOAD(&mvar->queue.state) == MVarEmpty;
}

int mvarOffer(MVar *mvar, void *value, Capability *here)
{
    Woken woken = {NULL, NULL};
    waitQueueLock(&mvar->queue);
    int result = put(mvar, value, &woken);
    waitQueueFinish(&mvar->queue, &woken, here);
    return result;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

WaitAttempt *const mvar_attempts[] = {[MVarTakes] = attemptTake,
                                      [MVarPuts] = attemptPut,
                                      [MVarReads] = attemptRead,
                                      [MVarSwaps] = attemptSwap};

/* brings: into the queue.  value: receives what came of it, or NULL. */
static int await(MVar *mvar, MVarWaits kind, WaitAttempt *attempt, void *brings, void **value,
                 int64_t deadline_ns)
{
    Waiter waiter;
    Capability *here = scheduleHere();
    Thread *self = scheduleWaiter(here);
    waitQueueWaiter(&waiter, &mvar->queue, attempt, NULL, kind, brings);
    int result = LIKELY(self != NULL && deadline_ns == DEADLINE_NEVER)
                     ? waitQueueAwaitListed(&waiter, self, here, ThreadBlockedOnMVar)
                     : waitQueueAwait(&waiter, ThreadBlockedOnMVar, deadline_ns);
    if (result == 0 && value != NULL)
        *value = RELAXED_LOAD(&waiter.value);
    return result;
}

int mvarTakeUntil(MVar *mvar, void **value, int64_t deadline_ns)
{
    Capability *here = scheduleHere();
    if (tryTake(mvar, value, here) != 0)
        return await(mvar, MVarTakes, attemptTake, NULL, value, deadline_ns);
    waitQueueSafepoint(here);
    return 0;
}

int mvarTake(MVar *mvar, void **value)
{
    return mvarTakeUntil(mvar, value, DEADLINE_NEVER);
}

int mvarPutUntil(MVar *mvar, void *value, int64_t deadline_ns)
{
    Capability *here = scheduleHere();
    if (tryPut(mvar, value, here) != 0)
        return await(mvar, MVarPuts, attemptPut, value, NULL, deadline_ns);
    waitQueueSafepoint(here);
    return 0;
}

int mvarPut(MVar *mvar, void *value)
{
    return mvarPutUntil(mvar, value, DEADLINE_NEVER);
}

int mvarReadUntil(MVar *mvar, void **value, int64_t deadline_ns)
{
    if (tryRead(mvar, value) != 0)
        return await(mvar, MVarReads, attemptRead, NULL, value, deadline_ns);
    waitQueueSafepoint(scheduleHere());
    return 0;
}

int mvarRead(MVar *mvar, void **value)
{
    return mvarReadUntil(mvar, value, DEADLINE_NEVER);
}

int mvarSwapUntil(MVar *mvar, void *value, void **old, int64_t deadline_ns)
{
    if (trySwap(mvar, &value) != 0)
        return await(mvar, MVarSwaps, attemptSwap, value, old, deadline_ns);
    if (old != NULL)
        *old = value;
    waitQueueSafepoint(scheduleHere());
    return 0;
}

int mvarSwap(MVar *mvar, void *value, void **old)
{
    return mvarSwapUntil(mvar, value, old, DEADLINE_NEVER);
}

int mvarModifyUntil(MVar *mvar, MVarFn *fn, void *env, int64_t deadline_ns)
{
    void *value;
    bool outside = scheduleEnter() == NULL;
    if (UNLIKELY(outside))
        outsideStay();
    int result = mvarTakeUntil(mvar, &value, deadline_ns);
    if (result == 0)
        result = mvarPut(mvar, fn(value, env));
    if (UNLIKELY(outside))
        outsideStayOver();
    return result;
}

int mvarModify(MVar *mvar, MVarFn *fn, void *env)
{
    return mvarModifyUntil(mvar, fn, env, DEADLINE_NEVER);
}

bool mvarSane(const MVar *mvar)
{
    bool full = mvar->queue.state == MVarFull;
    bool reads = true; /* so far */
    for (const Waiter *at = mvar->queue.first; at != NULL; at = at->next) {
        uint32_t kind = waiterKind(at);
        if (full != (kind == MVarPuts) || (kind == MVarReads && !reads))
            return false;
        reads = kind == MVarReads;
    }
    return waitQueueSane(&mvar->queue);
}
