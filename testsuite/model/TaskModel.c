/* TaskModel.c -- every interleaving of a task whose step has ended in a wait with what ends it.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Task.c rts/TaskWait.c rts/Interrupt.c rts/MVar.c rts/WaitQueue.c rts/Cell.c
 * model-sources: rts/Park.c rts/Wait.c iomgr/WatchList.c iomgr/Clock.c
 *
 * Thread 0 carries a capability on which the first step runs, which records a wait; its arming
 * meets what it waits for, timers, interrupts and cancelling.  Whoever finds the task queued may be
 * another one who runs its next step while the first is not done with the arming.  A wait ends
 * once, steps do not overlap and see each other, an interrupt is raised or pending, and what was in
 * an MVar is with somebody.  See Note [Task rounds]; waits for fds: TaskFdModel.c.
 */
#include "testsuite/model/TaskStage.h"

/* ---- The host -------------------------------------------------------------------------------- */

static void beginTake(State *state, TaskContext *step)
{
    MODEL_CHECK(taskWaitMVarTake(step, &state->mvar) == 0);
}

static void beginTakeTimed(State *state, TaskContext *step)
{
    beginTake(state, step);
    taskDeadline(step, LATER_NS);
}

static void beginPut(State *state, TaskContext *step)
{
    MODEL_CHECK(taskWaitMVarPut(step, &state->mvar, (void *)2) == 0);
}

static void beginPutTimed(State *state, TaskContext *step)
{
    beginPut(state, step);
    taskDeadline(step, LATER_NS);
}

static void beginTVar(State *state, TaskContext *step)
{
    MODEL_CHECK(taskWaitTVar(step, &state->tvar, 0) == 0);
}

static void beginTVarTimed(State *state, TaskContext *step)
{
    beginTVar(state, step);
    taskDeadline(step, LATER_NS);
}

static void beginJoin(State *state, TaskContext *step)
{
    MODEL_CHECK(taskWaitThread(step, &state->other) == 0);
}

static void beginJoinTimed(State *state, TaskContext *step)
{
    beginJoin(state, step);
    taskDeadline(step, LATER_NS);
}

static void beginDelay(State *state, TaskContext *step)
{
    (void)state;
    MODEL_CHECK(taskWaitDelayUntil(step, LATER_NS) == 0);
}

/* Waits once, or until it is interrupted.  A race for the frame would be two steps at once. */
static TaskVerdict play(TaskContext *context, void *env)
{
    State *state = env;
    uint64_t steps = MODEL_READ(state->frame);
    MODEL_WRITE(state->frame, steps + 1);
    state->status = taskStatus(context);
    state->got = (uintptr_t)taskValue(context);
    state->caught = state->body.caught.count;
    if (state->got == 1 || (state->tells && steps == 1 && state->status == 0))
        MODEL_CHECK(MODEL_READ(state->cell) == 1);
    if (state->status == 0 && (steps == 0 || (state->again && steps == 1))) {
        state->begin(state, context);
        return TaskBlocked;
    }
    modelOutcome(steps << 32 | (uint64_t)state->got << 16 | (uint16_t)-state->status);
    return TaskDone;
}

/* ---- How it begins --------------------------------------------------------------------------- */

static void setUp(State *state, void (*begin)(State *state, TaskContext *step))
{
    current = state;
    parkCancelReset();
    state->body = (TaskBody){.step = play, .env = state};
    state->task.runnable.run = taskRun;
    state->task.task = &state->body;
    state->task.node.tag = TAG_TASK;
    state->task.interrupts = INTERRUPTS_TASK;
    state->task.id = 1;
    state->begin = begin;
    state->carriers = CARRIERS;
    for (int i = 0; i < CARRIERS; i++)
        state->capabilities[i].manager.clock = &still;
}

static void fill(State *state)
{
    state->cell = 1;
    state->mvar.value = (void *)1;
    state->mvar.queue.state = MVarFull;
}

static void setUpTake(void *at)
{
    setUp(at, beginTake);
}

static void setUpTakeTwice(void *at)
{
    setUp(at, beginTake);
    current->again = true;
}

static void setUpTakeDeaf(void *at)
{
    setUp(at, beginTake);
    current->task.node.tag |= MaskedUninterruptible << TAG_MASKING_SHIFT;
}

static void setUpTakeTimed(void *at)
{
    setUp(at, beginTakeTimed);
}

static void setUpNoTimer(void *at)
{
    setUp(at, beginTakeTimed);
    current->no_timer = true;
}

static void setUpPut(void *at)
{
    setUp(at, beginPut);
    fill(at);
}

static void setUpPutTimed(void *at)
{
    setUp(at, beginPutTimed);
    fill(at);
}

static void setUpTVar(void *at)
{
    setUp(at, beginTVar);
    current->tells = true;
}

static void setUpTVarTimed(void *at)
{
    setUp(at, beginTVarTimed);
    current->tells = true;
}

static void setUpJoin(void *at)
{
    setUp(at, beginJoin);
}

static void setUpJoinTimed(void *at)
{
    setUp(at, beginJoinTimed);
}

static void setUpDelay(void *at)
{
    setUp(at, beginDelay);
}

/* ---- What the threads do --------------------------------------------------------------------- */

static bool isReadyOrOver(void *at)
{
    State *state = at;
    return state->ready != 0 || state->over != 0;
}

/* The arming's Waiter is at another address than the one before: the explorer knows that by what it
 * held. */
static __attribute__((noinline)) void runDeeper(State *state)
{
    char room[1024];
    __asm__ volatile("" : : "r"(room));
    taskRun(&state->task.runnable, workerCapability());
    __asm__ volatile("" : : "r"(room));
}

/* A carrier's loop, or a thief's: whoever finds it runs it. */
static void carry(void *at)
{
    State *state = at;
    for (;;) {
        uint32_t ready = 1;
        modelBlock(isReadyOrOver, state);
        if (CAS_ACQUIRE(&state->ready, &ready, 0))
            runDeeper(state);
        else if (RELAXED_LOAD(&state->over) != 0)
            return;
    }
}

/* It had been taken from the queue. */
static void work(void *at)
{
    State *state = at;
    taskRun(&state->task.runnable, workerCapability());
    carry(at);
}

static void put1(void *at)
{
    State *state = at;
    MODEL_WRITE(state->cell, 1);
    state->put = mvarTryPut(&state->mvar, (void *)1);
}

static void take(void *at)
{
    State *state = at;
    void *value = NULL;
    state->put = mvarTryTake(&state->mvar, &value);
    MODEL_CHECK(value == (void *)1);
}

/* As tvarPut, but for the count. */
static void writeTVar(void *at)
{
    State *state = at;
    TVar *tvar = &state->tvar;
    MODEL_WRITE(state->cell, 1);
    watchListLock(&tvar->watchers);
    RELEASE_STORE(&tvar->version, 1); /* V1 */
    RELEASE_STORE(&tvar->version, 2); /* V3 */
    WatchList word = RELAXED_LOAD(&tvar->watchers);
    MODEL_CHECK((word & WATCH_INDEXED) == 0);
    RELEASE_STORE(&tvar->watchers, word & WATCH_GENERATION);
    if (watchListHead(word) != NULL)
        parkFire(watchListHead(word), NULL);
}

/* As threadEnded. */
static void endOther(void *at)
{
    State *state = at;
    WatchNode *joiners;
    MODEL_WRITE(state->cell, 1);
    watchListCloseMarked(&state->other.ended, 1, &joiners);
    watchListFire(joiners, 0, NULL);
}

/* The same on a capability, which then looks into the queue. */
static void putAndCarry(void *at)
{
    put1(at);
    carry(at);
}

static void takeAndCarry(void *at)
{
    take(at);
    carry(at);
}

static void writeAndCarry(void *at)
{
    writeTVar(at);
    carry(at);
}

static void endAndCarry(void *at)
{
    endOther(at);
    carry(at);
}

static void post(void *at)
{
    State *state = at;
    interruptPost(&state->task, &state->posted, NULL);
}

/* One after the other, in both orders: beside each other they are in InterruptModel.c. */
static void postAndPut(void *at)
{
    post(at);
    put1(at);
}

static void putAndPost(void *at)
{
    put1(at);
    post(at);
}

static void postAndTake(void *at)
{
    post(at);
    take(at);
}

static void takeAndPost(void *at)
{
    take(at);
    post(at);
}

static void postAndWrite(void *at)
{
    post(at);
    writeTVar(at);
}

static void writeAndPost(void *at)
{
    writeTVar(at);
    post(at);
}

static bool isTimedOrOver(void *at)
{
    State *state = at;
    return state->timed != 0 || state->over != 0;
}

static void timeOut(void *at)
{
    State *state = at;
    modelBlock(isTimedOrOver, state);
    uint64_t number = ACQUIRE_LOAD(&state->timed);
    if (number != 0)
        parkTimerFired(&state->task.timer, number, NULL);
}

static void cancel(void *at)
{
    (void)at;
    parkCancelAll();
}

/* ---- What must hold in the end --------------------------------------------------------------- */

/* Each wait has led to one step, and nothing of it is left. */
static void checkOver(State *state)
{
    MODEL_CHECK(mvarSane(&state->mvar) && state->mvar.queue.first == NULL);
    MODEL_CHECK(watchListHead(state->tvar.watchers) == NULL);
    MODEL_CHECK(watchListHead(state->other.ended) == NULL);
    MODEL_CHECK(state->over == 1 && state->ready == 0);
    MODEL_CHECK(state->frame == (uint64_t)state->queued + 1);
    MODEL_CHECK(state->frame <= (state->again ? 3 : 2));
    MODEL_CHECK(state->frame >= 2 || state->status == -ECANCELED); /* before it waited */
}

/* An interrupt is what the last step was told of, or it is pending. */
static void checkInterrupt(State *state)
{
    bool raised = state->posted.place == InterruptRaised;
    MODEL_CHECK(state->caught == (raised ? 1u : 0u));
    MODEL_CHECK(raised == (state->status == -ECANCELED));
}

/* The value in the box, 0: empty. */
static uintptr_t inside(const State *state)
{
    return state->mvar.queue.state == MVarFull ? (uintptr_t)state->mvar.value : 0;
}

/* It has the value, or has given up, and the value is in the box. */
static void checkTakenOrLeft(void *at)
{
    State *state = at;
    checkOver(state);
    MODEL_CHECK(state->put == 0);
    MODEL_CHECK(state->status == 0 || state->status == -ECANCELED || state->status == -ETIMEDOUT ||
                state->status == -ENOMEM);
    MODEL_CHECK(state->got == (state->status == 0 ? 1u : 0u));
    MODEL_CHECK(inside(state) == (state->status == 0 ? 0u : 1u));
}

static void checkTaken(void *at)
{
    State *state = at;
    checkTakenOrLeft(at);
    checkInterrupt(state);
    MODEL_CHECK(state->status == 0);
}

static void checkTakenOrThrown(void *at)
{
    checkTakenOrLeft(at);
    checkInterrupt(at);
}

/* Full of 1 at first, which somebody took: it has put 2, or brought it back. */
static void checkPutOrLeft(void *at)
{
    State *state = at;
    checkOver(state);
    checkInterrupt(state);
    MODEL_CHECK(state->put == 0 && state->got == 0);
    MODEL_CHECK(state->status == 0 || state->status == -ECANCELED || state->status == -ETIMEDOUT);
    MODEL_CHECK(inside(state) == (state->status == 0 ? 2u : 0u));
}

/* The second wait is for what never comes. */
static void checkThrown(void *at)
{
    State *state = at;
    checkOver(state);
    checkInterrupt(state);
    MODEL_CHECK(state->status == -ECANCELED && state->got == 0);
}

static void checkWrittenOrNot(void *at)
{
    State *state = at;
    checkOver(state);
    checkInterrupt(state);
    MODEL_CHECK(state->status == 0 || state->status == -ECANCELED || state->status == -ETIMEDOUT);
}

static void checkJoinedOrNot(void *at)
{
    State *state = at;
    checkWrittenOrNot(at);
    MODEL_CHECK(state->got == (state->status == 0 ? 1u : 0u));
}

#define SIZE sizeof(State)
#define MODEL2(name, setup, second, check)                                                         \
    {                                                                                              \
        name, SIZE, 2, setup, {work, second}, check, NULL, 0                                       \
    }
#define MODEL3(name, setup, second, third, check)                                                  \
    {                                                                                              \
        name, SIZE, 3, setup, {work, second, third}, check, NULL, 0                                \
    }

static const Model models[] = {
    MODEL2("take", setUpTake, putAndCarry, checkTaken),
    MODEL3("takeThief", setUpTake, carry, put1, checkTaken),
    MODEL2("takeTimedOnly", setUpTakeTimed, putAndCarry, checkTaken),
    MODEL2("putTake", setUpPut, takeAndCarry, checkPutOrLeft),
    MODEL2("variable", setUpTVar, writeAndCarry, checkWrittenOrNot),
    MODEL2("variableTimedOnly", setUpTVarTimed, writeAndCarry, checkWrittenOrNot),
    MODEL2("join", setUpJoin, endAndCarry, checkJoinedOrNot),
    MODEL2("takeOrThrow", setUpTake, post, checkThrown),
    MODEL2("throwPut", setUpTake, postAndPut, checkTakenOrThrown),
    MODEL2("putThrow", setUpTake, putAndPost, checkTakenOrThrown),
    MODEL2("putThrowTwice", setUpTakeTwice, putAndPost, checkThrown),
    MODEL3("takeDeafThrow", setUpTakeDeaf, put1, post, checkTaken),
    MODEL3("takeCancel", setUpTake, put1, cancel, checkTakenOrLeft),
    MODEL3("takeTimed", setUpTakeTimed, put1, timeOut, checkTakenOrLeft),
    MODEL2("throwPutTimed", setUpTakeTimed, postAndPut, checkTakenOrThrown),
    MODEL2("putThrowTimed", setUpTakeTimed, putAndPost, checkTakenOrThrown),
    MODEL3("takeTimedCancel", setUpTakeTimed, put1, cancel, checkTakenOrLeft),
    MODEL2("takeNoTimer", setUpNoTimer, putAndCarry, checkTakenOrLeft),
    MODEL2("throwTake", setUpPut, postAndTake, checkPutOrLeft),
    MODEL2("takeThrow", setUpPut, takeAndPost, checkPutOrLeft),
    MODEL3("putTimed", setUpPutTimed, take, timeOut, checkPutOrLeft),
    MODEL2("throwWrite", setUpTVar, postAndWrite, checkWrittenOrNot),
    MODEL2("writeThrow", setUpTVar, writeAndPost, checkWrittenOrNot),
    MODEL3("variableThief", setUpTVar, carry, writeTVar, checkWrittenOrNot),
    MODEL3("variableTimed", setUpTVarTimed, writeTVar, timeOut, checkWrittenOrNot),
    MODEL3("joinThrow", setUpJoin, endOther, post, checkJoinedOrNot),
    MODEL3("joinTimed", setUpJoinTimed, endOther, timeOut, checkJoinedOrNot),
    MODEL2("delay", setUpDelay, timeOut, checkWrittenOrNot),
    MODEL3("delayThrow", setUpDelay, timeOut, post, checkWrittenOrNot),
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
