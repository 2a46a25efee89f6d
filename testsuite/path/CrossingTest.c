/* CrossingTest.c -- the event comes while the thread is on its way to park: before it has
 * published itself, before its second look, before it parks, in the scheduler, before the commit.
 *
 * The hops are those of DataPathTest.c.
 */
#include "testsuite/path/Stage.h"

/* A poller's hop 2; not the whole step, which would wait for the slot's CONTROL that the change
 * holds. */
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

/* Register the fd and use up the newcomer's question, so that the hand-made waits below are warm.
 */
static void warmUp(void)
{
    Body body = {.wait = waitForRead};
    adopt(FD);
    Thread *thread = forkBody(&body);
    takeAndRun(thread);
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
    takeAndRun(thread);
    checkOver(thread, &body, 0);
}

/* B: between publishing and the second look at the edge counter. */
static int waitAndCrossAtRecheck(void)
{
    Thread *self = scheduleSelf();
    FdSlot *slot = slotOf(FD);
    uint16_t generation = fdControlGeneration(slot->control);
    uint32_t edges = fdSlotEdges(slot, FdRead);
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
    CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
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

/* D: inside the scheduler, by the poll that is due when the thread looks for somebody to go on
 * with.  Alone it just returns; else it is left for the other, the commit finds it claimed, and it
 * is queued. */
static int waitWithPollDue(void)
{
    schedulerOf(here)->look_at = 0; /* is due */
    schedulerOf(here)->last_poll_ns = 0;
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    FdView view = {.kind = FdAdopted,
                   .edges = eventManagerEdges(manager, FD, FdRead),
                   .home = fdHomeLook(FD),
                   .slot = slotOf(FD)};
    return threadWaitFd(FD, FdRead, &view, DEADLINE_NEVER);
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
    thread->runnable.run(&thread->runnable,
                         here); /* all of it: nobody goes back to the loop between */
    CHECK_EQ(bystander_ran, 1);
    CHECK_EQ(schedulerOf(here)->parks, parks + 1);
    checkOver(thread, &body, 0);
    greenJoin(other);
}

TEST(DataPath, eventBeforeCommit)
{
    playOn(&backendMock, crossAtCommit);
}
