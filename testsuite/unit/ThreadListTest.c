/* ThreadListTest.c -- all who live, weak handles, the order of threads. */
#include "testsuite/support/Runtime.h"

#include <string.h>

enum { PARKED = 50 };

static void *awaitGate(void *env)
{
    return (void *)(intptr_t)greenAwaitNext(env);
}

static int compareThreads(const void *left, const void *right)
{
    return threadCompare(*(Thread *const *)left, *(Thread *const *)right);
}

/* Everyone who lives, held or detached, is listed once, and nobody else. */
static void listAll(TVar *gate, size_t others)
{
    Thread *held[PARKED], *listed[3 * PARKED];
    for (int i = 0; i < PARKED; i++)
        held[i] = greenFork(awaitGate, gate);
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ(threadFork(NULL, awaitGate, gate), 0);
    size_t count = threadList(listed, 3 * PARKED);
    CHECK_EQ(count, 2 * PARKED + others);
    qsort(listed, count, sizeof *listed, compareThreads);
    for (size_t i = 1; i < count; i++)
        CHECK_LT(threadId(listed[i - 1]), threadId(listed[i]));
    for (int i = 0; i < PARKED; i++) {
        CHECK(bsearch(&held[i], listed, count, sizeof *listed, compareThreads) != NULL);
        greenUntil(held[i], ThreadBlockedOnTVar);
    }
    for (size_t i = 0; i < count; i++) {
        if (listed[i] == threadSelf())
            continue;
        greenUntil(listed[i], ThreadBlockedOnTVar);
        threadRelease(listed[i]);
    }
    CHECK_EQ(threadList(listed, 7), 2 * PARKED + others); /* more than there is room for */
    for (size_t i = 0; i < 7; i++)
        threadRelease(listed[i]);
    CHECK_EQ(threadList(NULL, 0), 2 * PARKED + others);
    tvarWriteIO(gate, gate);
    for (int i = 0; i < PARKED; i++)
        CHECK_EQ((intptr_t)greenJoin(held[i]), 0);
}

static void *listFromGreen(void *env)
{
    (void)env;
    TVar *gate = tvarNew(NULL);
    Thread *self = threadSelf(), *listed;
    listAll(gate, 1);
    while (threadList(NULL, 0) != 1)
        threadYield();
    CHECK_EQ(threadList(&listed, 1), 1);
    CHECK(listed == self);
    threadRelease(listed);
    tvarFree(gate);
    return NULL;
}

TEST(ThreadList, namesAllWhoLive)
{
    CHECK_EQ(threadList(NULL, 0), 0);
    greenRun(1, listFromGreen, NULL);
    greenRun(2, listFromGreen, NULL);
    greenStart(2);
    TVar *gate = tvarNew(NULL);
    listAll(gate, 0);
    while (threadList(NULL, 0) != 0)
        threadYield();
    greenStop();
    CHECK_EQ(threadList(NULL, 0), 0);
}

static void *returnEnv(void *env)
{
    return env;
}

/* A weak handle is good while its thread lives, and never names the next one in its descriptor. */
static void *upgradeAll(void *env)
{
    TVar *gate = tvarNew(NULL);
    Thread *thread = greenFork(awaitGate, gate);
    ThreadWeak weak = threadWeak(thread), own = threadWeak(threadSelf());
    Thread *again = threadWeakUpgrade(weak), *self = threadWeakUpgrade(own);
    CHECK(again == thread && self == threadSelf());
    CHECK_EQ(threadCompare(again, thread), 0);
    CHECK_EQ(threadCompare(self, thread), -threadCompare(thread, self));
    CHECK_NE(threadCompare(self, thread), 0);
    threadRelease(self);
    threadRelease(thread);
    threadRelease(again); /* nobody has one now */
    thread = threadWeakUpgrade(weak);
    CHECK(thread == again);
    greenUntil(thread, ThreadBlockedOnTVar);
    tvarWriteIO(gate, gate);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    CHECK(threadWeakUpgrade(weak) == NULL); /* held, but it has ended */
    threadRelease(thread);
    CHECK(threadWeakUpgrade(weak) == NULL);
    bool reused = false;
    for (int i = 0; i < 10 && !reused; i++) {
        Thread *next = greenFork(returnEnv, NULL);
        reused = next == thread;
        CHECK(threadWeakUpgrade(weak) == NULL);
        greenJoin(next);
    }
    CHECK(reused);
    CHECK(threadWeakUpgrade((ThreadWeak){.id = 0}) == NULL);
    tvarFree(gate);
    *(ThreadWeak *)env = own;
    return NULL;
}

TEST(ThreadList, weakHandlesEndWithTheirThread)
{
    ThreadWeak weak;
    CHECK(threadWeakUpgrade((ThreadWeak){.id = 1}) == NULL);
    greenRun(1, upgradeAll, &weak);
    CHECK(threadWeakUpgrade(weak) == NULL); /* no runtime */
    greenStart(1);
    CHECK(threadWeakUpgrade(weak) == NULL); /* another one */
    greenStop();
}

/* Also plain OS threads' forks: their ids begin anew with a runtime. */
TEST(ThreadList, weakHandlesOfAnEarlierRuntime)
{
    greenStart(1);
    Thread *thread = greenFork(returnEnv, NULL);
    ThreadWeak weak = threadWeak(thread);
    greenJoin(thread);
    greenStop();
    greenStart(1);
    for (int i = 0; i < 10; i++) {
        thread = greenFork(returnEnv, NULL);
        CHECK_GT(threadId(thread), weak.id);
        CHECK(threadWeakUpgrade(weak) == NULL);
        greenJoin(thread);
    }
    greenStop();
}

/* Attributes that cannot be had leave no thread behind. */
TEST(ThreadList, aFailedForkIsNotListed)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    ThreadAttributes attributes = {.label = "not to be"};
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(returnEnv, NULL)); /* descriptors are there */
    RELAXED_STORE(&heap.fail_from, 1);
    CHECK_EQ(threadForkWith(&thread, &attributes, returnEnv, NULL), -ENOMEM);
    CHECK_EQ(threadList(NULL, 0), 0);
    RELAXED_STORE(&heap.fail_from, 0);
    greenStop();
}
