/* Carrier.c -- what others ask of the worker that carries a capability.
 *
 * Owns    nothing.
 * Before  capability/Monitor.c and rts/World.c.   After  capability/Call.c.
 * Tests   testsuite/unit/MonitorTest.c, testsuite/unit/CallTest.c
 */
#include "capability/Carrier.h"

#include "capability/Capability.h"

#include <time.h>

enum { SECOND_NS = 1000 * 1000 * 1000 };

int64_t carrierCpu(const Capability *capability)
{
    struct timespec had;
    Worker *carrier = ACQUIRE_LOAD(&capability->carrier);
    clockid_t clock = carrier == NULL ? 0 : RELAXED_LOAD(&carrier->cpu_clock);
    if (clock == 0 || clock_gettime(clock, &had) != 0) /* it has ended, its number is nobody's */
        return -1;
    return (int64_t)had.tv_sec * SECOND_NS + had.tv_nsec;
}

uint64_t carrierLook(Capability *capability)
{
    Worker *carrier = ACQUIRE_LOAD(&capability->carrier);
    return carrier == NULL ? 0 : callLook(&carrier->call);
}

Worker *carrierClaim(Capability *capability, uint64_t count)
{
    Worker *carrier = ACQUIRE_LOAD(&capability->carrier);
    if (!callClaim(&carrier->call, count))
        return NULL;
    if (carrier->capability == capability)
        return carrier;
    callDecide(&carrier->call, CallFree); /* it carries another one by now */
    return NULL;
}
