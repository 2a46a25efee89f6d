/* Starved.h -- newborns for which no stack could be had.
 *
 * Note [Starved newborns]
 *   A newborn that finds no memory for a stack waits like any other thread: a claim, a timer of
 *   STARVED_NS.  Whoever gives a stack back claims the oldest one that wants such a region (another
 *   one would fail again, and the stack would lie idle); it is queued and tries again.
 *   Capabilities that keep stacks warm give them to the depot when they next have nothing to run or
 *   look at the clock.  When the timer wins, or when no stack could ever come (no thread holds one,
 *   nobody keeps one warm), the newborn ends, and its joiners get -ENOMEM.
 */
#ifndef RTS_STARVED_H
#define RTS_STARVED_H

#include "rts/Schedule.h"

enum { STARVED_NS = 1000 * 1000 * 1000 };

/* starvedAdd -- thread could not be given a stack: it waits, or ends at once. */
void starvedAdd(Scheduler *scheduler, Thread *thread);

/* starvedLeave -- a newborn is about to be given a stack: if it has waited for one, it does so no
 * more. */
void starvedLeaveSlow(Scheduler *scheduler, Thread *thread);

static inline void starvedLeave(Scheduler *scheduler, Thread *thread)
{
    if (UNLIKELY(claimFired(&thread->claim)))
        starvedLeaveSlow(scheduler, thread);
}

/* starvedRetrySlow -- a stack of such a region is free and somebody waits for one. */
void starvedRetrySlow(Scheduler *scheduler, size_t region);

/* starvedStacksLive -- stacks bound to threads now, in all capabilities; never less than there
 * are. */
uint64_t starvedStacksLive(void);

/* starvedSurvive -- child of a fork: nobody waits. */
void starvedSurvive(void);

/* How many wait: under the list's lock, read relaxed as a hint. */
extern uint32_t starved_count;

static inline void starvedRetry(Scheduler *scheduler, size_t region)
{
    if (UNLIKELY(RELAXED_LOAD(&starved_count) != 0))
        starvedRetrySlow(scheduler, region);
}

/* starvedShare -- a capability that has time: if somebody waits for a stack, its warm ones are for
 * all. */
void starvedShareSlow(Scheduler *scheduler);

static inline void starvedShare(Scheduler *scheduler)
{
    if (UNLIKELY(RELAXED_LOAD(&starved_count) != 0))
        starvedShareSlow(scheduler);
}

#endif
