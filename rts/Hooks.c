/* Hooks.c -- what a host is told of: capabilities and the OS threads that carry them.
 *
 * Owns    the host's functions; Scheduler.begun, user.
 * Before  rts/Loop.c, rts/Step.c, rts/Schedule.c: a safepoint.   After  the host.
 * Tests   testsuite/unit/HooksTest.c
 *
 * See Note [Hooks].
 */
#include "rts/Hooks.h"

#include "capability/CapabilityTable.h"

#include <errno.h>

static RtsHooks hooks; /* constant while up */

bool hooks_at_safepoints, hooks_when_idle;

void hooksStart(const RtsHooks *wanted)
{
    hooks = *wanted;
    hooks_at_safepoints = hooks.safepoint != NULL;
    hooks_when_idle = hooks.idle != NULL;
}

static void tell(void (*hook)(uint32_t capability, void *env), uint32_t index)
{
    if (hook != NULL)
        hook(index, hooks.env);
}

void hooksEnter(Capability *capability)
{
    tell(hooks.enter, capability->index);
}

void hooksLeave(uint32_t index)
{
    tell(hooks.leave, index);
}

void hooksBegin(Scheduler *scheduler)
{
    if (scheduler->begun)
        return;
    scheduler->begun = true;
    tell(hooks.start, capabilityOf(scheduler)->index);
}

void hooksEnd(Scheduler *scheduler)
{
    if (!scheduler->begun)
        return;
    scheduler->begun = false;
    tell(hooks.stop, capabilityOf(scheduler)->index);
}

void hooksIdleSlow(Capability *capability)
{
    tell(hooks.idle, capability->index);
}

void hooksSafepointSlow(Capability *capability)
{
    EventManager *manager = &capability->manager;
    bool before = manager->polling;
    manager->polling = true;
    tell(hooks.safepoint, capability->index);
    manager->polling = before;
}

/* ---- A word of the host's. ---- */

void *capabilityUser(uint32_t capability)
{
    if (capability >= capabilityTableCount())
        return NULL;
    return RELAXED_LOAD(&schedulerOf(capabilities.items[capability])->user);
}

int capabilitySetUser(void *user)
{
    Capability *here = scheduleEnter();
    if (here == NULL)
        return -EPERM;
    RELAXED_STORE(&schedulerOf(here)->user, user);
    return 0;
}
