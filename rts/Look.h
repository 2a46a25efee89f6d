/* Look.h -- what a busy capability looks at now and then: the clock, its poll, sleepers.
 *
 * Note [Looks]
 *   `look_at` is the count of switches from which on a pop looks around.  Whoever wants the owner
 *   in its loop stores 0.  Only a look, or the next step, raises it; who asks for a look soon only
 *   lowers it, so that what is due is not put off.  While Capability.leaves is set a pop that is to
 *   look goes to the loop instead: it stays 0, and every pop does.  So a bound thread that yields
 *   or parks never finds somebody else for its OS thread.
 *
 * Note [Crowds]
 *   A thread that comes back after a while finds neither its descriptor nor its frames in the near
 *   caches, and waits for ten lines of memory and a page.  So who makes a thread ready brings its
 *   frames near (a poll makes many ready before the first runs).  When more are ready than the run
 *   queue's ring holds, they would be pushed out again by the others' before it runs; then each
 *   thread that is picked brings near the one that comes after it, and the descriptor after that.
 */
#ifndef RTS_LOOK_H
#define RTS_LOOK_H

#include "rts/Schedule.h"

/* lookIsDue -- have there been enough switches since the last look? */
static inline bool lookIsDue(Capability *capability)
{
    return RELAXED_LOAD(&capability->stats.switches) >=
           RELAXED_LOAD(&schedulerOf(capability)->look_at);
}

/* lookIsCrowded, lookAhead -- See Note [Crowds].  old: the old end's turn will come again. */
static inline bool lookIsCrowded(const Capability *capability)
{
    return RELAXED_LOAD(&capability->queue.overflow) != 0;
}

void lookAhead(Capability *capability, bool old);

/* lookTakeTurns -- events have come: what is ready now runs in the order of arrival. */
static inline void lookTakeTurns(Scheduler *scheduler)
{
    uint32_t ready = runQueueLength(&capabilityOf(scheduler)->queue);
    scheduler->turns = ready > 1 ? ready : 0;
}

/* lookPoll -- poll now; what it makes ready takes turns.  How many were fired. */
uint32_t lookPoll(Scheduler *scheduler);

/* lookIsSlow -- threads run for long here, so a look may be far away.
 * lookSoon -- then the next one comes after one switch at most: something waits for a poll. */
bool lookIsSlow(const Scheduler *scheduler);
void lookSoon(Scheduler *scheduler);

/* lookAside -- there is mail, or the old end has turns left.  True: one of them is this. */
bool lookAside(Scheduler *scheduler);

/* lookAround -- read the clock; poll if a poll is due, wake a sleeper if there is surplus work.
 * True: it is the turn of the queue's old end. */
bool lookAround(Scheduler *scheduler);

/* lookForPoll -- at a safepoint: read the clock, poll if a poll is due.  How many were fired. */
uint32_t lookForPoll(Scheduler *scheduler);

#endif
