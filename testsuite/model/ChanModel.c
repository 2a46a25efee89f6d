/* ChanModel.c -- every interleaving of what counts a channel's cells: reads, copies of ends,
 * writes, and ends that are freed.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/TChan.c
 *
 * The real channel on transactions of this file: each access is one step under a lock, an attempt
 * that is spoilt goes on until its next access, and what is retired waits until every attempt that
 * ran at the commit is over.  No cell, variable or value is used after it was freed; each end reads
 * each value that is before it once and in order; in the end, with all ends freed, everything has
 * been freed once.
 */
#include <capri/tchan.h>

#include "rts/stm/Container.h"
#include "testsuite/model/Explorer.h"

enum {
    EACH = 6,
    BYTES = 64,
    READS = 6,
    DUE = 6,
    THREADS = 3,
    SETTING_UP = 2,
    VALUES = 2,
    ENDS = 4
};

typedef struct Piece {
    union {
        TVar tvar;
        char bytes[BYTES];
    };
    uint64_t live;             /* plain: 1 until it is freed */
    uint64_t touched[THREADS]; /* plain: by each; who frees it must come after all of them */
    uint64_t taken;            /* by its thread */
} Piece;

typedef struct Access {
    TVar *tvar;
    void *value;
    bool written;
} Access;

typedef struct Due {
    void (*run)(void *env);
    void *env;
} Due;

/* One thread's; others look at `active`. */
typedef struct Attempt {
    Transaction tx;
    Access log[READS];
    Due aborts[DUE], retired[DUE];
    Piece *made[EACH];
    int count, abort_count, retired_count, made_count;
    uint64_t active; /* seq_cst: odd while it runs */
} Attempt;

typedef struct State {
    Piece tvars[THREADS][EACH], blocks[THREADS][EACH];
    Attempt attempts[THREADS];
    uint32_t lock;
    uint64_t values[VALUES];               /* plain: how often freed */
    TChan *ends[ENDS];                     /* 2, 3: made by threads 0, 1 */
    bool written[VALUES];                  /* by its thread: committed */
    uint32_t reads[THREADS][ENDS][VALUES]; /* by each: how often it has read that from there */
} State;

static State *current;

static int self(void)
{
    return modelThread() < 0 ? SETTING_UP : modelThread();
}

static Attempt *mine(void)
{
    return &current->attempts[self()];
}

/* ---- memory ---- */

static Piece *take(Piece *pieces)
{
    for (int i = 0; i < EACH; i++) {
        if (pieces[i].taken == 0) {
            pieces[i].taken = 1;
            MODEL_WRITE(pieces[i].live, 1);
            return &pieces[i];
        }
    }
    modelFail(__FILE__, __LINE__, "more memory");
}

static void give(void *memory)
{
    Piece *piece = memory;
    MODEL_CHECK(MODEL_READ(piece->live) == 1);
    for (int i = 0; i < THREADS; i++)
        MODEL_CHECK(MODEL_READ(piece->touched[i]) <= 1);
    MODEL_WRITE(piece->live, 0);
}

static void touch(void *memory)
{
    Piece *piece = memory;
    MODEL_CHECK(MODEL_READ(piece->live) == 1);
    MODEL_WRITE(piece->touched[self()], 1);
}

static void *allocate(void *context, size_t size, size_t alignment)
{
    (void)context, (void)alignment;
    MODEL_CHECK(size <= BYTES);
    return take(current->blocks[self()]);
}

static void release(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    give(memory);
}

const Allocator *startupAllocator(void)
{
    static const Allocator allocator = {allocate, release, NULL};
    return &allocator;
}

TVar *tvarNew(void *value)
{
    TVar *tvar = &take(current->tvars[self()])->tvar;
    RELAXED_STORE(&tvar->value, value);
    return tvar;
}

void tvarFree(TVar *tvar)
{
    if (tvar != NULL)
        give(tvar);
}

void *tvarReadIO(TVar *tvar)
{
    touch(tvar);
    return ACQUIRE_LOAD(&tvar->value);
}

/* ---- transactions ---- */

static void lock(void)
{
    for (uint32_t free = 0; !CAS_ACQUIRE(&current->lock, &free, 1); free = 0)
        SMP_PAUSE();
}

static void unlock(void)
{
    RELEASE_STORE(&current->lock, 0);
}

static bool holds(const Attempt *attempt)
{
    for (int i = 0; i < attempt->count; i++) {
        if (!attempt->log[i].written &&
            RELAXED_LOAD(&attempt->log[i].tvar->value) != attempt->log[i].value)
            return false;
    }
    return true;
}

static int endAttempt(Attempt *attempt, Fate fate)
{
    attempt->tx.fate = fate;
    return -1;
}

int tvarReadStatus(Transaction *tx, TVar *tvar, void **value)
{
    Attempt *attempt = mine();
    (void)tx;
    touch(tvar);
    for (int i = attempt->count; i-- > 0;) { /* the newest first */
        if (attempt->log[i].tvar == tvar) {
            *value = attempt->log[i].value;
            return 0;
        }
    }
    lock();
    *value = RELAXED_LOAD(&tvar->value);
    bool good = holds(attempt);
    unlock();
    MODEL_CHECK(attempt->count < READS);
    attempt->log[attempt->count++] = (Access){tvar, *value, false};
    return good ? 0 : endAttempt(attempt, FateSpoilt);
}

int tvarWriteStatus(Transaction *tx, TVar *tvar, void *value)
{
    Attempt *attempt = mine();
    (void)tx;
    touch(tvar);
    MODEL_CHECK(attempt->count < READS);
    attempt->log[attempt->count++] = (Access){tvar, value, true};
    return 0;
}

int stmOnAbortStatus(Transaction *tx, StmHook *hook, void *env)
{
    Attempt *attempt = mine();
    (void)tx;
    touch(env);
    attempt->aborts[attempt->abort_count++] = (Due){hook, env};
    return 0;
}

int stmRetireStatus(Transaction *tx, void *pointer, void (*free)(void *pointer))
{
    Attempt *attempt = mine();
    (void)tx;
    touch(pointer);
    attempt->retired[attempt->retired_count++] = (Due){free, pointer};
    return 0;
}

int stmAddNew(Transaction *tx, void *object, StmHook *free)
{
    Attempt *attempt = mine();
    (void)tx, (void)free;
    attempt->made[attempt->made_count++] = object;
    return 0;
}

int stmNewTVar(Transaction *tx, void *value, TVar **tvar)
{
    *tvar = tvarNew(value);
    return stmAddNew(tx, *tvar, NULL);
}

int stmThrowStatus(Transaction *tx, int code, void *payload)
{
    (void)tx, (void)code, (void)payload;
    modelFail(__FILE__, __LINE__, "not reached");
}

int stmRetryStatus(Transaction *tx)
{
    return stmThrowStatus(tx, 0, NULL);
}

void stmLeave(Transaction *tx)
{
    stmThrowStatus(tx, 0, NULL);
    modelFail(__FILE__, __LINE__, "not reached");
}

static Transaction *begin(void)
{
    Attempt *attempt = mine();
    attempt->count = attempt->abort_count = attempt->retired_count = attempt->made_count = 0;
    attempt->tx.fate = FateNone;
    SEQ_CST_STORE(&attempt->active, attempt->active + 1);
    return &attempt->tx;
}

static bool commit(Attempt *attempt)
{
    lock();
    bool good = attempt->tx.fate == FateNone && holds(attempt);
    for (int i = 0; i < attempt->count && good; i++) {
        if (attempt->log[i].written)
            RELEASE_STORE(&attempt->log[i].tvar->value, attempt->log[i].value);
    }
    unlock();
    return good;
}

/* True: committed, and what it retired is let go of, once the other's attempt is over. */
static bool end(void)
{
    Attempt *attempt = mine();
    bool good = commit(attempt);
    for (int i = attempt->abort_count; i-- > 0 && !good;)
        attempt->aborts[i].run(attempt->aborts[i].env);
    for (int i = 0; i < attempt->made_count && !good; i++)
        give(attempt->made[i]);
    SEQ_CST_STORE(&attempt->active, attempt->active + 1);
    if (!good || attempt->retired_count == 0)
        return good;
    Attempt *other = &current->attempts[1 - self()];
    uint64_t active = self() == SETTING_UP ? 0 : SEQ_CST_LOAD(&other->active);
    while (active % 2 == 1 && SEQ_CST_LOAD(&other->active) == active)
        SMP_PAUSE();
    for (int i = 0; i < attempt->retired_count; i++)
        attempt->retired[i].run(attempt->retired[i].env);
    return true;
}

/* ---- scenes ---- */

static void countFreed(void *value)
{
    uint64_t *count = value;
    MODEL_WRITE(*count, MODEL_READ(*count) + 1);
}

static bool writeOne(TChan *chan, int number)
{
    Transaction *tx = begin();
    tchanWriteStatus(tx, chan, &current->values[number]);
    current->written[number] = end();
    return current->written[number];
}

/* False: there is none. */
static bool readOne(int which)
{
    TChan *chan = current->ends[which];
    void *value;
    bool found = false;
    do {
        Transaction *tx = begin();
        if (tchanTryReadStatus(tx, chan, &value, &found) == 0)
            found = found && mine()->tx.fate == FateNone;
    } while (!end());
    if (found) {
        MODEL_CHECK(MODEL_READ(*(uint64_t *)value) == 0); /* it stays until the next read */
        uint32_t *reads = &current->reads[self()][which][(uint64_t *)value - current->values];
        (*reads)++;
        MODEL_CHECK(*reads == 1);
    }
    return found;
}

static void copyEnd(int from, int to, bool later)
{
    TChan *made;
    do {
        Transaction *tx = begin();
        int status = later ? tchanDupStatus(tx, current->ends[from], &made)
                           : tchanCloneStatus(tx, current->ends[from], &made);
        if (status != 0)
            made = NULL;
    } while (!end());
    current->ends[to] = made;
}

static void setUp(void *at)
{
    current = at;
    current->ends[0] = tchanNew(countFreed);
    copyEnd(0, 1, false);
    MODEL_CHECK(writeOne(current->ends[0], 0));
}

static void setUpBroadcast(void *at)
{
    current = at;
    current->ends[0] = tchanNewBroadcast(countFreed);
}

static void readFirst(void *at)
{
    (void)at;
    readOne(0);
}

static void readSecond(void *at)
{
    (void)at;
    readOne(1);
}

static void readSecondAndFree(void *at)
{
    State *state = at;
    readOne(1);
    tchanFree(state->ends[1]);
    state->ends[1] = NULL;
}

static void freeFirst(void *at)
{
    State *state = at;
    tchanFree(state->ends[0]);
    state->ends[0] = NULL;
}

static void writeFirstAndFree(void *at)
{
    State *state = at;
    MODEL_CHECK(writeOne(state->ends[0], 1));
    freeFirst(at);
}

static void freeSecond(void *at)
{
    State *state = at;
    tchanFree(state->ends[1]);
    state->ends[1] = NULL;
}

static void cloneFirst(void *at)
{
    (void)at;
    copyEnd(0, 3, false);
}

static void dupFirst(void *at)
{
    (void)at;
    copyEnd(0, 3, true);
}

static void writeFirst(void *at)
{
    while (!writeOne(((State *)at)->ends[0], 1))
        continue;
}

static uint32_t readsOf(const State *state, int which, int number)
{
    uint32_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += state->reads[i][which][number];
    return sum;
}

/* What is left there is read.  The ends of setUp were there before all values. */
static void judgeReads(State *state, int which)
{
    bool there = state->ends[which] != NULL, before_all = which < 2 && state->written[0];
    bool reads = there && (which > 0 || before_all);
    do
        MODEL_CHECK(!before_all || readsOf(state, which, 0) >= readsOf(state, which, 1));
    while (reads && readOne(which));
    for (int number = 0; number < VALUES; number++) {
        uint32_t written = state->written[number] ? 1 : 0, count = readsOf(state, which, number);
        MODEL_CHECK(count <= written);
        MODEL_CHECK(count == written || !there || !before_all);
    }
}

static void checkEnd(void *at)
{
    State *state = at;
    for (int i = 0; i < ENDS; i++)
        judgeReads(state, i);
    for (int i = 0; i < ENDS; i++)
        tchanFree(state->ends[i]);
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < EACH; k++)
            MODEL_CHECK(state->tvars[i][k].live == 0 && state->blocks[i][k].live == 0);
    }
    for (int i = 0; i < VALUES; i++)
        MODEL_CHECK(state->values[i] == (state->written[i] ? 1 : 0));
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"twoEndsRead", SIZE, 2, setUp, {readFirst, readSecond}, checkEnd, NULL, 0},
    {"oneEndReadTwice", SIZE, 2, setUp, {readFirst, readFirst}, checkEnd, NULL, 0},
    {"readAgainstClone", SIZE, 2, setUp, {readFirst, cloneFirst}, checkEnd, NULL, 0},
    {"endsAreFreed", SIZE, 2, setUp, {freeFirst, readSecondAndFree}, checkEnd, NULL, 0},
    {"writerGoesToo", SIZE, 2, setUp, {writeFirstAndFree, freeSecond}, checkEnd, NULL, 0},
    {"writeAgainstDup", SIZE, 2, setUpBroadcast, {writeFirst, dupFirst}, checkEnd, NULL, 0},
    {"writeAgainstRead", SIZE, 2, setUp, {writeFirst, readSecondAndFree}, checkEnd, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
