/* CommitModel.c -- every interleaving of small transactions that read and write a few variables.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/Log.c rts/stm/TVar.c rts/Wait.c iomgr/WatchList.c
 *
 * The real reads and commits; an attempt that is spoilt ends, and only says so.  No attempt sees a
 * pair that never stood together (opacity), commits are all or nothing, of two that read what the
 * other writes one is spoilt (write skew), and what is finished before something begins is seen by
 * it (real time).  A commit waits for a LOCK, or gives up at once, and then puts back what it has
 * locked: two that lock in opposite orders end.
 */
#define LOCK_SPINS lock_spins
static int lock_spins;
#include "rts/stm/Transaction.c" /* the real code */

#include "rts/stm/Delay.h"
#include "rts/stm/Transaction.h"
#include "testsuite/model/CommitStubs.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/ParkStubs.h"

enum { VARS = 3, PATIENT = 1000 /* a pause lasts until something changes: it never gives up */ };

typedef struct State {
    TVar vars[VARS];         /* x, y, z */
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
    lock_spins = PATIENT;
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

/* x and y change together: both 0, or both the same.  first: the one that is locked first. */
static void writePair(State *state, int thread, uintptr_t value, int first)
{
    Transaction *tx = begin(state, thread);
    MODEL_WRITE(state->cells[value], 1);
    writeVar(tx, first, value);
    writeVar(tx, 1 - first, value);
    if (!commit(state, thread))
        MODEL_CHECK(tx->spoilt_by == SpoiltByLock && lock_spins == 0);
}

static void writePair1(void *at)
{
    writePair(at, 0, 1, 0);
}

static void writePair2(void *at)
{
    writePair(at, 1, 2, 0);
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

/* z is written, and maybe counted after both: what its version says to be counted is no news. */
static void writeZReadZFirst(void *at)
{
    tvarPut(&current->vars[2], (void *)1, NULL);
    Transaction *tx = begin(at, 2);
    uintptr_t z = readVar(tx, 2), x = readVar(tx, 0), y = readVar(tx, 1);
    if (tx->fate == FateNone)
        MODEL_CHECK(x >= y);
    modelOutcome(4 * z + 2 * x + y);
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

/* Likewise without transactions. */
static void putXThenReadY(void *at)
{
    State *state = at;
    tvarPut(&state->vars[0], (void *)1, NULL);
    state->committed[1] = true;
    RELAXED_STORE(&state->finished, tvarReadIO(&state->vars[1]) == NULL ? 1 : 2);
}

/* x is held as the other begins: it takes the long way to the lock. */
static void setUpBusy(void *at)
{
    setUp(at);
    current->vars[0].watchers = WATCH_BUSY;
}

static void letGoReadXWriteY(void *at)
{
    watchListLetGo(&current->vars[0].watchers, NULL);
    readXWriteY(at);
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

/* ---- Giving up ----------------------------------------------------------------------------- */

static void setUpHasty(void *at)
{
    setUp(at);
    lock_spins = 0;
}

/* Somebody holds x. */
static void setUpHeld(void *at)
{
    setUpHasty(at);
    current->vars[0].watchers = WATCH_LOCK;
}

static void writeCrossed2(void *at)
{
    writePair(at, 1, 2, 1);
}

static void writeY(void *at)
{
    State *state = at;
    Transaction *tx = begin(state, 0);
    MODEL_WRITE(state->cells[1], 1);
    writeVar(tx, 1, 1);
    commit(state, 0);
}

/* A version that was put back goes with the value that it was stored with. */
static void judgeY(State *state, uintptr_t y, uint64_t version)
{
    MODEL_CHECK(y <= 1 && version % 2 == 0);
    MODEL_CHECK(version / VERSION_STEP == y);
    MODEL_CHECK(MODEL_READ(state->cells[y]) == 1);
}

static void readY(void *at)
{
    Transaction *tx = begin(at, 2);
    uintptr_t y = readVar(tx, 1);
    MODEL_CHECK(tx->fate == FateNone);
    judgeY(at, y, tx->log.entries[0].version);
}

static void readYOutside(void *at)
{
    uint64_t version;
    uintptr_t y = (uintptr_t)tvarReadVersionIO(&current->vars[1], &version);
    judgeY(at, y, version);
}

/* Whoever gave up is not in the way of the next. */
static void checkHasty(void *at)
{
    State *state = at;
    checkPair(at);
    writePair(state, 2, 3, 0);
    MODEL_CHECK(state->committed[2]);
}

static void checkHeld(void *at)
{
    State *state = at;
    MODEL_CHECK(!state->committed[1] && state->vars[0].watchers == WATCH_LOCK);
    state->vars[0].watchers = 0;
    MODEL_CHECK((uintptr_t)state->vars[1].value == (state->committed[0] ? 1 : 0));
    state->vars[0].value = state->vars[1].value;
    state->vars[0].version = state->vars[1].version;
    checkHasty(at);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"pairAgainstReader", SIZE, 2, setUp, {writePair1, readPairAtOnce}, checkPair, NULL, 0},
    {"pairAgainstLooking", SIZE, 2, setUp, {writePair1, readPairLooking}, checkPair, NULL, 0},
    {"pairAgainstBackwards", SIZE, 2, setUp, {writePair1, readBackwards}, checkPair, NULL, 0},
    {"twoPairs", SIZE, 2, setUp, {writePair1, writePair2}, checkPair, NULL, 0},
    {"plainAgainstLooking", SIZE, 2, setUp, {writeXThenY, readInOrder}, NULL, NULL, 0},
    {"plainAgainstCounting", SIZE, 2, setUp, {writeXThenY, writeZReadZFirst}, NULL, NULL, 0},
    {"skew", SIZE, 2, setUp, {readXWriteY, readYWriteX}, checkSkew, NULL, 0},
    {"realTime", SIZE, 2, setUp, {readXWriteY, writeXThenReadY}, checkRealTime, NULL, 0},
    {"realTimeLooking", SIZE, 2, setUp, {readXWriteY, writeXThenReadYLast}, checkRealTime, NULL, 0},
    {"realTimePlain", SIZE, 2, setUp, {readXWriteY, putXThenReadY}, checkRealTime, NULL, 0},
    {"realTimePlainHeld",
     SIZE,
     2,
     setUpBusy,
     {letGoReadXWriteY, putXThenReadY},
     checkRealTime,
     NULL,
     0},
    {"increments", SIZE, 2, setUp, {addOne0, addOne1}, checkSum, NULL, 0},
    {"hastyPairs", SIZE, 2, setUpHasty, {writePair1, writePair2}, checkHasty, NULL, 0},
    {"crossedPairs", SIZE, 2, setUpHasty, {writePair1, writeCrossed2}, checkHasty, NULL, 0},
    {"hastyIncrements", SIZE, 2, setUpHasty, {addOne0, addOne1}, checkSum, NULL, 0},
    {"putBack", SIZE, 3, setUpHeld, {writeY, writeCrossed2, readY}, checkHeld, NULL, 0},
    {"putBackPlain", SIZE, 3, setUpHeld, {writeY, writeCrossed2, readYOutside}, checkHeld, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
