/* Capability.c -- the right to run: one core's run queue, inbox and event manager.
 *
 * Owns    Capability.pinned*, the life of the rest.
 * Before  rts/Wait.c: a claim was won; a plain OS thread sends work.
 * After   capability/RunQueue.c, capability/Inbox.c; capability/Idle.c wakes the receiver.
 * Tests   testsuite/unit/CapabilityTest.c
 *
 * See Note [Pinned runnables] and Note [Inbox and sleep].
 */
#include "capability/Capability.h"

#include "capability/Halt.h"
#include "capability/Idle.h"

#include <errno.h>
#include <string.h>

enum { SPIN_FIRST_NS = 4000 }; /* idleSearch adapts it */

int capabilityInit(Capability *capability, uint32_t index, const Backend *backend,
                   const Clock *clock, const Allocator *allocator)
{
    ASSERT_CMP(index, <, CAPABILITY_MOST);
    memset(capability, 0, sizeof *capability);
    capability->index = index;
    capability->random = (index + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    capability->spin_ns = SPIN_FIRST_NS;
    runQueueInit(&capability->queue);
    inboxInit(&capability->inbox);
    int result = eventManagerOpen(&capability->manager, backend, clock, allocator);
    haltInit(capability);
    return result;
}

void capabilityFree(Capability *capability)
{
    eventManagerClose(&capability->manager);
}

int capabilitySurvive(Capability *capability)
{
    EventManager *manager = &capability->manager;
    const Backend *backend = manager->backend;
    const Clock *clock = manager->clock;
    const Allocator *allocator = manager->allocator;
    UpperShare upper = capability->upper;
    void *current = capability->current;
    bool leaves = capability->leaves;
    eventManagerClose(manager);
    int result = capabilityInit(capability, 0, backend, clock, allocator);
    capability->upper = upper;
    capability->current = current;
    capability->leaves = leaves;
    return result;
}

void capabilityPushPinned(Capability *capability, Runnable *runnable)
{
    RELAXED_STORE(&runnable->next, NULL);
    if (capability->pinned_newest == NULL)
        capability->pinned_oldest = runnable;
    else
        RELAXED_STORE(&capability->pinned_newest->next, runnable);
    capability->pinned_newest = runnable;
    COUNT(&capability->pinned, 1);
    RELAXED_STORE(&capability->swap_until, 0);
}

Runnable *capabilityPopPinned(Capability *capability)
{
    Runnable *oldest = capability->pinned_oldest;
    if (oldest == NULL)
        return NULL;
    capability->pinned_oldest = RELAXED_LOAD(&oldest->next);
    if (capability->pinned_oldest == NULL)
        capability->pinned_newest = NULL;
    ASSERT(RELAXED_LOAD(&capability->pinned) != 0);
    RELAXED_STORE(&capability->pinned, RELAXED_LOAD(&capability->pinned) - 1);
    return oldest;
}

Runnable *capabilityPopPinnedTurn(Capability *capability)
{
    capability->pinned_turn = !capability->pinned_turn;
    if (!capability->pinned_turn) {
        Runnable *runnable = runQueuePopOld(&capability->queue);
        if (runnable != NULL)
            return runnable;
    }
    return capabilityPopPinned(capability);
}

void capabilitySend(Capability *capability, Runnable *runnable, bool pinned)
{
    inboxPut(&capability->inbox, runnable, pinned);
    idleWakeFor(capability);
}

bool capabilityReceive(Capability *capability)
{
    Runnable *pinned = inboxTakePinned(&capability->inbox);
    Runnable *open = inboxTakeOpen(&capability->inbox);
    bool came = pinned != NULL || open != NULL;
    while (pinned != NULL) {
        Runnable *next = RELAXED_LOAD(&pinned->next);
        capabilityPushPinned(capability, pinned);
        pinned = next;
    }
    while (open != NULL) {
        Runnable *next = RELAXED_LOAD(&open->next);
        runQueuePush(&capability->queue, open);
        open = next;
    }
    return came;
}
