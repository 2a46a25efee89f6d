/* BlockTest.c -- transactions that wait for much, are cancelled, and leave nothing behind. */
#include "rts/stm/Block.h"

#include "rts/Park.h"
#include "testsuite/support/Runtime.h"

enum { WIDE = 100, SLACK_BYTES = 4096 };

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Wide {
    TVar *of[WIDE];
    CountingHeap heap;
    uint32_t runs;
    uint64_t rounds;
} Wide;

static void *untilAny(Transaction *tx, void *env)
{
    Wide *it = env;
    it->runs++;
    for (int i = 0; i < WIDE; i++) {
        if (tvarRead(tx, it->of[i]) != NULL)
            return V(i + 1);
    }
    stmRetry(tx);
}

static void *waitForAny(void *env)
{
    void *result = NULL;
    int status = stmAtomically(untilAny, env, &result);
    return status == 0 ? result : V(status);
}

static void *waitOften(void *env)
{
    Wide *it = env;
    for (uint64_t i = 0; i < it->rounds; i++) {
        CHECK_EQ(stmAtomically(untilAny, it, NULL), -ECANCELED);
        CHECK_EQ(threadCaught(NULL, NULL), 1);
    }
    return NULL;
}

static bool nobodyWatches(Wide *it)
{
    for (int i = 0; i < WIDE; i++) {
        if (watchListHasWatchers(&it->of[i]->watchers))
            return false;
    }
    return true;
}

/* Interrupt it once it waits. */
static void cancel(Thread *thread)
{
    greenUntil(thread, ThreadBlockedOnTVar);
    CHECK_EQ(threadThrowTo(thread, 1, NULL), 0);
}

static void *cancelOften(void *env)
{
    Wide *it = env;
    it->rounds = greenScale(100000);
    Thread *thread = greenFork(waitOften, it);
    cancel(thread);
    cancel(thread);
    uint64_t bytes = RELAXED_LOAD(&it->heap.live_bytes);
    for (uint64_t i = 2; i < it->rounds; i++) {
        if (i % 1000 == 0)
            CHECK_LE(RELAXED_LOAD(&it->heap.live_bytes), bytes + SLACK_BYTES);
        cancel(thread);
    }
    greenJoin(thread);
    CHECK(nobodyWatches(it));
    return NULL;
}

static Wide wide;

static void startWide(uint32_t capabilities_wanted)
{
    RtsConfig config = {.capabilities = capabilities_wanted,
                        .allocator = countingAllocator(&wide.heap)};
    CHECK_EQ(rtsInit(&config), 0);
    for (int i = 0; i < WIDE; i++)
        CHECK((wide.of[i] = tvarNew(NULL)) != NULL);
    wide.runs = 0;
}

static void stopWide(void)
{
    for (int i = 0; i < WIDE; i++)
        tvarFree(wide.of[i]);
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&wide.heap.live_blocks), 0);
}

TEST(Block, cancelledOverAndOver)
{
    startWide(1);
    greenJoin(greenFork(cancelOften, &wide));
    stopWide();
}

static void *anyOfThemWakes(void *env)
{
    Wide *it = env;
    for (int i = 0; i < WIDE; i++) {
        Thread *thread = greenFork(waitForAny, it);
        greenUntil(thread, ThreadBlockedOnTVar);
        CHECK_EQ(tvarWriteIO(it->of[i], V(1)), 0);
        CHECK_EQ(greenJoin(thread), V(i + 1));
        CHECK(nobodyWatches(it));
        tvarWriteIO(it->of[i], NULL);
    }
    CHECK_EQ(it->runs, 2 * WIDE); /* once to wait, once to see */
    return NULL;
}

TEST(Block, anyVariableWakes)
{
    startWide(1);
    greenJoin(greenFork(anyOfThemWakes, &wide));
    stopWide();
}

/* The block of nodes and the log's cannot be had. */
static void *noMemory(void *env)
{
    Wide *it = env;
    int status = -ENOMEM;
    logFreeSpare(&schedulerOf(scheduleHere())->stm);
    for (uint64_t n = 1; status == -ENOMEM; n++) {
        RELAXED_STORE(&it->heap.fail_from, RELAXED_LOAD(&it->heap.asked) + n);
        status = stmAtomicallyUntil(untilAny, it, NULL, 0);
        RELAXED_STORE(&it->heap.fail_from, 0);
        logFreeSpare(&schedulerOf(scheduleHere())->stm);
        CHECK(nobodyWatches(it));
    }
    CHECK_EQ(status, -ETIMEDOUT);
    return NULL;
}

TEST(Block, noMemoryEndsIt)
{
    startWide(1);
    greenJoin(greenFork(noMemory, &wide));
    stopWide();
}

/* ---- oldest first, each once, unrelated ones not at all ---- */

enum { QUEUE = 10 };

typedef struct Queue {
    TVar *gate, *other;
    uint32_t order[QUEUE], woken, runs;
} Queue;

typedef struct Queued {
    Queue *queue;
    uint32_t number;
} Queued;

static void *untilOpen(Transaction *tx, void *env)
{
    Queued *it = env;
    it->queue->runs++;
    void *gate = tvarRead(tx, it->queue->gate);
    tvarRead(tx, it->queue->other);
    stmCheck(tx, gate != NULL);
    return NULL;
}

static void *queueUp(void *env)
{
    Queued *it = env;
    CHECK_EQ(stmAtomically(untilOpen, it, NULL), 0);
    it->queue->order[it->queue->woken++] = it->number;
    return NULL;
}

static void *openGate(Transaction *tx, void *env)
{
    Queue *it = env;
    tvarWrite(tx, it->gate, V(1));
    tvarWrite(tx, it->other, V(1)); /* each is in both lists, and wakes once */
    return NULL;
}

static void *wakeInOrder(void *env)
{
    Queue it = {.gate = tvarNew(NULL), .other = tvarNew(NULL)};
    Queued each[QUEUE];
    Thread *threads[QUEUE];
    (void)env;
    for (uint32_t i = 0; i < QUEUE; i++) {
        each[i] = (Queued){&it, i};
        ThreadAttributes pinned = {.pinned = 1}; /* these run in the order they became ready in */
        CHECK_EQ(threadForkWith(&threads[i], &pinned, queueUp, &each[i]), 0);
        greenUntil(threads[i], ThreadBlockedOnTVar);
    }
    CHECK_EQ(stmAtomically(openGate, &it, NULL), 0);
    for (uint32_t i = 0; i < QUEUE; i++)
        greenJoin(threads[i]);
    CHECK_EQ(it.runs, 2 * QUEUE);
    CHECK_EQ(it.woken, QUEUE);
    for (uint32_t i = 0; i < QUEUE; i++)
        CHECK_EQ(it.order[i], i);
    tvarFree(it.gate);
    tvarFree(it.other);
    return NULL;
}

TEST(Block, oldestFirstEachOnce)
{
    greenRun(1, wakeInOrder, NULL);
}

/* ---- freed under a waiter ---- */

static void *freeOne(void *env)
{
    Wide *it = env;
    Thread *thread = greenFork(waitForAny, it);
    greenUntil(thread, ThreadBlockedOnTVar);
    TVar *freed = it->of[7];
    tvarFree(freed);
    it->of[7] = tvarNew(NULL);
    CHECK_EQ(it->of[7], freed); /* a stranger's by now */
    CHECK_EQ((intptr_t)greenJoin(thread), -EINVAL);
    CHECK(nobodyWatches(it));
    return NULL;
}

TEST(Block, freeingEndsTheWait)
{
    startWide(1);
    greenJoin(greenFork(freeOne, &wide));
    stopWide();
}
