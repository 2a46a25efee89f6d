/* MVar.h -- a box for one value, with a fair queue.
 *
 * Note [MVar states]
 *   All under the queue's lock (See Note [Waiters]); `state` is also looked at without it.
 *     state  queue           on    to     what
 *     Empty  readers, then   put   Empty  every reader gets a copy; the first taker gets the value;
 *            takers                       a swapper gets it and its own goes on to the next
 *     Empty  none            put   Full   the value stays; so does what is left by the row above
 *     Empty  any             take  Empty  waits at the end (swap likewise)
 *     Empty  any             read  Empty  waits at the front
 *     Full   none            take  Empty
 *     Full   putters         take  Full   the first putter's value comes in, he alone is woken
 *     Full   any             read  Full
 *     Full   any             swap  Full
 *     Full   any             put   Full   waits at the end
 *   Invariant: who waits could not have been served: Empty has no putters, Full none but putters.
 *   Serving somebody is winning him: who has given up is passed over, with all he brought.
 */
#ifndef RTS_MVAR_H
#define RTS_MVAR_H

#include "rts/WaitQueue.h"

#include <capri/mvar.h>

enum { MVarEmpty = 0, MVarFull = 1 }; /* queue.state */

typedef enum MVarWaits { MVarTakes, MVarPuts, MVarReads, MVarSwaps } MVarWaits; /* Waiter.kind */

struct MVar {
    WaitQueue queue;
    void *value; /* under the lock; Full only */
};

_Static_assert(sizeof(MVar) <= WAIT_QUEUE_BYTES, "the pool's items");

/* mvarOffer -- put if it is empty, which is decided under the lock; else -EAGAIN.  No safepoint.
 * here: as for scheduleReady. */
int mvarOffer(MVar *mvar, void *value, Capability *here);

extern WaitAttempt *const mvar_attempts[4]; /* by MVarWaits */

/* mvarWaiter -- a Waiter for this operation; value: what it brings. */
static inline void mvarWaiter(Waiter *waiter, MVar *mvar, MVarWaits kind, void *value)
{
    waitQueueWaiter(waiter, &mvar->queue, mvar_attempts[kind], NULL, kind, value);
}

/* mvarSane -- walker for tests; nobody else is at it. */
bool mvarSane(const MVar *mvar);

#endif
