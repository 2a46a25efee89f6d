/* RunQueueModel.c -- every interleaving of an owner and its thieves at a run queue of two slots.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/OwnerGate.c
 *
 * Each runnable leaves exactly once, in the order that Note [RunQueue order] promises to one who
 * takes alone, and whoever takes it sees what was written into it before it was pushed.
 */
#define RUN_QUEUE_CAPACITY 2
#include "capability/RunQueue.c" /* the real code; the build's own copy has 256 slots */

#include "testsuite/model/Explorer.h"

enum { RUNNABLES = 4 };

typedef struct Work {
    Runnable runnable;
    uint64_t payload; /* plain: written before the push, read and changed by whoever takes it */
    uint32_t taken;   /* relaxed add */
} Work;

typedef struct State {
    RunQueue queue;
    Work works[RUNNABLES];
    uint32_t pushed; /* owner's */
} State;

static void setUp(void *at)
{
    State *state = at;
    ownerGateStart();
    runQueueInit(&state->queue);
}

static void setUpShared(void *at)
{
    State *state = at;
    setUp(at);
    state->queue.gate.shared = 1;
}

static void push(State *state)
{
    Work *work = &state->works[state->pushed++];
    MODEL_WRITE(work->payload, 1);
    runQueuePush(&state->queue, &work->runnable);
}

static void use(Runnable *runnable)
{
    Work *work = (Work *)(void *)runnable;
    MODEL_CHECK(ADD_RELAXED(&work->taken, 1) == 0);
    MODEL_CHECK(MODEL_READ(work->payload) == 1);
    MODEL_WRITE(work->payload, 2);
}

static bool popOld(State *state)
{
    Runnable *runnable = runQueuePopOld(&state->queue);
    if (runnable != NULL)
        use(runnable);
    return runnable != NULL;
}

static bool popYoung(State *state)
{
    Runnable *runnable = runQueuePopYoung(&state->queue);
    if (runnable != NULL)
        use(runnable);
    return runnable != NULL;
}

/* What a thief gets comes oldest first. */
static void steal(State *state, uint32_t leave)
{
    Runnable *out[RUN_QUEUE_STEAL_MOST];
    uint32_t count = runQueueSteal(&state->queue, leave, out);
    MODEL_CHECK(count <= RUN_QUEUE_STEAL_MOST);
    for (uint32_t i = 0; i < count; i++) {
        MODEL_CHECK(i == 0 || out[i - 1] < out[i]); /* works[] are pushed in this order */
        use(out[i]);
    }
}

static void setUpOne(void *at)
{
    setUp(at);
    push(at);
}

static void setUpTwo(void *at)
{
    setUpOne(at);
    push(at);
}

static void setUpThree(void *at) /* one in the overflow list, two in the ring */
{
    setUpTwo(at);
    push(at);
}

static void setUpTwoShared(void *at)
{
    setUpShared(at);
    push(at);
    push(at);
}

static void stealAny(void *at)
{
    steal(at, 0);
}
static void stealOld(void *at)
{
    steal(at, 1);
}

static void stealTwice(void *at)
{
    steal(at, 0);
    steal(at, 0);
}

static void ownPopOld(void *at)
{
    popOld(at);
}
static void ownPopYoung(void *at)
{
    popYoung(at);
}

/* A push that spills the older half. */
static void ownPush(void *at)
{
    push(at);
}

static void ownPushPop(void *at)
{
    push(at);
    popOld(at);
}

static void ownPushPopYoung(void *at)
{
    push(at);
    popYoung(at);
}

static void ownDrain(void *at)
{
    while (popOld(at))
        continue;
}

static void ownRebiasPop(void *at)
{
    State *state = at;
    popYoung(state);
    runQueueRebias(&state->queue);
    runQueueRebias(&state->queue);
    popOld(state);
}

/* The rest comes out in order, and nothing is missing. */
static void checkEnd(void *at)
{
    State *state = at;
    Runnable *runnable, *last = NULL;
    MODEL_CHECK(runQueueSane(&state->queue));
    while ((runnable = runQueuePopOld(&state->queue)) != NULL) {
        MODEL_CHECK(last < runnable);
        last = runnable;
        ((Work *)(void *)runnable)->taken++;
    }
    for (uint32_t i = 0; i < RUNNABLES; i++)
        MODEL_CHECK(state->works[i].taken == (i < state->pushed ? 1 : 0));
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"popOldAgainstSteal", SIZE, 2, setUpOne, {ownPopOld, stealAny}, checkEnd, NULL, 0},
    {"popYoungAgainstSteal", SIZE, 2, setUpOne, {ownPopYoung, stealAny}, checkEnd, NULL, 0},
    {"pushAgainstSteal", SIZE, 2, setUpOne, {ownPushPop, stealTwice}, checkEnd, NULL, 0},
    {"pushAgainstTwoThieves", SIZE, 3, setUp, {ownPushPop, stealAny, stealOld}, checkEnd, NULL, 0},
    {"spillAgainstSteal", SIZE, 2, setUpTwo, {ownPush, stealTwice}, checkEnd, NULL, 0},
    {"spillAgainstTwoThieves", SIZE, 3, setUpTwo, {ownPush, stealAny, stealOld}, checkEnd, NULL, 0},
    {"overflowAgainstSteal", SIZE, 2, setUpThree, {ownPushPopYoung, stealTwice}, checkEnd, NULL, 0},
    {"drainAgainstSteal", SIZE, 2, setUpTwo, {ownDrain, stealTwice}, checkEnd, NULL, 0},
    {"sharedAgainstTwoThieves",
     SIZE,
     3,
     setUpTwoShared,
     {ownPopOld, stealAny, stealOld},
     checkEnd,
     NULL,
     0},
    {"rebiasAgainstSteal", SIZE, 2, setUpThree, {ownRebiasPop, stealTwice}, checkEnd, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
