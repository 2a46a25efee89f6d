/* TVarModel.c -- every interleaving of reading, writing and awaiting one TVar.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/TVar.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * The awaiter is a green thread that runs the real wait, from parkOnList to the claim; here are
 * only the switch away (commit, then sleep until somebody queues it) and the queue (a count).
 */
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Pool.h"
#include "rts/Startup.h"
#include "rts/stm/Delay.h"
#include "rts/stm/TVar.h"
#include "testsuite/model/Explorer.h"

#include <errno.h>

typedef struct State {
    TVar tvar;
    Thread thread;
    uint64_t stack;    /* plain: what the awaiter leaves behind when it parks */
    uint32_t queued;   /* times it was made ready */
    uint64_t parks;    /* the awaiter's own */
    uint64_t cells[3]; /* plain: what the values 1, 2 point to; written before the value is */
} State;

static State *current; /* the one state of this execution */

/* ---- What the code under test needs of the scheduler ----------------------------------------- */

Worker *workerSelf(void)
{
    return NULL;
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

Capability *schedulePark(Capability *capability)
{
    MODEL_WRITE(current->stack, 1);
    if (claimCommit(&current->thread.claim)) {
        current->parks++;
        modelBlock(isQueued, current);
    } else {
        MODEL_WRITE(current->stack, 2);
    }
    return capability;
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->thread);
    MODEL_CHECK(MODEL_READ(current->stack) == 1);
    MODEL_WRITE(current->stack, 2);
    ADD_RELAXED(&current->queued, 1);
}

void scheduleSafepointSlow(Capability *capability)
{
    (void)capability;
    modelFail(__FILE__, __LINE__, "not reached");
}

/* Not reached: no timers, no plain OS threads, no delays here. */
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap, (void)timer, (void)number, (void)deadline_ns;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
    modelFail(__FILE__, __LINE__, "not reached");
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

int startupEnter(void)
{
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void startupLeave(void)
{
}

void poolOpen(Pool *pool, const Allocator *allocator, size_t item_size, size_t link_offset)
{
    (void)pool, (void)allocator, (void)item_size, (void)link_offset;
}

void poolClose(Pool *pool)
{
    (void)pool;
}

void *poolTake(Pool *pool)
{
    (void)pool;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

void poolGive(Pool *pool, void *item)
{
    (void)pool, (void)item;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayStart(const Allocator *allocator)
{
    (void)allocator;
}

void delayEnd(void)
{
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
    current->cells[0] = 1;
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

/* One writer, so version 2n goes with value n. */
static void readVersion(void *at)
{
    State *state = at;
    uint64_t version;
    void *value = tvarReadVersionIO(&state->tvar, &version);
    MODEL_CHECK(value == valueOf((uintptr_t)version / 2));
    useValue(state, value);
}

static void readTwice(void *at)
{
    State *state = at;
    uint64_t first, second;
    void *one = tvarReadVersionIO(&state->tvar, &first);
    void *two = tvarReadVersionIO(&state->tvar, &second);
    MODEL_CHECK(first <= second && (first != second || one == two));
    useValue(state, two);
}

static void checkTwo(void *at)
{
    State *state = at;
    MODEL_CHECK(state->tvar.version == 4 && state->tvar.value != NULL);
}

static void checkBoth(void *at)
{
    State *state = at;
    MODEL_CHECK(state->tvar.version == 4 && state->tvar.value == valueOf(2));
}

/* ---- Awaiting -------------------------------------------------------------------------------- */

static void await(void *at)
{
    State *state = at;
    uint64_t version;
    MODEL_CHECK(tvarAwait(&state->tvar, 0) == 0);
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
    MODEL_CHECK(tvarAwait(&state->tvar, 0) == 0);
    tvarReadVersionIO(&state->tvar, &version);
    if (version == 2)
        MODEL_CHECK(tvarAwait(&state->tvar, 2) == 0);
    void *value = tvarReadVersionIO(&state->tvar, &version);
    MODEL_CHECK(version == 4 && value == valueOf(2));
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
    int result = tvarAwait(&state->tvar, 0);
    MODEL_CHECK(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    modelOutcome((uint64_t)-result);
    MODEL_WRITE(state->thread.node.next, NULL);
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
    int result = tvarAwait(&state->tvar, 0);
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
    {"twoWriters", SIZE, 3, setUp, {readTwice, write1, write2}, checkTwo, NULL, 0},
    {"awaitAgainstWrite", SIZE, 2, setUp, {await, write1}, checkAwaited, NULL, 0},
    {"awaitTwoWriters", SIZE, 3, setUp, {await, write1, write2}, checkAwaited, NULL, 0},
    {"awaitTwice", SIZE, 2, setUp, {awaitTwice, writeBoth}, checkAwaited, NULL, 0},
    {"timeOutAgainstWrite", SIZE, 3, setUp, {awaitOrNot, write1, timeOut}, checkAwaited, NULL, 0},
    {"cancelAgainstWrite", SIZE, 3, setUp, {awaitOrNot, write1, cancel}, checkAwaited, NULL, 0},
    {"awaitAgainstClose", SIZE, 2, setUp, {awaitFreed, closeTVar}, checkClosed, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
