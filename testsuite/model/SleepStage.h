/* SleepStage.h -- for models of sleep and wake: the real Idle.c and Monitor.c, and what stands for
 * the kernel.
 *
 * Made up are the kernel's part (a Wakeup is a count; a poll that waits sleeps until it is not 0),
 * the clock, which stands still, and when the Monitor ticks.  Nobody's sleep times out: what is
 * found is found by the protocol alone, and a sleeper with something to do and no Wakeup on its way
 * is stuck.
 */
#ifndef TESTSUITE_MODEL_SLEEP_STAGE_H
#define TESTSUITE_MODEL_SLEEP_STAGE_H

#include "capability/CapabilityTable.c"
#include "capability/Inbox.c"
#include "capability/Sleep.c"
#include "iomgr/OwnerGate.c"
#include "testsuite/model/Explorer.h"

#include <stdarg.h>
#include <unistd.h>

/* The real Monitor and the real halt, except for OS threads and futexes. */
static long sleepOnFutex(long number, uint32_t *word, int operation, ...);
#define syscall sleepOnFutex
#include "capability/Halt.c"
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
    uint32_t pushed; /* relaxed: the pusher will push no more */
} State;

static State *current;   /* the one state of this execution */
static bool stage_rests; /* constant: sleepers say that they rest: See Note [Standing] */

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

uint32_t eventManagerPoll(EventManager *manager, int64_t deadline_ns, void *sink)
{
    uint32_t *wakeups = &current->wakeups[indexOf(manager)];
    MODEL_CHECK(sink == &current->capabilities[indexOf(manager)] && deadline_ns > 0);
    RELAXED_STORE(&current->polling[indexOf(manager)], 1);
    if (stage_rests)
        restBegin(&manager->rest);
    modelBlock(isWoken, wakeups);
    if (stage_rests)
        restEnd(&manager->rest);
    RELAXED_STORE(&current->polling[indexOf(manager)], 0);
    XCHG_SEQ_CST(wakeups, 0); /* drained */
    return 0;
}

uint32_t eventManagerPollOver(EventManager *manager, int64_t deadline_ns, const int *pollables,
                              int count, uint64_t *ready, void *sink)
{
    (void)pollables, (void)count;
    *ready = 0;
    return eventManagerPoll(manager, deadline_ns, sink);
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

/* Nobody is in a call. */
bool spare_exhausted;

int64_t carrierCpu(const Capability *capability)
{
    (void)capability;
    return -1;
}

uint64_t carrierLook(Capability *capability)
{
    (void)capability;
    return 0;
}

bool workerOwns(const EventManager *manager)
{
    (void)manager;
    return false;
}

Worker *carrierClaim(Capability *capability, uint64_t count)
{
    (void)capability, (void)count;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

void callDecide(Call *call, CallClaim verdict)
{
    (void)call, (void)verdict;
}

void spareOffer(Capability *capability)
{
    (void)capability;
}

void spareRetry(void)
{
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
    manager->timers.earliest_ns = manager->timers.posted_ns = DEADLINE_NEVER;
    return 0;
}

void eventManagerClose(EventManager *manager)
{
    (void)manager;
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

static inline void setUpOne(void *at)
{
    setUpMany(at, 1);
}
static inline void setUpTwo(void *at)
{
    setUpMany(at, 2);
}

static inline void run(Runnable *runnable)
{
    Work *work = (Work *)(void *)runnable;
    MODEL_CHECK(MODEL_READ(work->payload) == 1);
    MODEL_WRITE(work->payload, 2);
    MODEL_CHECK(ADD_RELAXED(&work->done, 1) == 0);
}

/* One round of the worker's loop with nothing ready. */
static inline void rest(State *state, uint32_t index)
{
    state->rests[index]++;
    idleSleep(&state->capabilities[index]);
}

#endif
