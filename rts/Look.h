/* Look.h -- what a busy capability looks at now and then: the clock, its poll, sleepers. */
#ifndef RTS_LOOK_H
#define RTS_LOOK_H

#include "rts/Schedule.h"

/* lookIsDue -- have there been enough switches since the last look? */
static inline bool lookIsDue(Capability *capability)
{
    return RELAXED_LOAD(&capability->stats.switches) >=
           RELAXED_LOAD(&schedulerOf(capability)->look_at);
}

/* lookAround -- read the clock; poll if a poll is due, wake a sleeper if there is surplus work.
 * True: it is the turn of the queue's old end. */
bool lookAround(Scheduler *scheduler);

/* lookForPoll -- at a safepoint: read the clock, poll if a poll is due.  How many were fired. */
uint32_t lookForPoll(Scheduler *scheduler);

#endif
