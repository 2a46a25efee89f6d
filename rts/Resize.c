/* Resize.c -- how many capabilities run threads, changed while they run.
 *
 * Owns    the order in which a capability is made, published, enabled and disabled.
 * Before  the host: capabilitySetCount.   After  rts/Disabled.c, on the capability concerned.
 * Tests   testsuite/unit/ResizeTest.c, testsuite/stress/Resize.c
 *
 * See Note [Resizing] and Note [World's lock].
 */
#include "rts/Resize.h"

#include "capability/CapabilityTable.h"
#include "capability/Monitor.h"
#include "rts/Foreign.h"
#include "rts/Interrupt.h"
#include "rts/Loop.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"
#include "rts/Step.h"
#include "rts/World.h"
#include "rts/stm/Reclaim.h"

#include <errno.h>

/* One more, disabled. */
static int addCapability(void)
{
    EventManager *model = &capabilities.items[0]->manager;
    Capability *made;
    int result = capabilityTableMake(model->backend, model->clock, startupAllocator(), &made);
    if (result != 0)
        return result;
    reclaimBegin(&schedulerOf(made)->stm);
    result = workerAdd(made, &loop_hooks);
    if (result != 0)
        capabilityTableDrop(made, startupAllocator());
    return result;
}

int resizeTo(uint32_t count)
{
    while (capabilityTableCount() < count) {
        int result = addCapability();
        if (result != 0)
            return result;
    }
    uint32_t before = capabilityTableEnabled();
    capabilityTableEnable(count);
    for (uint32_t i = count; i < before; i++)
        worldNudge(capabilities.items[i]);
    monitorRouse(); /* it may believe that all are asleep, of fewer */
    return 0;
}

/* ---- capabilitySetCount ---- */

typedef struct Resizing {
    uint32_t count;
    int result;
} Resizing;

static void runResizing(void *env)
{
    Resizing *resizing = env;
    worldLock();
    startupReviveRest();
    resizing->result = resizeTo(resizing->count);
    worldUnlock();
}

/* Its own capability is one of the surplus.  What is done is not to be told as interrupted. */
static void leaveSurplus(Thread *self)
{
    MaskingState before = interruptMask(self, MaskedUninterruptible);
    scheduleYield();
    interruptMask(self, before);
}

int capabilitySetCount(uint32_t count)
{
    Resizing resizing = {.count = count};
    bool green = scheduleEnterSelf() != NULL;
    if (count == 0 || count > CAPABILITY_MOST)
        return -EINVAL;
    if (stepIsOn() && count != 1)
        return -EPERM;
    int result = green ? 0 : startupEnter();
    if (result != 0)
        return result;
    bool may_wait = green && scheduleMayWait() && !scheduleInStep(scheduleHere());
    if (may_wait && count > capabilityTableCount())
        result = foreignRun(runResizing, &resizing); /* starts OS threads: that takes a while */
    else
        runResizing(&resizing);
    if (!green)
        startupLeave();
    if (may_wait && RELAXED_LOAD(&scheduleHere()->mode) != CapabilityEnabled)
        leaveSurplus(scheduleSelf());
    return result != 0 ? result : resizing.result;
}

void resizeRevive(void)
{
    worldLock();
    startupReviveRest();
    worldUnlock();
}
