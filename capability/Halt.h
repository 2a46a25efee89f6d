/* Halt.h -- standing still: a capability says that it touches nothing until it is let go.
 *
 * The moves: See Note [Standing]; the bit is CapabilityHalted of Capability.mode.
 * halt_bell   futex: counts rings (release); the stopper reads it (acquire) before it looks.
 */
#ifndef CAPABILITY_HALT_H
#define CAPABILITY_HALT_H

#include "capability/Capability.h"

extern uint32_t halt_bell;

/* haltInit -- its manager is open: rests of it count. */
void haltInit(Capability *capability);

/* haltHere -- owner, between two runnables: stand still while the mode says so. */
void haltHere(Capability *capability);

/* haltLend -- owner, on its way out of the runtime: it stands until haltReclaim.
 * haltReclaim -- it is back: it stands still while the mode says so, then it moves. */
void haltLend(Capability *capability);
void haltReclaim(Capability *capability);

/* haltOrder -- who stops: let it stand still.   haltEnd -- let it go.
 * haltStands -- does it, by now?  least: StandingResting, or StandingHalted. */
void haltOrder(Capability *capability);
void haltEnd(Capability *capability);

static inline bool haltStands(Capability *capability, Standing least)
{
    return SEQ_CST_LOAD(&capability->manager.rest.standing) >= (uint32_t)least; /* H5 */
}

/* haltAwait -- wait for a ring after `bell` was read, or for some time. */
void haltAwait(uint32_t bell, int64_t timeout_ns);

#endif
