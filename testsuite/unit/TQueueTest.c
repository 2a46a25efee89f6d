/* TQueueTest.c -- queues inside of transactions: order, nothing lost, nothing kept. */
#include <capri/tqueue.h>

#include "testsuite/support/Famine.h"

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

TEST(TQueue, firstInFirstOut)
{
    CHECK_EQ(tqueueNew(), NULL);
    runCounted(queues, 1);
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
