/* TQueueTest.c -- queues inside of transactions: order, bounds, nothing lost, nothing kept. */
#include <capri/tqueue.h>

#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

static void *useQueue(Transaction *tx, void *env)
{
    TQueue *queue = env;
    void *value = NULL, *all[4];
    CHECK(tqueueIsEmpty(tx, queue));
    CHECK(!tqueueTryRead(tx, queue, &value));
    CHECK(!tqueueTryPeek(tx, queue, &value));
    for (int i = 1; i <= 3; i++)
        tqueueWrite(tx, queue, V(i));
    tqueueUnGet(tx, queue, V(0));
    CHECK(!tqueueIsEmpty(tx, queue));
    CHECK_EQ(tqueuePeek(tx, queue), V(0));
    CHECK_EQ(tqueueRead(tx, queue), V(0));
    CHECK(tqueueTryPeek(tx, queue, &value));
    CHECK_EQ(value, V(1));
    CHECK_EQ(tqueueFlush(tx, queue, all, 2), 2);
    CHECK_EQ(all[0], V(1));
    CHECK_EQ(all[1], V(2));
    CHECK(tqueueTryRead(tx, queue, &value));
    CHECK_EQ(value, V(3));
    CHECK_EQ(tqueueFlush(tx, queue, all, 4), 0);
    tqueueWrite(tx, queue, V(7));
    return NULL;
}

static void *writeAndThrow(Transaction *tx, void *env)
{
    tqueueRead(tx, env);
    tqueueWrite(tx, env, V(8));
    tqueueUnGet(tx, env, V(9));
    stmThrow(tx, -EDOM, NULL);
}

static void *readOne(Transaction *tx, void *env)
{
    return tqueueRead(tx, env);
}

static void *runRead(void *env)
{
    void *value = NULL;
    CHECK_EQ(stmAtomically(readOne, env, &value), 0);
    return value;
}

static void *writeOne(Transaction *tx, void *env)
{
    tqueueWrite(tx, env, V(5));
    return NULL;
}

static void *queues(void *env)
{
    TQueue *queue = tqueueNew();
    (void)env;
    CHECK_EQ(stmAtomically(useQueue, queue, NULL), 0);
    CHECK_EQ(stmAtomically(writeAndThrow, queue, NULL), -EDOM);
    CHECK_EQ(runRead(queue), V(7));
    CHECK_EQ(stmAtomicallyUntil(readOne, queue, NULL, 0), -ETIMEDOUT);
    Thread *reader = greenFork(runRead, queue);
    greenUntil(reader, ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomically(writeOne, queue, NULL), 0);
    CHECK_EQ(greenJoin(reader), V(5));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(stmAtomically(writeOne, queue, NULL), 0);
    tqueueFree(queue);
    tqueueFree(NULL);
    return NULL;
}

static void runCounted(ThreadFn *fn, uint32_t capabilities_wanted)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = capabilities_wanted, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(fn, &heap));
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), 0);
}

TEST(TQueue, firstInFirstOut)
{
    CHECK_EQ(tqueueNew(), NULL);
    runCounted(queues, 1);
}

/* ---- bounded ---- */

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

TEST(TQueue, boundedRetriesWhenFull)
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

TEST(TQueue, manyWritersManyReaders)
{
    runCounted(manyToMany, 2);
}

/* ---- no memory ---- */

static void *noMemory(void *env)
{
    CountingHeap *heap = env;
    int failed = 0, status = -ENOMEM;
    TQueue *queue = tqueueNew();
    for (uint64_t n = 1; status == -ENOMEM; n++) {
        RELAXED_STORE(&heap->fail_from, RELAXED_LOAD(&heap->asked) + n);
        status = stmAtomically(writeOne, queue, NULL);
        RELAXED_STORE(&heap->fail_from, 0);
        failed += status != 0;
    }
    CHECK_EQ(status, 0);
    CHECK_GE(failed, 1);
    CHECK_EQ(runRead(queue), V(5));
    tqueueFree(queue);
    return NULL;
}

TEST(TQueue, noMemoryChangesNothing)
{
    runCounted(noMemory, 1);
}
