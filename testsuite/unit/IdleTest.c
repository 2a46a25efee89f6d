/* IdleTest.c -- searching, sleeping and waking, step by step on one OS thread. */
#include "capability/Idle.h"

#include "capability/CapabilityTable.h"
#include "testsuite/support/Test.h"

#include <poll.h>
#include <unistd.h>

enum { ITEMS = 64 };

static int64_t pretended_ns;

static int64_t readPretended(void *context)
{
    (void)context;
    return pretended_ns;
}

static const Clock pretended = {readPretended, NULL};
static Runnable items[ITEMS];

static void begin(uint32_t count, const Clock *clock)
{
    pretended_ns = 1000 * 1000 * 1000;
    CHECK_EQ(capabilityTableStart(count, NULL, clock, NULL), 0);
}

static void end(void)
{
    CHECK_EQ(idle.searching, 0);
    CHECK_EQ(idle.sleeping, 0);
    CHECK_EQ(idle.guard, 0);
    capabilityTableFree(NULL);
}

static bool isSignalled(Capability *capability)
{
    struct pollfd look = {.fd = eventManagerPollable(&capability->manager), .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

/* ---- Searching, on a clock that stands still. ---- */

static void layDown(Capability *capability)
{
    CHECK(sleepLieDown(&idle, &capability->sleep, capability->index, &capability->inbox,
                       &capability->mode, CapabilityEnabled));
}

static void standUp(Capability *capability, IdleState expected)
{
    CHECK_EQ(sleepGetUp(&idle, &capability->sleep, capability->index), expected);
}

TEST(Idle, searchTakesTheOlderHalfAndKeepsItsOrder)
{
    begin(2, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    CHECK(!idleSearch(self));
    for (int i = 0; i < 5; i++)
        capabilityPush(peer, &items[i]);
    CHECK(idleSearch(self));
    CHECK_EQ(self->stats.stolen, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(capabilityPopOld(self), &items[i]);
    CHECK_EQ(runQueueLength(&peer->queue), 2);
    end();
}

TEST(Idle, loneRunnableIsLeftToItsOwnerForAWhile)
{
    begin(2, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    capabilityPush(peer, &items[0]);
    CHECK(!idleSearch(self));
    pretended_ns += STEAL_YOUNGEST_NS - 1;
    CHECK(!idleSearch(self));
    peer->stats.switches++; /* it is alive */
    pretended_ns += 1;
    CHECK(!idleSearch(self));
    pretended_ns += STEAL_YOUNGEST_NS;
    CHECK(idleSearch(self));
    CHECK_EQ(capabilityPopOld(self), &items[0]);
    end();
}

TEST(Idle, sleepIsNotHeldAgainstAPeer)
{
    begin(2, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    CHECK(!idleSearch(self));
    layDown(peer);
    pretended_ns += 10 * STEAL_YOUNGEST_NS;
    CHECK(!idleSearch(self));
    standUp(peer, IdleAsleep);
    capabilityPush(peer, &items[0]);
    CHECK(!idleSearch(self)); /* it has only just got something to do */
    pretended_ns += STEAL_YOUNGEST_NS;
    CHECK(idleSearch(self));
    end();
}

TEST(Idle, openInboxOfAStalePeerIsTaken)
{
    begin(2, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    capabilitySend(peer, &items[0], false);
    capabilitySend(peer, &items[1], true);
    CHECK(!idleSearch(self));
    pretended_ns += STALE_POLL_NS;
    CHECK(!idleSearch(self));
    pretended_ns += 1;
    CHECK(idleSearch(self));
    CHECK_EQ(capabilityPopOld(self), &items[0]);
    CHECK_EQ(capabilityPopOld(self), NULL);
    CHECK_EQ(inboxTakePinned(&peer->inbox), &items[1]);
    end();
}

TEST(Idle, monitorsMarkMakesAPeerStaleAtOnce)
{
    begin(2, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    capabilitySend(peer, &items[0], false);
    OR_SEQ_CST(&peer->attention, AttentionPoll);
    CHECK(idleSearch(self));
    CHECK_EQ(capabilityPopOld(self), &items[0]);
    end();
}

TEST(Idle, atMostHalfSearchAtOnce)
{
    begin(3, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    capabilityPush(peer, &items[0]);
    capabilityPush(peer, &items[1]);
    CHECK(sleepSearchBegin(&idle, 2));
    CHECK(sleepSearchBegin(&idle, 2));
    CHECK(!idleSearch(self));
    CHECK(!sleepSearchEnd(&idle));
    CHECK(idleSearch(self));
    CHECK_EQ(idle.searching, 1);
    CHECK(sleepSearchEnd(&idle));
    end();
}

TEST(Idle, aloneThereIsNobodyToSearch)
{
    begin(1, &pretended);
    CHECK(!idleSearch(capabilities.items[0]));
    end();
}

/* ---- Waking. ---- */

TEST(Idle, lastSearcherCallsTheNextForTheRest)
{
    begin(3, &pretended);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    layDown(capabilities.items[2]);
    for (int i = 0; i < 8; i++)
        capabilityPush(peer, &items[i]);
    CHECK(idleSearch(self));
    CHECK_EQ(idle.searching, 1); /* the called one */
    CHECK(isSignalled(capabilities.items[2]));
    standUp(capabilities.items[2], IdleCalled);
    sleepSearchEnd(&idle);
    end();
}

TEST(Idle, surplusCallsOneSleeperAndTheGuardLast)
{
    begin(4, &pretended);
    Capability *self = capabilities.items[3];
    for (int i = 0; i < 3; i++)
        layDown(capabilities.items[i]);
    idle.guard = 1;
    capabilityPush(self, &items[0]);
    idleSurplus(self);
    CHECK_EQ(idle.searching, 0); /* one is no surplus */
    capabilityPush(self, &items[1]);
    idleSurplus(self);
    idleSurplus(self);
    CHECK_EQ(capabilities.items[1]->sleep, IdleCalled);
    CHECK_EQ(capabilities.items[2]->sleep, IdleAsleep);
    sleepSearchEnd(&idle);
    standUp(capabilities.items[1], IdleCalled);
    idleSurplus(self);
    CHECK_EQ(capabilities.items[2]->sleep, IdleCalled);
    sleepSearchEnd(&idle);
    standUp(capabilities.items[2], IdleCalled);
    CHECK_EQ(capabilities.items[0]->sleep, IdleAsleep);
    idleSurplus(self);
    sleepSearchEnd(&idle);
    standUp(capabilities.items[0], IdleCalled);
    idleSurplus(self); /* nobody sleeps */
    CHECK_EQ(idle.searching, 0);
    idle.guard = 0;
    end();
}

TEST(Idle, callThatFindsNobodyIsTakenBack)
{
    begin(2, &pretended);
    layDown(capabilities.items[1]);
    idleWakeFor(capabilities.items[1]); /* notified: not to be called any more */
    idleWakeOne();
    CHECK_EQ(idle.searching, 0);
    CHECK_EQ(capabilities.items[1]->stats.wakes_sent, 1);
    standUp(capabilities.items[1], IdleNotified);
    end();
}

/* ---- Sleeping.  A lost wake-up hangs, and the time limit fails it. ---- */

TEST(Idle, doesNotSleepOverItsInbox)
{
    begin(1, NULL);
    Capability *self = capabilities.items[0];
    capabilitySend(self, &items[0], false);
    idleSleep(self);
    CHECK_EQ(self->stats.sleeps, 0);
    CHECK_EQ(self->manager.stats.polls, 0);
    CHECK_EQ(capabilityPopOld(self), &items[0]);
    end();
}

TEST(Idle, doesNotSleepOverAPeersSurplusUnlessSomebodySearches)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0];
    capabilityPush(capabilities.items[1], &items[0]);
    capabilityPush(capabilities.items[1], &items[1]);
    idleSleep(self);
    CHECK_EQ(self->stats.sleeps, 0);
    CHECK(idleSearch(self));
    end();
}

static void pushItem(Capability *capability, uint64_t number)
{
    CHECK_LT(number, ITEMS);
    capabilityPush(capability, &items[number]);
}

static void fireTimer(Timer *timer, uint64_t number, void *sink)
{
    (void)timer;
    pushItem(sink, number);
}

static void fireNode(WatchNode *node, uint64_t number, int result, void *sink)
{
    (void)node;
    CHECK_EQ(result, 0);
    pushItem(sink, number);
}

static void awaitRead(Capability *capability, int fd, WatchNode *node, uint64_t number)
{
    node->fire = fireNode;
    node->number = number;
    CHECK_EQ(eventManagerAwait(&capability->manager, fd, 0, FdRead, (FdSeen){.who = 1}, node,
                               capability),
             0);
}

TEST(Idle, sleepEndsWithADueTimer)
{
    begin(1, NULL);
    Capability *self = capabilities.items[0];
    Timer timer = {.fire = fireTimer};
    int64_t deadline_ns = clockRead(&clockMonotonic) + 2000 * 1000;
    CHECK_EQ(timerHeapArm(&self->manager.timers, &timer, 5, deadline_ns), 0);
    while (!capabilityHasReady(self))
        idleSleep(self);
    CHECK_GE(clockRead(&clockMonotonic), deadline_ns);
    CHECK_EQ(capabilityPopOld(self), &items[5]);
    CHECK_EQ(self->stats.guard_ticks, 0); /* alone: nobody to guard */
    end();
}

/* The peer is awake and never does anything: its owner is stuck. */
TEST(Idle, guardTakesAStuckPeersTimer)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    Timer timer = {.fire = fireTimer};
    int64_t deadline_ns = clockRead(&clockMonotonic) + 4000 * 1000;
    CHECK_EQ(timerHeapArm(&peer->manager.timers, &timer, 6, deadline_ns), 0);
    while (!capabilityHasReady(self))
        if (!idleSearch(self))
            idleSleep(self);
    CHECK_GE(clockRead(&clockMonotonic), deadline_ns);
    CHECK_EQ(capabilityPopOld(self), &items[6]);
    CHECK_EQ(self->stats.rescued, 1);
    CHECK_GT(self->stats.guard_ticks, 0);
    end();
}

TEST(Idle, guardTakesAStuckPeersLoneRunnable)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0];
    capabilityPush(capabilities.items[1], &items[7]);
    while (!capabilityHasReady(self))
        idleSleep(self);
    CHECK_EQ(capabilityPopOld(self), &items[7]);
    CHECK_EQ(self->stats.stolen, 1);
    end();
}

TEST(Idle, guardTakesAStuckPeersEvent)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    int ends[2];
    WatchNode node = {0};
    CHECK_EQ(pipe(ends), 0);
    awaitRead(peer, ends[0], &node, 8);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    while (!capabilityHasReady(self))
        idleSleep(self);
    CHECK_EQ(capabilityPopOld(self), &items[8]);
    CHECK_EQ(self->stats.rescued, 1);
    close(ends[0]);
    close(ends[1]);
    end();
}

/* Goal: a stuck peer whose own Wakeup is pending does not keep the guard running in circles.
 * Method: after the first visit for nothing its pollable is muted, and ticks pass instead. */
TEST(Idle, guardSleepsInTicksOverAPendingWakeup)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    int ends[2];
    WatchNode node = {0};
    CHECK_EQ(pipe(ends), 0);
    awaitRead(peer, ends[0], &node, 9);
    eventManagerWake(&peer->manager);
    while (!self->peers[1].muted)
        idleSleep(self);
    uint64_t ticks = self->stats.guard_ticks, sleeps = self->stats.sleeps;
    while (self->stats.sleeps < sleeps + 10)
        idleSleep(self);
    CHECK_GE(self->stats.guard_ticks, ticks + 10);
    CHECK(isSignalled(peer)); /* a rescuer does not drain it */
    CHECK_EQ(write(ends[1], "x", 1), 1);
    while (!capabilityHasReady(self))
        idleSleep(self);
    CHECK_EQ(capabilityPopOld(self), &items[9]);
    close(ends[0]);
    close(ends[1]);
    end();
}

static void sleepUntil(Capability *self, int64_t deadline_ns)
{
    Timer timer = {.fire = fireTimer};
    CHECK_EQ(timerHeapArm(&self->manager.timers, &timer, 10, deadline_ns), 0);
    while (!capabilityHasReady(self))
        idleSleep(self);
    CHECK_EQ(capabilityPopOld(self), &items[10]);
}

/* Goal: whom its own events wake again and again needs no ticks.  Method: timers end its sleeps;
 * then it sleeps for more than a tick, and after one long sleep it ticks as before. */
TEST(Idle, guardThatIsWokenOftenTicksSeldom)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0];
    for (int i = 0; i < 100000 && self->naps < 4; i++)
        sleepUntil(self, clockRead(&clockMonotonic) + 1);
    CHECK_EQ(self->naps, 4);
    uint64_t ticks = self->stats.guard_ticks;
    sleepUntil(self, clockRead(&clockMonotonic) + 4 * GUARD_TICK_NS);
    CHECK_EQ(self->stats.guard_ticks, ticks);
    CHECK_EQ(self->naps, 2);
    sleepUntil(self, clockRead(&clockMonotonic) + 400 * GUARD_TICK_NS);
    CHECK_GT(self->stats.guard_ticks, ticks);
    CHECK_EQ(self->naps, 0);
    end();
}

/* An event of its own is not left for what a peer has ready. */
TEST(Idle, ownEventsComeBeforeAPeersSurplus)
{
    begin(2, NULL);
    Capability *self = capabilities.items[0], *peer = capabilities.items[1];
    int ends[2];
    WatchNode node = {0};
    CHECK_EQ(pipe(ends), 0);
    awaitRead(self, ends[0], &node, 10);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 4; i++)
        capabilityPush(peer, &items[i]);
    CHECK(idleSearch(self));
    CHECK_EQ(capabilityPopOld(self), &items[10]);
    CHECK_EQ(self->stats.stolen, 0);
    CHECK(idleSearch(self)); /* now there is none */
    CHECK_EQ(self->stats.stolen, 2);
    CHECK_EQ(self->manager.stats.polls, 2);
    while (capabilityPopOld(self) != NULL || capabilityPopOld(peer) != NULL)
        ;
    close(ends[0]);
    close(ends[1]);
    end();
}

/* ---- The price of the common cycle. ---- */

/* Goal: nothing ready -> sleep -> event costs one call of poll, no Wakeup.  Method: one pipe; each
 * byte is written after the one before was seen. */
static void measureCycles(uint32_t count)
{
    enum { ROUNDS = 100 };
    begin(count, NULL);
    Capability *self = capabilities.items[0];
    int ends[2];
    char byte;
    WatchNode node = {0};
    CHECK_EQ(pipe(ends), 0);
    for (int i = 0; i < ROUNDS; i++) {
        awaitRead(self, ends[0], &node, 10);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ(capabilityPopOld(self), NULL);
        CHECK(!idleSearch(self));
        idleSleep(self);
        CHECK_EQ(capabilityPopOld(self), &items[10]);
        CHECK_EQ(read(ends[0], &byte, 1), 1);
    }
    CHECK_EQ(self->manager.stats.polls, ROUNDS);
    CHECK_EQ(self->manager.stats.wakeups, 0);
    CHECK_EQ(self->stats.sleeps, ROUNDS);
    close(ends[0]);
    close(ends[1]);
    end();
}

TEST(Idle, oneEventCostsOnePoll)
{
    measureCycles(1);
    measureCycles(2); /* as the guard of a busy peer */
}
