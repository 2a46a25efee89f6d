/* Hooks.h -- what a host is told of: capabilities and the OS threads that carry them.
 *
 * Note [Hooks]
 *   All are called where nothing else is under way: on the OS thread's own stack, with no thread
 *   current, so that the library takes them for callbacks (scheduleCalledBack) and they wait for
 *   nothing; but for `safepoint`, which is called on the stack of whoever passed one, and is marked
 *   as called back for as long (EventManager.polling).
 *   None is on a fast path: capabilities change their carriers seldom, a safepoint calls where it
 *   looks around anyway.
 */
#ifndef RTS_HOOKS_H
#define RTS_HOOKS_H

#include "rts/Schedule.h"

#include <capri/hooks.h>

/* hooksStart -- before the first capability.  wanted: the host's, copied. */
void hooksStart(const RtsHooks *wanted);

/* The carrier: it has the capability; it is about to let it go, or it was taken from it. */
void hooksEnter(Capability *capability);
void hooksLeave(uint32_t index);

/* The carrier: it runs threads from now on; it does not any more.  Either is told once. */
void hooksBegin(Scheduler *scheduler);
void hooksEnd(Scheduler *scheduler);

/* hooksIdle -- the carrier: nothing is ready, it is about to sleep.
 * hooksSafepoint -- whoever passes one that looks around. */
void hooksIdleSlow(Capability *capability);
void hooksSafepointSlow(Capability *capability);

extern bool hooks_at_safepoints, hooks_when_idle; /* hooksStart: the host wants to be told */

static inline void hooksIdle(Capability *capability)
{
    if (UNLIKELY(hooks_when_idle))
        hooksIdleSlow(capability);
}

static inline void hooksSafepoint(Capability *capability)
{
    if (UNLIKELY(hooks_at_safepoints))
        hooksSafepointSlow(capability);
}

#endif
