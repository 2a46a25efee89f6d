/* TBQueueTest.c -- bounded queues: order, bounds, round and round, nothing lost, nothing kept. */
#include <capri/tqueue.h>

#include "testsuite/support/Famine.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

static void *useBounded(Transaction *tx, void *env)
{
    TBQueue *queue = env;
    void *value = NULL, *all[4];
    CHECK_EQ(tbqueueCapacity(queue), 3);
    CHECK(tbqueueIsEmpty(tx, queue));
    CHECK(!tbqueueTryRead(tx, queue, &value));
    tbqueueWrite(tx, queue, V(1));
    tbqueueWrite(tx, queue, V(2));
    CHECK_EQ(tbqueueLength(tx, queue), 2);
    CHECK(!tbqueueIsFull(tx, queue));
    tbqueueUnGet(tx, queue, V(0)); /* counts */
    CHECK(tbqueueIsFull(tx, queue));
    CHECK_EQ(tbqueuePeek(tx, queue), V(0));
    CHECK_EQ(tbqueueRead(tx, queue), V(0));
    CHECK_EQ(tbqueueLength(tx, queue), 2);
    tbqueueUnGet(tx, queue, V(0));
    CHECK(tbqueueTryPeek(tx, queue, &value));
    CHECK_EQ(tbqueueFlush(tx, queue, all, 4), 3); /* and gives the room back */
    CHECK_EQ(all[2], V(2));
    for (int i = 0; i < 3; i++)
        tbqueueWrite(tx, queue, V(i));
    CHECK(tbqueueIsFull(tx, queue));
    return NULL;
}

static void *writeBounded(Transaction *tx, void *env)
{
    tbqueueWrite(tx, env, V(4));
    return NULL;
}

static void *unGetBounded(Transaction *tx, void *env)
{
    tbqueueUnGet(tx, env, V(4));
    return NULL;
}

static void *readBounded(Transaction *tx, void *env)
{
    return tbqueueRead(tx, env);
}

static void *runWrite(void *env)
{
    CHECK_EQ(stmAtomically(writeBounded, env, NULL), 0);
    return NULL;
}

static void *bounded(void *env)
{
    TBQueue *queue = tbqueueNew(3), *none = tbqueueNew(0);
    void *value;
    (void)env;
    CHECK_EQ(stmAtomically(useBounded, queue, NULL), 0);
    CHECK_EQ(stmAtomicallyUntil(writeBounded, queue, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(stmAtomicallyUntil(unGetBounded, queue, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(stmAtomicallyUntil(writeBounded, none, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(stmAtomicallyUntil(readBounded, none, NULL, 0), -ETIMEDOUT);
    Thread *writer = greenFork(runWrite, queue);
    greenUntil(writer, ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomically(readBounded, queue, &value), 0);
    CHECK_EQ(value, V(0));
    greenJoin(writer);
    tbqueueFree(queue);
    tbqueueFree(none);
    tbqueueFree(NULL);
    return NULL;
}

TEST(TBQueue, boundedRetriesWhenFull)
{
    runCounted(bounded, 1);
}

/* ---- many writers, many readers: each value once, those of a writer in order ---- */

enum { PAIRS = 3, EACH = 2000, ROOM = 10 };

typedef struct Lane {
    TBQueue *queue;
    intptr_t number, next;
    uint64_t sum;
} Lane;

static void *writeNext(Transaction *tx, void *env)
{
    Lane *lane = env;
    tbqueueWrite(tx, lane->queue, V(lane->next * PAIRS + lane->number));
    return NULL;
}

static void *writeAll(void *env)
{
    Lane *lane = env;
    for (lane->next = 1; lane->next <= (intptr_t)greenScale(EACH); lane->next++)
        CHECK_EQ(stmAtomically(writeNext, lane, NULL), 0);
    return NULL;
}

static void *readNext(Transaction *tx, void *env)
{
    return tbqueueRead(tx, ((Lane *)env)->queue);
}

static void *readAll(void *env)
{
    Lane *lane = env;
    intptr_t last[PAIRS] = {0};
    for (uint32_t i = 0; i < greenScale(EACH); i++) {
        void *value = NULL;
        CHECK_EQ(stmAtomically(readNext, lane, &value), 0);
        CHECK_GT((intptr_t)value, last[(intptr_t)value % PAIRS]);
        last[(intptr_t)value % PAIRS] = (intptr_t)value;
        lane->sum += (uint64_t)(intptr_t)value;
    }
    return NULL;
}

static void *manyToMany(void *env)
{
    Thread *threads[2 * PAIRS];
    Lane lanes[2 * PAIRS];
    TBQueue *queue = tbqueueNew(ROOM);
    uint64_t sum = 0, expected = 0, each = greenScale(EACH);
    (void)env;
    for (int i = 0; i < 2 * PAIRS; i++) {
        lanes[i] = (Lane){.queue = queue, .number = i % PAIRS};
        threads[i] = greenFork(i < PAIRS ? writeAll : readAll, &lanes[i]);
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        greenJoin(threads[i]);
        sum += lanes[i].sum;
    }
    for (uint64_t i = 0; i < PAIRS; i++)
        expected += each * (each + 1) / 2 * PAIRS + each * i;
    CHECK_EQ(sum, expected);
    tbqueueFree(queue);
    return NULL;
}

TEST(TBQueue, manyWritersManyReaders)
{
    runCounted(manyToMany, 2);
}

/* ---- round and round, over several segments, one of them in part ---- */

enum { LARGE = 200, ROUNDS = 3 * LARGE + 7 };

static void *fill(Transaction *tx, void *env)
{
    size_t length = tbqueueLength(tx, env);
    for (size_t i = 0; i < LARGE; i++, length++) {
        CHECK_EQ(tbqueueLength(tx, env), length);
        CHECK(!tbqueueIsFull(tx, env));
        tbqueueWrite(tx, env, V((intptr_t)i)); /* NULL is a value */
    }
    CHECK(tbqueueIsFull(tx, env));
    CHECK_EQ(tbqueueLength(tx, env), LARGE);
    return NULL;
}

static void *turnOne(Transaction *tx, void *env)
{
    void *value = tbqueueRead(tx, env);
    tbqueueWrite(tx, env, value);
    CHECK(tbqueueIsFull(tx, env));
    return value;
}

/* The last goes to the front, again and again. */
static void *turnBack(Transaction *tx, void *env)
{
    void *all[LARGE];
    CHECK_EQ(tbqueueFlush(tx, env, all, LARGE + 1), LARGE);
    CHECK(tbqueueIsEmpty(tx, env));
    CHECK_EQ(tbqueueLength(tx, env), 0);
    for (size_t i = 0; i < LARGE; i++)
        tbqueueUnGet(tx, env, all[i]);
    CHECK(tbqueueIsFull(tx, env));
    for (size_t i = LARGE; i-- > 0;)
        CHECK_EQ(tbqueueRead(tx, env), all[i]);
    CHECK(tbqueueIsEmpty(tx, env));
    return NULL;
}

static void *goRound(void *env)
{
    TBQueue *queue = tbqueueNew(LARGE);
    void *value = NULL;
    CHECK_EQ(stmAtomically(fill, queue, NULL), 0);
    for (intptr_t i = 0; i < ROUNDS; i++) {
        CHECK_EQ(stmAtomically(turnOne, queue, &value), 0);
        CHECK_EQ(value, V(i % LARGE));
    }
    CHECK_EQ(stmAtomically(turnBack, queue, NULL), 0);
    CHECK_EQ(stmAtomically(fill, queue, NULL), 0);
    tbqueueFree(queue);
    CHECK_EQ(tbqueueNew(SIZE_MAX), NULL);
    return env;
}

TEST(TBQueue, goesRound)
{
    runCounted(goRound, 1);
}

/* ---- no memory ---- */

static void *writeMany(Transaction *tx, void *env)
{
    for (intptr_t i = 0; i < LARGE; i++)
        tbqueueWrite(tx, env, V(i));
    return NULL;
}

static void *noMemory(void *env)
{
    CountingHeap *heap = env;
    int failed = 0, status = -ENOMEM;
    TBQueue *queue = tbqueueNew(LARGE);
    void *value = V(1);
    for (uint64_t n = 1; status == -ENOMEM; n++) {
        RELAXED_STORE(&heap->fail_from, RELAXED_LOAD(&heap->asked) + n);
        status = stmAtomically(writeMany, queue, NULL);
        RELAXED_STORE(&heap->fail_from, 0);
        failed += status != 0;
        if (status != 0)
            CHECK_EQ(stmAtomicallyUntil(readBounded, queue, NULL, 0), -ETIMEDOUT);
    }
    CHECK_EQ(status, 0);
    CHECK_GE(failed, 4); /* a segment each, and a log */
    CHECK_EQ(stmAtomically(readBounded, queue, &value), 0);
    CHECK_EQ(value, V(0));
    tbqueueFree(queue);
    return NULL;
}

TEST(TBQueue, noMemoryChangesNothing)
{
    runCounted(noMemory, 1);
}
