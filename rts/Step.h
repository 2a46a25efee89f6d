/* Step.h -- a host that has a loop of its own runs the scheduler in it, a step at a time.
 *
 * Note [Steps]
 *   RtsConfig.stepped: there is one capability, and no OS thread of ours carries it.  Whoever first
 *   asks for a step, or for the fd (or waits, if it is who started the runtime), is the *owner* for
 *   the life of the runtime: its OS thread is the worker (Step.c's own, in no slot), for the
 *   length of each step.  In between it is a plain OS thread, and the capability is in recess
 *   (See Note [Recess]).
 *     begin   end the recess, carry the capability, poll: that drains what made the fd readable
 *     run     from the old end first, so that what the last step has cut off is not next again
 *     wait    once, and only if asked to; then run again
 *     finish  carry it no more, begin a recess; if anything is ready the fd is readable
 *   A step is over when nothing is ready, or after RtsConfig.step_us: looks at the clock
 *   (lookAround at switches, lookForPoll at safepoints) make all leave to the loop
 *   (Capability.leaves), and set AttentionSlice.  So the length of a step is the time slice, too.
 *
 * Note [Steps and the Monitor]
 *   There is none.  Of its duties a step does the upkeep, once a second; and when nothing has
 *   happened for MONITOR_QUIET_NS what the Monitor does when it goes dormant (monitorLull): to that
 *   end the fd is readable once, so long after the last step that something has happened in.  What
 *   happens is counted: switches, events, timers, wake-ups; so a host that steps all the time puts
 *   nothing off.  Who rouses the Monitor wakes the capability, and counts by that.
 *   Relieving, slices and calls in flight are nobody's duty: nobody sleeps beside one that
 *   computes, a step is a slice, and no call keeps the capability: foreignCall hands its function
 *   to the blocking pool, regions are refused (spareNone), so are bound threads.
 *
 * Note [Waiting in steps]
 *   A plain OS thread that waits blocks; the owner would wait for itself.  So its waits make steps
 *   (stepWait) until they are over.  Whoever ends such a wait on another OS thread wakes the
 *   capability after that (stepWake), and a step looks whether it is over after its poll has
 *   drained the eventfd and before it sleeps: it sees the end, or the poll returns.
 *   The child of a fork in such a step has the owner's frames, but nothing of what they wait for,
 *   so it does not return to them: it goes on with steps until no thread lives, and exits, as any
 *   child that a green thread has forked.
 */
#ifndef RTS_STEP_H
#define RTS_STEP_H

#include "iomgr/FdTable.h"
#include "rts/Schedule.h"

#include <capri/step.h>

/* stepStart -- instead of the workers and the Monitor: RtsConfig.step_us; mine: the caller is the
 * owner.  0.   stepEnd -- by the owner, or there is none: nothing lives any more. */
int stepStart(uint32_t step_us, bool mine);
void stepEnd(void);

/* Constant while up. */
extern uint32_t step_on;

static inline bool stepIsOn(void)
{
    return UNLIKELY(RELAXED_LOAD(&step_on) != 0);
}

/* stepIsMine -- is the caller the owner, of steps that there are?  In a step it is as well. */
bool stepIsMine(void);

/* stepIsInside -- is the caller the owner in a step, be it in a hook where it carries nothing? */
bool stepIsInside(void);

/* stepTake -- whoever shuts down: false: it must not, another OS thread is the owner, or it is in a
 * step. */
bool stepTake(void);

/* stepIsOthers -- is another OS thread the owner, of steps that there are? */
bool stepIsOthers(void);

/* stepWait -- the owner: one step, which waits until deadline_ns at most, and not once over(env) is
 * true (NULL: it never is).  0, 1 as rtsStep; negative: -EDEADLK, -ENOMEM. */
typedef bool StepOver(void *env);
int stepWait(StepOver *over, void *env, int64_t deadline_ns);

/* stepWaitFd, stepSleep -- the owner: outsideWaitFd, outsideSleep. */
int stepWaitFd(int fd, FdDirection direction, int64_t deadline_ns);
int stepSleep(int64_t deadline_ns);

/* stepWake -- any OS thread: let the owner look again. */
void stepWake(void);

/* stepSurvive -- child of a fork: the owner has forked, or there is none.  green: in a step.
 * stepIsOrphan -- then: is nobody left who could shut the runtime down?  So it is without steps.
 * stepRevive -- likewise, not in a step: the capability, which is new, begins its recess. */
void stepSurvive(bool green);
bool stepIsOrphan(void);
void stepRevive(void);

#endif
