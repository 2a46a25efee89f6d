/* ThreadModel.c -- every interleaving of a thread's end with joins, releases and retains.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Thread.c rts/ThreadJoin.c
 * model-sources: rts/Interrupt.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * The descriptor goes back to a cache once, when nobody can reach it any more, and after all that
 * was done with it: `free` writes it with plain stores.
 */
#include "capability/CapabilityTable.h"
#include "rts/Bound.h"
#include "rts/Drain.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "rts/ThreadForkFinally.h"
#include "rts/ThreadSlot.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/OutsideStubs.h"
#include "testsuite/model/QueueStubs.h"

#include <errno.h>
#include <stdlib.h>

typedef struct State {
    Thread thread;    /* the one that ends */
    Thread joiner;    /* a green thread that joins it */
    uint64_t touched; /* plain: the thread's last deed */
    uint64_t held[3]; /* plain: what each holder does with the descriptor while it holds it */
    uint32_t freed;   /* times it was given back */
    uint32_t queued;  /* times the joiner was made ready */
    uint64_t parks;
    Interrupt interrupt;
    void *result; /* what the joiner got */
    Capability capability;
} State;

static State *current;

/* ---- What the code under test needs of others ------------------------------------------------ */

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

CapabilityTable capabilities;
uint32_t drain_on, startup_child;
Idle idle;

Capability *workerCapability(void)
{
    return &current->capability;
}

Worker *workerAway(void)
{
    return NULL; /* nor asked */
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}
Thread *scheduleSelf(void)
{
    return modelThread() == 0 ? &current->thread : &current->joiner;
}
static bool isQueued(void *at)
{
    State *state = at;
    return state->queued == state->parks;
}
int scheduleParkListed(Capability *capability)
{
    current->parks++;
    if (!parkPublish(&current->joiner, scheduleWait(capability)))
        ADD_RELAXED(&current->queued, 1);
    modelBlock(isQueued, current);
    return claimResult(RELAXED_LOAD(&current->joiner.claim));
}
void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->joiner);
    ADD_RELAXED(&current->queued, 1);
}
GateWay ownerGateLock(OwnerGate *gate)
{
    (void)gate;
    UNREACHED;
    return GateLock;
}
void runQueueSpill(RunQueue *queue)
{
    (void)queue;
    UNREACHED;
}
void scheduleRunNewborn(Runnable *runnable, Capability *capability)
{
    (void)runnable, (void)capability;
    UNREACHED;
}
/* The cache is full, so a descriptor that is given back comes here.  Nobody else looks at it now:
 * plain stores to all that the others use. */
void threadCacheShrink(ThreadCache *cache)
{
    Thread *thread = cache->free;
    MODEL_CHECK(thread == &current->thread);
    MODEL_WRITE(current->touched, 7);
    for (int i = 0; i < 3; i++)
        MODEL_WRITE(current->held[i], 7);
    MODEL_WRITE(thread->fn_or_result, NULL);
    MODEL_WRITE(thread->handles, 7);
    ADD_RELAXED(&current->freed, 1);
    cache->free = NULL;
}
/* The next fork gets the same descriptor. */
Thread *threadCacheTakeSlow(ThreadCache *cache)
{
    (void)cache;
    return &current->thread;
}
uint64_t threadCacheIdSlow(ThreadCache *cache)
{
    (void)cache;
    return 2;
}
void threadForkFinallyDrop(Thread *thread)
{
    (void)thread;
}
void threadSlotLost(Stack *stack)
{
    (void)stack;
}
void threadCacheDrain(ThreadCache *cache)
{
    (void)cache;
}
void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    (void)visit, (void)env;
}
Capability *schedulePark(Capability *capability)
{
    (void)capability;
    UNREACHED;
}
int scheduleYield(void)
{
    UNREACHED;
}
void scheduleSafepointSlow(Capability *capability)
{
    (void)capability;
}
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap, (void)timer, (void)number, (void)deadline_ns;
    UNREACHED;
}
void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}
int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)deadline_ns;
    UNREACHED;
}
void outsideCancelAll(void)
{
}
const Allocator *startupAllocator(void)
{
    return NULL;
}
int startupEnter(void)
{
    return 0;
}
void startupLeave(void)
{
}
int boundMake(Thread *thread, uint32_t *tag)
{
    (void)thread, (void)tag;
    UNREACHED;
}
void boundRun(Runnable *runnable, Capability *capability)
{
    (void)runnable, (void)capability;
    UNREACHED;
}

bool threadPoolIsClosed(void)
{
    return false;
}

void drainForked(void)
{
}
void drainEndedSlow(void)
{
}
void startupUncaught(Thread *thread, int code, void *payload)
{
    (void)thread, (void)code, (void)payload;
    UNREACHED;
}
uint32_t capabilityCount(void)
{
    return 1;
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void setUpHandles(void *at, uint32_t handles)
{
    current = at;
    parkCancelReset();
    current->capability.current = &current->joiner; /* for who waits; the other one ends */
    schedulerOf(&current->capability)->threads.count = THREAD_CACHE_MOST;
    current->thread.handles = handles;
    current->thread.ended = handles == 0 ? WATCH_MARK : 0;
    current->thread.id = 1;
}
static void setUpNone(void *at)
{
    setUpHandles(at, 0);
}
static void setUpOne(void *at)
{
    setUpHandles(at, 1);
}
static void setUpTwo(void *at)
{
    setUpHandles(at, 2);
}

static void end(void *at)
{
    State *state = at;
    MODEL_WRITE(state->touched, 1); /* its last deed */
    Thread *joiner = threadEnded(&state->thread, (void *)1, &state->capability);
    if (joiner != NULL)
        scheduleReady(joiner, NULL);
}

/* The thread takes a handle to itself and ends; somebody gives that handle back (keeper). */
static void retainAndEnd(void *at)
{
    State *state = at;
    MODEL_CHECK(threadRetain(&state->thread) == &state->thread);
    end(at);
}

static void release(void *at)
{
    State *state = at;
    MODEL_WRITE(state->held[modelThread()], 1);
    threadRelease(&state->thread);
}

static void joinAndRelease(void *at)
{
    State *state = at;
    MODEL_CHECK(threadJoin(&state->thread, &state->result) == 0);
    MODEL_CHECK(state->result == (void *)1 && MODEL_READ(state->touched) == 1);
    MODEL_WRITE(state->held[modelThread()], 1);
    threadRelease(&state->thread);
}

/* Who finds that it has ended, while another one still waits for that, has its result. */
static void lookAndRelease(void *at)
{
    State *state = at;
    if (watchListGeneration(ACQUIRE_LOAD(&state->thread.ended)) == 1) {
        void *result = NULL;
        MODEL_CHECK(threadJoin(&state->thread, &result) == 0);
        MODEL_CHECK(result == (void *)1 && MODEL_READ(state->touched) == 1);
    }
    release(at);
}

/* Who is told that it has finished need not wait for it. */
static void askAndRelease(void *at)
{
    State *state = at;
    if (threadStatus(&state->thread).state == ThreadFinished)
        MODEL_CHECK(threadJoinUntil(&state->thread, NULL, 0) == 0);
    release(at);
}

/* Somebody who keeps his handle throws to it. */
static void throwAndKeep(void *at)
{
    State *state = at;
    interruptPost(&state->thread, &state->interrupt, NULL);
}

/* A stranger who knows the descriptor and the id. */
static void upgradeAndRelease(void *at)
{
    State *state = at;
    Thread *thread = threadRetainLiving(&state->thread, 1);
    if (thread == NULL)
        return;
    MODEL_CHECK(thread == &state->thread && RELAXED_LOAD(&thread->id) == 1);
    release(at);
}

static void upgradeAndJoin(void *at)
{
    if (threadRetainLiving(&current->thread, 1) != NULL)
        joinAndRelease(at);
}

/* Its end frees the descriptor, and the next thread begins in it. */
static void *doNothing(void *env)
{
    return env;
}
static void endAndFork(void *at)
{
    State *state = at;
    end(at);
    if (RELAXED_LOAD(&state->freed) == 1)
        MODEL_CHECK(threadFork(NULL, doNothing, NULL) == 0);
}

static void checkForked(void *at)
{
    State *state = at;
    bool reused = state->thread.id == 2;
    MODEL_CHECK(state->freed == 1 && (reused || state->thread.id == 0));
    if (reused)
        MODEL_CHECK(state->thread.handles == 0 && state->thread.ended == WATCH_MARK);
}

/* It lives, and nobody has a handle, as before. */
static void checkUnheld(void *at)
{
    State *state = at;
    MODEL_CHECK(state->freed == 0 && state->thread.handles == 0);
    MODEL_CHECK(state->thread.ended == WATCH_MARK);
}

static void checkFreed(void *at)
{
    State *state = at;
    MODEL_CHECK(state->freed == 1 && state->thread.id == 0);
    MODEL_CHECK(state->queued == state->parks);
}

static void checkKept(void *at)
{
    State *state = at;
    MODEL_CHECK(state->freed == 0 && state->thread.handles == 1);
    MODEL_CHECK(watchListGeneration(state->thread.ended) == 1);
}

/* What was thrown to who has ended is over. */
static void checkOver(void *at)
{
    State *state = at;
    checkKept(at);
    MODEL_CHECK(state->interrupt.place == InterruptRaised && state->thread.interrupts == 0);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"endDetached", SIZE, 1, setUpNone, {end}, checkFreed, NULL, 0},
    {"endAgainstRelease", SIZE, 2, setUpOne, {end, release}, checkFreed, NULL, 0},
    {"endAgainstTwoReleases", SIZE, 3, setUpTwo, {end, release, release}, checkFreed, NULL, 0},
    {"endAgainstJoin", SIZE, 2, setUpOne, {end, joinAndRelease}, checkFreed, NULL, 0},
    {"endAgainstAsking", SIZE, 2, setUpOne, {end, askAndRelease}, checkFreed, NULL, 0},
    {"joinAgainstRelease", SIZE, 3, setUpTwo, {end, joinAndRelease, release}, checkFreed, NULL, 0},
    {"joinAgainstLook",
     SIZE,
     3,
     setUpTwo,
     {end, joinAndRelease, lookAndRelease},
     checkFreed,
     NULL,
     0},
    {"retainAgainstRelease", SIZE, 2, setUpOne, {retainAndEnd, release}, checkKept, NULL, 0},
    {"endAgainstThrow", SIZE, 2, setUpOne, {end, throwAndKeep}, checkOver, NULL, 0},
    {"endMarkedAgainstThrow", SIZE, 3, setUpTwo, {end, throwAndKeep, release}, checkOver, NULL, 0},
    {"endJoinedAgainstThrow",
     SIZE,
     3,
     setUpTwo,
     {end, joinAndRelease, throwAndKeep},
     checkOver,
     NULL,
     0},
    {"endHeldAgainstThrow",
     SIZE,
     3,
     setUpOne,
     {end, upgradeAndRelease, throwAndKeep},
     checkOver,
     NULL,
     0},
    {"retainDetached", SIZE, 1, setUpNone, {retainAndEnd}, checkKept, NULL, 0},
    {"endAgainstUpgrade", SIZE, 2, setUpNone, {end, upgradeAndRelease}, checkFreed, NULL, 0},
    {"upgradeAgainstRelease",
     SIZE,
     3,
     setUpOne,
     {end, upgradeAndRelease, release},
     checkFreed,
     NULL,
     0},
    {"upgradeAgainstUpgrade",
     SIZE,
     2,
     setUpNone,
     {upgradeAndRelease, upgradeAndRelease},
     checkUnheld,
     NULL,
     0},
    {"upgradeAgainstRetain",
     SIZE,
     2,
     setUpNone,
     {retainAndEnd, upgradeAndRelease},
     checkKept,
     NULL,
     0},
    {"upgradeAndJoin", SIZE, 2, setUpNone, {end, upgradeAndJoin}, checkFreed, NULL, 0},
    {"upgradeAgainstReuse",
     SIZE,
     2,
     setUpNone,
     {endAndFork, upgradeAndRelease},
     checkForked,
     NULL,
     0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
