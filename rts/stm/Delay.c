/* Delay.c -- the event TVar of registerDelay: written once, by a timer.
 *
 * Owns    Delays: type-stable, because a heap may hold a dead entry for one.
 * Before  iomgr/TimerHeap.c: the deadline passes.   After  rts/stm/TVar.c: the write.
 * Tests   testsuite/unit/DelayTest.c
 *
 * Note [Delay claim]
 *   The timer's fire and delayCancel claim the same word (See Note [Claim states]).  Cancel wins:
 *   the fire loses and touches nothing.  Fire wins: it writes the TVar, then stores `done`
 *   (release); cancel, which has lost, waits for `done` (acquire) before the memory may be reused.
 */
#include "rts/stm/Delay.h"

#include "rts/Pool.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"
#include "rts/ThreadJoin.h"

#include "internal/Turn.h"
#include <errno.h>

typedef struct Delay {
    TVar tvar;
    Timer timer;
    Claim claim;
    int64_t deadline_ns; /* constant while it lives; anyone looks */
    uint32_t done;       /* see Note [Delay claim] */
    int status;          /* arming's result, read after join */
    void *link;          /* the pool's */
} Delay;

static Pool delays;

void delayStart(const Allocator *allocator)
{
    poolOpen(&delays, allocator, sizeof(Delay), offsetof(Delay, link));
}

void delayEnd(void)
{
    poolClose(&delays);
}

void delayLockAll(void)
{
    poolLock(&delays);
}

void delayUnlockAll(void)
{
    poolUnlock(&delays);
}

static TimerHeap *surviving_heap; /* while delaySurvive runs */
static int surviving_result;

/* Who was waiting for its deadline still does; all else is as it was. */
static void surviveDelay(void *item)
{
    Delay *delay = item;
    Claim claim = RELAXED_LOAD(&delay->claim);
    tvarSurviveOne(&delay->tvar);
    timerForget(&delay->timer);
    if (claimState(claim) == ClaimArmed && surviving_result == 0)
        surviving_result =
            timerHeapArm(surviving_heap, &delay->timer, claimNumber(claim), delay->deadline_ns);
}

int delaySurvive(TimerHeap *heap)
{
    surviving_heap = heap;
    surviving_result = 0;
    poolSurvive(&delays);
    poolEach(&delays, surviveDelay);
    return surviving_result;
}

static void delayFired(Timer *timer, uint64_t number, void *sink)
{
    Delay *delay = (Delay *)(void *)((char *)timer - offsetof(Delay, timer));
    if (claimTry(&delay->claim, number, 0) == ClaimLost)
        return;
    tvarPut(&delay->tvar, (void *)1, sink);
    RELEASE_STORE(&delay->done, 1);
}

int64_t delayDeadline(const TVar *tvar)
{
    const Delay *delay = (const Delay *)(const void *)((const char *)tvar - offsetof(Delay, tvar));
    return ACQUIRE_LOAD(&delay->deadline_ns); /* See Note [What a transaction waits for] */
}

void delayGive(TVar *tvar)
{
    poolGive(&delays, (char *)tvar - offsetof(Delay, tvar));
}

/* False: its fire has won, and is over by now. */
static bool endClaim(Delay *delay)
{
    int spins = 0;
    if (claimEnd(&delay->claim))
        return true;
    while (ACQUIRE_LOAD(&delay->done) == 0)
        turnWait(&spins);
    return false;
}

void delayCancel(TVar *tvar)
{
    Delay *delay = (Delay *)(void *)((char *)tvar - offsetof(Delay, tvar));
    Capability *here = scheduleHere();
    if (endClaim(delay))
        timerHeapDisarm(here == NULL ? NULL : &here->manager.timers, &delay->timer);
}

/* On a green thread: arm the delay on the heap of the capability it runs on. */
static void *armDelay(void *env)
{
    Delay *delay = env;
    uint64_t number = claimBegin(&delay->claim);
    delay->status =
        timerHeapArm(&scheduleHere()->manager.timers, &delay->timer, number, delay->deadline_ns);
    if (delay->status != 0)
        endClaim(delay); /* a dead entry might fire it, and a fork's child would arm it */
    return NULL;
}

/* From a plain OS thread: a green thread arms it. */
static int armFromOutside(Delay *delay)
{
    Thread *thread;
    int result = threadFork(&thread, armDelay, delay);
    if (result == 0) {
        result = threadJoinWhole(thread, NULL);
        threadRelease(thread);
    }
    return result == 0 ? delay->status : result;
}

/* A new life.  See Note [What a transaction waits for]. */
static void resetDelay(Delay *delay, int64_t deadline_ns)
{
    tvarReset(&delay->tvar, NULL, TVarDelay);
    RELEASE_STORE(&delay->deadline_ns, deadline_ns);
    RELAXED_STORE(&delay->done, 0);
}

int registerDelay(int64_t delay_us, TVar **tvar)
{
    Capability *here = scheduleEnter();
    if (tvar == NULL)
        return -EINVAL;
    int result = here != NULL ? 0 : startupEnter();
    if (result != 0)
        return result;
    Delay *delay = poolTake(&delays);
    if (delay == NULL) {
        result = -ENOMEM;
    } else {
        if (delay->timer.fire == NULL) /* later lives leave it: a heap may be looking */
            delay->timer.fire = delayFired;
        const Clock *clock = here == NULL ? &clockMonotonic : here->manager.clock;
        resetDelay(delay, clockDeadline(clock, delay_us));
        if (delay_us <= 0) {
            claimTry(&delay->claim, claimBegin(&delay->claim), 0);
            tvarPut(&delay->tvar, (void *)1, here);
            RELEASE_STORE(&delay->done, 1);
        } else if (here != NULL) {
            armDelay(delay);
            result = delay->status;
        } else {
            result = armFromOutside(delay);
        }
        if (result != 0)
            poolGive(&delays, delay);
        else
            *tvar = &delay->tvar;
    }
    if (here == NULL)
        startupLeave();
    return result;
}
