/* HandOver.c -- a thread that runs for long without a safepoint loses its capability, not its life.
 *
 * Owns    LoopStack.away, gone; Scheduler.asked, handed_over.
 * Before  capability/Monitor.c: asks.   rts/ForeignInterrupt.c: the signal.
 * After   capability/Call.c: it counts as a call; capability/Spare.c carries the capability on.
 * Tests   testsuite/unit/HandOverTest.c, testsuite/regress/Runaways.c,
 *         testsuite/stress/HandOvers.c, testsuite/model/CallModel.c (who is away)
 *
 * See Note [Runaways], Note [Away] and Note [Active frames].
 */
#include "rts/HandOver.h"

#include "capability/Monitor.h"
#include "capability/Spare.h"
#include "rts/ForeignInterrupt.h"
#include "rts/Schedule.h"
#include "rts/context/Frames.h"

#include <sched.h>

void handOverStart(bool wanted)
{
    bool possible = wanted && framesStart() && foreignInterruptReady();
    framesWatch(possible);
    monitorWatchRunaways(possible ? handOverAsk : NULL);
}

void handOverEnd(void)
{
    monitorWatchRunaways(NULL);
    framesWatch(false);
}

/* ---- out ---- */

void handOverBegin(Capability *here)
{
    LoopStack *loop = schedulerOf(here)->loop;
    Worker *worker = workerOfLoop(loop);
    loop->away = here->current;
    loop->gone = false;
    threadSetStatus(loop->away, ThreadBlockedOnCall, -1);
    COUNT(&schedulerOf(here)->handed_over, 1);
    workerSetAway(worker);
    workerCarry(NULL);
    callGo(&worker->call);
}

/* Of the thread that is interrupted; none of this changes while no frame of ours is active. */
static bool mayLeave(Capability *here)
{
    const Thread *self = here->current;
    return !scheduleCalledBack(here) && schedulerOf(here)->stm.running == NULL &&
           schedulerOf(here)->step == NULL && !schedulerOf(here)->stays && self->stack != NULL &&
           !spareIsExhausted();
}

bool handOverInterrupted(const void *context)
{
    Capability *here = workerCapability();
    if (here == NULL)
        return false;
    Scheduler *scheduler = schedulerOf(here);
    uint64_t asked = RELAXED_LOAD(&scheduler->asked);
    if (asked == 0)
        return false;
    RELAXED_STORE(&scheduler->asked, 0);
    if (asked != RELAXED_LOAD(&here->stats.switches) + 1 || !mayLeave(here) ||
        framesAreActive(((Thread *)here->current)->stack, context))
        return false;
    handOverBegin(here);
    return true;
}

void handOverAsk(Capability *capability, uint64_t switches)
{
    RELAXED_STORE(&schedulerOf(capability)->asked, switches + 1);
    foreignInterruptSend(capability);
}

/* ---- back ---- */

Thread *handOverSelf(void)
{
    Worker *worker = workerAway();
    return worker == NULL ? NULL : loopStackOf(worker)->away;
}

/* Below the frame where the caller's registers are.  True: it carries the capability still. */
static __attribute__((noinline)) bool arrive(Worker *worker, LoopStack *loop)
{
    loop->away->sp = __builtin_frame_address(0); /* for who pauses: See Note [Paused stacks] */
    workerSetAway(NULL);
    callArrive();
    return !loop->gone && callReturn(&worker->call);
}

static __attribute__((noinline)) Capability *comeBack(Worker *worker)
{
    LoopStack *loop = loopStackOf(worker);
    Thread *self = loop->away;
    Capability *here = worker->capability;
    __builtin_unwind_init(); /* all registers are in this frame */
    if (arrive(worker, loop))
        workerCarry(here);
    else
        here = loopStackLeave(loop, self);
    threadSetStatus(self, ThreadRunning, -1);
    scheduleSafepoint(here);
    return scheduleHere();
}

Capability *handOverReturn(void)
{
    Worker *worker = workerAway();
    return worker == NULL ? NULL : comeBack(worker);
}

int handOverYield(void)
{
    if (scheduleHere() == NULL && handOverReturn() != NULL)
        return scheduleYield();
    sched_yield();
    return 0;
}

Capability *handOverReclaim(void)
{
    Worker *worker = workerAway();
    if (worker == NULL)
        return NULL;
    LoopStack *loop = loopStackOf(worker);
    if (loop->gone || !callReturn(&worker->call)) {
        loop->gone = true; /* what it comes back by does not ask again */
        return NULL;
    }
    workerSetAway(NULL);
    callArrive();
    workerCarry(worker->capability);
    threadSetStatus(loop->away, ThreadRunning, -1);
    return worker->capability;
}
