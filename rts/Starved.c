/* Starved.c -- newborns for which no stack could be had.
 *
 * Owns    the list of starved threads (linked by WatchNode.next, which a newborn does not use yet).
 * Before  rts/Schedule.c: bindStack fails.
 * Tests   testsuite/unit/StarvedTest.c
 *
 * See Note [Starved newborns].
 */
#include "rts/Starved.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Bound.h"
#include "rts/Park.h"
#include "rts/ThreadForkFinally.h"

#include "internal/SpinLock.h"
#include <errno.h>

uint32_t starved_count;

static SpinLock starved_lock = SPIN_LOCK_INIT;
static WatchNode *starved_oldest, *starved_newest; /* under starved_lock */

uint64_t starvedStacksLive(void)
{
    uint64_t bound = 0, unbound = 0;
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        unbound += RELAXED_LOAD(&schedulerOf(capabilities.items[i])->stacks.unbound);
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        bound += RELAXED_LOAD(&schedulerOf(capabilities.items[i])->stacks.bound);
    return bound - unbound;
}

/* Could a stack come: does any thread hold one, or another capability keep some warm? */
static bool stackMayCome(Scheduler *scheduler)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Scheduler *peer = schedulerOf(capabilities.items[i]);
        if (peer != scheduler && RELAXED_LOAD(&peer->stacks.count) != 0)
            return true;
    }
    return starvedStacksLive() != 0;
}

static void enqueue(Thread *thread, uint64_t number)
{
    spinLock(&starved_lock);
    RELEASE_STORE(&thread->node.number, number); /* See Note [Listed waits] */
    thread->node.next = NULL;
    if (starved_newest == NULL)
        starved_oldest = &thread->node;
    else
        starved_newest->next = &thread->node;
    starved_newest = &thread->node;
    RELAXED_STORE(&starved_count, starved_count + 1);
    spinUnlock(&starved_lock);
}

static bool wantsRegion(Thread *thread, size_t region)
{
    unsigned shift = (thread->node.tag & TAG_STACK) >> TAG_STACK_SHIFT;
    return stackRegionFor(shift == 0 ? 0 : (size_t)1 << shift) == region;
}

/* Take `which`, or the oldest that wants such a region if it is NULL, and the number of its wait.
 * NULL: not there. */
static Thread *dequeue(WatchNode *which, size_t region, uint64_t *number)
{
    WatchNode *before = NULL;
    spinLock(&starved_lock);
    WatchNode *found = starved_oldest;
    while (found != NULL &&
           (which != NULL ? found != which : !wantsRegion(threadOfNode(found), region))) {
        before = found;
        found = found->next;
    }
    if (found != NULL) {
        if (before == NULL)
            starved_oldest = found->next;
        else
            before->next = found->next;
        if (starved_newest == found)
            starved_newest = before;
        RELAXED_STORE(&starved_count, starved_count - 1);
        *number = found->number; /* under the lock: later it may be another wait's */
    }
    spinUnlock(&starved_lock);
    return found == NULL ? NULL : threadOfNode(found);
}

static void endStarved(Scheduler *scheduler, Thread *thread)
{
    RELAXED_STORE(&thread->node.tag, thread->node.tag | TAG_NO_STACK);
    threadForkFinallyDrop(thread);
    if (boundIs(thread))
        boundForget(thread);
    Thread *joiner = threadEnded(thread, NULL, capabilityOf(scheduler));
    if (joiner != NULL)
        scheduleReady(joiner, capabilityOf(scheduler));
}

void starvedLeaveSlow(Scheduler *scheduler, Thread *thread)
{
    timerHeapDisarm(&capabilityOf(scheduler)->manager.timers, &thread->timer);
    uint64_t number;
    dequeue(&thread->node, 0, &number);
}

void starvedAdd(Scheduler *scheduler, Thread *thread)
{
    TimerHeap *heap = &capabilityOf(scheduler)->manager.timers;
    if (claimFired(&thread->claim) && claimResult(RELAXED_LOAD(&thread->claim)) != 0) {
        endStarved(scheduler, thread); /* it has waited before, and its time was up */
        return;
    }
    uint64_t number = claimBegin(&thread->claim);
    int64_t deadline = clockRead(capabilityOf(scheduler)->manager.clock) + STARVED_NS;
    if (!stackMayCome(scheduler) || timerHeapArm(heap, &thread->timer, number, deadline) != 0) {
        endStarved(scheduler, thread);
        return;
    }
    threadSetStatus(thread, ThreadBlockedOnStack, -1);
    enqueue(thread, number);
    if (!claimCommit(&thread->claim, CLAIM_DEAF))
        scheduleReady(thread, capabilityOf(scheduler));
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        if (capabilities.items[i] != capabilityOf(scheduler))
            idleWakeFor(capabilities.items[i]); /* it may have some warm: starvedShare */
    }
}

void starvedShareSlow(Scheduler *scheduler)
{
    if (scheduler->stacks.count == 0)
        return;
    stackCacheDrain(&scheduler->stacks, scheduler->last_look_ns);
    starvedRetrySlow(scheduler, stackDefaultSize());
}

void starvedRetrySlow(Scheduler *scheduler, size_t region)
{
    for (;;) {
        uint64_t number = 0;
        Thread *thread = dequeue(NULL, region, &number);
        if (thread == NULL)
            return;
        ClaimOutcome outcome = claimTry(&thread->claim, number, 0);
        if (outcome == ClaimLost)
            continue; /* its time was up: it is queued already */
        if (outcome == ClaimWonParked)
            scheduleReady(thread, capabilityOf(scheduler));
        return;
    }
}

void starvedSurvive(void)
{
    starved_lock = (SpinLock)SPIN_LOCK_INIT;
    starved_oldest = starved_newest = NULL;
    RELAXED_STORE(&starved_count, 0);
}
