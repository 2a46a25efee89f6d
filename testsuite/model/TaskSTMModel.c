/* TaskSTMModel.c -- every interleaving of a task's blocked transaction with who ends its wait.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/TaskWait.c rts/stm/Block.c rts/stm/Transaction.c rts/stm/Log.c rts/stm/TVar.c
 * model-sources: rts/Park.c rts/Wait.c iomgr/WatchList.c iomgr/Clock.c
 *
 * The task's transaction reads x and y, and retries while neither is set: its nodes lie in memory
 * of their own, in both lists, while it waits.  Made up are the order of attempts (stmRun) and the
 * queue.  No wake-up is lost, nobody touches the nodes once they have been given back, and none is
 * left in a list.  How the task is carried from step to step: TaskModel.c.
 */
#include "rts/TaskWait.h"

#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/stm/Block.h"
#include "rts/stm/Event.h"
#include "rts/stm/STM.h"

#define MODEL_ALLOCATES
#include "testsuite/model/CommitStubs.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/OutsideStubs.h"
#include "testsuite/model/QueueStubs.h"
#include "testsuite/model/TaskStubs.h"

#include <errno.h>
#include <string.h>

enum { ROUNDS_MOST = 4, READS = 2, ROOMS = 3, ROOM_BYTES = 256 };

typedef struct Room {
    char bytes[ROOM_BYTES];
} CACHE_ALIGNED Room;

typedef struct State {
    TVar vars[READS];
    Room rooms[ROOMS]; /* one for each wait: the explorer knows what was in the last */
    Thread thread;
    Capability capability; /* where the task's steps run, on thread 0 */
    Transaction attempts[2];
    StmShare shares[2];
    uint64_t cells[READS]; /* plain: written before the variable is */
    uint32_t queued;       /* times it was made ready */
    uint32_t parks, waits; /* the task's own */
    uint32_t over;         /* relaxed */
    uint64_t timed;        /* the wait that has a timer */
} State;

static State *current;

/* ---- What the code under test needs of others ------------------------------------------------ */

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

Capability *workerCapability(void)
{
    return modelThread() == 0 ? &current->capability : NULL;
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}

Thread *scheduleSelf(void)
{
    return &current->thread;
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->thread);
    ADD_RELEASE(&current->queued, 1);
}

static void *takeRoom(void *context, size_t size, size_t alignment)
{
    (void)context;
    MODEL_CHECK(size <= ROOM_BYTES && alignment <= CACHE_LINE && current->waits < ROOMS);
    return &current->rooms[current->waits++];
}

/* Whoever looks there from now on finds no node; whoever writes is found out in the end. */
static void giveRoom(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    memset(memory, 0xff, ROOM_BYTES);
    modelForget(memory, ROOM_BYTES);
}

static bool isGivenBack(const Room *room)
{
    for (size_t i = 0; i < ROOM_BYTES; i++) {
        if ((unsigned char)room->bytes[i] != 0xff)
            return false;
    }
    return true;
}

const Allocator *startupAllocator(void)
{
    static const Allocator allocator = {takeRoom, giveRoom, NULL};
    return &allocator;
}

void shareLook(StmShare *share)
{
    share->seen[0] = ACQUIRE_LOAD(&share_outside_changes);
}

int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap;
    timer->deadline_ns = deadline_ns;
    RELEASE_STORE(&current->timed, number);
    return 0;
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}

void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    visit(&current->thread, env);
}

void outsideCancelAll(void)
{
}

Capability *schedulePark(Capability *capability)
{
    UNREACHED;
    return capability;
}

int scheduleParkListed(Capability *capability)
{
    (void)capability;
    UNREACHED;
    return 0;
}

int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)deadline_ns;
    UNREACHED;
    return 0;
}

bool taskFdArm(TaskContext *context, Capability *here)
{
    (void)context, (void)here;
    UNREACHED;
    return false;
}

int taskFdFinish(Thread *task, Capability *here)
{
    (void)task, (void)here;
    UNREACHED;
    return 0;
}

/* It waits for no fd and no end. */
Event *eventDetach(Transaction *tx)
{
    MODEL_CHECK(!tx->eventful);
    return NULL;
}

void eventForget(Event *list, Capability *here)
{
    (void)here;
    MODEL_CHECK(list == NULL);
}

/* ---- Transactions ---------------------------------------------------------------------------- */

static Transaction *begin(int thread)
{
    Transaction *tx = &current->attempts[thread];
    tx->here = NULL; /* for thread 0 as well: it writes nothing */
    tx->share = &current->shares[thread];
    tx->fate = FateNone;
    logOpen(&tx->log);
    logReset(&tx->log);
    return tx;
}

static uintptr_t readVar(Transaction *tx, int var)
{
    void *value = NULL;
    if (tx->fate == FateNone && (transactionReadQuick(tx, &current->vars[var], &value) ||
                                 transactionRead(tx, &current->vars[var], &value) == 0))
        return (uintptr_t)value;
    return 0;
}

/* The task's: which one is set, as result; it waits until one is. */
int stmRun(StmAction *action, StmStatusAction *status_action, void *env, void **result,
           int64_t deadline_ns)
{
    (void)action, (void)status_action, (void)env;
    for (int round = 0; round < ROUNDS_MOST; round++) {
        Transaction *tx = begin(0);
        for (int i = 0; i < READS; i++) {
            if (readVar(tx, i) != 0 && tx->fate == FateNone) {
                *result = (void *)(uintptr_t)(i + 1);
                return 0;
            }
        }
        int status =
            tx->fate != FateNone || blockIsOver(tx) ? 0 : blockUntilWritten(tx, deadline_ns);
        if (status != 0)
            return status;
    }
    UNREACHED;
    return -EDOM;
}

/* ---- The task -------------------------------------------------------------------------------- */

static void setUp(void *at)
{
    current = at;
    parkCancelReset();
    serial_held = 0;
    share_outside_changes = 0;
    current->thread.node.tag = TAG_TASK;
    current->thread.interrupts = INTERRUPTS_TASK;
    current->capability.current = &current->thread;
}

static bool isQueued(void *at)
{
    State *state = at;
    return state->queued == state->parks;
}

/* From the end of a step that has recorded the transaction to the beginning of the next. */
static int runAsTask(State *state, int64_t deadline_ns)
{
    Capability *here = &state->capability;
    TaskContext step = {
        .task = &state->thread, .kind = TaskWaitSTM, .records = 1, .deadline_ns = deadline_ns};
    state->parks++;
    if (!taskWaitArm(&step, here))
        scheduleReady(&state->thread, here);
    for (;;) {
        TaskContext next = {.task = &state->thread, .deadline_ns = DEADLINE_NEVER};
        modelBlock(isQueued, state);
        state->parks++; /* if it waits once more */
        if (!taskWaitFinish(&next, here))
            continue;
        state->parks--;
        RELAXED_STORE(&state->over, 1);
        uintptr_t which = next.status == 0 ? (uintptr_t)next.value : 0;
        MODEL_CHECK(which <= READS && (which != 0) == (next.status == 0));
        if (which != 0)
            MODEL_CHECK(MODEL_READ(state->cells[which - 1]) == 1);
        modelOutcome(which << 16 | (uint16_t)-next.status);
        return next.status;
    }
}

static void waitForOne(void *at)
{
    MODEL_CHECK(runAsTask(at, DEADLINE_NEVER) == 0);
}

static void waitOrNot(void *at)
{
    int status = runAsTask(at, DEADLINE_NEVER);
    MODEL_CHECK(status == 0 || status == -ECANCELED);
}

static void waitTimed(void *at)
{
    int status = runAsTask(at, DEADLINE_NEVER - 1);
    MODEL_CHECK(status == 0 || status == -ETIMEDOUT);
}

/* ---- The others ------------------------------------------------------------------------------ */

static void setX(void *at)
{
    State *state = at;
    Transaction *tx = begin(1);
    MODEL_WRITE(state->cells[0], 1);
    MODEL_CHECK(transactionWrite(tx, &state->vars[0], (void *)1) == 0);
    MODEL_CHECK(transactionCommit(tx));
}

static void put(State *state, int var)
{
    MODEL_WRITE(state->cells[var], 1);
    tvarPut(&state->vars[var], (void *)1, NULL);
}

static void putX(void *at)
{
    put(at, 0);
}

static void putXThenY(void *at)
{
    put(at, 0);
    put(at, 1);
}

static void cancel(void *at)
{
    (void)at;
    parkCancelAll();
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
        parkTimerFired(&state->thread.timer, number, NULL);
}

static void checkGone(void *at)
{
    State *state = at;
    for (int i = 0; i < READS; i++)
        MODEL_CHECK(state->vars[i].watchers == 0);
    for (uint32_t i = 0; i < state->waits; i++)
        MODEL_CHECK(isGivenBack(&state->rooms[i]));
    MODEL_CHECK(state->queued == state->parks && state->over == 1);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"commitWakes", SIZE, 2, setUp, {waitForOne, setX}, checkGone, NULL, 0},
    {"plainWriteWakes", SIZE, 2, setUp, {waitForOne, putX}, checkGone, NULL, 0},
    {"twoWrites", SIZE, 2, setUp, {waitForOne, putXThenY}, checkGone, NULL, 0},
    {"cancelled", SIZE, 3, setUp, {waitOrNot, putX, cancel}, checkGone, NULL, 0},
    {"timedOut", SIZE, 3, setUp, {waitTimed, putX, timeOut}, checkGone, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
