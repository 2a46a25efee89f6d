/* ThreadSlotTest.c -- thread-local values: on green threads, on OS threads, at their ends. */
#include "testsuite/support/Runtime.h"

/* What the destructors were told; atomic adds. */
static struct {
    uint64_t calls, sum;
} told;

static void tell(void *value)
{
    ADD_SEQ_CST(&told.calls, 1);
    ADD_SEQ_CST(&told.sum, (uint64_t)(uintptr_t)value);
}

static void forget(void)
{
    SEQ_CST_STORE(&told.calls, 0);
    SEQ_CST_STORE(&told.sum, 0);
}

/* ---- values ---------------------------------------------------------------------------------- */

static ThreadSlot *one, *other;

static void *useTwo(void *env)
{
    CHECK(threadSlotGet(one) == NULL);
    CHECK(threadSlotGet(other) == NULL);
    CHECK_EQ(threadSlotSet(one, env), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(threadSlotSet(other, (char *)env + i), 0);
        if (threadSelf() != NULL)
            threadYield();
        CHECK(threadSlotGet(one) == env);
        CHECK(threadSlotGet(other) == (char *)env + i);
    }
    CHECK_EQ(threadSlotSet(other, NULL), 0);
    CHECK(threadSlotGet(other) == NULL);
    return env;
}

/* Each thread has its own; the next one on a stack begins with none; destructors come once each. */
TEST(ThreadSlot, everyThreadHasItsOwn)
{
    enum { THREADS = 200 };
    Thread *threads[THREADS];
    uint64_t sum = 0;
    forget();
    one = threadSlotNew(tell);
    other = threadSlotNew(NULL);
    CHECK(one != NULL && other != NULL && one != other);
    greenStart(2);
    for (uintptr_t round = 0; round < 3; round++) {
        for (uintptr_t i = 0; i < THREADS; i++)
            threads[i] = greenFork(useTwo, (void *)(i + 1));
        for (uintptr_t i = 0; i < THREADS; i++) {
            CHECK_EQ((uintptr_t)greenJoin(threads[i]), i + 1);
            sum += i + 1;
        }
    }
    pthread_t plain = osFork(useTwo, &told);
    CHECK(osJoin(plain) == &told);
    CHECK_EQ(SEQ_CST_LOAD(&told.calls), 3 * THREADS + 1);
    CHECK_EQ(SEQ_CST_LOAD(&told.sum), sum + (uint64_t)(uintptr_t)&told);
    greenStop();
    threadSlotFree(one);
    threadSlotFree(other);
}

/* A joined thread's destructors have run; nothing of the runtime's memory stays out. */
TEST(ThreadSlot, memoryGoesBack)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    forget();
    one = threadSlotNew(tell);
    other = threadSlotNew(tell);
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ((uintptr_t)greenJoin(greenFork(useTwo, (void *)4)), 4);
    uint64_t before = RELAXED_LOAD(&heap.live_blocks);
    for (int i = 0; i < 50; i++)
        greenJoin(greenFork(useTwo, (void *)4));
    CHECK_LT(RELAXED_LOAD(&heap.live_blocks), before + 50); /* others may ask for some */
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
    threadSlotFree(one);
    threadSlotFree(other);
}

static void *setWithoutMemory(void *env)
{
    CountingHeap *heap = env;
    RELAXED_STORE(&heap->fail_from, 1);
    CHECK_EQ(threadSlotSet(one, env), -ENOMEM);
    CHECK(threadSlotGet(one) == NULL);
    CHECK_EQ(threadSlotSet(one, NULL), 0);
    RELAXED_STORE(&heap->fail_from, 0);
    CHECK_EQ(threadSlotSet(one, env), 0);
    return NULL;
}

TEST(ThreadSlot, noMemory)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    one = threadSlotNew(NULL);
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(setWithoutMemory, &heap));
    greenStop();
    threadSlotFree(one);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static ThreadSlot *many[256];

static void *useMany(void *env)
{
    for (uintptr_t i = 0; i < 256; i++)
        CHECK_EQ(threadSlotSet(many[i], (void *)(i + 1)), 0);
    for (uintptr_t i = 0; i < 256; i++)
        CHECK_EQ((uintptr_t)threadSlotGet(many[i]), i + 1);
    return env;
}

TEST(ThreadSlot, thereAre256)
{
    forget();
    for (int i = 0; i < 256; i++)
        CHECK((many[i] = threadSlotNew(tell)) != NULL);
    CHECK(threadSlotNew(tell) == NULL);
    greenRun(1, useMany, NULL);
    CHECK_EQ(SEQ_CST_LOAD(&told.sum), 256 * 257 / 2);
    osJoin(osFork(useMany, NULL));
    CHECK_EQ(SEQ_CST_LOAD(&told.sum), 256 * 257);
    for (int i = 0; i < 256; i++)
        threadSlotFree(many[i]);
    CHECK_EQ(threadSlotSet(many[7], &many), -EINVAL);
    CHECK_EQ(threadSlotSet(NULL, &many), -EINVAL);
}

/* What was set in a slot's earlier life is neither seen nor told. */
static void *freeAndMake(void *env)
{
    CHECK_EQ(threadSlotSet(one, env), 0);
    threadSlotFree(one);
    CHECK(threadSlotGet(one) == NULL);
    CHECK_EQ(threadSlotSet(one, env), -EINVAL);
    ThreadSlot *again = threadSlotNew(tell);
    CHECK(again == one);
    CHECK(threadSlotGet(again) == NULL);
    return NULL;
}

TEST(ThreadSlot, freedValuesAreForgotten)
{
    forget();
    one = threadSlotNew(tell);
    greenRun(1, freeAndMake, &told);
    osJoin(osFork(freeAndMake, &told));
    CHECK_EQ(SEQ_CST_LOAD(&told.calls), 0);
    threadSlotFree(one);
}

/* ---- destructors ----------------------------------------------------------------------------- */

/* Sets its slot again: 4 rounds, then it is left. */
static void setAgain(void *value)
{
    tell(value);
    CHECK(threadSlotGet(one) == NULL);
    CHECK_EQ(threadSlotSet(one, value), 0);
}

static void *setOne(void *env)
{
    CHECK_EQ(threadSlotSet(one, env), 0);
    return NULL;
}

TEST(ThreadSlot, roundsAreBounded)
{
    forget();
    one = threadSlotNew(setAgain);
    greenRun(1, setOne, (void *)1);
    CHECK_EQ(SEQ_CST_LOAD(&told.calls), 4);
    osJoin(osFork(setOne, (void *)1));
    CHECK_EQ(SEQ_CST_LOAD(&told.calls), 8);
    threadSlotFree(one);
}

/* A destructor is the thread's own code: it is that thread, may wait, and the joiner waits for
 * it. */
static void waitALittle(void *value)
{
    CHECK(threadSelf() == value);
    CHECK_EQ(threadDelay(1000), 0);
    threadYield();
    CHECK(threadSelf() == value);
    tell(value);
}

static void *setSelf(void *env)
{
    (void)env;
    CHECK_EQ(threadSlotSet(one, threadSelf()), 0);
    return NULL;
}

TEST(ThreadSlot, destructorsMayWait)
{
    enum { THREADS = 20 };
    Thread *threads[THREADS];
    forget();
    one = threadSlotNew(waitALittle);
    greenStart(2);
    for (int i = 0; i < THREADS; i++)
        threads[i] = greenFork(setSelf, NULL);
    for (int i = 0; i < THREADS; i++)
        greenJoin(threads[i]);
    CHECK_EQ(SEQ_CST_LOAD(&told.calls), THREADS);
    greenStop();
    threadSlotFree(one);
}

/* ---- RtsConfig.uncaught ---------------------------------------------------------------------- */

enum { THROWN = 9 };

/* It is the thread's own code, after the destructors. */
static void setOnDeath(Thread *thread, int code, void *payload)
{
    CHECK(thread == threadSelf());
    CHECK_EQ(code, THROWN);
    CHECK(threadSlotGet(one) == NULL);
    CHECK_EQ(threadSlotSet(one, payload), 0);
}

static void *dieWithASlot(void *env)
{
    CHECK_EQ(threadSlotSet(one, env), 0);
    CHECK_EQ(threadThrowTo(threadSelf(), THROWN, env), -ECANCELED);
    return NULL;
}

static void *findNone(void *env)
{
    CHECK(threadSlotGet(one) == NULL);
    return env;
}

TEST(ThreadSlot, whatIsSetOnDeathIsEnded)
{
    CountingHeap heap = {0};
    RtsConfig config = {
        .capabilities = 1, .uncaught = setOnDeath, .allocator = countingAllocator(&heap)};
    forget();
    one = threadSlotNew(tell);
    CHECK_EQ(rtsInit(&config), 0);
    for (uint64_t i = 1; i <= 10; i++) {
        greenJoin(greenFork(dieWithASlot, (void *)1));
        CHECK_EQ(SEQ_CST_LOAD(&told.calls), 2 * i);
        greenJoin(greenFork(findNone, NULL)); /* on the same stack */
    }
    CHECK_EQ(SEQ_CST_LOAD(&told.sum), 20);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
    threadSlotFree(one);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static int callBack(EventManager *manager, TimeoutKey key, void *env)
{
    TVar *called = env;
    (void)manager, (void)key;
    CHECK(threadSlotGet(one) == NULL); /* not those of the thread on whose stack it may be */
    return tvarWriteIO(called, env);
}

static void *beCalledBack(void *env)
{
    TimeoutKey key;
    TVar *called = tvarNew(NULL);
    CHECK_EQ(threadSlotSet(one, env), 0);
    CHECK_EQ(registerTimeout(capabilityManager(), 1000, callBack, called, &key), 0);
    while (tvarReadIO(called) == NULL)
        threadSafepoint();
    CHECK(threadSlotGet(one) == env);
    tvarFree(called);
    return NULL;
}

TEST(ThreadSlot, callbacksHaveNotTheThreads)
{
    one = threadSlotNew(NULL);
    greenRun(1, beCalledBack, &told);
    threadSlotFree(one);
}
