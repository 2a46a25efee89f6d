/* Park.c -- waiting, step by step: begin, tell the sources, park, look who woke us.
 *
 * Owns    the running thread's wait: node, timer, status.
 * Before  rts/ThreadWait.c, rts/stm/TVar.c, rts/Thread.c: what is waited for.
 * After   rts/Wait.c: the claim.   rts/Schedule.c: the switch.
 * Tests   testsuite/unit/ParkTest.c
 *
 * Note [Cancelling everything]
 *   parkCancelAll sets `park_cancelled`, then claims every wait that it finds; a waiter reads it
 *   before it parks.  Neither has a full fence, so one may slip through: shutdown calls
 *   parkCancelAll again and again until no thread lives.
 */
#include "rts/Park.h"

#include "rts/Outside.h"

#include <errno.h>

uint32_t park_cancelled;

static void nodeFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Thread *thread = threadOfNode(node);
    if (claimTry(&thread->claim, number, result) == ClaimWonParked)
        scheduleReady(thread, sink);
}

void parkTimerFired(Timer *timer, uint64_t number, void *sink)
{
    Thread *thread = threadOfTimer(timer);
    if (claimTry(&thread->claim, number, -ETIMEDOUT) == ClaimWonParked)
        scheduleReady(thread, sink);
}

uint64_t parkBegin(Thread *self)
{
    uint64_t number = claimBegin(&self->claim);
    RELAXED_STORE(&self->node.fire, nodeFired);
    RELEASE_STORE(&self->node.number, number); /* after the claim: See Note [Listed waits] */
    return number;
}

int parkAbandon(Thread *self)
{
    return claimEnd(&self->claim) ? 0 : claimResult(ACQUIRE_LOAD(&self->claim));
}

/* See Note [Calls in a step]. */
static int refuseStep(void)
{
    bool waits_in_a_step = true;
    ASSERT(!waits_in_a_step);
    return -EPERM;
}

int parkRefusalSlow(Thread *self)
{
    if (threadIsTask(self))
        return refuseStep();
    if (RELAXED_LOAD(&park_cancelled) != 0) /* See Note [Cancelling everything] */
        return -ECANCELED;
    return !threadIsDeaf(self) && interruptRaise(self) ? -ECANCELED : 0;
}

/* The same for a wait that has begun: it is claimed. */
static __attribute__((noinline)) void refuse(Thread *self, uint64_t number, Capability *here)
{
    if (threadIsTask(self))
        claimTry(&self->claim, number, refuseStep());
    else if (RELAXED_LOAD(&park_cancelled) != 0)
        claimTry(&self->claim, number, -ECANCELED);
    else
        interruptRefuse(self, number, here);
}

int parkUntil(Thread *self, ThreadState why, int fd, int64_t deadline_ns)
{
    Capability *here = scheduleHere();
    ASSERT(scheduleMayWait());
    uint64_t number = claimNumber(RELAXED_LOAD(&self->claim));
    if (UNLIKELY((RELAXED_LOAD(&park_cancelled) | RELAXED_LOAD(&self->interrupts)) != 0))
        refuse(self, number, here);
    if (deadline_ns < 0)
        deadline_ns = 0; /* as long past, and within what the heap can order */
    if (deadline_ns != DEADLINE_NEVER &&
        timerHeapArm(&here->manager.timers, &self->timer, number, deadline_ns) != 0)
        claimTry(&self->claim, number, -ENOMEM);
    threadSetStatus(self, why, fd);
    here = schedulePark(here);
    threadSetStatus(self, ThreadRunning, -1);
    if (deadline_ns != DEADLINE_NEVER)
        timerHeapDisarm(&here->manager.timers, &self->timer);
    Claim claim = ACQUIRE_LOAD(&self->claim);
    ASSERT_CMP(claimState(claim), ==, ClaimFired);
    return claimResult(claim);
}

int parkOnList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
               ThreadState why, int64_t deadline_ns)
{
    Thread *self = scheduleEnterSelf();
    if (self == NULL)
        return outsideWaitList(list, generation, changed, env, deadline_ns);
    parkBegin(self);
    threadSetAbout(self, list);
    if (!watchListAdd(list, generation, &self->node)) {
        parkAbandon(self);
        return -EALREADY;
    }
    if (changed != NULL && changed(env)) {
        watchListRemove(list, generation, &self->node, scheduleHere());
        return parkAbandon(self);
    }
    int result = parkUntil(self, why, -1, deadline_ns);
    if (parkLinked(self))
        watchListRemove(list, generation, &self->node, scheduleHere());
    return result;
}

void parkListedFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Thread *thread = threadOfNode(node);
    (void)number;
    claimSettle(&thread->claim, result);
    scheduleReady(thread, sink);
}

void parkFireMany(WatchNode *taken, Capability *here)
{
    WatchNode *next = watchListTurn(taken);
    while (next != NULL) {
        WatchNode *node = next;
        next = RELAXED_LOAD(&node->next);
        if (next != NULL)
            threadFetch(threadOfNode(next)); /* a hint: it may be another kind of node */
        parkFireOne(node, here);
    }
}

/* See Note [Listed waits] and Note [Waiters]. */
static void endListed(Thread *thread, Claim claim, int result)
{
    uint64_t number = ACQUIRE_LOAD(&thread->node.number);
    if (RELAXED_LOAD(&thread->claim) != claim)
        return;
    if ((number & WAIT_QUEUE) != 0) {
        WaitQueue *queue = (WaitQueue *)(uintptr_t)(number & ~WAIT_QUEUE);
        Woken woken = {NULL, NULL};
        waitQueueRetract(queue, thread, claim, result, &woken);
        waitQueueWake(&woken, NULL);
        return;
    }
    WatchList *list = (WatchList *)(uintptr_t)(number & ~WATCH_GENERATION);
    watchListRetract(list, watchListGeneration(number), &thread->node,
                     &(WatchProof){&thread->claim, claim}, result, NULL);
}

void parkEnd(Thread *thread, Claim claim, int result)
{
    if (claimState(claim) == ClaimListed)
        endListed(thread, claim, result);
    else if (claimTry(&thread->claim, claimNumber(claim), result) == ClaimWonParked)
        scheduleReady(thread, NULL);
}

static void cancelThread(Thread *thread, void *env)
{
    (void)env;
    parkEnd(thread, SEQ_CST_LOAD(&thread->claim), -ECANCELED);
}

void parkCancelAll(void)
{
    RELAXED_STORE(&park_cancelled, 1);
    threadPoolEach(cancelThread, NULL);
    outsideCancelAll();
}

void parkCancelReset(void)
{
    RELAXED_STORE(&park_cancelled, 0);
}
