/* TVarModel.c -- every interleaving of reading, writing and awaiting one TVar.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/TVar.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * The awaiter is a green thread that runs the real wait, listed or (with a deadline) by the claim;
 * here are only the switch away (commit or publish, then sleep until somebody queues it) and the
 * queue (a count).  What happens on the way to sleep is done by whatever runs next on that OS
 * thread, so the awaiter may be running again by then: publishAgainstResumed.
 */
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Pool.h"
#include "rts/Startup.h"
#include "rts/stm/Delay.h"
#include "rts/stm/TVar.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/QueueStubs.h"
#include "testsuite/model/TVarStubs.h"

#include <errno.h>

typedef struct State {
    TVar tvar;
    Thread thread;
    int awaiter;       /* which thread of the model that is */
    uint64_t stack;    /* plain: what the awaiter leaves behind when it parks */
    uint32_t queued;   /* times it was made ready */
    uint64_t parks;    /* the awaiter's own */
    int64_t deadline;  /* of its waits: never, or one that a model reaches by timeOut */
    uint64_t cells[3]; /* plain: what the values 1, 2 point to; written before the value is */
} State;

static State *current;        /* the one state of this execution */
static Capability capability; /* where the awaiter runs; nobody else looks at it */

/* ---- What the code under test needs of the scheduler ----------------------------------------- */

Capability *workerCapability(void)
{
    return modelThread() == current->awaiter ? &capability : NULL;
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}

Thread *scheduleSelf(void)
{
    return &current->thread;
}

static bool isQueued(void *at)
{
    State *state = at;
    return state->queued == state->parks;
}

Capability *schedulePark(Capability *here)
{
    MODEL_WRITE(current->stack, 1);
    if (claimCommit(&current->thread.claim, 0)) {
        current->parks++;
        modelBlock(isQueued, current);
    } else {
        MODEL_WRITE(current->stack, 2);
    }
    return here;
}

static void publish(const ListedWait *wait)
{
    MODEL_WRITE(current->stack, 1);
    if (!parkPublish(&current->thread, wait)) {
        MODEL_WRITE(current->stack, 2);
        ADD_RELAXED(&current->queued, 1);
    }
}

int scheduleParkListed(Capability *here)
{
    current->parks++;
    publish(scheduleWait(here));
    modelBlock(isQueued, current);
    return claimResult(RELAXED_LOAD(&current->thread.claim));
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->thread);
    MODEL_CHECK(MODEL_READ(current->stack) == 1);
    MODEL_WRITE(current->stack, 2);
    ADD_RELAXED(&current->queued, 1);
}

void scheduleSafepointSlow(Capability *here)
{
    (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

/* The timer is timeOut's.  Not reached: no plain OS threads, no delays here. */
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap, (void)timer, (void)number, (void)deadline_ns;
    return 0;
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}

int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)deadline_ns;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void outsideCancelAll(void)
{
}

void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    visit(&current->thread, env);
}

void delayCancel(TVar *tvar)
{
    (void)tvar;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayGive(TVar *tvar)
{
    (void)tvar;
    modelFail(__FILE__, __LINE__, "not reached");
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void setUp(void *at)
{
    current = at;
    parkCancelReset();
    share_outside_changes = 0;
    current->cells[0] = 1;
    current->deadline = DEADLINE_NEVER;
    capability.current = &current->thread;
}

static void setUpTimed(void *at)
{
    setUp(at);
    current->deadline = 1;
}

/* The first wait has been begun and not published: that is for one thread, the second wait for
 * another. */
static void setUpListed(void *at)
{
    setUp(at);
    current->parks = 1;
    current->thread.node.fire = parkListedFired;
    current->thread.node.number = (uintptr_t)&current->tvar.watchers;
    claimList(&current->thread.claim, 0);
}

static void setUpListedTimed(void *at)
{
    setUpListed(at);
    current->deadline = 1;
}

static int awaitVersion(State *state, uint64_t version)
{
    return tvarAwaitUntil(&state->tvar, version, state->deadline);
}

static void *valueOf(uintptr_t index)
{
    return (void *)index;
}

/* Value i stands for cells[i], which is filled before it is written. */
static void write(State *state, uintptr_t index)
{
    MODEL_WRITE(state->cells[index], 1);
    MODEL_CHECK(tvarWriteIO(&state->tvar, valueOf(index)) == 0);
}

static void useValue(State *state, void *value)
{
    uintptr_t index = (uintptr_t)value;
    MODEL_CHECK(index <= 2 && MODEL_READ(state->cells[index]) == 1);
}

static void write1(void *at)
{
    write(at, 1);
}
static void write2(void *at)
{
    write(at, 2);
}

static void writeBoth(void *at)
{
    write(at, 1);
    write(at, 2);
}

/* One writer, so the n-th version goes with value n. */
static void readVersion(void *at)
{
    State *state = at;
    uint64_t version;
    void *value = tvarReadVersionIO(&state->tvar, &version);
    MODEL_CHECK(value == valueOf((uintptr_t)version / VERSION_STEP));
    useValue(state, value);
}

static void readOne(void *at)
{
    State *state = at;
    uint64_t version;
    void *value = tvarReadVersionIO(&state->tvar, &version);
    MODEL_CHECK((version == 0) == (value == NULL) && version % 2 == 0);
    useValue(state, value);
}

static void checkTwo(void *at)
{
    State *state = at;
    MODEL_CHECK(state->tvar.version == 2 * VERSION_STEP && state->tvar.value != NULL);
}

static void checkBoth(void *at)
{
    State *state = at;
    MODEL_CHECK(state->tvar.version == 2 * VERSION_STEP && state->tvar.value == valueOf(2));
}

/* ---- Awaiting -------------------------------------------------------------------------------- */

static void await(void *at)
{
    State *state = at;
    uint64_t version;
    MODEL_CHECK(awaitVersion(state, 0) == 0);
    void *value = tvarReadVersionIO(&state->tvar, &version);
    MODEL_CHECK(version > 0 && value != NULL);
    useValue(state, value);
    MODEL_WRITE(state->thread.node.next, NULL); /* the node is the thread's own again */
}

/* Each write but the last is awaited, and none is taken for another. */
static void awaitTwice(void *at)
{
    State *state = at;
    uint64_t version;
    MODEL_CHECK(awaitVersion(state, 0) == 0);
    if (RELAXED_LOAD(&state->tvar.version) == VERSION_STEP)
        MODEL_CHECK(awaitVersion(state, VERSION_STEP) == 0);
    void *value = tvarReadVersionIO(&state->tvar, &version);
    MODEL_CHECK(version == 2 * VERSION_STEP && value == valueOf(2));
}

static void publishFirst(void *at)
{
    State *state = at;
    publish(&(ListedWait){
        .list = &state->tvar.watchers, .watched = &state->tvar.version, .bits = ~UINT64_C(1)});
}

/* The thread goes on from its first wait as soon as it is queued, maybe before publishFirst is
 * through, and waits again in the same list, where only publishFirst may disturb it. */
static void awaitAgain(void *at)
{
    State *state = at;
    modelBlock(isQueued, state);
    MODEL_CHECK(claimState(RELAXED_LOAD(&state->thread.claim)) == ClaimFired);
    state->awaiter = modelThread();
    *scheduleWait(&capability) = (ListedWait){.list = &state->tvar.watchers};
    int result = state->deadline == DEADLINE_NEVER
                     ? parkListed(&capability, ThreadReady, -1)
                     : parkOnList(&state->tvar.watchers, 0, NULL, NULL, ThreadReady, 1);
    MODEL_CHECK(result == 0);
}

static bool waitsStill(void *at)
{
    State *state = at;
    return state->tvar.watchers == (uintptr_t)&state->thread.node &&
           state->queued == state->parks - 1;
}

static void cancelOrNot(void *at)
{
    State *state = at;
    modelBlock(isQueued, state);
    int result = claimResult(RELAXED_LOAD(&state->thread.claim));
    MODEL_CHECK(result == 0 || result == -ECANCELED);
    modelOutcome((uint64_t)-result);
    MODEL_WRITE(state->thread.node.next, NULL);
}

/* After a listed wait one by the claim: a canceller that still sees the first does not take the
 * number of the second for a list. */
static void awaitTimedAfterListed(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->thread.node.number, (uintptr_t)&state->tvar.watchers);
    claimList(&state->thread.claim, 0);
    claimSettle(&state->thread.claim, 0);
    MODEL_CHECK(awaitVersion(state, 0) == -ECANCELED);
}

static void checkAwaited(void *at)
{
    State *state = at;
    MODEL_CHECK(state->tvar.watchers == 0 && state->thread.node.linked == 0);
    MODEL_CHECK(state->queued == state->parks);
}

/* ---- Somebody else ends the wait ------------------------------------------------------------- */

static void awaitOrNot(void *at)
{
    State *state = at;
    int result = awaitVersion(state, 0);
    MODEL_CHECK(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    modelOutcome((uint64_t)-result);
    MODEL_WRITE(state->thread.node.next, NULL);
    if (state->deadline != DEADLINE_NEVER) /* else cancellers look at it at any time */
        MODEL_WRITE(state->thread.node.number, 0);
}

/* The timer of wait 1, whenever it knows of that wait. */
static void timeOut(void *at)
{
    State *state = at;
    if (claimNumber(ACQUIRE_LOAD(&state->thread.claim)) != 0)
        parkTimerFired(&state->thread.timer, 1, NULL);
}

static void cancel(void *at)
{
    (void)at;
    parkCancelAll();
}

/* Freed under the awaiter: it hears of it, one way or the other.  (The memory stays.) */
static void awaitFreed(void *at)
{
    State *state = at;
    int result = awaitVersion(state, 0);
    MODEL_CHECK(result == -EINVAL);
    MODEL_CHECK(MODEL_READ(state->cells[1]) == 1);
}

static void closeTVar(void *at)
{
    State *state = at;
    MODEL_WRITE(state->cells[1], 1);
    watchListFire(watchListClose(&state->tvar.watchers, 1), -EINVAL, NULL);
}

static void checkClosed(void *at)
{
    State *state = at;
    MODEL_CHECK(state->tvar.watchers == (uint64_t)1 << 48 && state->queued == state->parks);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"readAgainstWrites", SIZE, 2, setUp, {readVersion, writeBoth}, checkBoth, NULL, 0},
    {"twoWriters", SIZE, 3, setUp, {readOne, write1, write2}, checkTwo, NULL, 0},
    {"listedAgainstWrite", SIZE, 2, setUp, {await, write1}, checkAwaited, NULL, 0},
    {"listedTwice", SIZE, 2, setUp, {awaitTwice, writeBoth}, checkAwaited, NULL, 0},
    {"publishAgainstResumed",
     SIZE,
     3,
     setUpListed,
     {publishFirst, awaitAgain, write1},
     checkAwaited,
     waitsStill,
     0},
    {"publishAgainstTimed",
     SIZE,
     3,
     setUpListedTimed,
     {publishFirst, awaitAgain, write1},
     checkAwaited,
     waitsStill,
     0},
    {"publishAgainstCancel",
     SIZE,
     4,
     setUpListed,
     {publishFirst, cancelOrNot, write1, cancel},
     checkAwaited,
     NULL,
     0},
    {"listedCancelled", SIZE, 3, setUp, {awaitOrNot, write1, cancel}, checkAwaited, NULL, 0},
    {"timedAfterListed",
     SIZE,
     2,
     setUpTimed,
     {awaitTimedAfterListed, cancel},
     checkAwaited,
     waitsStill,
     0},
    {"listedAgainstClose", SIZE, 2, setUp, {awaitFreed, closeTVar}, checkClosed, NULL, 0},
    {"timedAgainstWrite", SIZE, 2, setUpTimed, {await, write1}, checkAwaited, NULL, 0},
    {"timeOutAgainstWrite",
     SIZE,
     3,
     setUpTimed,
     {awaitOrNot, write1, timeOut},
     checkAwaited,
     NULL,
     0},
    {"timedCancelled", SIZE, 3, setUpTimed, {awaitOrNot, write1, cancel}, checkAwaited, NULL, 0},
    {"timedAgainstClose", SIZE, 2, setUpTimed, {awaitFreed, closeTVar}, checkClosed, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
