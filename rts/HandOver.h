/* HandOver.h -- a thread that runs for long without a safepoint loses its capability, not its life.
 *
 * Note [Runaways]
 *   The thread counts as being in a call (See Note [Call states]) that it does not know of: it is
 *   *away*.  Its OS thread runs on and is a plain one to the library, as in a region; the Monitor
 *   takes the capability and a spare carries it on.
 *   out   The Monitor asks (Scheduler.asked) and sends the carrier's OS thread a signal.  Its
 *         handler hands over if no frame of the library is active there: See Note [Active frames].
 *         Else it refuses, and the Monitor asks again later.  Refused as well: in a manager's
 *         callback, in an attempt of a transaction, between a fork's handlers, when another thread
 *         runs by now.
 *   back  Every function that may park or that acts on the running thread begins with
 *         scheduleEnter, before it takes a lock: if the thread is away it leaves the call, as a
 *         region does, and may park and go on elsewhere.  So does the end of its body.
 *   away  All other functions do what they do on a plain OS thread, but for who is asking
 *         (scheduleSelf): that is the thread, so locks know their holder, and masking, slots and
 *         interrupts are its own.
 *   Every public function is one of these, as testsuite/support/AwayCalls.h lists them.
 *   A pause waits for those who are away: See Note [Away].
 */
#ifndef RTS_HAND_OVER_H
#define RTS_HAND_OVER_H

#include "capability/Worker.h"
#include "rts/Thread.h"

/* handOverStart -- wanted: runaways shall be handed over, and handlers may be installed. */
void handOverStart(bool wanted);
void handOverEnd(void);

/* handOverReturn -- if the calling thread is away it comes back, perhaps on another OS thread:
 * where it is now.  NULL: it is a plain OS thread.  Holding no lock. */
Capability *handOverReturn(void);

/* handOverYield -- scheduleYield where no thread runs: on a plain OS thread, in a callback; or one
 * is away. */
int handOverYield(void);

/* handOverReclaim -- likewise, but only if that needs no switch: else it stays away, and NULL. */
Capability *handOverReclaim(void);

/* handOverSelf -- on an OS thread without a capability: the thread that is away on it, or NULL. */
Thread *handOverSelf(void);

/* handOverBegin -- `here` is the caller's, and no frame of the library is active: its thread is
 * away from now on. */
void handOverBegin(Capability *here);

/* handOverInterrupted -- a signal handler: hand the interrupted thread over, if that was asked for
 * and can be.  context: the handler's ucontext_t. */
bool handOverInterrupted(const void *context);

/* handOverAsk -- MonitorRunaway. */
void handOverAsk(Capability *capability, uint64_t switches);

#endif
