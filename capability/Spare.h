/* Spare.h -- OS threads without a capability, and capabilities without an OS thread.
 *
 * Note [Spares]
 *   A worker that has lost its capability, in a call or by handing it over, is a spare.  Whoever
 *   has a capability and no OS thread for it offers it: the spare that has waited longest or the
 *   next that comes takes it.  If there is none one is made, up to a bound; one that has been idle
 *   for a while ends.  If none can be had the capability waits: every call that returns brings a
 *   spare, and the Monitor tries again at each tick.  While the bound is reached and nobody is
 *   idle (`spare_exhausted`) no capability is taken from a call, and no call begins that might want
 *   that.
 *   `threads` counts what the bound is for, OS threads beyond one a capability: those made here,
 *   less all that have ended, be it one that began with a capability.  That one ends when a bound
 *   worker has its capability for long: the count is below 0 then, and who is made later takes its
 *   place.
 *   Everything is under one lock: what is done here takes microseconds anyway.  The lock passes the
 *   capability on: what its last carrier or its taker did happens before what the next one does.
 */
#ifndef CAPABILITY_SPARE_H
#define CAPABILITY_SPARE_H

#include "capability/Worker.h"

enum { SPARE_MOST = 1024 }; /* the highest bound */

/* spareStart -- most: bound, 0: the default; idle_ms: after which one ends, 0: the default; hooks
 * of those that are made.  -EINVAL: bound too high. */
int spareStart(uint32_t most, uint32_t idle_ms, const WorkerHooks *hooks);

/* spareNone -- before the first call: there are to be none, so none may hold its OS thread. */
void spareNone(void);

/* spareStop -- nobody offers any more: those that wait end; what was offered is forgotten. */
void spareStop(void);

/* spareSurvive -- child of a fork: there is none.  lent: a bound worker has the one capability. */
void spareSurvive(bool lent);

/* spareOffer -- who owns `capability` and will not carry it: somebody else shall. */
void spareOffer(Capability *capability);

/* spareAwait -- a worker without a capability: wait for one, worker->capability.  False: it is time
 * to end. */
bool spareAwait(Worker *worker);

/* spareFailed -- a spare that was made could not begin. */
void spareFailed(void);

/* spareRetry -- the Monitor: if something is offered that nobody is coming for, try again. */
void spareRetry(void);

/* Under the lock, read relaxed by anyone: the bound is reached and nobody is idle. */
extern bool spare_exhausted;

static inline bool spareIsExhausted(void)
{
    return RELAXED_LOAD(&spare_exhausted);
}

/* What there is at the moment; for tests. */
typedef struct SpareState {
    int32_t threads;
    uint32_t idle, offered;
} SpareState;

SpareState spareState(void);

#endif
