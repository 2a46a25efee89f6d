/* MVarModel.c -- every interleaving of takes, puts, reads, time-outs, cancels and freeing.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/MVar.c rts/WaitQueue.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * See testsuite/model/WaitStage.h for who plays.
 */
#include "rts/MVar.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/WaitStage.h"

#include <errno.h>

enum { VALUES = 4 };

typedef struct State {
    MVar mvar;
    Actor actors[ACTORS];
    int64_t deadline; /* constant: of actor 0's waits; the others' are listed */
    uint64_t
        cells[VALUES]; /* plain: what the values 1, 2, 3 point to; written before they are put */
} State;

static State *current; /* the one state of this execution */

/* ---- Setting up ------------------------------------------------------------------------------ */

static void setUp(void *at)
{
    current = at;
    stage_actors = current->actors;
    parkCancelReset();
    current->deadline = DEADLINE_NEVER;
}

static void setUpTimed(void *at)
{
    setUp(at);
    current->deadline = 1;
}

static void setUpOutside(void *at)
{
    setUpTimed(at);
    current->actors[0].outside = true;
}

static void fill(void *at)
{
    current->cells[1] = 1;
    current->mvar.value = (void *)1;
    current->mvar.queue.state = MVarFull;
    (void)at;
}

static void setUpFull(void *at)
{
    setUp(at);
    fill(at);
}

static void setUpFullTimed(void *at)
{
    setUpTimed(at);
    fill(at);
}

static void setUpFullOutside(void *at)
{
    setUpOutside(at);
    fill(at);
}

/* ---- What the threads do --------------------------------------------------------------------- */

static void note(int result, void *value)
{
    Actor *me = self();
    me->result = result;
    me->got = (uintptr_t)value;
    if (result == 0)
        MODEL_CHECK(me->got < VALUES && MODEL_READ(current->cells[me->got]) == 1);
    modelOutcome((uint64_t)modelThread() << 32 | me->got << 16 | (uint16_t)-result);
}

static int64_t deadlineOf(State *state)
{
    return modelThread() == 0 ? state->deadline : DEADLINE_NEVER;
}

static void take(void *at)
{
    State *state = at;
    void *value = NULL;
    int result = mvarTakeUntil(&state->mvar, &value, deadlineOf(state));
    note(result, value);
}

static void read(void *at)
{
    State *state = at;
    void *value = NULL;
    int result = mvarReadUntil(&state->mvar, &value, deadlineOf(state));
    note(result, value);
}

static void put(State *state, uintptr_t index)
{
    MODEL_WRITE(state->cells[index], 1);
    self()->result = mvarPutUntil(&state->mvar, (void *)index, deadlineOf(state));
}

static void put1(void *at)
{
    put(at, 1);
}

static void put2(void *at)
{
    put(at, 2);
}

static void tryPut1(void *at)
{
    State *state = at;
    MODEL_WRITE(state->cells[1], 1);
    self()->result = mvarTryPut(&state->mvar, (void *)1);
}

static void tryTake(void *at)
{
    State *state = at;
    void *value = NULL;
    int result = mvarTryTake(&state->mvar, &value);
    note(result, value);
}

static void swap3(void *at)
{
    State *state = at;
    void *old = NULL;
    MODEL_WRITE(state->cells[3], 1);
    int result = mvarSwapUntil(&state->mvar, (void *)3, &old, deadlineOf(state));
    note(result, old);
}

/* Its Waiter is at another address than the one before: the explorer knows that by what it held. */
static __attribute__((noinline)) void takeDeeper(void *at)
{
    char room[1024];
    __asm__ volatile("" : : "r"(room));
    take(at);
    __asm__ volatile("" : : "r"(room));
}

static void takeTwice(void *at)
{
    State *state = at;
    void *value = NULL;
    int result = mvarTakeUntil(&state->mvar, &value, deadlineOf(state));
    MODEL_CHECK(result == 0 || result == -ECANCELED);
    if (result == 0)
        MODEL_CHECK(MODEL_READ(state->cells[(uintptr_t)value]) == 1);
    takeDeeper(at);
}

/* The timer of actor 0's wait 1, whenever it knows of that wait. */
static void timeOut(void *at)
{
    State *state = at;
    Actor *actor = &state->actors[0];
    if (actor->outside)
        claimTry(&actor->claim, 1, -ETIMEDOUT);
    else if (claimNumber(ACQUIRE_LOAD(&actor->thread.claim)) != 0)
        parkTimerFired(&actor->thread.timer, 1, NULL);
}

static void cancel(void *at)
{
    (void)at;
    parkCancelAll();
}

static void freeIt(void *at)
{
    State *state = at;
    waitQueueFree(&state->mvar.queue);
}

/* ---- What must hold in the end --------------------------------------------------------------- */

/* Whoever was made ready ran, and nobody is left behind. */
static void checkOver(State *state)
{
    MODEL_CHECK(mvarSane(&state->mvar) && state->mvar.queue.first == NULL);
    for (int i = 0; i < ACTORS; i++)
        MODEL_CHECK(state->actors[i].queued == state->actors[i].parks);
}

/* The value in the box, 0: empty. */
static uintptr_t inside(State *state)
{
    return state->mvar.queue.state == MVarFull ? (uintptr_t)state->mvar.value : 0;
}

static void checkTaken(void *at)
{
    State *state = at;
    checkOver(state);
    MODEL_CHECK(state->actors[0].result == 0 && state->actors[0].got == 1);
    MODEL_CHECK(inside(state) == 0);
}

/* Actor 0 took what actor 1 put, or gave up; nothing is lost, nothing is there twice. */
static void checkTakenOrLeft(void *at)
{
    State *state = at;
    const Actor *taker = &state->actors[0];
    checkOver(state);
    MODEL_CHECK(taker->result == 0 || taker->result == -ETIMEDOUT || taker->result == -ECANCELED);
    MODEL_CHECK(state->actors[1].result == 0);
    MODEL_CHECK(taker->result == 0 ? taker->got == 1 && inside(state) == 0 : inside(state) == 1);
}

/* Full of 1 at first: actor 0 puts 2 or gives up, actor 1 takes once. */
static void checkPutOrLeft(void *at)
{
    State *state = at;
    const Actor *putter = &state->actors[0], *taker = &state->actors[1];
    checkOver(state);
    MODEL_CHECK(taker->result == 0 && taker->got == 1);
    MODEL_CHECK(putter->result == 0 || putter->result == -ETIMEDOUT ||
                putter->result == -ECANCELED);
    MODEL_CHECK(inside(state) == (putter->result == 0 ? 2u : 0u));
}

/* Two takers, two values. */
static void checkBothTaken(void *at)
{
    State *state = at;
    checkOver(state);
    MODEL_CHECK(state->actors[0].got + state->actors[1].got == 3 && inside(state) == 0);
}

/* Two putters, one taker. */
static void checkOneLeft(void *at)
{
    State *state = at;
    checkOver(state);
    MODEL_CHECK(state->actors[0].got + inside(state) == 3);
}

/* A reader that finds the value gone again waits on; no other one may. */
static bool readerWaits(void *at)
{
    State *state = at;
    const Actor *reader = &state->actors[0];
    return reader->queued != reader->parks && inside(state) == 0 && state->actors[1].got == 1;
}

static void checkReadAndTaken(void *at)
{
    State *state = at;
    checkTaken(at);
    MODEL_CHECK(state->actors[1].result == 0 && state->actors[1].got == 1);
}

/* Actor 0 swaps 3 for what actor 1 put, actor 2 takes: 1 before the swap, and then the swapper
 * waits for another; or 3. */
static void checkSwapped(void *at)
{
    State *state = at;
    checkOver(state);
    MODEL_CHECK(state->actors[0].got == 1 && state->actors[2].got == 3 && inside(state) == 0);
}

static bool swapperWaits(void *at)
{
    State *state = at;
    return state->actors[0].queued != state->actors[0].parks && state->actors[2].got == 1;
}

static void checkAgain(void *at)
{
    State *state = at;
    int result = state->actors[0].result;
    checkOver(state);
    MODEL_CHECK(result == 0 || result == -ECANCELED);
}

static bool firstWaits(void *at)
{
    State *state = at;
    return state->actors[0].queued != state->actors[0].parks && inside(state) == 0;
}

static void checkTried(void *at)
{
    State *state = at;
    const Actor *putter = &state->actors[0], *taker = &state->actors[1];
    checkOver(state);
    MODEL_CHECK(putter->result == 0);
    MODEL_CHECK(taker->result == 0 ? taker->got == 1 && inside(state) == 0
                                   : taker->result == -EAGAIN && inside(state) == 1);
}

static void checkFreed(void *at)
{
    State *state = at;
    checkOver(state);
    MODEL_CHECK(state->actors[0].result == -EINVAL);
}

/* It had not begun to wait: it waits in an object that is nobody's. */
static bool cameLate(void *at)
{
    State *state = at;
    return state->mvar.queue.life == 1 && state->mvar.queue.first != NULL &&
           state->mvar.queue.first->life == 1;
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"takeAgainstPut", SIZE, 2, setUp, {take, put1}, checkTaken, NULL, 0},
    {"putAgainstTake", SIZE, 2, setUpFull, {put2, take}, checkPutOrLeft, NULL, 0},
    {"tryAgainstTry", SIZE, 2, setUp, {tryPut1, tryTake}, checkTried, NULL, 0},
    {"twoTakers", SIZE, 3, setUpFull, {take, take, put2}, checkBothTaken, NULL, 0},
    {"twoPutters", SIZE, 3, setUp, {take, put1, put2}, checkOneLeft, NULL, 0},
    {"readAndTake", SIZE, 3, setUp, {read, take, put1}, checkReadAndTaken, readerWaits, 0},
    {"swapAndTake", SIZE, 3, setUp, {swap3, put1, take}, checkSwapped, swapperWaits, 0},
    {"takeTimed", SIZE, 2, setUpTimed, {take, put1}, checkTaken, NULL, 0},
    {"takeTimedOut", SIZE, 3, setUpTimed, {take, put1, timeOut}, checkTakenOrLeft, NULL, 0},
    {"putTimedOut", SIZE, 3, setUpFullTimed, {put2, take, timeOut}, checkPutOrLeft, NULL, 0},
    {"takeOutside", SIZE, 2, setUpOutside, {take, put1}, checkTaken, NULL, 0},
    {"takeOutsideOut", SIZE, 3, setUpOutside, {take, put1, timeOut}, checkTakenOrLeft, NULL, 0},
    {"putOutsideOut", SIZE, 3, setUpFullOutside, {put2, take, timeOut}, checkPutOrLeft, NULL, 0},
    {"takeCancelled", SIZE, 3, setUp, {take, tryPut1, cancel}, checkTakenOrLeft, firstWaits, 0},
    {"takeTimedCancelled",
     SIZE,
     3,
     setUpTimed,
     {take, tryPut1, cancel},
     checkTakenOrLeft,
     firstWaits,
     0},
    {"takeAgainCancelled", SIZE, 3, setUp, {takeTwice, tryPut1, cancel}, checkAgain, firstWaits, 0},
    {"freeAgainstTake", SIZE, 2, setUp, {take, freeIt}, checkFreed, cameLate, 0},
    {"freeAgainstTimed", SIZE, 2, setUpTimed, {take, freeIt}, checkFreed, cameLate, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
