/* SleepModel.c -- every interleaving of lying down, sending work, waking, and looking for surplus.
 *
 * not-under: tsan asan valgrind
 * model-sources: capability/Idle.c capability/Capability.c capability/RunQueue.c iomgr/Clock.c capability/CapabilityTable.c
 *
 * The real Idle.c and Monitor.c run on one or two capabilities.  Made up are the kernel's part (a
 * Wakeup is a count; a poll that waits sleeps until it is not 0), the clock, which stands still,
 * and when the Monitor ticks.  Nobody's sleep times out: what is found is found by the protocol
 * alone, and a sleeper with something to do and no Wakeup on its way is stuck.
 */
#include "capability/Inbox.c"
#include "capability/Sleep.c"
#include "iomgr/OwnerGate.c"
#include "rts/Disabled.c"
#include "testsuite/model/Explorer.h"

#include <stdarg.h>
#include <unistd.h>

/* The real Monitor, except for its OS thread and its futex. */
static long sleepOnFutex(long number, uint32_t *word, int operation, ...);
#define syscall sleepOnFutex
#include "capability/Monitor.c"
#undef syscall

enum { CAPABILITIES = 2, WORKS = 3 };

typedef struct Work {
    Runnable runnable;
    uint64_t payload; /* plain: written before it is sent or pushed */
    uint32_t done;    /* relaxed: times it was run */
} Work;

typedef struct State {
    Capability capabilities[CAPABILITIES];
    uint32_t wakeups[CAPABILITIES]; /* the kernel's: sent and not yet drained */
    uint32_t polling[CAPABILITIES]; /* relaxed: its owner sleeps in the kernel */
    uint32_t rests[CAPABILITIES];   /* the owner's: idleSleep calls */
    Work works[WORKS];
    Scheduler scheduler; /* of capability 1 */
    uint32_t pushed;     /* relaxed: the pusher will push no more */
} State;

static State *current; /* the one state of this execution */

/* ---- What stands for the kernel, the clock and the Monitor ----------------------------------- */

typedef struct Futex {
    uint32_t *word;
    uint32_t expected;
} Futex;

static bool isFutexChanged(void *at)
{
    const Futex *futex = at;
    return *futex->word != futex->expected;
}

/* Waking costs nothing here: a waiter goes on as soon as the word has changed. */
static long sleepOnFutex(long number, uint32_t *word, int operation, ...)
{
    MODEL_CHECK(number == SYS_futex);
    if (operation != FUTEX_WAIT_PRIVATE)
        return 0;
    va_list arguments;
    va_start(arguments, operation);
    Futex futex = {word, va_arg(arguments, uint32_t)};
    va_end(arguments);
    modelBlock(isFutexChanged, &futex);
    return 0;
}

static int64_t readClock(void *context)
{
    (void)context;
    return 1;
}

static const Clock still = {readClock, NULL};

static uint32_t indexOf(const EventManager *manager)
{
    return manager == &current->capabilities[0].manager ? 0 : 1;
}

static bool isWoken(void *at)
{
    return *(uint32_t *)at != 0;
}

uint32_t eventManagerStep(EventManager *manager, int64_t deadline_ns, void *sink)
{
    uint32_t *wakeups = &current->wakeups[indexOf(manager)];
    MODEL_CHECK(sink == &current->capabilities[indexOf(manager)] && deadline_ns > 0);
    RELAXED_STORE(&current->polling[indexOf(manager)], 1);
    modelBlock(isWoken, wakeups);
    RELAXED_STORE(&current->polling[indexOf(manager)], 0);
    XCHG_SEQ_CST(wakeups, 0); /* drained */
    return 0;
}

uint32_t eventManagerStepOver(EventManager *manager, int64_t deadline_ns, const int *pollables,
                              int count, uint64_t *ready, void *sink)
{
    (void)pollables, (void)count;
    *ready = 0;
    return eventManagerStep(manager, deadline_ns, sink);
}

void eventManagerWake(EventManager *manager)
{
    ADD_SEQ_CST(&current->wakeups[indexOf(manager)], 1);
}

/* Nothing is stale while the clock stands still, so nobody is relieved. */
uint32_t eventManagerRescue(EventManager *manager, void *sink)
{
    (void)manager, (void)sink;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

int eventManagerPollable(EventManager *manager)
{
    (void)manager;
    modelFail(__FILE__, __LINE__, "not reached");
    return -1;
}

int eventManagerOpen(EventManager *manager, const Backend *backend, const Clock *clock,
                     const Allocator *allocator)
{
    (void)backend, (void)allocator;
    manager->clock = clock;
    manager->timers.earliest_ns = DEADLINE_NEVER;
    return 0;
}

void eventManagerClose(EventManager *manager)
{
    (void)manager;
}

/* Of the floor above, for rts/Disabled.c: works are no threads, nothing is kept warm. */
uint32_t starved_count;

void threadCacheDrain(ThreadCache *cache)
{
    (void)cache;
}
void stackCacheDrain(StackCache *cache, int64_t now_ns)
{
    (void)cache, (void)now_ns;
}
void starvedRetrySlow(Scheduler *scheduler, size_t region)
{
    (void)scheduler, (void)region;
}
size_t stackDefaultSize(void)
{
    return 0;
}
void scheduleReady(Thread *ready, Capability *here)
{
    (void)ready, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}
void scheduleRunThread(Runnable *runnable, Capability *capability)
{
    (void)runnable, (void)capability;
    modelFail(__FILE__, __LINE__, "not reached");
}

/* ---- The threads ----------------------------------------------------------------------------- */

static void setUpMany(void *at, uint32_t count)
{
    State *state = at;
    current = state;
    ownerGateStart();
    idleStart();
    memset(&monitor, 0, sizeof monitor);
    memset(views, 0, sizeof views);
    capabilities.count = capabilities.enabled = count;
    for (uint32_t i = 0; i < count; i++) {
        capabilities.items[i] = &state->capabilities[i];
        capabilityInit(&state->capabilities[i], i, NULL, &still, NULL);
        state->capabilities[i].stats.searches = 1; /* the next search is none that spins */
        state->capabilities[i].spin_ns = 0;
    }
}

static void setUpOne(void *at)
{
    setUpMany(at, 1);
}
static void setUpTwo(void *at)
{
    setUpMany(at, 2);
}

static void run(Runnable *runnable)
{
    Work *work = (Work *)(void *)runnable;
    MODEL_CHECK(MODEL_READ(work->payload) == 1);
    MODEL_WRITE(work->payload, 2);
    MODEL_CHECK(ADD_RELAXED(&work->done, 1) == 0);
}

/* One round of the worker's loop with nothing ready. */
static void rest(State *state, uint32_t index)
{
    state->rests[index]++;
    idleSleep(&state->capabilities[index]);
}

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
    lieDormant();
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
    SEQ_CST_STORE(&monitor.stop, 1);
    monitorRouse();
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

/* ---- Capability 1 is disabled: See Note [Resizing] ------------------------------------------- */

static void setUpServing(void *at)
{
    State *state = at;
    setUpTwo(at);
    state->scheduler.capability = &state->capabilities[1];
    state->capabilities[1].upper = &state->scheduler;
}

/* It has a work of its own, which anyone may take: the Monitor has found it stuck. */
static void setUpLaden(void *at)
{
    State *state = at;
    setUpServing(at);
    MODEL_WRITE(state->works[0].payload, 1);
    capabilityPush(&state->capabilities[1], &state->works[0].runnable);
    state->capabilities[1].attention = AttentionPoll;
}

/* As scheduleLoop: run while enabled, hand on while not.  It sleeps in the end, always. */
static void runOrServe(void *at)
{
    State *state = at;
    Capability *capability = &state->capabilities[1];
    for (;;) {
        if (SEQ_CST_LOAD(&capability->mode) != CapabilityEnabled) {
            disabledServe(&state->scheduler);
            continue;
        }
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable != NULL)
            run(runnable);
        else
            rest(state, 1);
    }
}

static void sendToSecond(void *at)
{
    State *state = at;
    MODEL_WRITE(state->works[0].payload, 1);
    capabilitySend(&state->capabilities[1], &state->works[0].runnable, true);
}

static void disable(void *at)
{
    (void)at;
    capabilityTableEnable(1);
}

static void disableAndEnable(void *at)
{
    (void)at;
    capabilityTableEnable(1);
    capabilityTableEnable(2);
}

static void setUpDisabled(void *at)
{
    setUpLaden(at);
    capabilityTableEnable(1);
}

/* A thief comes while it is handed on. */
static void steal(void *at)
{
    State *state = at;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    if (runQueueSteal(&state->capabilities[1].queue, 0, stolen) != 0)
        run(stolen[0]);
}

static uint32_t lengthOf(const Runnable *list)
{
    uint32_t length = 0;
    for (; list != NULL; list = list->next)
        length++;
    return length;
}

/* All sleep: nothing is left with capability 1, and what it did not run came to 0, once. */
static bool isServed(void *at)
{
    State *state = at;
    Capability *first = &state->capabilities[0], *second = &state->capabilities[1];
    uint32_t arrived = lengthOf(first->inbox.open) + lengthOf(first->inbox.pinned);
    return second->inbox.open == NULL && second->inbox.pinned == NULL &&
           !capabilityHasReady(second) && state->wakeups[1] == 0 && second->sleep == IdleAsleep &&
           state->works[0].done + arrived == 1;
}

/* ... and it knows that it is disabled: nobody calls it for surplus. */
static bool isServedAside(void *at)
{
    return isServed(at) && idle_disabled.sleeping == 2 && (idle.sleeping & 2) == 0;
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
    {"surplusAndTick", SIZE, 3, setUpTwo, {pushSurplus, seek, tick}, checkSought, NULL, 0},
    {"surplusAsleep", SIZE, 3, setUpTwo, {pushSurplus, sleepThenSeek, tick}, checkSought, NULL, 0},
    {"disableAsleep", SIZE, 2, setUpLaden, {runOrServe, disable}, NULL, isServedAside, 0},
    {"disable", SIZE, 3, setUpServing, {runOrServe, sendToSecond, disable}, NULL, isServedAside, 0},
    {"enable", SIZE, 2, setUpLaden, {runOrServe, disableAndEnable}, NULL, isServed, 0},
    {"handOnAgainstSteal", SIZE, 2, setUpDisabled, {runOrServe, steal}, NULL, isServedAside, 0},
    {"twoWakers", SIZE, 3, setUpSurplus, {sleepThenSeek, wakeOne, tick}, checkSought, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
