/* MonitorTest.c -- what one look of the watchdog does, and that it sleeps when everybody does. */
#include "capability/Monitor.h"

#include "capability/CapabilityTable.h"
#include "capability/Carrier.h"
#include "capability/Idle.h"
#include "testsuite/support/Test.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static Runnable items[4];
static int64_t now_ns; /* of the ticks that a test makes itself */

static MonitorSight tick(int64_t step_ns)
{
    now_ns += step_ns;
    return monitorTick(now_ns);
}

/* The table, and a Monitor that knows nothing yet and whose OS thread is gone again. */
static void begin(uint32_t count)
{
    CHECK_EQ(capabilityTableStart(count, NULL, NULL, NULL), 0);
    CHECK_EQ(monitorStart(NULL), 0);
    monitorStop();
    for (uint32_t i = 0; i < count; i++)
        capabilities.items[i]->attention = 0;
    now_ns = clockRead(&clockMonotonic);
    tick(0); /* the first look only remembers */
}

static void layDown(Capability *capability)
{
    CHECK(sleepLieDown(&idle, &capability->sleep, capability->index, &capability->inbox,
                       &capability->mode, CapabilityEnabled));
}

static void move(Capability *capability)
{
    capability->stats.switches++;
    capability->manager.poll_count++;
}

TEST(Monitor, leavesTheLivelyAndTheSleepersAlone)
{
    begin(2);
    layDown(capabilities.items[1]);
    capabilityPush(capabilities.items[0], &items[0]);
    for (int i = 0; i < 100; i++) {
        move(capabilities.items[0]);
        CHECK(!tick(MONITOR_TICK_NS));
    }
    CHECK_EQ(capabilities.items[0]->attention, 0);
    CHECK_EQ(capabilities.items[1]->sleep, IdleAsleep);
    capabilityTableFree(NULL);
}

TEST(Monitor, asksAStaleOneWithFdsToPoll)
{
    begin(1);
    Capability *busy = capabilities.items[0];
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(busy->attention, 0); /* nothing there to be polled */
    busy->manager.fds = 1;
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(busy->attention, AttentionPoll);
    busy->attention = 0;
    busy->manager.poll_count++;
    CHECK(tick(MONITOR_TICK_NS)); /* it has polled, but not switched */
    CHECK_EQ(busy->attention, 0);
    busy->manager.fds = 0;
    capabilityTableFree(NULL);
}

static void fireNever(Timer *timer, uint64_t number, void *sink)
{
    (void)timer;
    (void)number;
    (void)sink;
    CHECK(false);
}

TEST(Monitor, asksAStaleOneWithADueTimerToPoll)
{
    begin(1);
    Capability *busy = capabilities.items[0];
    Timer far = {.fire = fireNever}, due = {.fire = fireNever};
    CHECK_EQ(timerHeapArm(&busy->manager.timers, &far, 1, INT64_MAX - 1), 0);
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(busy->attention, 0);
    CHECK_EQ(timerHeapArm(&busy->manager.timers, &due, 1, 1), 0);
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(busy->attention, AttentionPoll);
    capabilityTableFree(NULL);
}

TEST(Monitor, callsASleeperForAStaleOneUnlessThereIsAGuard)
{
    begin(2);
    Capability *busy = capabilities.items[0], *sleeper = capabilities.items[1];
    busy->manager.fds = 1;
    layDown(sleeper);
    idle.guard = 2;
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->sleep, IdleAsleep);
    CHECK_EQ(busy->attention, 0);
    idle.guard = 0;
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->sleep, IdleCalled);
    CHECK_EQ(busy->attention, AttentionPoll);
    CHECK_EQ(idle.searching, 1);
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->stats.wakes_sent, 1); /* it searches already */
    busy->manager.fds = 0;
    capabilityTableFree(NULL);
}

TEST(Monitor, callsASleeperForReadyWork)
{
    begin(2);
    Capability *busy = capabilities.items[0], *sleeper = capabilities.items[1];
    layDown(sleeper);
    capabilityPush(busy, &items[0]);
    move(busy);
    CHECK(!tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->sleep, IdleAsleep); /* its owner is about to run it */
    capabilityPush(busy, &items[1]);
    move(busy);
    CHECK(!tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->sleep, IdleCalled);
    capabilityTableFree(NULL);
}

TEST(Monitor, callsASleeperForALoneOneThatIsStuck)
{
    begin(2);
    Capability *busy = capabilities.items[0], *sleeper = capabilities.items[1];
    layDown(sleeper);
    capabilityPush(busy, &items[0]);
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->sleep, IdleCalled);
    capabilityTableFree(NULL);
}

TEST(Monitor, doesNotCallForPinnedWork)
{
    begin(2);
    Capability *busy = capabilities.items[0], *sleeper = capabilities.items[1];
    layDown(sleeper);
    capabilityPushPinned(busy, &items[0]);
    capabilitySend(busy, &items[1], true);
    CHECK(tick(MONITOR_TICK_NS));
    CHECK_EQ(sleeper->sleep, IdleAsleep);
    capabilityTableFree(NULL);
}

TEST(Monitor, endsASliceOnlyWhenOthersWait)
{
    begin(1);
    Capability *busy = capabilities.items[0];
    for (int i = 0; i < 2 * SLICE_NS / MONITOR_TICK_NS; i++)
        tick(MONITOR_TICK_NS);
    CHECK_EQ(busy->attention, 0);
    move(busy);
    tick(MONITOR_TICK_NS);
    capabilityPushPinned(busy, &items[0]);
    for (int i = 0; i < SLICE_NS / MONITOR_TICK_NS - 1; i++)
        tick(MONITOR_TICK_NS);
    CHECK_EQ(busy->attention & AttentionSlice, 0);
    tick(MONITOR_TICK_NS);
    CHECK_EQ(busy->attention & AttentionSlice, AttentionSlice);
    capabilityTableFree(NULL);
}

/* ---- How often it looks: busy is who does nothing for us and has a core. ---- */

static void *tellClock(void *arg)
{
    clockid_t clock;
    CHECK_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
    *(int32_t *)arg = clock;
    return NULL;
}

/* A carrier of capability 0 with this OS thread's clock. */
static Worker *makeCarrier(void)
{
    Worker *carrier = workerOfNumber(0); /* nobody's */
    tellClock(&carrier->cpu_clock);
    capabilities.items[0]->carrier = carrier;
    return carrier;
}

TEST(Monitor, weighsWhoIsStaleByItsCpuTime)
{
    begin(1);
    Capability *capability = capabilities.items[0];
    makeCarrier();
    CHECK_EQ(tick(1), MonitorStale); /* there is nothing to compare with */
    CHECK_EQ(tick(1), MonitorBusy);
    CHECK_EQ(tick(INT64_C(3600) * 1000 * 1000 * 1000), MonitorLively); /* it has slept, mostly */
    CHECK_EQ(tick(1), MonitorBusy);
    move(capability);
    CHECK_EQ(tick(1), MonitorLively);
    CHECK_EQ(tick(1), MonitorStale);
    layDown(capability);
    CHECK_EQ(tick(1), MonitorLively);
    capability->carrier = NULL;
    capabilityTableFree(NULL);
}

TEST(Monitor, takesOneOfUnknownTimeForBusy)
{
    begin(1);
    pthread_t ended;
    CHECK_EQ(tick(MONITOR_TICK_NS), MonitorBusy); /* nobody carries it */
    Worker *carrier = makeCarrier();
    CHECK_EQ(pthread_create(&ended, NULL, tellClock, &carrier->cpu_clock), 0);
    CHECK_EQ(pthread_join(ended, NULL), 0);
    while (carrierCpu(capabilities.items[0]) >= 0)
        usleep(100); /* the kernel is still at it */
    CHECK_EQ(tick(MONITOR_TICK_NS), MonitorBusy);
    capabilities.items[0]->carrier = NULL;
    capabilityTableFree(NULL);
}

TEST(Monitor, ticksLessWhileAllIsWell)
{
    begin(1);
    CHECK_EQ(monitorPace(MonitorBusy, now_ns), MONITOR_TICK_NS);
    for (int64_t tick_ns = 2 * MONITOR_TICK_NS; tick_ns <= MONITOR_TICK_MOST_NS; tick_ns *= 2)
        CHECK_EQ(monitorPace(MonitorLively, now_ns), tick_ns);
    CHECK_EQ(monitorPace(MonitorLively, now_ns), MONITOR_TICK_MOST_NS);
    CHECK_EQ(monitorPace(MonitorStale, now_ns), MONITOR_TICK_NS); /* once more, soon */
    CHECK_EQ(monitorPace(MonitorLively, now_ns), MONITOR_TICK_MOST_NS);
    monitorNag(NULL);
    CHECK_EQ(monitorPace(MonitorLively, now_ns), MONITOR_TICK_USUAL_NS);
    monitorNagEnd();
    CHECK_EQ(monitorPace(MonitorBusy, now_ns), MONITOR_TICK_NS);
    CHECK_EQ(monitorPace(MonitorLively, now_ns), 2 * MONITOR_TICK_NS);
    capabilityTableFree(NULL);
}

/* ---- With workers. ---- */

static uint32_t ran; /* runnables add */

static void countRun(Runnable *runnable, Capability *capability)
{
    (void)runnable;
    (void)capability;
    ADD_SEQ_CST(&ran, 1);
}

static void runLoop(Worker *worker)
{
    Capability *capability = worker->capability;
    while (SEQ_CST_LOAD(&capability->mode) == CapabilityEnabled) {
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable != NULL) {
            COUNT(&capability->stats.switches, 1);
            runnable->run(runnable, capability);
        } else if (!idleSearch(capability)) {
            idleSleep(capability);
        }
    }
}

static const WorkerHooks hooks = {NULL, runLoop, NULL};

/* Wait until *word is not (or is) zero; half a minute is for ever. */
static void waitUntil(uint32_t *word, bool zero)
{
    int64_t end_ns = clockRead(&clockMonotonic) + INT64_C(30000) * 1000 * 1000;
    while ((SEQ_CST_LOAD(word) == 0) != zero) {
        struct timespec pause = {.tv_nsec = 1000 * 1000};
        CHECK_LT(clockRead(&clockMonotonic), end_ns);
        nanosleep(&pause, NULL);
    }
}

typedef struct Counters {
    uint64_t ticks, sleeps[2], polls[2], guard_ticks[2];
} Counters;

static Counters readCounters(void)
{
    Counters counters = {.ticks = RELAXED_LOAD(&monitor.ticks)};
    for (int i = 0; i < 2; i++) {
        Capability *capability = capabilities.items[i];
        counters.sleeps[i] = RELAXED_LOAD(&capability->stats.sleeps);
        counters.guard_ticks[i] = RELAXED_LOAD(&capability->stats.guard_ticks);
        counters.polls[i] = RELAXED_LOAD(&capability->manager.stats.polls);
    }
    return counters;
}

/* Goal: an idle process does nothing at all, and still wakes up.  Method: wait for `dormant`, then
 * no counter may move, however long one looks. */
TEST(Monitor, everybodySleepsAndNothingMoves)
{
    CHECK_EQ(capabilityTableStart(2, NULL, NULL, NULL), 0);
    CHECK_EQ(workerStartAll(&hooks), 0);
    CHECK_EQ(monitorStart(NULL), 0);
    ran = 0;
    for (uint32_t round = 1; round <= 2; round++) {
        waitUntil(&monitor.dormant, false);
        Counters before = readCounters();
        struct timespec pause = {.tv_nsec = 300 * 1000 * 1000};
        nanosleep(&pause, NULL);
        Counters after = readCounters();
        CHECK_EQ(memcmp(&before, &after, sizeof before), 0);
        CHECK(idleAllAsleep());
        items[0].run = countRun;
        capabilitySend(capabilityTablePick(), &items[0], false);
        waitUntil(&ran, false);
        CHECK_EQ(SEQ_CST_LOAD(&ran), 1);
        ran = 0;
    }
    CHECK_GT(RELAXED_LOAD(&monitor.ticks), 0);
    workerStopAll();
    monitorStop();
    capabilityTableFree(NULL);
}

/* Goal: no stop is lost, dormant or not. */
TEST(Monitor, startsAndStops)
{
    CHECK_EQ(capabilityTableStart(1, NULL, NULL, NULL), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(monitorStart(NULL), 0);
        monitorStop();
    }
    layDown(capabilities.items[0]);
    CHECK_EQ(monitorStart(NULL), 0);
    waitUntil(&monitor.dormant, false);
    monitorStop();
    monitorStop(); /* does nothing */
    capabilityTableFree(NULL);
}

/* ---- Calls in flight: See Note [Monitor and calls]. ---- */

static Worker *calling;

static void beginCall(void)
{
    begin(1);
    callStart();
    idle.guard = 0;
    calling = workerOfNumber(0); /* nobody's */
    calling->capability = capabilities.items[0];
    capabilities.items[0]->carrier = calling;
    callEnter(&calling->call);
    monitor.taken = 0;
}

static void endCall(bool taken)
{
    CHECK_EQ(callReturn(&calling->call), !taken);
    CHECK_EQ(monitor.taken, taken ? 1 : 0);
    capabilities.items[0]->carrier = NULL;
    calling->capability = NULL;
    capabilityTableFree(NULL);
}

static int64_t look(int64_t step_ns)
{
    now_ns += step_ns;
    return monitorCalls(now_ns);
}

TEST(Monitor, leavesACallAloneBehindWhichNothingWaits)
{
    beginCall();
    CHECK_EQ(look(0), CALL_GRACE_NS);
    CHECK_EQ(look(CALL_GRACE_NS), CALL_GRACE_NS); /* then each time its age has doubled */
    CHECK_EQ(look(CALL_GRACE_NS), 2 * CALL_GRACE_NS);
    CHECK_EQ(look(2 * CALL_GRACE_NS), 4 * CALL_GRACE_NS);
    endCall(false);
}

TEST(Monitor, takesWhatThingsWaitFor)
{
    beginCall();
    capabilityPush(capabilities.items[0], &items[0]);
    CHECK_EQ(look(0), CALL_GRACE_NS);
    CHECK_EQ(look(CALL_GRACE_NS - 1), 1);
    CHECK_EQ(monitor.taken, 0);
    look(1);
    endCall(true);
}

TEST(Monitor, takesWhatTimersAreDueFor)
{
    Timer due = {.fire = fireNever};
    beginCall();
    CHECK_EQ(timerHeapArm(&capabilities.items[0]->manager.timers, &due, 1, 1), 0);
    look(0);
    idle.guard = 1; /* it sees to them */
    look(CALL_GRACE_NS);
    CHECK_EQ(monitor.taken, 0);
    idle.guard = 0;
    look(CALL_GRACE_NS);
    endCall(true);
}

TEST(Monitor, takesFromALongCallInAnyCase)
{
    beginCall();
    look(0);
    look(CALL_MOST_NS - 1);
    CHECK_EQ(monitor.taken, 0);
    look(1);
    endCall(true);
}

/* While the world stands still nothing can be taken. */
TEST(Monitor, looksSeldomAtACallThatIsHeld)
{
    beginCall();
    capabilityPush(capabilities.items[0], &items[0]);
    capabilities.items[0]->mode = CapabilityHalted;
    look(0);
    CHECK(callClaim(&calling->call, callLook(&calling->call)));
    callDecide(&calling->call, CallHeld);
    CHECK_EQ(look(CALL_GRACE_NS), CALL_GRACE_NS); /* each time its age has doubled, as always */
    CHECK_EQ(look(2 * CALL_MOST_NS), 2 * CALL_MOST_NS + CALL_GRACE_NS);
    CHECK_EQ(look(CALL_MOST_NS), 3 * CALL_MOST_NS + CALL_GRACE_NS);
    CHECK_EQ(monitor.taken, 0);
    capabilities.items[0]->mode = CapabilityEnabled;
    callDecide(&calling->call, CallFree);
    look(1);
    endCall(true);
}

/* One call after the other is no long one. */
TEST(Monitor, tellsCallsApart)
{
    beginCall();
    capabilityPush(capabilities.items[0], &items[0]);
    for (int i = 0; i < 10; i++) {
        look(CALL_GRACE_NS - 1);
        CHECK(callReturn(&calling->call));
        look(1);
        callEnter(&calling->call);
    }
    endCall(false);
}

/* ---- The Monitor is what helps when the sleeper fell asleep for good. ---- */

static uint32_t entered, released;

static void release(Runnable *runnable, Capability *capability)
{
    (void)runnable;
    CHECK_EQ(capability->index, 1);
    SEQ_CST_STORE(&released, 1);
}

static void beStuck(Runnable *runnable, Capability *capability)
{
    (void)runnable;
    (void)capability;
    SEQ_CST_STORE(&entered, 1);
    waitUntil(&released, false);
}

TEST(Monitor, findsHelpForOneThatGotStuckWhenAllSlept)
{
    CHECK_EQ(capabilityTableStart(2, NULL, NULL, NULL), 0);
    CHECK_EQ(workerStartAll(&hooks), 0);
    CHECK_EQ(monitorStart(NULL), 0);
    for (int round = 0; round < 3; round++) {
        waitUntil(&monitor.dormant, false); /* so there is no guard */
        entered = released = 0;
        items[1].run = beStuck;
        items[2].run = release;
        capabilitySend(capabilities.items[0], &items[1], true);
        waitUntil(&entered, false);
        capabilitySend(capabilities.items[0], &items[2], false);
        waitUntil(&released, false);
    }
    workerStopAll();
    monitorStop();
    capabilityTableFree(NULL);
}
