/* Stage.h -- one capability on the Mock back-end and a clock that stands still, where nothing
 * happens that the test does not do: its worker plays the scene in place of the scheduler's loop.
 */
#ifndef TESTSUITE_STAGE_H
#define TESTSUITE_STAGE_H

#include "capability/CapabilityTable.h"
#include "capability/FdHome.h"
#include "iomgr/Memory.h"
#include "iomgr/backend/Mock.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/ThreadWait.h"
#include "testsuite/support/Runtime.h"

enum { FD = 5, OTHER_FD = 6 };

static int64_t now_ns; /* the clock's; the one worker */

static inline int64_t readFake(void *context)
{
    (void)context;
    return now_ns;
}

static const Clock fake_clock = {readFake, NULL};

static Capability *here; /* the one there is; the worker */
static EventManager *manager;
static BackendState *kernel;

/* ---- the stage ------------------------------------------------------------------------------- */

static inline int startStage(Worker *worker)
{
    LoopStack *loop = loopStackOf(worker);
    schedulerOf(worker->capability)->loop = loop;
    return loopStackInit(loop);
}

static void (*scene)(void); /* main sets before the start */

static inline void runScene(Worker *worker)
{
    here = worker->capability;
    manager = &here->manager;
    kernel = manager->state;
    scene();
    CHECK_EQ(runQueueLength(&here->queue), 0);
    CHECK_EQ(schedulerOf(here)->forks, schedulerOf(here)->ended); /* everybody came home */
    CHECK(timerHeapSane(&manager->timers));
}

static const WorkerHooks hooks = {startStage, runScene, NULL};

static inline void playOn(const Backend *backend, void (*play)(void))
{
    now_ns = 1000 * MS_NS;
    scene = play;
    threadPoolStart(NULL);
    outsideStart(NULL);
    CHECK_EQ(fdHomeStart(NULL), 0);
    CHECK_EQ(stackPoolStart(0), 0);
    CHECK_EQ(capabilityTableStart(1, backend, &fake_clock, NULL), 0);
    CHECK_EQ(workerStartAll(&hooks), 0);
    workerStopAll();
    capabilityTableFree(NULL);
    stackPoolEnd();
    fdHomeFree();
    outsideEnd();
    threadPoolEnd();
}

/* ---- what a hop looks at --------------------------------------------------------------------- */

typedef struct Body {
    int (*wait)(void);
    int result;
    uint32_t ran; /* 0 not yet, 1 waits, 2 over */
} Body;

static inline void *runBody(void *env)
{
    Body *body = env;
    body->ran = 1;
    body->result = body->wait();
    body->ran = 2;
    return NULL;
}

static inline int waitForRead(void)
{
    return threadWaitRead(FD);
}

static inline FdSlot *slotOf(int fd)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    CHECK(slot != NULL);
    return slot;
}

/* Hops 5 and 6: take what is next, which must be `thread`, and let it run until it waits or ends.
 */
static inline void takeAndRun(Thread *thread)
{
    Runnable *next = capabilityPopOld(here);
    CHECK_EQ(next, &thread->runnable);
    CHECK_EQ(runQueueLength(&here->queue), 0);
    next->run(next, here);
    CHECK_EQ(here->current, NULL);
}

static inline void checkParked(const Thread *thread, ThreadState why)
{
    CHECK_EQ(claimState(thread->claim), ClaimParked);
    CHECK_EQ(threadStatus(thread).state, why);
    CHECK(thread->sp != NULL);
    CHECK_EQ(runQueueLength(&here->queue), 0);
}

static inline void checkQueued(const Thread *thread, int result)
{
    CHECK_EQ(claimState(thread->claim), ClaimFired);
    CHECK_EQ(claimResult(thread->claim), result);
    CHECK_EQ(runQueueLength(&here->queue), 1); /* once */
    CHECK_EQ(thread->node.linked, 0);
}

static inline void checkOver(Thread *thread, const Body *body, int result)
{
    CHECK_EQ(body->ran, 2);
    CHECK_EQ(body->result, result);
    CHECK_EQ(threadStatus(thread).state, ThreadFinished);
    CHECK_EQ(thread->stack, NULL);
    CHECK_EQ(runQueueLength(&here->queue), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0); /* it has ended: no wait */
    threadRelease(thread);
}

static inline Thread *forkBody(Body *body)
{
    Thread *thread = greenFork(runBody, body);
    CHECK_EQ(body->ran, 0); /* a fork queues */
    CHECK_EQ(runQueueLength(&here->queue), 1);
    CHECK_EQ(thread->stack, NULL); /* and costs no stack yet */
    return thread;
}

static inline void adopt(int fd)
{
    CHECK_EQ(fdHomeFresh(fd, FdAdopted | FdStream, here), 0);
}

#endif
