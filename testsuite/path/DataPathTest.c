/* DataPathTest.c -- from the kernel's record to the running thread, one hop at a time.
 *
 * One capability on the Mock back-end and a clock that stands still; its worker runs the test itself in
 * place of the scheduler's loop, so nothing happens that the test does not do.  The hops:
 *   1 kernel record   2 slot: edge counted, waiters detached   3 claim won   4 queued   5 taken   6 runs
 */
#include "capability/CapabilityTable.h"
#include "capability/FdHome.h"
#include "iomgr/Memory.h"
#include "iomgr/backend/Mock.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/ThreadWait.h"
#include "testsuite/support/Runtime.h"

enum { FD = 5, OTHER_FD = 6, TICKS_PER_LOOK = 16 };

static int64_t now_ns; /* the clock's; the one worker */

static int64_t readFake(void *context)
{
    (void)context;
    return now_ns;
}

static const Clock fake_clock = {readFake, NULL};

static Capability *here; /* the one there is; the worker */
static EventManager *manager;
static BackendState *kernel;

/* ---- the stage --------------------------------------------------------------------------------------------- */

static int startStage(Worker *worker)
{
    Scheduler *scheduler = schedulerOf(worker->capability);
    pthread_attr_t attributes;
    void *bottom;
    CHECK_EQ(pthread_getattr_np(pthread_self(), &attributes), 0);
    pthread_attr_getstack(&attributes, &bottom, &scheduler->loop_size);
    pthread_attr_destroy(&attributes);
    scheduler->loop_bottom = bottom;
#ifdef SANITIZE_THREAD
    scheduler->loop_tools.fibre = __tsan_get_current_fiber();
#endif
    return 0;
}

static void (*scene)(void); /* main sets before the start */

static void runScene(Worker *worker)
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

static void playOn(const Backend *backend, void (*play)(void))
{
    now_ns = 1000 * MS_NS;
    scene = play;
    CHECK_EQ(threadPoolStart(NULL), 0);
    CHECK_EQ(outsideStart(NULL), 0);
    CHECK_EQ(fdHomeStart(NULL), 0);
    CHECK_EQ(stackPoolStart(0), 0);
    CHECK_EQ(capabilityTableStart(1, backend, &fake_clock, NULL), 0);
    Scheduler *scheduler = memoryAllocateZeroed(NULL, sizeof *scheduler, CACHE_LINE);
    scheduler->capability = capabilities.items[0];
    capabilities.items[0]->upper = scheduler;
    CHECK_EQ(workerStartAll(&hooks), 0);
    workerStopAll();
    memoryRelease(NULL, scheduler, sizeof *scheduler, CACHE_LINE);
    capabilityTableFree(NULL);
    stackPoolEnd();
    fdHomeFree();
    outsideEnd();
    threadPoolEnd();
}

/* ---- what a hop looks at -------------------------------------------------------------------------------------- */

typedef struct Body {
    int (*wait)(void);
    int result;
    uint32_t ran; /* 0 not yet, 1 waits, 2 over */
} Body;

static void *runBody(void *env)
{
    Body *body = env;
    body->ran = 1;
    body->result = body->wait();
    body->ran = 2;
    return NULL;
}

static int waitForRead(void)
{
    return threadWaitRead(FD);
}

static FdSlot *slotOf(int fd)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    CHECK(slot != NULL);
    return slot;
}

/* Hops 5 and 6: take what is next, which must be `thread`, and let it run until it waits or ends. */
static void takeAndRun(Thread *thread)
{
    Runnable *next = capabilityPopOld(here);
    CHECK_EQ(next, &thread->runnable);
    CHECK_EQ(runQueueLength(&here->queue), 0);
    next->run(next, here);
    CHECK_EQ(here->current, NULL);
    CHECK_EQ(schedulerOf(here)->after, AfterNothing); /* what was left is settled */
}

static void checkParked(const Thread *thread, ThreadState why)
{
    CHECK_EQ(claimState(thread->claim), ClaimParked);
    CHECK_EQ(threadStatus(thread).state, why);
    CHECK(thread->sp != NULL);
    CHECK_EQ(runQueueLength(&here->queue), 0);
}

static void checkQueued(const Thread *thread, int result)
{
    CHECK_EQ(claimState(thread->claim), ClaimFired);
    CHECK_EQ(claimResult(thread->claim), result);
    CHECK_EQ(runQueueLength(&here->queue), 1); /* once */
    CHECK_EQ(thread->node.linked, 0);
}

static void checkOver(Thread *thread, const Body *body, int result)
{
    CHECK_EQ(body->ran, 2);
    CHECK_EQ(body->result, result);
    CHECK_EQ(threadStatus(thread).state, ThreadFinished);
    CHECK_EQ(thread->stack, NULL);
    CHECK_EQ(runQueueLength(&here->queue), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0); /* it has ended: no wait */
    threadRelease(thread);
}

static Thread *forkBody(Body *body)
{
    Thread *thread = greenFork(runBody, body);
    CHECK_EQ(body->ran, 0); /* a fork queues */
    CHECK_EQ(runQueueLength(&here->queue), 1);
    CHECK_EQ(thread->stack, NULL); /* and costs no stack yet */
    return thread;
}

static void adopt(int fd)
{
    CHECK_EQ(fdHomeFresh(fd, FdAdopted | FdStream, here), 0);
}

/* ---- the whole way ------------------------------------------------------------------------------------------------ */

static void walkTheWholeWay(void)
{
    adopt(FD);
    for (uint32_t round = 0; round < 3; round++) {
        Body body = {.wait = waitForRead};
        Thread *thread = forkBody(&body);
        takeAndRun(thread);
        CHECK_EQ(body.ran, 1);
        checkParked(thread, ThreadBlockedOnRead);
        CHECK_EQ(threadStatus(thread).fd, FD);
        CHECK_EQ(thread->node.linked, 1);
        CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdRead]), true);
        CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdWrite]), false);
        MockChange change = mockChange(kernel, mockChangeCount(kernel) - 1);
        CHECK_EQ(change.operation, round == 0 ? MockAdd : MockModify); /* a newcomer asks again */
        CHECK_EQ(change.mode, WatchEdge);
        CHECK_EQ(change.interest, EventRead | EventWrite);
        uint32_t edges = slotOf(FD)->edges[FdRead];

        CHECK(mockDeliverFd(kernel, FD, EventRead)); /* 1: and nobody knows yet */
        checkParked(thread, ThreadBlockedOnRead);
        CHECK_EQ(slotOf(FD)->edges[FdRead], edges);

        CHECK_EQ(eventManagerStep(manager, 0, here), 1); /* 2, 3, 4 */
        CHECK_EQ(slotOf(FD)->edges[FdRead], edges + 1);
        CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdRead]), false);
        checkQueued(thread, 0);
        CHECK_EQ(body.ran, 1);

        takeAndRun(thread); /* 5, 6 */
        checkOver(thread, &body, 0);
        CHECK_EQ(eventManagerStep(manager, 0, here), 0); /* the record was used up */
    }
}

TEST(DataPath, theWholeWay)
{
    playOn(&backendMock, walkTheWholeWay);
}

/* The middle hops one by one, as the dispatcher does them. */
static void walkTheMiddle(void)
{
    adopt(FD);
    Body body = {.wait = waitForRead};
    Thread *thread = forkBody(&body);
    takeAndRun(thread);
    FdSlot *slot = slotOf(FD);
    uint64_t number = claimNumber(thread->claim);

    WatchNode *detached = watchListTake(&slot->waiters[FdRead], fdControlGeneration(slot->control));
    CHECK_EQ(detached, &thread->node); /* 2: detached, and still parked */
    CHECK_EQ(watchListHasWatchers(&slot->waiters[FdRead]), false);
    CHECK_EQ(detached->linked, 1);
    CHECK_EQ(detached->number, number);
    checkParked(thread, ThreadBlockedOnRead);

    CHECK_EQ(watchListFire(detached, 0, here), 1); /* 3, 4 */
    checkQueued(thread, 0);
    CHECK_EQ(claimTry(&thread->claim, number, -EBADF), ClaimLost); /* whoever else comes is late */
    CHECK_EQ(runQueueLength(&here->queue), 1);

    Runnable *next = capabilityPopYoung(here); /* 5 */
    CHECK_EQ(next, &thread->runnable);
    CHECK_EQ(claimState(thread->claim), ClaimFired);
    CHECK_EQ(body.ran, 1);
    next->run(next, here); /* 6 */
    checkOver(thread, &body, 0);
}

TEST(DataPath, theMiddleHops)
{
    playOn(&backendMock, walkTheMiddle);
}

/* An un-adopted fd: armed once per wait, silent after its event, and one direction does not eat the other's. */
static int waitForWrite(void)
{
    return threadWaitWrite(FD);
}

static void walkOneShot(void)
{
    for (int round = 0; round < 3; round++) {
        Body reads = {.wait = waitForRead}, writes = {.wait = waitForWrite};
        uint32_t changes = mockChangeCount(kernel);
        Thread *reader = forkBody(&reads);
        takeAndRun(reader);
        CHECK_EQ(mockChangeCount(kernel), changes + 1);
        CHECK_EQ(mockChange(kernel, changes).mode, WatchOneShot);
        CHECK_EQ(mockChange(kernel, changes).interest, EventRead);
        Thread *writer = forkBody(&writes);
        takeAndRun(writer);
        CHECK_EQ(mockChange(kernel, changes + 1).interest, EventRead | EventWrite);
        CHECK(mockDeliverFd(kernel, FD, EventRead));
        CHECK_EQ(eventManagerStep(manager, 0, here), 1);
        checkQueued(reader, 0);
        CHECK_EQ(claimState(writer->claim), ClaimParked);
        CHECK(mockIsArmed(kernel, FD, EventWrite)); /* armed again for who still waits */
        takeAndRun(reader);
        checkOver(reader, &reads, 0);
        CHECK(mockDeliverFd(kernel, FD, EventHangUp)); /* wakes the other direction too */
        CHECK_EQ(eventManagerStep(manager, 0, here), 1);
        checkQueued(writer, 0);
        takeAndRun(writer);
        checkOver(writer, &writes, 0);
        CHECK(!mockDeliverFd(kernel, FD, EventRead)); /* nobody waits: silent */
    }
}

TEST(DataPath, oneShot)
{
    playOn(&backendMock, walkOneShot);
    playOn(&backendMockOneShot, walkOneShot);
}

/* ---- crossings: the event comes while the thread is on its way to park ---------------------------------------------- */

/* A poller's hop 2; not the whole step, which would wait for the slot's CONTROL that the change holds. */
static void fireInChange(void *context, const MockChange *change)
{
    uint32_t *left = context;
    if (*left > 0 && change->result == 0) {
        --*left;
        uint16_t generation = (uint16_t)(change->cookie >> 32);
        CHECK_EQ(fdSlotFire(slotOf(FD), FdRead, generation, here), 0); /* counted: nobody to fire */
    }
}

/* A: inside the kernel's look, before the thread has published itself. */
static void crossBeforePublish(void)
{
    Body body = {.wait = waitForRead};
    uint32_t once = 1;
    adopt(FD);
    mockOnChange(kernel, fireInChange, &once);
    Thread *thread = forkBody(&body);
    uint64_t parks = schedulerOf(here)->parks;
    takeAndRun(thread);
    CHECK_EQ(once, 0);
    CHECK_EQ(schedulerOf(here)->parks, parks); /* it saw the edge and did not wait */
    CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdRead]), false);
    checkOver(thread, &body, 0);
}

TEST(DataPath, eventBeforePublish)
{
    playOn(&backendMock, crossBeforePublish);
}

/* Register the fd and use up the newcomer's question, so that the hand-made waits below are warm. */
static void warmUp(void)
{
    Body body = {.wait = waitForRead};
    adopt(FD);
    Thread *thread = forkBody(&body);
    takeAndRun(thread);
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerStep(manager, 0, here), 1);
    takeAndRun(thread);
    checkOver(thread, &body, 0);
}

/* B: between publishing and the second look at the edge counter. */
static int waitAndCrossAtRecheck(void)
{
    Thread *self = scheduleSelf();
    FdSlot *slot = slotOf(FD);
    uint16_t generation = fdControlGeneration(slot->control);
    uint32_t edges = slot->edges[FdRead];
    parkBegin(self);
    CHECK(watchListAdd(&slot->waiters[FdRead], generation, &self->node));
    CHECK_EQ(fdSlotFire(slot, FdRead, generation, here), 1); /* the event takes the node ... */
    CHECK_EQ(claimState(self->claim), ClaimFired);
    CHECK_EQ(runQueueLength(&here->queue), 0); /* ... but who has not parked is not queued */
    fdSlotRecheck(slot, FdRead, generation, edges, &self->node, here);
    CHECK_EQ(parkLinked(self), false);
    uint64_t parks = schedulerOf(here)->parks;
    int result = parkUntil(self, ThreadBlockedOnRead, FD, DEADLINE_NEVER);
    CHECK_EQ(schedulerOf(here)->parks, parks);
    return result;
}

static void crossAtRecheck(void)
{
    Body body = {.wait = waitAndCrossAtRecheck};
    warmUp();
    Thread *thread = forkBody(&body);
    takeAndRun(thread);
    checkOver(thread, &body, 0);
}

TEST(DataPath, eventBetweenPublishAndRecheck)
{
    playOn(&backendMock, crossAtRecheck);
}

/* C: published and checked, not yet parked. */
static int waitAndCrossBeforePark(void)
{
    Thread *self = scheduleSelf();
    FdSeen seen = {.edges = eventManagerEdges(manager, FD, FdRead), .who = 1};
    uint32_t changes = mockChangeCount(kernel);
    parkBegin(self);
    CHECK_EQ(eventManagerAwait(manager, FD, FdAdopted, FdRead, seen, &self->node, here), 0);
    CHECK_EQ(mockChangeCount(kernel), changes); /* warm: the kernel is not asked */
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerStep(manager, 0, here), 1);
    CHECK_EQ(runQueueLength(&here->queue), 0);
    uint64_t parks = schedulerOf(here)->parks;
    int result = parkUntil(self, ThreadBlockedOnRead, FD, DEADLINE_NEVER);
    CHECK_EQ(schedulerOf(here)->parks, parks);
    return result;
}

static void crossBeforePark(void)
{
    Body body = {.wait = waitAndCrossBeforePark};
    warmUp();
    Thread *thread = forkBody(&body);
    takeAndRun(thread);
    checkOver(thread, &body, 0);
}

TEST(DataPath, eventBetweenRecheckAndPark)
{
    playOn(&backendMock, crossBeforePark);
}

/* D: inside the scheduler, by the poll that is due when the thread looks for somebody to go on with.  Alone
 * it just returns; else it is left for the other, the commit finds it claimed, and it is queued. */
static int waitWithPollDue(void)
{
    schedulerOf(here)->ticks = TICKS_PER_LOOK - 1;
    schedulerOf(here)->last_poll_ns = 0;
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    int result = threadWaitFd(FD, FdRead, eventManagerEdges(manager, FD, FdRead), DEADLINE_NEVER);
    return result;
}

static void crossInScheduler(void)
{
    Body alone = {.wait = waitWithPollDue};
    warmUp();
    Thread *thread = forkBody(&alone);
    uint64_t parks = schedulerOf(here)->parks;
    takeAndRun(thread);
    CHECK_EQ(schedulerOf(here)->parks, parks);
    checkOver(thread, &alone, 0);
}

TEST(DataPath, eventInTheSchedulerAlone)
{
    playOn(&backendMock, crossInScheduler);
}

static uint32_t bystander_ran;

static void *standBy(void *env)
{
    Thread *left = env;
    bystander_ran++;
    /* What was left for us lost its commit, and is queued: once. */
    CHECK_EQ(claimState(left->claim), ClaimFired);
    CHECK_EQ(runQueueLength(&here->queue), 1);
    return NULL;
}

static void crossAtCommit(void)
{
    Body body = {.wait = waitWithPollDue};
    warmUp();
    bystander_ran = 0;
    Thread *thread = forkBody(&body);
    CHECK_EQ(capabilityPopOld(here), &thread->runnable);
    Thread *other = greenFork(standBy, thread);
    uint64_t parks = schedulerOf(here)->parks;
    thread->runnable.run(&thread->runnable, here); /* all of it: nobody goes back to the loop between */
    CHECK_EQ(bystander_ran, 1);
    CHECK_EQ(schedulerOf(here)->parks, parks + 1);
    checkOver(thread, &body, 0);
    greenJoin(other);
}

TEST(DataPath, eventBeforeCommit)
{
    playOn(&backendMock, crossAtCommit);
}

/* ---- the timer's way ------------------------------------------------------------------------------------------------------ */

static int waitInTime(void)
{
    return threadWaitReadUntil(FD, 1005 * MS_NS);
}

static void walkTimer(void)
{
    Body late = {.wait = waitInTime}, ready = {.wait = waitInTime};
    adopt(FD);
    Thread *thread = forkBody(&late);
    takeAndRun(thread);
    checkParked(thread, ThreadBlockedOnRead);
    CHECK_EQ(manager->timers.earliest_ns, 1005 * MS_NS);
    now_ns = 1005 * MS_NS - 1;
    CHECK_EQ(eventManagerStep(manager, 0, here), 0); /* never early, not by a nanosecond */
    checkParked(thread, ThreadBlockedOnRead);
    now_ns = 1005 * MS_NS;
    CHECK_EQ(eventManagerStep(manager, 0, here), 1);
    CHECK_EQ(claimResult(thread->claim), -ETIMEDOUT);
    CHECK_EQ(runQueueLength(&here->queue), 1);
    CHECK_EQ(thread->node.linked, 1); /* still published: it takes itself out when it runs */
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerStep(manager, 0, here), 1); /* an event meets it: the claim is lost */
    CHECK_EQ(runQueueLength(&here->queue), 1);
    takeAndRun(thread);
    CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdRead]), false);
    checkOver(thread, &late, -ETIMEDOUT);

    now_ns = 1001 * MS_NS; /* the other way round: the event first, then nothing of the timer */
    thread = forkBody(&ready);
    takeAndRun(thread);
    if (ready.ran != 2) {
        CHECK(mockDeliverFd(kernel, FD, EventRead));
        CHECK_EQ(eventManagerStep(manager, 0, here), 1);
        takeAndRun(thread);
    }
    checkOver(thread, &ready, 0);
    now_ns = 1010 * MS_NS;
    CHECK_EQ(eventManagerStep(manager, 0, here), 0);
}

TEST(DataPath, theTimersWay)
{
    playOn(&backendMock, walkTimer);
}

/* ---- the closer's way ------------------------------------------------------------------------------------------------------- */

static int closeNothing(int fd, void *env)
{
    uint32_t *calls = env;
    CHECK_EQ(fd, FD);
    ++*calls;
    return 0;
}

static void walkClose(void)
{
    Body body = {.wait = waitForRead}, next = {.wait = waitForRead};
    uint32_t calls = 0;
    adopt(FD);
    Thread *thread = forkBody(&body);
    takeAndRun(thread);
    uint64_t cookie = mockCookie(kernel, FD);
    uint16_t generation = fdControlGeneration(slotOf(FD)->control);
    CHECK(mockDeliverFd(kernel, FD, EventRead)); /* on its way, and too late */
    CHECK_EQ(closeFdWith(closeNothing, &calls, FD), 0);
    CHECK_EQ(calls, 1);
    CHECK_EQ(fdHomeLook(FD), 0);
    CHECK_EQ(fdControlGeneration(slotOf(FD)->control), (uint16_t)(generation + 1));
    CHECK_EQ(mockChange(kernel, mockChangeCount(kernel) - 1).operation, MockRemove);
    checkQueued(thread, -EBADF);

    adopt(FD); /* the number is somebody else's now, and he waits before the old one has run */
    Thread *fresh = greenFork(runBody, &next);
    for (int i = 0; i < 2; i++) {
        Runnable *runnable = capabilityPopOld(here);
        CHECK_EQ(runnable, i == 0 ? &thread->runnable : &fresh->runnable);
        runnable->run(runnable, here);
        if (runQueueLength(&here->queue) == 0)
            break; /* the first one's end led straight to the second */
    }
    checkOver(thread, &body, -EBADF);
    checkParked(fresh, ThreadBlockedOnRead);
    uint64_t stale = manager->stats.stale;
    CHECK_EQ(eventManagerStep(manager, 0, here), 0); /* the old file's event changes nothing */
    CHECK_EQ(manager->stats.stale, stale + 1);
    checkParked(fresh, ThreadBlockedOnRead);
    CHECK_NE(mockCookie(kernel, FD), cookie);
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerStep(manager, 0, here), 1);
    takeAndRun(fresh);
    checkOver(fresh, &next, 0);
}

TEST(DataPath, theClosersWay)
{
    playOn(&backendMock, walkClose);
}
