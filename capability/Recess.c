/* Recess.c -- between two steps of a host's loop nobody carries the capability.
 *
 * Owns    nothing of its own: the moves of Idle.c, Halt.c and of the manager, in order.
 * Before  rts/Step.c.   After  the host's loop, which sleeps over the manager's fd.
 * Tests   testsuite/unit/RecessTest.c, testsuite/model/RecessModel.c
 *
 * See Note [Recess].
 */
#include "capability/Recess.h"

#include "capability/Halt.h"
#include "capability/Idle.h"

void recessBegin(Capability *capability, bool more, int64_t also_ns)
{
    bool rest = idleLieDown(capability) && !capabilityHasReady(capability) && !more;
    eventManagerLend(&capability->manager, rest ? also_ns : DEADLINE_NEVER);
    if (!rest)
        eventManagerWake(&capability->manager);
    haltLend(capability);
}

void recessEnd(Capability *capability)
{
    haltReclaim(capability);
    eventManagerReclaim(&capability->manager);
    idleGetUp(capability);
}
