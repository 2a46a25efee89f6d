/* ThreadForkFinallyTest.c -- what follows a body; children that outlive the main thread. */
#include "rts/context/Stack.h"
#include "testsuite/support/Runtime.h"

enum { CHILDREN = 20 };

static uint64_t finals, bodies; /* relaxed add */

static void *count(void *env)
{
    ADD_RELAXED(&bodies, 1);
    return (void *)((uintptr_t)env + 1);
}

/* The result is what the body returned, the thread's what this returns. */
static void *followOn(void *result, void *env)
{
    CHECK_EQ((uintptr_t)result, (uintptr_t)env + 1);
    CHECK_EQ(threadYield(), 0);
    ADD_RELAXED(&finals, 1);
    return (void *)((uintptr_t)result + 1);
}

static void *forkThem(void *env)
{
    Thread *thread;
    (void)env;
    for (uintptr_t i = 0; i < CHILDREN; i++) {
        CHECK_EQ(threadForkFinally(&thread, count, (void *)i, followOn, (void *)i), 0);
        CHECK_EQ((uintptr_t)greenJoin(thread), i + 2);
        CHECK_EQ(threadForkFinally(NULL, count, (void *)i, followOn, (void *)i), 0);
    }
    CHECK_EQ(threadForkFinally(&thread, NULL, NULL, followOn, NULL), -EINVAL);
    CHECK_EQ(threadForkFinally(&thread, count, NULL, NULL, NULL), -EINVAL);
    return NULL;
}

TEST(ThreadForkFinally, runsAfterTheBody)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
    Thread *thread;
    CHECK_EQ(threadForkFinally(&thread, count, NULL, followOn, NULL), -ENXIO);
    CHECK_EQ(rtsInit(&config), 0);
    forkThem(NULL); /* from a plain OS thread */
    greenJoin(greenFork(forkThem, NULL));
    uint64_t fail_from = RELAXED_LOAD(&heap.asked) + 1;
    RELAXED_STORE(&heap.fail_from, fail_from);
    CHECK_EQ(threadForkFinally(&thread, count, NULL, followOn, NULL), -ENOMEM);
    RELAXED_STORE(&heap.fail_from, 0);
    greenStop();
    CHECK_EQ(finals, 4 * CHILDREN);
    CHECK_EQ(bodies, 4 * CHILDREN);
    CHECK_EQ(heap.live_blocks, 0);
}

/* No stack: neither runs, the block goes back. */
TEST(ThreadForkFinally, isDroppedWithoutAStack)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    Thread *thread;
    finals = bodies = 0;
    CHECK_EQ(rtsInit(&config), 0);
    stackMapFail(-1);
    CHECK_EQ(threadForkFinally(&thread, count, NULL, followOn, NULL), 0);
    CHECK_EQ(threadJoin(thread, NULL), -ENOMEM);
    threadRelease(thread);
    stackMapFail(0);
    greenStop();
    CHECK_EQ(finals + bodies, 0);
    CHECK_EQ(heap.live_blocks, 0);
}

/* ---- the main thread returns while children run ---------------------------------------------- */

static ThreadSlot *slot;
static uint64_t ended; /* relaxed add */

static void noteEnd(void *value)
{
    (void)value;
    ADD_RELAXED(&ended, 1);
}

/* Whatever it waits for, when the main thread has returned it is told -ECANCELED; so is each wait
 * that it begins after that. */
static void *waitForEver(void *env)
{
    MVar *never = env;
    TVar *tvar = tvarNew(NULL);
    CHECK_EQ(threadSlotSet(slot, &slot), 0);
    ADD_RELAXED(&bodies, 1);
    CHECK_EQ(mvarTake(never, NULL), -ECANCELED);
    CHECK_EQ(greenAwaitNext(tvar), -ECANCELED);
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    tvarFree(tvar);
    return env;
}

static void *noteFinal(void *result, void *env)
{
    CHECK(result == env);
    ADD_RELAXED(&finals, 1);
    return NULL;
}

static void *leaveThemBehind(void *env)
{
    MVar *never = mvarNewEmpty();
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(threadForkFinally(NULL, waitForEver, never, noteFinal, never), 0);
    while (RELAXED_LOAD(&bodies) < CHILDREN / 2) /* some wait, some have not begun */
        threadYield();
    return env;
}

TEST(ThreadForkFinally, childrenEndWithTheMainThread)
{
    RtsConfig config = {.capabilities = 1};
    void *result = NULL;
    finals = bodies = 0;
    slot = threadSlotNew(noteEnd);
    CHECK_EQ(rtsMain(&config, leaveThemBehind, &config, &result), 0);
    CHECK(result == &config);
    CHECK_EQ(bodies, CHILDREN);
    CHECK_EQ(finals, CHILDREN);
    CHECK_EQ(ended, CHILDREN);
    threadSlotFree(slot);
}

/* ---- the attribute `masking` ----------------------------------------------------------------- */

static uint32_t maskingOf(const Thread *thread)
{
    return (thread->node.tag & TAG_MASKING) >> TAG_MASKING_SHIFT;
}

static void *forkMasked(void *env)
{
    ThreadAttributes attributes = {.label = "child"};
    uint32_t own = maskingOf(threadSelf());
    CHECK_EQ(own, (uint32_t)(uintptr_t)env);
    for (uint32_t masking = 0; masking < 4; masking++) {
        Thread *thread;
        attributes.masking = masking;
        CHECK_EQ(threadForkWith(&thread, &attributes, count, NULL), 0);
        CHECK_EQ(maskingOf(thread), masking == 0 ? own : masking - 1);
        greenJoin(thread);
    }
    attributes.masking = 4;
    CHECK_EQ(threadForkWith(NULL, &attributes, count, NULL), -EINVAL);
    return NULL;
}

TEST(ThreadForkFinally, maskingIsStoredAndInherited)
{
    greenStart(1);
    for (uintptr_t state = 0; state < 3; state++) {
        ThreadAttributes attributes = {.masking = (uint32_t)state + 1};
        Thread *thread;
        CHECK_EQ(threadForkWith(&thread, &attributes, forkMasked, (void *)state), 0);
        greenJoin(thread);
    }
    greenStop();
}

/* ---- interrupts ---- */

static void *sleepUnmasked(void *env)
{
    CHECK_EQ(threadMaskingState(), Unmasked);
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return env;
}

static void *endMasked(void *result, void *env)
{
    CHECK_EQ(threadMaskingState(), MaskedInterruptible);
    ADD_RELAXED((uint32_t *)env, 1);
    return result;
}

static void *killEach(void *env)
{
    uint32_t over = 0;
    for (int begun = 0; begun < 2; begun++) {
        Thread *thread;
        CHECK_EQ(threadForkFinally(&thread, sleepUnmasked, &over, endMasked, &over), 0);
        if (begun)
            greenUntil(thread, ThreadBlockedOnDelay);
        CHECK_EQ(threadKill(thread), 0);
        void *result = greenJoin(thread);
        CHECK(result == &over || (!begun && result == NULL)); /* on two cores it may have begun */
        CHECK(begun || capabilityCount() > 1 || result == NULL);
        CHECK_EQ(RELAXED_LOAD(&over), begun + 1);
    }
    return env;
}

TEST(ThreadForkFinally, endsWhoeverIsKilled)
{
    greenRun(1, killEach, NULL);
    greenRun(2, killEach, NULL);
}
