/* SleepModel.c -- every interleaving of lying down, sending work, waking, and looking for surplus.
 *
 * not-under: tsan asan valgrind
 * model-sources: capability/Idle.c capability/Capability.c capability/RunQueue.c iomgr/Clock.c
 */
#include "testsuite/model/SleepStage.h"

/* Run `count` pieces of work that others send. */
static void runSent(State *state, int count)
{
    Capability *capability = &state->capabilities[0];
    while (count > 0) {
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable == NULL) {
            if (!capabilityReceive(capability))
                rest(state, 0);
            continue;
        }
        run(runnable);
        count--;
    }
}

static void runOne(void *at)
{
    runSent(at, 1);
}
static void runTwo(void *at)
{
    runSent(at, 2);
}

/* The same, asleep at once: the look before lying down is not part of the protocol. */
static void sleepThenRun(void *at)
{
    rest(at, 0);
    runSent(at, 1);
}

static void sendWork(State *state, int index, bool pinned)
{
    MODEL_WRITE(state->works[index].payload, 1);
    capabilitySend(&state->capabilities[0], &state->works[index].runnable, pinned);
}

static void sendOpen(void *at)
{
    sendWork(at, 0, false);
}
static void sendPinned(void *at)
{
    sendWork(at, 1, true);
}

static void sendBoth(void *at)
{
    sendOpen(at);
    sendPinned(at);
}

/* Never more than one Wakeup for one sleep, and in the end nobody sleeps or is said to. */
static void checkEnd(void *at)
{
    State *state = at;
    for (uint32_t i = 0; i < capabilities.count; i++) {
        Capability *capability = &state->capabilities[i];
        MODEL_CHECK(capability->stats.wakes_sent <= state->rests[i]);
        MODEL_CHECK(capability->sleep == IdleAwake);
        MODEL_CHECK(inboxIsEmpty(&capability->inbox));
    }
    MODEL_CHECK(idle.sleeping == 0 && idle.searching == 0 && idle.guard == 0);
}

/* ---- The stop flag --------------------------------------------------------------------------- */

static void workUntilStopped(void *at)
{
    State *state = at;
    while (ACQUIRE_LOAD(&state->capabilities[0].mode) == CapabilityEnabled)
        rest(state, 0);
    MODEL_CHECK(MODEL_READ(state->works[2].payload) == 1);
}

static void stop(void *at)
{
    State *state = at;
    MODEL_WRITE(state->works[2].payload, 1);
    SEQ_CST_STORE(&state->capabilities[0].mode, CapabilityStopped);
    idleWakeFor(&state->capabilities[0]);
}

/* As a worker's loop: what is ready is run before the flag is looked at again. */
static void workOrStop(void *at)
{
    State *state = at;
    while (ACQUIRE_LOAD(&state->capabilities[0].mode) == CapabilityEnabled) {
        Runnable *runnable = capabilityPopOld(&state->capabilities[0]);
        if (runnable != NULL)
            run(runnable);
        else
            rest(state, 0);
    }
}

/* Work that came after the end stays where it is. */
static void checkStopped(void *at)
{
    State *state = at;
    Capability *capability = &state->capabilities[0];
    bool left = !inboxIsEmpty(&capability->inbox) || capabilityHasReady(capability);
    MODEL_CHECK(state->works[0].done == (left ? 0 : 1));
    MODEL_CHECK(capability->sleep == IdleAwake && idle.sleeping == 0);
    MODEL_CHECK(capability->stats.wakes_sent <= state->rests[0]);
}

/* ---- The Monitor sleeps while everybody sleeps ----------------------------------------------- */

/* Whoever finds all asleep lies dormant, and who gets up rouses it: it never stays so beside one
 * who is awake. */
static void lieDormantOnce(void *at)
{
    (void)at;
    lieDormant(NULL);
}

static void setUpAsleep(void *at)
{
    setUpMany(at, 1);
    idle.sleeping = 1;
}

/* As monitorStop, which then joins the OS thread. */
static void stopMonitor(void *at)
{
    (void)at;
    OR_SEQ_CST(&monitor.alarm, MonitorStop);
    monitorRouse();
}

/* Somebody wants it to go on. */
static void nagNobody(void)
{
}

static void nagMonitor(void *at)
{
    (void)at;
    monitorNag(nagNobody);
}

/* ---- Surplus: capability 0 pushes and is busy, 1 has nothing to do --------------------------- */

static void push(State *state, int index)
{
    MODEL_WRITE(state->works[index].payload, 1);
    capabilityPush(&state->capabilities[0], &state->works[index].runnable);
}

static void pushSurplus(void *at)
{
    State *state = at;
    push(state, 0);
    push(state, 1);
    idleSurplus(&state->capabilities[0]);
    RELAXED_STORE(&state->pushed, 1);
}

/* As rts/Schedule.c's loop: search, and sleep if nothing was found, until there is something. */
static void seek(void *at)
{
    State *state = at;
    Capability *capability = &state->capabilities[1];
    while (!capabilityHasReady(capability)) {
        if (!idleSearch(capability))
            rest(state, 1);
    }
    run(capabilityPopOld(capability));
}

/* It is down already when the surplus appears. */
static void sleepThenSeek(void *at)
{
    rest(at, 1);
    seek(at);
}

static bool isSought(State *state)
{
    return state->works[0].done + state->works[1].done == 1;
}

static bool isTickDue(void *at)
{
    State *state = at;
    return isSought(state) || (state->pushed != 0 && idle.searching == 0 &&
                               state->polling[1] != 0 && state->wakeups[1] == 0);
}

/* The Monitor ticks on and on.  This is the tick that finds the pusher long busy with something
 * else and the seeker asleep: it repairs whatever the looks without a fence have missed. */
static void tick(void *at)
{
    State *state = at;
    for (;;) {
        modelBlock(isTickDue, state);
        if (RELAXED_LOAD(&state->works[0].done) + RELAXED_LOAD(&state->works[1].done) == 1)
            return;
        monitorTick(1);
    }
}

static void checkSought(void *at)
{
    State *state = at;
    checkEnd(at);
    MODEL_CHECK(isSought(state));
    MODEL_CHECK(runQueueLength(&state->capabilities[0].queue) == 1);
}

static void setUpSurplus(void *at)
{
    setUpTwo(at);
    push(at, 0);
    push(at, 1);
    ((State *)at)->pushed = 1;
}

/* Two wakers call at most one sleeper at a time.  A sleeper may lie down because one of them counts
 * as a searcher, who then finds nobody to call: that, too, is left to a later tick. */
static void wakeOne(void *at)
{
    (void)at;
    idleWakeOne();
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"sendAgainstSleep", SIZE, 2, setUpOne, {sleepThenRun, sendOpen}, checkEnd, NULL, 0},
    {"sendPinned", SIZE, 2, setUpOne, {runOne, sendPinned}, checkEnd, NULL, 0},
    {"sendTwo", SIZE, 2, setUpOne, {runTwo, sendBoth}, checkEnd, NULL, 0},
    {"twoSenders", SIZE, 3, setUpOne, {runTwo, sendOpen, sendPinned}, checkEnd, NULL, 0},
    {"stop", SIZE, 2, setUpOne, {workUntilStopped, stop}, checkEnd, NULL, 0},
    {"stopAgainstSend", SIZE, 3, setUpOne, {workOrStop, sendOpen, stop}, checkStopped, NULL, 0},
    {"dormant", SIZE, 3, setUpOne, {sleepThenRun, sendOpen, lieDormantOnce}, checkEnd, NULL, 0},
    {"dormantStop", SIZE, 2, setUpAsleep, {lieDormantOnce, stopMonitor}, NULL, NULL, 0},
    {"dormantNag", SIZE, 2, setUpAsleep, {lieDormantOnce, nagMonitor}, NULL, NULL, 0},
    {"surplusAndTick", SIZE, 3, setUpTwo, {pushSurplus, seek, tick}, checkSought, NULL, 0},
    {"surplusAsleep", SIZE, 3, setUpTwo, {pushSurplus, sleepThenSeek, tick}, checkSought, NULL, 0},
    {"twoWakers", SIZE, 3, setUpSurplus, {sleepThenSeek, wakeOne, tick}, checkSought, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
