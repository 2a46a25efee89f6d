/* Carrier.h -- what others ask of the worker that carries a capability. */
#ifndef CAPABILITY_CARRIER_H
#define CAPABILITY_CARRIER_H

#include "capability/Worker.h"

/* carrierCpu -- anyone: the CPU time that whoever carries `capability` has had, in nanoseconds; -1:
 * unknown. */
int64_t carrierCpu(const Capability *capability);

/* carrierLook -- anyone: the call in flight of whoever carries `capability`: its count, 0: none.
 * carrierClaim -- anyone: claim what it carries, in that call.  NULL: it is over, or claimed by
 * another; else callDecide follows, on the worker that is returned. */
uint64_t carrierLook(Capability *capability);
Worker *carrierClaim(Capability *capability, uint64_t count);

#endif
