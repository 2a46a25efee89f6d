/* ThreadModel.c -- every interleaving of a thread's end with joins, releases and retains.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Thread.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * The descriptor goes back to a cache once, when nobody can reach it any more, and after all that
 * was done with it: `free` writes it with plain stores.
 */
#include "capability/CapabilityTable.h"
#include "rts/Bound.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "testsuite/model/Explorer.h"
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
    void *result; /* what the joiner got */
    Capability capability;
} State;

static State *current;

/* ---- What the code under test needs of others ------------------------------------------------ */

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

CapabilityTable capabilities;
uint32_t startup_draining;
Idle idle;

Capability *workerCapability(void)
{
    return &current->capability;
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
}
Thread *threadCacheTakeSlow(ThreadCache *cache)
{
    (void)cache;
    UNREACHED;
}
uint64_t threadCacheIdSlow(ThreadCache *cache)
{
    (void)cache;
    UNREACHED;
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
int boundMake(Thread *thread)
{
    (void)thread;
    return -EAGAIN;
}

void startupForkedOutside(void)
{
}
void startupThreadEndedSlow(void)
{
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

#define SIZE sizeof(State)

static const Model models[] = {
    {"endDetached", SIZE, 1, setUpNone, {end}, checkFreed, NULL, 0},
    {"endAgainstRelease", SIZE, 2, setUpOne, {end, release}, checkFreed, NULL, 0},
    {"endAgainstTwoReleases", SIZE, 3, setUpTwo, {end, release, release}, checkFreed, NULL, 0},
    {"endAgainstJoin", SIZE, 2, setUpOne, {end, joinAndRelease}, checkFreed, NULL, 0},
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
    {"retainDetached", SIZE, 1, setUpNone, {retainAndEnd}, checkKept, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
