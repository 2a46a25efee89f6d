/* Disabled.c -- what a disabled capability does: hand on what is ready, serve what waits here.
 *
 * Owns    the way of a thread from a disabled capability to an enabled one.
 * Before  rts/Resize.c: fewer capabilities are wanted.   After  capability/Inbox.c of another one.
 * Tests   testsuite/unit/ResizeTest.c, testsuite/model/SleepModel.c (disable)
 *
 * See Note [Resizing].
 */
#include "rts/Disabled.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Starved.h"
#include "rts/Task.h"

/* pinned: it was in the pinned list.  A thread knows itself where it belongs. */
static void handOn(Capability *from, Runnable *runnable, bool pinned)
{
    if (scheduleIsThread(runnable) || runnable->run == taskRun)
        scheduleReady(threadOfRunnable(runnable), NULL);
    else if (pinned)
        capabilitySend(capabilityTablePlace(from->index), runnable, true);
    else
        capabilitySend(capabilityTablePick(), runnable, false);
}

/* Oldest first. */
static void handOnAll(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    Runnable *runnable = scheduler->handed;
    scheduler->handed = NULL;
    if (runnable != NULL)
        handOn(capability, runnable, false);
    capabilityReceive(capability);
    while ((runnable = runQueuePopOld(&capability->queue)) != NULL)
        handOn(capability, runnable, false);
    while ((runnable = capabilityPopPinned(capability)) != NULL)
        handOn(capability, runnable, true);
}

/* What it keeps warm is of use elsewhere. */
static void giveCaches(Scheduler *scheduler)
{
    threadCacheDrain(&scheduler->threads);
    taskDrain(scheduler);
    if (scheduler->stacks.count != 0)
        stackCacheDrain(&scheduler->stacks, scheduler->last_look_ns);
    starvedRetry(scheduler, stackDefaultSize());
}

void disabledServe(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    giveCaches(scheduler);
    while (RELAXED_LOAD(&capability->mode) == CapabilityDisabled) {
        handOnAll(scheduler);
        idleServe(capability);
    }
    scheduler->last_look_ns = capability->manager.now_ns;
    scheduler->last_poll_ns = capability->manager.now_ns;
}
