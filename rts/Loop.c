/* Loop.c -- what an OS thread does with the capability that it carries: run, search, sleep.
 *
 * Owns    the hooks of workers; Scheduler.loop.
 * Before  capability/Worker.c: an OS thread that carries one.
 * After   rts/Schedule.c: what is ready.
 * Tests   testsuite/unit/ScheduleTest.c, testsuite/unit/WorldTest.c
 *
 * See Note [Carriers] and Note [Capability modes].
 */
#include "rts/Loop.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Bound.h"
#include "rts/Disabled.h"
#include "rts/ForeignInterrupt.h"
#include "rts/Hooks.h"
#include "rts/Look.h"
#include "rts/Overflow.h"
#include "rts/Resize.h"
#include "rts/Startup.h"
#include "rts/Starved.h"
#include "rts/World.h"

static bool handles_signals; /* constant while up */

void loopStart(bool signals, const RtsHooks *hooks)
{
    handles_signals = signals;
    hooksStart(hooks);
}

void loopEndAll(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        hooksEnd(schedulerOf(capabilities.items[i]));
}

/* ---- its OS thread ---- */

static int startWorker(Worker *worker)
{
    int result = loopStackInit(loopStackOf(worker));
    if (handles_signals && !worker->guest)
        foreignInterruptWatchHere();
    return result == 0 && handles_signals ? overflowWatchHere() : result;
}

static void endWorker(Worker *worker)
{
    (void)worker;
    if (handles_signals)
        overflowUnwatchHere();
}

/* ---- the loop ---- */

bool loopSettle(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    uint32_t mode;
    while (workerCapability() != NULL &&
           ((mode = SEQ_CST_LOAD(&capability->mode)) & CapabilityStopped) == 0) {
        if (mode == CapabilityEnabled)
            return true;
        if (mode & CapabilityHalted) {
            worldHalt(capability);
        } else if (mode & CapabilityAlone) {
            resizeRevive();
        } else {
            hooksEnd(scheduler);
            disabledServe(scheduler);
        }
    }
    return false;
}

/* Nothing is ready here. */
static inline void rest(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    starvedShare(scheduler);
    startupNothingReady();
    if (!idleSearch(capability)) {
        hooksIdle(capability);
        idleSleep(capability);
        scheduler->last_look_ns = capability->manager.now_ns;
        scheduler->last_poll_ns = capability->manager.now_ns;
    }
    lookTakeTurns(scheduler);
}

/* Until it carries nothing, or it is to stop. */
static void run(Scheduler *scheduler)
{
    while (loopSettle(scheduler)) {
        hooksBegin(scheduler);
        while (!scheduleRunReady(scheduler))
            rest(scheduler);
    }
    if (workerCapability() != NULL)
        hooksEnd(scheduler);
}

Scheduler *loopEnter(Worker *worker)
{
    Capability *capability = worker->capability;
    schedulerOf(capability)->loop = loopStackOf(worker);
    RELAXED_STORE(&capability->current, NULL); /* it may have been taken from one that ran */
    capability->leaves = worker->bound != NULL;
    hooksEnter(capability);
    return schedulerOf(capability);
}

void loopLeave(Worker *worker, Capability *former)
{
    hooksLeave(former->index);
    loopStackReturn(loopStackOf(worker), former);
}

static void carry(Worker *worker)
{
    Capability *capability = worker->capability;
    Scheduler *scheduler = loopEnter(worker);
    if (capability->leaves)
        boundServe(worker, scheduler);
    else
        run(scheduler);
    loopLeave(worker, capability);
}

const WorkerHooks loop_hooks = {startWorker, carry, endWorker};
