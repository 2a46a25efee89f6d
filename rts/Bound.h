/* Bound.h -- bound threads: green threads that one particular OS thread runs, and nothing else.
 *
 * Note [Bound threads]
 *   A bound thread has a worker of its own (TAG_BOUND names it) and is queued like any other.  The
 *   carrier that takes it from a queue meets it in its loop, since its Runnable.run is boundRun: it
 *   gives its capability to the bound worker and is a spare.  That one runs the thread, and nothing
 *   else: Capability.leaves makes the thread leave to the loop when it parks, yields or ends, and
 *   the loop offers the capability to the spares (See Note [Looks]).  So a turn costs two changes
 *   of OS threads.
 *   While the thread is in a call its capability may be taken like any other's; when it comes back
 *   it is queued, and its OS thread waits until the capability of whoever takes it is given.
 *   The OS thread ends with the thread.
 */
#ifndef RTS_BOUND_H
#define RTS_BOUND_H

#include "rts/Schedule.h"

/* boundMake -- a thread that is about to begin gets a worker, which is noted in *tag.  0; -EAGAIN:
 * no OS thread to be had; -ENOTSUP: in steps.
 * boundRun -- its Runnable.run: not to be switched to. */
int boundMake(Thread *thread, uint32_t *tag);
void boundRun(Runnable *runnable, Capability *capability);

/* boundForget -- it never runs. */
void boundForget(const Thread *thread);

/* boundServe -- the loop of a bound worker that carries a capability: one turn of its thread. */
void boundServe(Worker *worker, Scheduler *scheduler);

static inline bool boundIs(const Thread *thread)
{
    return (thread->node.tag >> TAG_BOUND_SHIFT) != 0;
}

#endif
