/* CommitModel.c -- every interleaving of small transactions that read and write two variables.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/Transaction.c rts/stm/Log.c rts/stm/TVar.c rts/Wait.c iomgr/WatchList.c
 *
 * The real reads and commits; an attempt that is spoilt ends, and only says so.  No attempt sees a
 * pair that never stood together (opacity), commits are all or nothing, of two that read what the
 * other writes one is spoilt (write skew), and what is finished before something begins is seen by
 * it (real time).
 */
#include "rts/stm/Delay.h"
#include "rts/stm/Transaction.h"
#include "testsuite/model/CommitStubs.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/ParkStubs.h"

enum { VARS = 2 };

typedef struct State {
    TVar vars[VARS];         /* x, y */
    StmShare shares[3];      /* one a thread */
    Transaction attempts[3]; /* a thread's own */
    bool committed[3];       /* likewise; judged in the end */
    uint64_t cells[4];       /* plain: what the values 1.. stand for; filled before the write */
    uint32_t finished;       /* of one thread, told to the check */
} State;

static State *current;
static Capability places[3]; /* not capabilities: only their numbers */

/* ---- What the code under test needs of the rest -------------------------------------------- */

void shareLook(StmShare *share)
{
    share->seen[0] = ACQUIRE_LOAD(&share_outside_changes);
    for (int i = 0; i < 3; i++)
        share->seen[i + 1] = ACQUIRE_LOAD(&current->shares[i].changes);
}

/* ---- Attempts ------------------------------------------------------------------------------ */

static void setUp(void *at)
{
    current = at;
    serial_held = 0;
    share_outside_changes = 0;
    current->cells[0] = 1;
    for (uint32_t i = 0; i < 3; i++)
        places[i].index = i;
}

static Transaction *begin(State *state, int thread)
{
    Transaction *tx = &state->attempts[thread];
    tx->here = &places[thread];
    tx->share = &state->shares[thread];
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

static void writeVar(Transaction *tx, int var, uintptr_t value)
{
    if (tx->fate == FateNone)
        MODEL_CHECK(transactionWriteQuick(tx, &current->vars[var], (void *)value) ||
                    transactionWrite(tx, &current->vars[var], (void *)value) == 0);
}

static bool commit(State *state, int thread)
{
    Transaction *tx = &state->attempts[thread];
    state->committed[thread] = tx->fate == FateNone && transactionCommit(tx);
    modelOutcome(state->committed[thread] ? 1 : (uint64_t)tx->spoilt_by + 2);
    return state->committed[thread];
}

/* x and y change together: both 0, or both the same. */
static void writePair(State *state, int thread, uintptr_t value)
{
    Transaction *tx = begin(state, thread);
    MODEL_WRITE(state->cells[value], 1);
    writeVar(tx, 0, value);
    writeVar(tx, 1, value);
    commit(state, thread);
}

static void writePair1(void *at)
{
    writePair(at, 0, 1);
}

static void writePair2(void *at)
{
    writePair(at, 1, 2);
}

/* looks: the share has looked at the counts just before: what it finds counted is no news. */
static Transaction *beginLooking(State *state, int thread, bool looks)
{
    Transaction *tx = begin(state, thread);
    if (looks)
        shareLook(tx->share);
    return tx;
}

static void readPair(State *state, int thread, bool looks)
{
    Transaction *tx = beginLooking(state, thread, looks);
    uintptr_t x = readVar(tx, 0), y = readVar(tx, 1);
    if (tx->fate == FateNone) {
        MODEL_CHECK(x == y);
        MODEL_CHECK(MODEL_READ(state->cells[x]) == 1); /* and sees what came before the write */
    }
    modelOutcome(10 + x);
}

static void readPairAtOnce(void *at)
{
    readPair(at, 2, false);
}

static void readPairLooking(void *at)
{
    readPair(at, 2, true);
}

/* The writer's first variable is the reader's second: the other way round. */
static void readBackwards(void *at)
{
    State *state = at;
    Transaction *tx = beginLooking(state, 2, true);
    uintptr_t y = readVar(tx, 1), x = readVar(tx, 0);
    if (tx->fate == FateNone)
        MODEL_CHECK(x == y);
}

static void checkPair(void *at)
{
    State *state = at;
    MODEL_CHECK(state->vars[0].value == state->vars[1].value);
    MODEL_CHECK(state->vars[0].watchers == 0 && state->vars[1].watchers == 0);
    MODEL_CHECK((state->vars[0].version | state->vars[1].version) % 2 == 0);
    MODEL_CHECK(state->vars[0].version / VERSION_STEP ==
                (uint64_t)state->committed[0] + (uint64_t)state->committed[1]);
}

/* ---- Two plain writes, in order ------------------------------------------------------------ */

static void writeXThenY(void *at)
{
    (void)at;
    tvarPut(&current->vars[0], (void *)1, NULL);
    tvarPut(&current->vars[1], (void *)1, NULL);
}

/* Never y without x. */
static void readInOrder(void *at)
{
    Transaction *tx = beginLooking(at, 2, true);
    uintptr_t x = readVar(tx, 0), y = readVar(tx, 1);
    if (tx->fate == FateNone)
        MODEL_CHECK(x >= y);
}

/* ---- Skew ---------------------------------------------------------------------------------- */

static void readXWriteY(void *at)
{
    Transaction *tx = begin(at, 0);
    if (readVar(tx, 0) == 0)
        writeVar(tx, 1, 1);
    commit(at, 0);
}

static void readYWriteX(void *at)
{
    Transaction *tx = begin(at, 1);
    if (readVar(tx, 1) == 0)
        writeVar(tx, 0, 1);
    commit(at, 1);
}

static void checkSkew(void *at)
{
    State *state = at;
    MODEL_CHECK(state->vars[0].value == NULL || state->vars[1].value == NULL);
}

/* ---- Real time: read y, which T1 writes on what it has read of x, after x was written ------ */

static void writeThenRead(State *state, bool looks)
{
    Transaction *tx = begin(state, 1);
    writeVar(tx, 0, 1);
    if (!commit(state, 1))
        return;
    tx = beginLooking(state, 2, looks);
    if (looks)
        readVar(tx, 0); /* so that y is not the first */
    uintptr_t y = readVar(tx, 1);
    if (tx->fate == FateNone)
        RELAXED_STORE(&state->finished, y == 0 ? 1 : 2);
}

static void writeXThenReadY(void *at)
{
    writeThenRead(at, false);
}

static void writeXThenReadYLast(void *at)
{
    writeThenRead(at, true);
}

/* Thread 0 committed on the old x: it came before the write of x, so its y was there to be read. */
static void checkRealTime(void *at)
{
    State *state = at;
    if (state->committed[0] && state->committed[1] && state->vars[1].value != NULL)
        MODEL_CHECK(state->finished != 1);
}

/* ---- Adding one: no increment is lost ------------------------------------------------------ */

static void addOne(State *state, int thread)
{
    Transaction *tx = begin(state, thread);
    writeVar(tx, 0, readVar(tx, 0) + 1);
    commit(state, thread);
}

static void addOne0(void *at)
{
    addOne(at, 0);
}

static void addOne1(void *at)
{
    addOne(at, 1);
}

static void checkSum(void *at)
{
    State *state = at;
    uintptr_t sum = 0;
    for (int i = 0; i < 2; i++)
        sum += state->committed[i] ? 1 : 0;
    MODEL_CHECK((uintptr_t)state->vars[0].value == sum && sum > 0);
    MODEL_CHECK(state->vars[0].watchers == 0 && state->vars[0].version / VERSION_STEP == sum);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"pairAgainstReader", SIZE, 2, setUp, {writePair1, readPairAtOnce}, checkPair, NULL, 0},
    {"pairAgainstLooking", SIZE, 2, setUp, {writePair1, readPairLooking}, checkPair, NULL, 0},
    {"pairAgainstBackwards", SIZE, 2, setUp, {writePair1, readBackwards}, checkPair, NULL, 0},
    {"twoPairs", SIZE, 2, setUp, {writePair1, writePair2}, checkPair, NULL, 0},
    {"plainAgainstLooking", SIZE, 2, setUp, {writeXThenY, readInOrder}, NULL, NULL, 0},
    {"skew", SIZE, 2, setUp, {readXWriteY, readYWriteX}, checkSkew, NULL, 0},
    {"realTime", SIZE, 2, setUp, {readXWriteY, writeXThenReadY}, checkRealTime, NULL, 0},
    {"realTimeLooking", SIZE, 2, setUp, {readXWriteY, writeXThenReadYLast}, checkRealTime, NULL, 0},
    {"increments", SIZE, 2, setUp, {addOne0, addOne1}, checkSum, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
