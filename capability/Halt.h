/* Halt.h -- standing still: an owner says that it touches nothing until it is let go.
 *
 * Note [Standing]
 *   Capability.standing says whether its OS thread may be relied on to touch nothing: no queue, no
 *   thread, no callback.
 *     from     on     to       by     order    then
 *     Moving   rest   Resting  owner  seq_cst  (H1) about to wait in the kernel: it looks at its
 *                                              mode; Halted: it rings, and waits all the same
 *     Resting  rise   Moving   owner  seq_cst  (H2) the kernel has returned: it looks at its mode
 *                                              before anything else; Halted: it halts
 *     Moving   halt   Halted   owner  release  (H3) rings, and waits while its mode is Halted
 *     Halted   go     Moving   owner  seq_cst  (H4) looks at its mode again; Halted: H3 again
 *   Who stops sets Halted in the mode (seq_cst), then looks at `standing` (H5, seq_cst).  It sees
 *   the owner stand, or the owner sees Halted at H1, before H3, or at its next look at its mode,
 *   and rings; an owner that was seen to stand sees Halted at H2 or H4 and goes on standing.
 *   So whoever sleeps need not be woken to be stopped.  What it does on its way into the kernel
 *   (the back-end's own lists) is not waited for: who needs that too, as a fork does, wakes it and
 *   waits for Halted.
 *   halt_bell   futex: counts rings (release); the stopper reads it (acquire) before it looks.
 */
#ifndef CAPABILITY_HALT_H
#define CAPABILITY_HALT_H

#include "capability/Capability.h"

typedef enum Standing { StandingMoving = 0, StandingResting = 1, StandingHalted = 2 } Standing;

extern uint32_t halt_bell;

/* haltRest, haltRise -- owner, around a wait in the kernel (EventManager.rest). */
void haltRest(Capability *capability);
void haltRise(Capability *capability);

/* haltHere -- owner, between two runnables: stand still while the mode says so. */
void haltHere(Capability *capability);

/* haltOrder -- who stops: let it stand still.   haltEnd -- let it go.
 * haltStands -- does it, by now?  least: StandingResting, or StandingHalted. */
void haltOrder(Capability *capability);
void haltEnd(Capability *capability);

static inline bool haltStands(Capability *capability, Standing least)
{
    return SEQ_CST_LOAD(&capability->standing) >= (uint32_t)least; /* H5 */
}

/* haltAwait -- wait for a ring after `bell` was read, or for some time. */
void haltAwait(uint32_t bell, int64_t timeout_ns);

#endif
