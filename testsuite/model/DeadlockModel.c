/* DeadlockModel.c -- every interleaving of a token that goes round with the question whether all
 * are blocked for ever: never, while there is one.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/ThreadDescribe.c rts/Wait.c capability/Sleep.c capability/Inbox.c
 *
 * Two capabilities with a thread each, which waits for a queue.  The token is a call on another OS
 * thread; it wakes the first thread, which wakes the second, which makes another call.
 */
#include "rts/Deadlock.c"
#include "rts/stm/Delay.h"
#include "testsuite/model/Explorer.h"

enum { CAPABILITIES = 2 };

typedef struct State {
    Capability capabilities[CAPABILITIES];
    Thread threads[CAPABILITIES];
    Idle idle;
    uint32_t calls;                 /* seq_cst: on other OS threads */
    uint32_t wakeups[CAPABILITIES]; /* relaxed: sent by who won the sleeper */
} State;

static State *current;

/* ---- What the code under test needs of others ------------------------------------------------ */

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

CapabilityTable capabilities;
Monitor monitor;
const Clock clockMonotonic;
uint32_t park_cancelled;

bool blockingPoolBusy(void)
{
    return SEQ_CST_LOAD(&current->calls) != 0;
}
bool holdIsHeld(void)
{
    return false;
}
bool eventIsAwaited(void)
{
    return false;
}
bool signalIsWatched(void)
{
    return false;
}
bool startupIsClosed(void)
{
    return false;
}
void startupLog(const char *line)
{
    (void)line;
}
Thread *threadPoolFind(bool (*matches)(Thread *thread, void *env), void *env)
{
    for (int i = 0; i < CAPABILITIES; i++)
        if (ACQUIRE_LOAD(&current->threads[i].id) != 0 && matches(&current->threads[i], env))
            return &current->threads[i];
    return NULL;
}
void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    (void)visit, (void)env;
    UNREACHED;
}
uint64_t threadId(const Thread *thread)
{
    return RELAXED_LOAD(&thread->id);
}
int64_t delayDeadline(const TVar *tvar)
{
    (void)tvar;
    UNREACHED;
    return 0;
}
size_t threadLabelOf(const Thread *thread, char *buffer, size_t size)
{
    (void)thread, (void)buffer, (void)size;
    return 0;
}
ThreadStatus threadStatus(const Thread *thread)
{
    (void)thread;
    return (ThreadStatus){ThreadReady, -1};
}
void parkEnd(Thread *thread, Claim claim, int result)
{
    (void)thread, (void)claim, (void)result;
    UNREACHED;
}
bool worldLockUntil(int64_t deadline_ns)
{
    (void)deadline_ns;
    return false;
}
void worldUnlock(void)
{
}
bool worldStop(Capability *own, Standing least, int64_t deadline_ns)
{
    (void)own, (void)least, (void)deadline_ns;
    return false;
}
void worldGo(Capability *own)
{
    (void)own;
}
void idleWakeFor(Capability *capability)
{
    if (sleepNotify(&capability->sleep, IdleNotified))
        ADD_RELAXED(&current->wakeups[capability->index], 1);
}
void monitorRouse(void)
{
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void block(Thread *thread)
{
    claimList(&thread->claim, 0);
    threadSetStatus(thread, ThreadBlockedOnMVar, -1);
}

static void setUp(void *at)
{
    State *state = at;
    current = at;
    capabilities.count = CAPABILITIES;
    state->calls = 1;
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        Capability *capability = &state->capabilities[i];
        capabilities.items[i] = capability;
        capability->index = i;
        capability->sleep = IdleAsleep;
        capability->mode = CapabilityEnabled;
        capability->manager.timers.earliest_ns = DEADLINE_NEVER;
        capability->manager.timers.posted_ns = DEADLINE_NEVER;
        capability->manager.timeouts.sleep_until_ns = DEADLINE_NEVER;
        state->threads[i].id = i + 1;
        state->threads[i].claim = claimWord(1, 0, ClaimListed);
        state->threads[i].status = ThreadBlockedOnMVar;
    }
}

/* As who serves a listed waiter of a queue. */
static void wake(uint32_t i)
{
    claimSettle(&current->threads[i].claim, 0);
    inboxPut(&current->capabilities[i].inbox, &current->threads[i].runnable, false);
    idleWakeFor(&current->capabilities[i]);
}

static bool isNotified(void *at)
{
    return *(uint32_t *)at != 0;
}

/* Asleep: until somebody sends something; get up and run it, and lie down again. */
static void carry(uint32_t i, void (*body)(uint32_t i))
{
    Capability *capability = &current->capabilities[i];
    modelBlock(isNotified, &current->wakeups[i]);
    RELAXED_STORE(&capability->manager.timeouts.sleep_until_ns, 0);
    sleepGetUp(&current->idle, &capability->sleep, i);
    MODEL_CHECK(inboxTakeOpen(&capability->inbox) == &current->threads[i].runnable);
    COUNT(&capability->stats.switches, 1);
    threadSetStatus(&current->threads[i], ThreadRunning, -1);
    body(i);
    block(&current->threads[i]);
    MODEL_CHECK(sleepLieDown(&current->idle, &capability->sleep, i, &capability->inbox,
                             &capability->mode, CapabilityEnabled));
    SEQ_CST_STORE(&capability->manager.timeouts.sleep_until_ns, DEADLINE_NEVER);
}

static void wakeNext(uint32_t i)
{
    wake(i + 1);
}

static void beginCall(uint32_t i)
{
    (void)i;
    ADD_SEQ_CST(&current->calls, 1);
}

/* A call ends; then what it has set going. */
static void goRound(void *at)
{
    (void)at;
    wake(0);
    ADD_SEQ_CST(&current->calls, (uint32_t)-1);
    carry(0, wakeNext);
    carry(1, beginCall);
}

static void endCall(void *at)
{
    (void)at;
    wake(0);
    ADD_SEQ_CST(&current->calls, (uint32_t)-1);
}

static void carryFirst(void *at)
{
    (void)at;
    carry(0, beginCall);
}

static void ask(void *at)
{
    Thread *witness = NULL;
    (void)at;
    MODEL_CHECK(!deadlockFound(&witness));
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"goesRound", SIZE, 2, setUp, {ask, goRound}, NULL, NULL, 0},
    {"isHandedOn", SIZE, 3, setUp, {ask, endCall, carryFirst}, NULL, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
