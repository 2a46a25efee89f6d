/* TChanTest.c -- channels inside of transactions: every end reads everything; who frees a value. */
#include <capri/tchan.h>

#include "testsuite/support/Famine.h"

enum { VALUES = 5 };

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Ends {
    TChan *chan, *dup, *clone;
    uint32_t freed[VALUES]; /* how often; values point here */
} Ends;

static void countFreed(void *value)
{
    ++*(uint32_t *)value;
}

/* ---- rules ---- */

static void *useChan(Transaction *tx, void *env)
{
    Ends *it = env;
    TChan *chan = it->chan;
    void *value = NULL;
    CHECK(tchanIsEmpty(tx, chan));
    CHECK(!tchanTryRead(tx, chan, &value));
    CHECK(!tchanTryPeek(tx, chan, &value));
    tchanWrite(tx, chan, V(1));
    tchanWrite(tx, chan, V(2));
    it->dup = tchanDup(tx, chan); /* sees 3 */
    tchanWrite(tx, chan, V(3));
    tchanUnGet(tx, chan, V(0));
    it->clone = tchanClone(tx, chan); /* sees 0, 1, 2, 3 */
    CHECK_EQ(tchanPeek(tx, chan), V(0));
    for (int i = 0; i <= 3; i++) {
        CHECK(!tchanIsEmpty(tx, chan));
        CHECK(tchanTryPeek(tx, chan, &value));
        CHECK_EQ(value, V(i));
        CHECK_EQ(tchanRead(tx, chan), V(i));
    }
    CHECK(tchanIsEmpty(tx, chan));
    tchanUnGet(tx, chan, V(8)); /* nobody else's business, at the end as well */
    tchanUnGet(tx, chan, V(7));
    tchanWrite(tx, it->dup, V(9));
    return NULL;
}

static void *readRest(Transaction *tx, void *env)
{
    Ends *it = env;
    void *value;
    static const intptr_t rest[3][5] = {{7, 8, 9}, {3, 9}, {0, 1, 2, 3, 9}};
    static const int counts[3] = {3, 2, 5};
    TChan *ends[3] = {it->chan, it->dup, it->clone};
    for (int end = 0; end < 3; end++) {
        for (int i = 0; i < counts[end]; i++)
            CHECK_EQ(tchanRead(tx, ends[end]), V(rest[end][i]));
        CHECK(!tchanTryRead(tx, ends[end], &value));
    }
    return NULL;
}

static void *readAndThrow(Transaction *tx, void *env)
{
    readRest(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *readAndRetry(Transaction *tx, void *env)
{
    Ends *it = env;
    readRest(tx, env);
    it->chan = tchanClone(tx, it->chan);
    tchanWrite(tx, it->dup, V(10));
    tchanRead(tx, it->clone);
    tchanUnGet(tx, it->clone, V(11));
    stmRetry(tx);
}

static void *nothing(Transaction *tx, void *env)
{
    (void)tx, (void)env;
    return NULL;
}

static void *loseBranch(Transaction *tx, void *env)
{
    Ends *it = env, copy = *it;
    stmOrElse(tx, readAndRetry, &copy, nothing, NULL);
    return readRest(tx, it);
}

static void *rules(void *env)
{
    Ends it = {.chan = tchanNew(NULL)};
    (void)env;
    CHECK_EQ(stmAtomically(useChan, &it, NULL), 0);
    CHECK_EQ(stmAtomically(readAndThrow, &it, NULL), -EDOM);
    CHECK_EQ(stmAtomically(loseBranch, &it, NULL), 0);
    tchanFree(it.dup);
    tchanFree(it.chan);
    tchanFree(it.clone);
    tchanFree(NULL);
    return NULL;
}

TEST(TChan, everyEndReadsEverything)
{
    CHECK_EQ(tchanNew(NULL), NULL);
    runCounted(rules, 1);
    greenStart(1);
    rules(NULL); /* on a plain OS thread */
    greenStop();
}

/* ---- broadcast ---- */

static void *readChan(Transaction *tx, void *env)
{
    return tchanRead(tx, env);
}

static void *unGetChan(Transaction *tx, void *env)
{
    tchanUnGet(tx, env, V(1));
    return NULL;
}

static void *cloneChan(Transaction *tx, void *env)
{
    return tchanClone(tx, env);
}

static void *dupChan(Transaction *tx, void *env)
{
    return tchanDup(tx, env);
}

static void *isEmptyChan(Transaction *tx, void *env)
{
    return V(tchanIsEmpty(tx, env));
}

typedef struct Write {
    TChan *chan;
    void *value;
} Write;

static void *writeChan(Transaction *tx, void *env)
{
    Write *it = env;
    tchanWrite(tx, it->chan, it->value);
    return NULL;
}

static void *broadcast(void *env)
{
    CountingHeap *heap = env;
    uint32_t freed = 0;
    TChan *chan = tchanNewBroadcast(countFreed), *end = NULL;
    StmAction *refused[] = {readChan, unGetChan, cloneChan, isEmptyChan};
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ(stmAtomically(refused[i], chan, NULL), -EINVAL);
    Write it = {chan, &freed};
    runQuiescent();
    uint64_t blocks = 0;
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(stmAtomically(writeChan, &it, NULL), 0);
        if (i % 1000 == 0) {
            runQuiescent();
            CHECK_EQ(freed, i); /* all but the newest */
            if (i != 0)
                CHECK_LE(RELAXED_LOAD(&heap->live_blocks), blocks + 8); /* nothing is kept */
            blocks = RELAXED_LOAD(&heap->live_blocks);
        }
    }
    CHECK_EQ(stmAtomically(dupChan, chan, (void **)&end), 0);
    CHECK_EQ(stmAtomicallyUntil(readChan, end, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(stmAtomically(writeChan, &it, NULL), 0);
    CHECK_EQ(stmAtomically(readChan, end, NULL), 0);
    tchanFree(chan);
    CHECK_EQ(stmAtomicallyUntil(readChan, end, NULL, 0), -ETIMEDOUT);
    tchanFree(end);
    runQuiescent();
    CHECK_EQ(freed, 2001);
    return NULL;
}

TEST(TChan, broadcastKeepsNothing)
{
    CHECK_EQ(tchanNewBroadcast(NULL), NULL);
    runCounted(broadcast, 1);
}

/* ---- whose is a value ---- */

static void *makeEnds(Transaction *tx, void *env)
{
    Ends *it = env;
    it->dup = tchanDup(tx, it->chan);
    it->clone = tchanClone(tx, it->dup);
    return NULL;
}

static void readSome(TChan *chan, int count)
{
    while (count-- > 0)
        CHECK_EQ(stmAtomically(readChan, chan, NULL), 0);
    runQuiescent();
}

static void checkFreed(const Ends *it, uint32_t count)
{
    for (uint32_t i = 0; i < VALUES; i++)
        CHECK_EQ(it->freed[i], i < count);
}

static void *putBack(Transaction *tx, void *env)
{
    tchanUnGet(tx, env, tchanRead(tx, env));
    return NULL;
}

static void *freeEnd(Transaction *tx, void *env)
{
    tchanFreeSTM(tx, env);
    return NULL;
}

static void *owned(void *env)
{
    Ends it = {.chan = tchanNew(countFreed)};
    (void)env;
    CHECK_EQ(stmAtomically(makeEnds, &it, NULL), 0);
    for (int i = 0; i < VALUES; i++)
        CHECK_EQ(stmAtomically(writeChan, &(Write){it.chan, &it.freed[i]}, NULL), 0);
    readSome(it.chan, VALUES);
    readSome(it.dup, VALUES - 1);
    checkFreed(&it, 0); /* the third end has all of them before it */
    readSome(it.clone, 3);
    checkFreed(&it, 2); /* what it read last stays */
    CHECK_EQ(stmAtomically(putBack, it.clone, NULL), 0);
    runQuiescent();
    checkFreed(&it, 3);
    readSome(it.clone, 1); /* what was put back is not the stream's, and stands at it still */
    checkFreed(&it, 3);
    CHECK_EQ(stmAtomically(freeEnd, it.clone, NULL), 0);
    runQuiescent();
    checkFreed(&it, 3);
    tchanFree(it.dup);
    checkFreed(&it, 4);
    tchanFree(it.chan);
    checkFreed(&it, 5);
    return NULL;
}

TEST(TChan, theLastEndFrees)
{
    runCounted(owned, 1);
}

/* ---- made inside ---- */

static void *makeInside(Transaction *tx, void *env)
{
    Ends *it = env;
    it->chan = tchanNewSTM(tx, countFreed);
    it->dup = tchanNewBroadcastSTM(tx, NULL);
    tchanWrite(tx, it->chan, &it->freed[0]);
    it->clone = tchanDup(tx, it->dup);
    tchanWrite(tx, it->dup, V(4));
    CHECK_EQ(tchanRead(tx, it->chan), &it->freed[0]);
    CHECK_EQ(tchanRead(tx, it->clone), V(4));
    return NULL;
}

static void *makeAndThrow(Transaction *tx, void *env)
{
    makeInside(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *makeAndRetry(Transaction *tx, void *env)
{
    makeInside(tx, env);
    stmRetry(tx);
}

static void *makeTwice(Transaction *tx, void *env)
{
    stmOrElse(tx, makeAndRetry, env, nothing, NULL);
    return makeInside(tx, env);
}

static void *inside(void *env)
{
    Ends it = {0};
    CountingHeap *heap = env;
    runQuiescent();
    CHECK_EQ(stmAtomically(makeAndThrow, &it, NULL), -EDOM); /* the pool grows, once */
    uint64_t blocks = RELAXED_LOAD(&heap->live_blocks);
    CHECK_EQ(stmAtomically(makeAndThrow, &it, NULL), -EDOM);
    CHECK_EQ(RELAXED_LOAD(&heap->live_blocks), blocks);
    CHECK_EQ(stmAtomically(makeTwice, &it, NULL), 0);
    CHECK_EQ(it.freed[0], 0);
    TChan *ends[3] = {it.chan, it.dup, it.clone};
    for (int i = 0; i < 3; i++)
        CHECK_EQ(stmAtomically(freeEnd, ends[i], NULL), 0);
    runQuiescent();
    CHECK_EQ(it.freed[0], 1);
    CHECK_EQ(stmAtomically(freeEnd, NULL, NULL), 0);
    return NULL;
}

TEST(TChan, madeInsideIsGoneIfUndone)
{
    runCounted(inside, 1);
}

/* ---- waiting ---- */

static void *runRead(void *env)
{
    void *value = NULL;
    CHECK_EQ(stmAtomically(readChan, env, &value), 0);
    return value;
}

static void *waiting(void *env)
{
    Ends it = {.chan = tchanNew(NULL)};
    (void)env;
    CHECK_EQ(stmAtomically(makeEnds, &it, NULL), 0);
    Thread *readers[2] = {greenFork(runRead, it.dup), greenFork(runRead, it.clone)};
    for (int i = 0; i < 2; i++)
        greenUntil(readers[i], ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomically(writeChan, &(Write){it.chan, V(6)}, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(greenJoin(readers[i]), V(6));
    CHECK_EQ(runRead(it.chan), V(6));
    Thread *reader = greenFork(runRead, it.chan);
    greenUntil(reader, ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomically(unGetChan, it.chan, NULL), 0);
    CHECK_EQ(greenJoin(reader), V(1));
    tchanFree(it.chan);
    tchanFree(it.dup);
    tchanFree(it.clone);
    return NULL;
}

TEST(TChan, waitsForAValue)
{
    runCounted(waiting, 1);
}

/* ---- no memory ---- */

static void *useLittle(Transaction *tx, void *env)
{
    Ends *it = env;
    it->dup = tchanDup(tx, it->chan);
    it->clone = tchanClone(tx, it->chan);
    tchanWrite(tx, it->chan, &it->freed[0]);
    CHECK_EQ(tchanRead(tx, it->dup), &it->freed[0]);
    tchanUnGet(tx, it->dup, V(3));
    CHECK_EQ(tchanRead(tx, it->dup), V(3));
    return NULL;
}

static void *noMemory(void *env)
{
    Ends it = {0};
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        famineBegin(&famine);
        it.chan = tchanNew(countFreed);
        famineEnd(&famine, it.chan != NULL);
        tchanFree(it.chan);
        CHECK(!famine.over || famine.failures >= 2);
    }
    it.chan = tchanNew(countFreed);
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        uint32_t freed = it.freed[0];
        famineBegin(&famine);
        int status = stmAtomically(useLittle, &it, NULL);
        famineEnd(&famine, status == 0);
        runQuiescent();
        CHECK_EQ(it.freed[0], freed);
        CHECK(!famine.over || famine.failures >= 4);
        if (status == -ENOMEM) {
            CHECK_EQ(stmAtomicallyUntil(readChan, it.chan, NULL, 0), -ETIMEDOUT);
            continue;
        }
        CHECK_EQ(status, 0);
        tchanFree(it.clone);
        tchanFree(it.dup);
        CHECK_EQ(runRead(it.chan), &it.freed[0]);
        tchanFree(it.chan);
        it.chan = tchanNew(countFreed);
        runQuiescent();
        CHECK_EQ(it.freed[0], freed + 1);
    }
    tchanFree(it.chan);
    return NULL;
}

TEST(TChan, noMemoryChangesNothing)
{
    runCounted(noMemory, 1);
}

/* ---- without jumps ---- */

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != 0)                                                                       \
            return try_status;                                                                     \
    } while (0)

static int useStatuses(Transaction *tx, void *env)
{
    Ends *it = env;
    void *value;
    bool found, empty;
    TRY(tchanNewStatus(tx, NULL, &it->chan));
    TRY(tchanDupStatus(tx, it->chan, &it->dup));
    TRY(tchanWriteStatus(tx, it->chan, V(1)));
    TRY(tchanUnGetStatus(tx, it->dup, V(0)));
    TRY(tchanCloneStatus(tx, it->dup, &it->clone));
    TRY(tchanReadStatus(tx, it->clone, &value));
    CHECK_EQ(value, V(0));
    TRY(tchanPeekStatus(tx, it->clone, &value));
    CHECK_EQ(value, V(1));
    TRY(tchanTryReadStatus(tx, it->clone, &value, &found));
    CHECK(found);
    TRY(tchanTryPeekStatus(tx, it->clone, &value, &found));
    CHECK(!found);
    TRY(tchanIsEmptyStatus(tx, it->clone, &empty));
    CHECK(empty);
    TRY(tchanFreeStatus(tx, it->clone));
    return tchanFreeStatus(tx, it->dup);
}

static int readAll(Transaction *tx, void *env)
{
    Ends *it = env;
    void *value;
    TRY(tchanReadStatus(tx, it->chan, &value));
    return tchanReadStatus(tx, it->chan, &value);
}

static int useBroadcast(Transaction *tx, void *env)
{
    Ends *it = env;
    void *value;
    TRY(tchanNewBroadcastStatus(tx, NULL, &it->dup));
    CHECK_NE(tchanReadStatus(tx, it->dup, &value), 0);
    CHECK_NE(tchanWriteStatus(tx, it->dup, V(1)), 0); /* it is over */
    CHECK_NE(tchanNewStatus(tx, NULL, &it->clone), 0);
    return 0;
}

static void *statuses(void *env)
{
    Ends it;
    (void)env;
    CHECK_EQ(stmAtomicallyStatus(useStatuses, &it, NULL, INT64_MAX), 0);
    CHECK_EQ(stmAtomicallyStatus(readAll, &it, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(runRead(it.chan), V(1));
    CHECK_EQ(stmAtomicallyStatus(useBroadcast, &it, NULL, INT64_MAX), -EINVAL);
    tchanFree(it.chan);
    return NULL;
}

TEST(TChan, statuses)
{
    runCounted(statuses, 1);
}
