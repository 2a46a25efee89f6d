/* IdleWorkersTest.c -- searching, sleeping and waking among real workers.
 *
 * They run the smallest scheduler there is.
 */
#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "capability/Worker.h"
#include "testsuite/support/Test.h"

enum { ITEMS = 8, POLL_EVERY = 61 };

static Runnable items[ITEMS];

static void runLoop(Worker *worker)
{
    Capability *capability = worker->capability;
    uint32_t runs = 0;
    while (SEQ_CST_LOAD(&capability->mode) == CapabilityEnabled) {
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
            eventManagerPoll(&capability->manager, 0, capability);
    }
}

static const WorkerHooks hooks = {NULL, runLoop, NULL};

static void beginWorkers(uint32_t count)
{
    CHECK_EQ(capabilityTableStart(count, NULL, NULL, NULL), 0);
    CHECK_EQ(workerStartAll(&hooks), 0);
}

static void endWorkers(void)
{
    workerStopAll();
    CHECK_EQ(idle.searching, 0);
    CHECK_EQ(idle.sleeping, 0);
    CHECK_EQ(idle.guard, 0);
    capabilityTableFree(NULL);
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

/* Goal: nothing sent from outside is left with a sleeper.  Method: one at a time, so that the
 * receiver is searching, spinning, lying down or asleep; nobody else would repair a miss (no
 * Monitor). */
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

/* The guard is the only help in these tests, there is no Monitor.  A peer that fell asleep before
 * the other one woke up is no guard, so it is woken once: when it lies down again it becomes the
 * guard. */
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
