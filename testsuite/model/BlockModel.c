/* BlockModel.c -- every interleaving of a blocked transaction, commits that wake it, and a cancel.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/Block.c rts/stm/Transaction.c rts/stm/Log.c rts/stm/TVar.c
 * model-sources: rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * The waiter is a green thread: it reads x and y, and while neither is set it waits for both.  No
 * wake-up is lost, it is queued once per wait, a commit that was spoilt or has written something
 * else wakes nobody, and when it goes on no list holds a node of it.
 */
#include "rts/stm/Block.h"

#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/stm/Event.h"
#include "testsuite/model/CommitStubs.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/QueueStubs.h"

#include <errno.h>
#include <stdlib.h>

enum { ROUNDS_MOST = 4 };

typedef struct State {
    TVar vars[3]; /* x, y, z: z is not read by the waiter */
    Thread thread;
    Transaction attempts[3]; /* a thread's own */
    StmShare shares[3];
    uint64_t stack;    /* plain: what the waiter leaves behind when it parks */
    uint32_t queued;   /* times it was made ready */
    uint64_t parks;    /* the waiter's own */
    uint64_t cells[3]; /* plain: written before the variable is */
    bool committed;    /* thread 1's */
    bool was_in_vain;  /* the waiter's own: what it read was not written */
} State;

static State *current;
static Capability capability; /* where the waiter, thread 0, runs */

/* ---- What the code under test needs of the scheduler --------------------------------------- */

Capability *workerCapability(void)
{
    return modelThread() == 0 ? &capability : NULL;
}

Event *eventDetach(Transaction *tx) /* only tasks come to it */
{
    (void)tx;
    abort();
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

int scheduleParkListed(Capability *here)
{
    current->parks++;
    MODEL_WRITE(current->stack, 1);
    if (!parkPublish(&current->thread, scheduleWait(here))) {
        MODEL_WRITE(current->stack, 2);
        ADD_RELAXED(&current->queued, 1);
    }
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

void shareLook(StmShare *share)
{
    share->seen[0] = ACQUIRE_LOAD(&share_outside_changes);
}

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

Outsider *outsideBegin(int *result)
{
    *result = 0;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

Claim *outsideClaim(Outsider *outsider)
{
    (void)outsider;
    return NULL;
}

int outsidePark(Outsider *outsider, int64_t deadline_ns)
{
    (void)outsider, (void)deadline_ns;
    return 0;
}

void outsideDone(Outsider *outsider)
{
    (void)outsider;
}

void outsideWake(Claim *claim)
{
    (void)claim;
    modelFail(__FILE__, __LINE__, "not reached");
}

void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    visit(&current->thread, env);
}

/* ---- The waiter ---------------------------------------------------------------------------- */

static void setUp(void *at)
{
    current = at;
    parkCancelReset();
    serial_held = 0;
    share_outside_changes = 0;
    capability.current = &current->thread;
}

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

/* Until one of the first `count` variables is set, or it is cancelled.  Returns which, or -E...
 * It waits once: the nodes of a second wait would lie where the explorer has seen the first. */
static int waitForOne(int count)
{
    for (int round = 0; round < ROUNDS_MOST; round++) {
        Transaction *tx = begin(0);
        for (int i = 0; i < count; i++) {
            if (readVar(tx, i) != 0 && tx->fate == FateNone)
                return i;
        }
        if (tx->fate != FateNone)
            continue;
        int result = blockIsOver(tx) ? 0 : blockUntilWritten(tx, DEADLINE_NEVER);
        if (result != 0)
            return result;
        if (!blockIsOver(tx))
            return -EAGAIN; /* it would wait again: See waitBesideSpoilt */
    }
    modelFail(__FILE__, __LINE__, "woken too often");
    return -EDOM;
}

static void waitForTwo(void *at)
{
    State *state = at;
    int which = waitForOne(2);
    MODEL_CHECK(which >= 0);
    MODEL_CHECK(MODEL_READ(state->cells[which]) == 1);
    modelOutcome((uint64_t)which);
}

static void waitForX(void *at)
{
    State *state = at;
    MODEL_CHECK(waitForOne(1) == 0);
    MODEL_CHECK(MODEL_READ(state->cells[0]) == 1);
}

static void waitOrNot(void *at)
{
    (void)at;
    int which = waitForOne(2);
    MODEL_CHECK(which >= 0 || which == -ECANCELED);
    modelOutcome((uint64_t)(which + 200));
}

/* It may find the mark of a commit that is spoilt right then, when its node is in the list: then it
 * has not parked, and nobody has fired it. */
static void waitBesideSpoilt(void *at)
{
    State *state = at;
    int which = waitForOne(2);
    MODEL_CHECK(which >= 0 || which == -EAGAIN);
    state->was_in_vain = which == -EAGAIN;
    if (state->was_in_vain)
        MODEL_CHECK(state->parks == 0 &&
                    claimState(RELAXED_LOAD(&state->thread.claim)) == ClaimIdle);
    modelOutcome((uint64_t)(which + 200));
}

static void checkGone(void *at)
{
    State *state = at;
    for (int i = 0; i < 3; i++)
        MODEL_CHECK(state->vars[i].watchers == 0);
    MODEL_CHECK(state->queued == state->parks);
}

static void checkSpoilt(void *at)
{
    State *state = at;
    checkGone(at);
    MODEL_CHECK(!state->was_in_vain || !state->committed);
}

/* ---- The others ---------------------------------------------------------------------------- */

/* Sets var in a transaction that has read what `read` says (-1: nothing). */
static void set(int thread, int var, int read)
{
    Transaction *tx = begin(thread);
    if (read >= 0)
        readVar(tx, read);
    MODEL_WRITE(current->cells[var], 1);
    if (tx->fate == FateNone)
        MODEL_CHECK(transactionWrite(tx, &current->vars[var], (void *)1) == 0);
    bool done = tx->fate == FateNone && transactionCommit(tx);
    if (thread == 1)
        current->committed = done;
}

static void setX(void *at)
{
    (void)at;
    set(1, 0, -1);
}

static void setXHavingReadZ(void *at)
{
    (void)at;
    set(1, 0, 2);
}

static void putX(void *at)
{
    (void)at;
    MODEL_WRITE(current->cells[0], 1);
    tvarPut(&current->vars[0], (void *)1, NULL);
}

/* Both of its nodes are fired. */
static void putXThenY(void *at)
{
    putX(at);
    MODEL_WRITE(current->cells[1], 1);
    tvarPut(&current->vars[1], (void *)1, NULL);
}

static void putZ(void *at)
{
    (void)at;
    tvarPut(&current->vars[2], (void *)1, NULL);
}

static void cancel(void *at)
{
    (void)at;
    parkCancelAll();
}

/* The only commit was spoilt, or wrote z: it waits for good, in both lists. */
static bool waitsForGood(void *at)
{
    State *state = at;
    return !state->committed && state->vars[0].version == 0 && state->queued == state->parks - 1 &&
           state->vars[0].watchers != 0 && state->vars[1].watchers != 0 &&
           (state->vars[0].watchers & WATCH_FLAGS) == 0;
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"oneVariable", SIZE, 2, setUp, {waitForX, setX}, checkGone, NULL, 0},
    {"commitWakes", SIZE, 2, setUp, {waitForTwo, setX}, checkGone, NULL, 0},
    {"plainWriteWakes", SIZE, 2, setUp, {waitForTwo, putX}, checkGone, NULL, 0},
    {"unrelated", SIZE, 2, setUp, {waitForTwo, putZ}, NULL, waitsForGood, 0},
    {"twoWrites", SIZE, 2, setUp, {waitForTwo, putXThenY}, checkGone, NULL, 0},
    {"spoiltCommit",
     SIZE,
     3,
     setUp,
     {waitBesideSpoilt, setXHavingReadZ, putZ},
     checkSpoilt,
     waitsForGood,
     0},
    {"cancelled", SIZE, 3, setUp, {waitOrNot, setX, cancel}, checkGone, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
