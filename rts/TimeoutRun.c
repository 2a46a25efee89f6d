/* TimeoutRun.c -- a function with a limit: a timer that interrupts the thread that runs it.
 *
 * Owns    Limits: type-stable, because a heap may hold a dead entry for one.
 * Before  iomgr/TimerHeap.c: the time is up.   After  rts/Interrupt.c: the interrupt.
 * Tests   testsuite/unit/TimeoutRunTest.c, testsuite/stress/KillStorm.c
 *
 * Note [Limit claim]
 *   The timer's fire and the function's end claim one word (See Note [Claim states]).  The end
 *   wins: the fire loses and touches nothing.  The fire wins: it posts the interrupt, then stores
 *   `done` (release); the end waits for `done` (acquire), then withdraws the interrupt: either it
 *   had been raised, or it never will be.  So none arrives after the end.
 */
#include "rts/TimeoutRun.h"

#include "rts/Interrupt.h"
#include "rts/Pool.h"

#include "internal/Turn.h"
#include <capri/scope.h>
#include <errno.h>

enum { KEPT_MOST = 64 }; /* free ones of a capability */

typedef struct Limit {
    Interrupt interrupt;
    Timer timer;
    Claim claim;
    Thread *thread;      /* whom it interrupts; NULL: it is free */
    int64_t deadline_ns; /* constant while it is armed */
    uint32_t done;       /* see Note [Limit claim] */
    void *link;          /* free: the pool's, or its capability's */
} CACHE_ALIGNED Limit;

static Pool limits;

void timeoutRunStart(const Allocator *allocator)
{
    poolOpen(&limits, allocator, sizeof(Limit), offsetof(Limit, link));
}

void timeoutRunEnd(void)
{
    poolClose(&limits);
}

void timeoutRunLockAll(void)
{
    poolLock(&limits);
}

void timeoutRunUnlockAll(void)
{
    poolUnlock(&limits);
}

static const Thread *surviving; /* while timeoutRunSurvive runs */
static TimerHeap *surviving_heap;
static int surviving_result;

static void surviveItem(void *item)
{
    Limit *limit = item;
    Claim claim = RELAXED_LOAD(&limit->claim);
    timerForget(&limit->timer);
    if (limit->thread == NULL || limit->thread != surviving) {
        limit->thread = NULL;
        poolGive(&limits, limit);
    } else if (claimState(claim) == ClaimArmed && surviving_result == 0) {
        surviving_result =
            timerHeapArm(surviving_heap, &limit->timer, claimNumber(claim), limit->deadline_ns);
    }
}

int timeoutRunSurvive(const Thread *survivor, TimerHeap *heap)
{
    surviving = survivor;
    surviving_heap = heap;
    surviving_result = 0;
    poolReclaim(&limits); /* of those that were kept, too: their capabilities are gone */
    poolEach(&limits, surviveItem);
    return surviving_result;
}

static void limitFired(Timer *timer, uint64_t number, void *sink)
{
    Limit *limit = (Limit *)(void *)((char *)timer - offsetof(Limit, timer));
    if (claimTry(&limit->claim, number, 0) == ClaimLost)
        return;
    interruptPost(limit->thread, &limit->interrupt, sink);
    RELEASE_STORE(&limit->done, 1);
}

static inline int beginLimit(Limit *limit, Thread *self, Capability *here, int64_t deadline_ns)
{
    if (limit->timer.fire == NULL) /* later lives leave it: a heap may be looking */
        limit->timer.fire = limitFired;
    limit->interrupt = (Interrupt){.code = InterruptTimeout, .payload = limit};
    limit->thread = self;
    limit->deadline_ns = deadline_ns;
    RELAXED_STORE(&limit->done, 0);
    uint64_t number = claimBegin(&limit->claim);
    return timerHeapArm(&here->manager.timers, &limit->timer, number, deadline_ns);
}

/* Its fire has won.  True: it has interrupted. */
static __attribute__((noinline)) bool awaitFire(Limit *limit, Thread *self)
{
    int spins = 0;
    while (ACQUIRE_LOAD(&limit->done) == 0)
        turnWait(&spins);
    bool raised = interruptWithdraw(self, &limit->interrupt);
    if (raised)
        interruptForget(self, limit);
    return raised;
}

/* True: it has interrupted. */
static inline bool endLimit(Limit *limit, Thread *self, Capability *here)
{
    if (UNLIKELY(!claimEnd(&limit->claim)))
        return awaitFire(limit, self);
    timerHeapDisarm(&here->manager.timers, &limit->timer);
    return false;
}

/* ---- Free ones: a few stay with the capability, so most come and go without the lock. -------- */

static ALWAYS_INLINE Limit *takeLimit(Scheduler *scheduler)
{
    Limit *limit = scheduler->limits;
    if (UNLIKELY(limit == NULL))
        return poolTake(&limits);
    scheduler->limits = limit->link;
    scheduler->limit_count--;
    return limit;
}

static ALWAYS_INLINE void giveLimit(Scheduler *scheduler, Limit *limit)
{
    limit->thread = NULL;
    if (UNLIKELY(scheduler->limit_count == KEPT_MOST)) {
        poolGive(&limits, limit);
        return;
    }
    RELAXED_STORE(&limit->link, scheduler->limits);
    scheduler->limits = limit;
    scheduler->limit_count++;
}

/* ---- Running --------------------------------------------------------------------------------- */

static ALWAYS_INLINE int runLimited(Capability *here, Thread *self, int64_t deadline_ns,
                                    ThreadFn *fn, void *env, void **value)
{
    Limit *limit = takeLimit(schedulerOf(here));
    if (UNLIKELY(limit == NULL))
        return -ENOMEM;
    ASSERT(limit->thread == NULL);
    int result = beginLimit(limit, self, here, deadline_ns);
    if (LIKELY(result == 0)) {
        uint32_t raised = interruptCount(self);
        *value = fn(env);
        here = scheduleHere();
        if (UNLIKELY(here == NULL)) /* forked in there: See Note [After a fork] */
            return interruptIsUncaught(self, raised) ? -ECANCELED : 0;
        if (UNLIKELY(endLimit(limit, self, here)))
            result = -ETIMEDOUT;
        if (UNLIKELY(interruptIsUncaught(self, raised)))
            result = -ECANCELED;
    } else if (!claimEnd(&limit->claim)) { /* a dead entry of the timer has fired it: it was due */
        awaitFire(limit, self);
    }
    giveLimit(schedulerOf(here), limit);
    return result;
}

/* No limit. */
static int runFree(Thread *self, ThreadFn *fn, void *env, void **value)
{
    uint32_t raised = self == NULL ? 0 : interruptCount(self);
    *value = fn(env);
    return self != NULL && interruptIsUncaught(self, raised) ? -ECANCELED : 0;
}

/* here, self: NULL on a plain OS thread, which has no limit but never. */
static ALWAYS_INLINE int run(Capability *here, Thread *self, int64_t deadline_ns, ThreadFn *fn,
                             void *env, void **result)
{
    void *value = NULL;
    int status;
    if (UNLIKELY(deadline_ns == DEADLINE_NEVER))
        status = runFree(self, fn, env, &value);
    else
        status = runLimited(here, self, deadline_ns, fn, env, &value);
    if (result != NULL && status != -ENOMEM)
        *result = value;
    return status;
}

int timeoutRunUntil(int64_t deadline_ns, ThreadFn *fn, void *env, void **result)
{
    Capability *here = scheduleEnter();
    Thread *self = scheduleWaiter(here);
    if (fn == NULL)
        return -EINVAL;
    if (deadline_ns != DEADLINE_NEVER) {
        if (self == NULL)
            return -EPERM;
        if (deadline_ns <= clockRead(here->manager.clock))
            return -ETIMEDOUT;
    }
    return run(here, self, deadline_ns, fn, env, result);
}

int timeoutRun(int64_t timeout_us, ThreadFn *fn, void *env, void **result)
{
    Capability *here = scheduleEnter();
    Thread *self = scheduleWaiter(here);
    int64_t deadline_ns = DEADLINE_NEVER;
    if (fn == NULL)
        return -EINVAL;
    if (timeout_us >= 0) {
        if (self == NULL)
            return -EPERM;
        if (timeout_us == 0)
            return -ETIMEDOUT;
        deadline_ns = clockDeadline(here->manager.clock, timeout_us);
    }
    return run(here, self, deadline_ns, fn, env, result);
}
