/* CapabilityManager.c -- which event manager callbacks are registered with under capabilities.
 *
 * Owns    nothing.
 * Before  a host's registerFd.   After  iomgr/FdRegister.c.
 * Tests   testsuite/unit/CapabilityManagerTest.c
 */
#include "rts/Schedule.h"

#include <capri/rts.h>

EventManager *capabilityManager(void)
{
    Capability *capability = scheduleEnter();
    return capability == NULL ? NULL : &capability->manager;
}
