/* DataPathTest.c -- from the kernel's record to the running thread, one hop at a time.
 *
 *   1 kernel record   2 slot: edge counted, waiters detached   3 claim won   4 queued   5 taken
 *   6 runs
 *
 * The events that come while a thread is on its way to park are in CrossingTest.c.
 */
#include "testsuite/path/Stage.h"

/* ---- the whole way --------------------------------------------------------------------------- */

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
        uint32_t edges = fdSlotEdges(slotOf(FD), FdRead);

        CHECK(mockDeliverFd(kernel, FD, EventRead)); /* 1: and nobody knows yet */
        checkParked(thread, ThreadBlockedOnRead);
        CHECK_EQ(fdSlotEdges(slotOf(FD), FdRead), edges);

        CHECK_EQ(eventManagerPoll(manager, 0, here), 1); /* 2, 3, 4 */
        CHECK_EQ(fdSlotEdges(slotOf(FD), FdRead), edges + 1);
        CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdRead]), false);
        checkQueued(thread, 0);
        CHECK_EQ(body.ran, 1);

        takeAndRun(thread); /* 5, 6 */
        checkOver(thread, &body, 0);
        CHECK_EQ(eventManagerPoll(manager, 0, here), 0); /* the record was used up */
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

/* An un-adopted fd: armed once per wait, silent after its event, and one direction does not eat
 * the other's. */
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
        CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
        checkQueued(reader, 0);
        CHECK_EQ(claimState(writer->claim), ClaimParked);
        CHECK(mockIsArmed(kernel, FD, EventWrite)); /* armed again for who still waits */
        takeAndRun(reader);
        checkOver(reader, &reads, 0);
        CHECK(mockDeliverFd(kernel, FD, EventHangUp)); /* wakes the other direction too */
        CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
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

/* ---- the timer's way ------------------------------------------------------------------------- */

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
    CHECK_EQ(eventManagerPoll(manager, 0, here), 0); /* never early, not by a nanosecond */
    checkParked(thread, ThreadBlockedOnRead);
    now_ns = 1005 * MS_NS;
    CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
    CHECK_EQ(claimResult(thread->claim), -ETIMEDOUT);
    CHECK_EQ(runQueueLength(&here->queue), 1);
    CHECK_EQ(thread->node.linked, 1); /* still published: it takes itself out when it runs */
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerPoll(manager, 0, here), 1); /* an event meets it: the claim is lost */
    CHECK_EQ(runQueueLength(&here->queue), 1);
    takeAndRun(thread);
    CHECK_EQ(watchListHasWatchers(&slotOf(FD)->waiters[FdRead]), false);
    checkOver(thread, &late, -ETIMEDOUT);

    now_ns = 1001 * MS_NS; /* the other way round: the event first, then nothing of the timer */
    thread = forkBody(&ready);
    takeAndRun(thread);
    if (ready.ran != 2) {
        CHECK(mockDeliverFd(kernel, FD, EventRead));
        CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
        takeAndRun(thread);
    }
    checkOver(thread, &ready, 0);
    now_ns = 1010 * MS_NS;
    CHECK_EQ(eventManagerPoll(manager, 0, here), 0);
}

TEST(DataPath, theTimersWay)
{
    playOn(&backendMock, walkTimer);
}

/* ---- the closer's way ------------------------------------------------------------------------ */

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
    CHECK_EQ(eventManagerPoll(manager, 0, here), 0); /* the old file's event changes nothing */
    CHECK_EQ(manager->stats.stale, stale + 1);
    checkParked(fresh, ThreadBlockedOnRead);
    CHECK_NE(mockCookie(kernel, FD), cookie);
    CHECK(mockDeliverFd(kernel, FD, EventRead));
    CHECK_EQ(eventManagerPoll(manager, 0, here), 1);
    takeAndRun(fresh);
    checkOver(fresh, &next, 0);
}

TEST(DataPath, theClosersWay)
{
    playOn(&backendMock, walkClose);
}
