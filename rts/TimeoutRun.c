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

typedef struct Limit {
    Interrupt interrupt;
    Timer timer;
    Claim claim;
    Thread *thread;      /* whom it interrupts; NULL: it is free */
    int64_t deadline_ns; /* constant while it is armed */
    uint32_t done;       /* see Note [Limit claim] */
    void *link;          /* the pool's */
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
    if (limit->thread == NULL)
        return;
    if (limit->thread != surviving) {
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
    poolSurvive(&limits);
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

static int beginLimit(Limit *limit, Thread *self, Capability *here, int64_t deadline_ns)
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

/* True: it has interrupted. */
static bool endLimit(Limit *limit, Thread *self)
{
    int spins = 0;
    if (LIKELY(claimEnd(&limit->claim))) {
        timerHeapDisarm(&scheduleHere()->manager.timers, &limit->timer);
        return false;
    }
    while (ACQUIRE_LOAD(&limit->done) == 0)
        turnWait(&spins);
    bool raised = interruptWithdraw(self, &limit->interrupt);
    if (raised)
        interruptForget(self, limit);
    return raised;
}

static int runLimited(Thread *self, int64_t deadline_ns, ThreadFn *fn, void *env, void **value)
{
    Limit *limit = poolTake(&limits);
    if (limit == NULL)
        return -ENOMEM;
    int result = beginLimit(limit, self, scheduleHere(), deadline_ns);
    if (result == 0) {
        uint32_t raised = interruptCount(self);
        *value = fn(env);
        if (endLimit(limit, self))
            result = -ETIMEDOUT;
        if (interruptIsUncaught(self, raised))
            result = -ECANCELED;
    }
    limit->thread = NULL;
    poolGive(&limits, limit);
    return result;
}

/* No limit. */
static int runFree(Thread *self, ThreadFn *fn, void *env, void **value)
{
    uint32_t raised = self == NULL ? 0 : interruptCount(self);
    *value = fn(env);
    return self != NULL && interruptIsUncaught(self, raised) ? -ECANCELED : 0;
}

static int run(int64_t deadline_ns, ThreadFn *fn, void *env, void **result)
{
    Thread *self = scheduleSelf();
    void *value = NULL;
    int status;
    if (deadline_ns == DEADLINE_NEVER)
        status = runFree(self, fn, env, &value);
    else
        status = runLimited(self, deadline_ns, fn, env, &value);
    if (result != NULL && status != -ENOMEM)
        *result = value;
    return status;
}

int timeoutRunUntil(int64_t deadline_ns, ThreadFn *fn, void *env, void **result)
{
    Thread *self = scheduleEnterSelf();
    if (fn == NULL)
        return -EINVAL;
    if (self == NULL && deadline_ns != DEADLINE_NEVER)
        return -EPERM;
    if (deadline_ns != DEADLINE_NEVER && deadline_ns <= clockRead(scheduleHere()->manager.clock))
        return -ETIMEDOUT;
    return run(deadline_ns, fn, env, result);
}

int timeoutRun(int64_t timeout_us, ThreadFn *fn, void *env, void **result)
{
    Capability *here = scheduleEnter();
    if (fn == NULL)
        return -EINVAL;
    if (timeout_us < 0)
        return run(DEADLINE_NEVER, fn, env, result);
    if (scheduleSelf() == NULL)
        return -EPERM;
    if (timeout_us == 0)
        return -ETIMEDOUT;
    return run(clockDeadline(here->manager.clock, timeout_us), fn, env, result);
}
