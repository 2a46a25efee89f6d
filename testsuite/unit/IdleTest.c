/* IdleTest.c -- searching, sleeping and waking: first alone and step by step, then with real workers. */
#include "capability/Idle.h"

#include "capability/CapabilityTable.h"
#include "capability/Worker.h"
#include "testsuite/support/Test.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { ITEMS = 64, POLL_EVERY = 61 };

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

static void layDown(Capability *capability)
{
    CHECK(sleepLieDown(&idle, &capability->sleep, capability->index, &capability->inbox,
                       &capability->stop));
}

static void standUp(Capability *capability, IdleState expected)
{
    CHECK_EQ(sleepGetUp(&idle, &capability->sleep, capability->index), expected);
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

static uint32_t fired; /* whichever worker fires adds */

static void pushItem(Capability *capability, uint64_t number)
{
    CHECK_LT(number, ITEMS);
    capabilityPush(capability, &items[number]);
    ADD_SEQ_CST(&fired, 1);
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

/* ---- Real workers, with the smallest scheduler there is. ---- */

static void runLoop(Worker *worker)
{
    Capability *capability = worker->capability;
    uint32_t runs = 0;
    while (SEQ_CST_LOAD(&capability->stop) == 0) {
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable == NULL) {
            if (!idleSearch(capability))
                idleSleep(capability);
            continue;
        }
        COUNT(&capability->stats.switches, 1);
        idleSurplus(capability);
        runnable->run(runnable, capability);
        if (++runs % POLL_EVERY == 0 || capabilityAttend(capability, AttentionPoll) != 0)
            eventManagerStep(&capability->manager, 0, capability);
    }
}

static const WorkerHooks hooks = {NULL, runLoop, NULL};

static void beginWorkers(uint32_t count)
{
    begin(count, NULL);
    fired = 0;
    CHECK_EQ(workerStartAll(&hooks), 0);
}

static void endWorkers(void)
{
    workerStopAll();
    end();
}

/* Wait until *word is at least `value`; half a minute is for ever. */
static void waitFor(uint32_t *word, uint32_t value)
{
    int64_t end_ns = clockRead(&clockMonotonic) + INT64_C(30000) * 1000 * 1000;
    while (SEQ_CST_LOAD(word) < value) {
        CHECK_LT(clockRead(&clockMonotonic), end_ns);
        SMP_PAUSE();
    }
}

static uint32_t ran; /* runnables add */

static void countRun(Runnable *runnable, Capability *capability)
{
    (void)runnable;
    (void)capability;
    ADD_SEQ_CST(&ran, 1);
}

/* Goal: nothing sent from outside is left with a sleeper.  Method: one at a time, so that the receiver
 * is searching, spinning, lying down or asleep; nobody else would repair a miss (no Monitor). */
TEST(Idle, singleSendsAreAllRun)
{
    for (uint32_t count = 1; count <= 3; count++) {
        beginWorkers(count);
        uint32_t sends = testUnderValgrind() ? 100 : 3000;
        ran = 0;
        for (uint32_t i = 0; i < sends; i++) {
            for (uint64_t pauses = testRandom() % 512; pauses > 0; pauses--)
                SMP_PAUSE();
            items[0].run = countRun;
            capabilitySend(capabilityTablePick(), &items[0], i % 3 == 0);
            waitFor(&ran, i + 1);
        }
        endWorkers();
        CHECK_EQ(ran, sends);
    }
}

TEST(Idle, burstsAreAllRunOnce)
{
    static Runnable many[20000];
    beginWorkers(4);
    uint32_t sends = testUnderValgrind() ? 500 : 20000;
    ran = 0;
    for (uint32_t i = 0; i < sends; i++) {
        many[i].run = countRun;
        capabilitySend(capabilityTablePick(), &many[i], false);
        if (i % 1000 == 999)
            waitFor(&ran, i + 1);
    }
    waitFor(&ran, sends);
    endWorkers();
    CHECK_EQ(ran, sends);
}

/* ---- Somebody is stuck until somebody else has run. ---- */

static Capability *stuck_on; /* written before its runnable is sent */
static uint32_t entered;     /* stuck runnable sets */
static uint32_t released;    /* whoever frees it sets */

static void release(Runnable *runnable, Capability *capability)
{
    (void)runnable;
    CHECK_NE(capability, stuck_on);
    SEQ_CST_STORE(&released, 1);
}

static void beStuck(Runnable *runnable, Capability *capability)
{
    (void)runnable;
    (void)capability;
    SEQ_CST_STORE(&entered, 1);
    waitFor(&released, 1);
}

static void pushTwoAndBeStuck(Runnable *runnable, Capability *capability)
{
    stuck_on = capability;
    capabilityPush(capability, &items[2]);
    capabilityPush(capability, &items[3]);
    idleSurplus(capability);
    beStuck(runnable, capability);
}

static void pushOneAndBeStuck(Runnable *runnable, Capability *capability)
{
    stuck_on = capability;
    capabilityPush(capability, &items[2]);
    beStuck(runnable, capability);
}

static void beginStuck(void)
{
    entered = released = ran = 0;
    items[2].run = release;
    items[3].run = countRun;
    beginWorkers(2);
    stuck_on = capabilities.items[0];
}

/* The guard is the only help in these tests, there is no Monitor.  A peer that fell asleep before the
 * other one woke up is no guard, so it is woken once: when it lies down again it becomes the guard. */
static void nudge(Capability *capability)
{
    items[4].run = countRun;
    capabilitySend(capability, &items[4], true);
}

TEST(Idle, surplusBehindAStuckOneIsRunElsewhere)
{
    for (int round = 0; round < 200; round++) {
        beginStuck();
        items[1].run = pushTwoAndBeStuck;
        capabilitySend(capabilities.items[0], &items[1], false);
        waitFor(&released, 1);
        waitFor(&ran, 1);
        endWorkers();
    }
}

TEST(Idle, loneOneBehindAStuckOneIsRunElsewhere)
{
    for (int round = 0; round < 20; round++) {
        beginStuck();
        items[1].run = pushOneAndBeStuck;
        capabilitySend(capabilities.items[0], &items[1], true);
        waitFor(&entered, 1);
        nudge(capabilities.items[1]);
        waitFor(&released, 1);
        endWorkers();
    }
}

TEST(Idle, inboxOfAStuckOneIsRunElsewhereButPinnedOnesWait)
{
    beginStuck();
    items[1].run = beStuck;
    capabilitySend(capabilities.items[0], &items[1], true);
    waitFor(&entered, 1);
    capabilitySend(capabilities.items[0], &items[3], true);
    capabilitySend(capabilities.items[0], &items[2], false);
    nudge(capabilities.items[1]);
    waitFor(&released, 1);
    waitFor(&ran, 2);
    CHECK_EQ(capabilities.items[0]->stats.stolen, 0);
    endWorkers();
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
