/* Fork.c -- a fork's two sides: the world stands still, the child begins anew with one thread.
 *
 * Owns    the fork lock and what the handlers tell each other.
 * Before  fork(2), through pthread_atfork.   After  rts/Startup.c: revival in the child.
 * Tests   testsuite/unit/ForkTest.c, testsuite/unit/ForkLimitsTest.c, testsuite/stress/Forks.c
 *
 * See Note [Forking], Note [Held forks], Note [Standing still] and Note [After a fork].
 */
#include "rts/Fork.h"

#include "capability/CapabilityTable.h"
#include "capability/FdHome.h"
#include "capability/Monitor.h"
#include "rts/BlockingPool.h"
#include "rts/ForeignInterrupt.h"
#include "rts/HandOver.h"
#include "rts/Outside.h"
#include "rts/Pause.h"
#include "rts/Process.h"
#include "rts/Signal.h"
#include "rts/Startup.h"
#include "rts/Starved.h"
#include "rts/Step.h"
#include "rts/Task.h"
#include "rts/ThreadSlot.h"
#include "rts/TimeoutRun.h"
#include "rts/WaitQueue.h"
#include "rts/Waker.h"
#include "rts/World.h"
#include "rts/stm/Reclaim.h"
#include "rts/stm/TVar.h"

#include "internal/Turn.h"
#include <pthread.h>

typedef enum ForkWay {
    ForkDown,    /* no runtime: nothing to do */
    ForkGreen,   /* a green thread forks */
    ForkOutside, /* a plain OS thread does */
    ForkBroken   /* the child will have no runtime */
} ForkWay;

static struct {
    uint32_t lock;   /* from prepare to parent or child: worldTake */
    ForkWay way;     /* under lock */
    Capability *own; /* under lock: the forking green thread's, or NULL */
} forking;

/* See Note [Held forks]. */
static struct {
    uint32_t holders; /* plain OS threads add (seq_cst), prepare looks (seq_cst) */
    uint32_t closed;  /* under the fork lock: stored; the others look (both seq_cst) */
} holding;

/* Changed in a fork's child, before there is anybody else. */
static struct {
    uint32_t count;
    uint64_t survivor;
} forks;

int64_t fork_patience_ns = FORK_PATIENCE_NS;

/* ---- sections that a fork does not cut: See Note [Held forks] ---- */

void forkHoldSlow(void)
{
    int spins = 0;
    for (;;) {
        ADD_SEQ_CST(&holding.holders, 1);
        if (LIKELY(SEQ_CST_LOAD(&holding.closed) == 0))
            return;
        forkLetGoSlow();
        while (SEQ_CST_LOAD(&holding.closed) != 0)
            turnWait(&spins);
    }
}

void forkLetGoSlow(void)
{
    ASSERT_CMP(RELAXED_LOAD(&holding.holders), !=, 0);
    ADD_SEQ_CST(&holding.holders, (uint32_t)-1);
}

static void awaitHolders(void)
{
    int spins = 0;
    SEQ_CST_STORE(&holding.closed, 1);
    while (SEQ_CST_LOAD(&holding.holders) != 0)
        turnWait(&spins);
}

/* ---- the two sides ---- */

/* Under the fork lock.  ForkBroken: nothing is held. */
static ForkWay stopWorld(void)
{
    int64_t deadline_ns = clockRead(&clockMonotonic) + RELAXED_LOAD(&fork_patience_ns);
    Capability *own = scheduleHere();
    if (own == NULL)
        own = handOverReclaim();
    /* It may have no capability to go on with, or its frames another's stack. */
    bool in_call = own == NULL && workerIsHere();
    if (startupIsBroken() || in_call)
        return ForkBroken;
    while (!worldLockUntil(deadline_ns)) {
        if (!pauseIsOthers())
            return ForkBroken;
        deadline_ns = clockRead(&clockMonotonic) + RELAXED_LOAD(&fork_patience_ns);
    }
    if (capabilityTableCount() == 0)
        return ForkDown;
    bool in_poll = own != NULL && scheduleCalledBack(own);
    forking.own = own;
    if (!in_poll && worldStop(own, StandingHalted, deadline_ns)) {
        awaitHolders();
        tvarLockAll();
        timeoutRunLockAll();
        waitQueueLockAll();
        wakerLockAll();
        taskLockAll();
        if (own != NULL)
            schedulerOf(own)->stays = true; /* from here on none of our frames is active */
        return own != NULL ? ForkGreen : ForkOutside;
    }
    if (!in_poll)
        worldGo(own);
    worldUnlock();
    return ForkBroken;
}

static void prepareFork(void)
{
    worldTake(&forking.lock, DEADLINE_NEVER);
    forking.way = stopWorld();
}

static void resumeParent(void)
{
    if (forking.way == ForkGreen || forking.way == ForkOutside) {
        taskUnlockAll();
        wakerUnlockAll();
        waitQueueUnlockAll();
        timeoutRunUnlockAll();
        tvarUnlockAll();
        SEQ_CST_STORE(&holding.closed, 0);
        worldGo(forking.own);
    }
    if (forking.way == ForkGreen)
        schedulerOf(forking.own)->stays = false;
    if (forking.way != ForkBroken)
        worldUnlock();
    worldGive(&forking.lock);
}

/* Its thread goes on in the middle of what it does, on its stack and its OS thread. */
static void keepScheduler(Scheduler *scheduler, Thread *survivor)
{
    scheduler->after = AfterNothing;
    scheduler->stays = false;
    scheduler->left = NULL;
    scheduler->left_stack = NULL;
    scheduler->handed = NULL;
    scheduler->threads.free = NULL;
    scheduler->threads.count = 0;
    scheduler->limits = NULL;
    scheduler->limit_count = 0;
    scheduler->forks = survivor != NULL ? 1 : 0;
    scheduler->ended = 0;
    RELAXED_STORE(&scheduler->look_at, 0); /* swap_until: capabilitySurvive */
    if (survivor == NULL)
        scheduler->step = NULL;
    bool has_stack = survivor != NULL && !threadIsTask(survivor);
    stackSurvive(&scheduler->stacks, has_stack ? survivor->stack : NULL);
}

/* See Note [Forking]. */
static int beginAnew(Capability *kept, Thread *survivor)
{
    uint32_t wanted = capabilityCount();
    eventManagerBecomeChild();
    fdHomeSurvive();
    outsideSurvive();
    foreignInterruptSurvive();
    waitQueueSurvive();
    starvedSurvive();
    threadSurvive();
    threadSlotSurvive();
    taskSurvive(survivor);
    threadPoolSurvive(survivor);
    reclaimSurvive(&schedulerOf(kept)->stm);
    int result = capabilityTableSurvive(kept, startupAllocator());
    if (result != 0)
        return result;
    kept->mode = CapabilityAlone;
    kept->current = survivor;
    keepScheduler(schedulerOf(kept), survivor);
    if (survivor == NULL)
        haltLend(kept); /* until it is carried: the child may fork before that */
    result = tvarSurvive(&kept->manager.timers);
    int limited = timeoutRunSurvive(survivor, &kept->manager.timers);
    if (result == 0)
        result = limited;
    wakerSurvive(kept);
    Worker *self = survivor != NULL ? workerOfLoop(schedulerOf(kept)->loop) : NULL;
    stepSurvive(survivor != NULL);
    workerSurvive(self, self != NULL ? kept : NULL);
    monitorSurvive();
    startupSurvive(survivor != NULL, wanted);
    blockingPoolSurvive();
    processSurvive();
    int told = signalSurvive();
    return result != 0 ? result : told;
}

static void surviveInChild(void)
{
    ForkWay way = forking.way;
    Capability *own = way == ForkGreen ? forking.own : NULL;
    RELAXED_STORE(&forking.lock, 0);
    RELAXED_STORE(&holding.holders, 0);
    RELAXED_STORE(&holding.closed, 0);
    forks.count++;
    forks.survivor = own != NULL && own->current != NULL ? ((Thread *)own->current)->id : 0;
    worldSurvive();
    if (way == ForkGreen || way == ForkOutside) {
        Capability *kept = own != NULL ? own : capabilities.items[0];
        if (beginAnew(kept, own != NULL ? own->current : NULL) != 0)
            way = ForkBroken;
    }
    if (way == ForkDown || way == ForkBroken)
        wakerForget();
    if (way == ForkDown)
        startupStayDown();
    if (way == ForkBroken) {
        capabilityTableLose();
        workerForget();
        startupBreak();
    }
}

uint32_t forkCount(void)
{
    return forks.count;
}

uint64_t forkSurvivor(void)
{
    return forks.survivor;
}

static void registerHandlers(void)
{
    if (pthread_atfork(prepareFork, resumeParent, surviveInChild) != 0)
        barf("no memory for fork handlers");
}

void forkWatch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, registerHandlers);
}
