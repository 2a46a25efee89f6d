/* Park.h -- waiting, step by step: begin, tell the sources, park, look who woke us.
 *
 *   uint64_t number = parkBegin(self, threadNodeFired);  -- fills self->node
 *   ... publish self->node where the event will be fired ...
 *   result = parkUntil(self, ThreadBlockedOnRead, fd, deadline_ns);
 *   if (parkLinked(self)) ... take the node back ...
 */
#ifndef RTS_PARK_H
#define RTS_PARK_H

#include "rts/Schedule.h"

/* parkBegin -- start a wait of the running thread; its node is ready to be published. */
uint64_t parkBegin(Thread *self);

/* parkAbandon -- the wait turned out to be unnecessary.  Returns 0, or the result of the source
 * that had claimed it before. */
int parkAbandon(Thread *self);

/* parkUntil -- park until a source claims the wait.  Returns the source's result: 0, -EBADF, ...;
 * -ETIMEDOUT at deadline_ns; -ECANCELED; -ENOMEM (no room for the timer). */
int parkUntil(Thread *self, ThreadState why, int fd, int64_t deadline_ns);

/* parkLinked -- after parkUntil: is the node still published? */
static inline bool parkLinked(Thread *self)
{
    return ACQUIRE_LOAD(&self->node.linked) != 0;
}

/* parkOnList -- the whole of it for a WatchList: wait until it is taken, unless `changed(env)` says
 * (after publishing) that there is nothing to wait for; changed may be NULL: nothing can have
 * happened that the list does not tell.  Works on green threads and plain OS threads.
 * -EALREADY: the list has moved past `generation`, and what came before that is seen. */
int parkOnList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
               ThreadState why, int64_t deadline_ns);

/* parkTimerFired -- TimerFire of every thread's timer. */
void parkTimerFired(Timer *timer, uint64_t number, void *sink);

/* parkCancelAll -- shutdown: from now on every wait, present and future, ends with -ECANCELED. */
void parkCancelAll(void);
void parkCancelReset(void);

#endif
