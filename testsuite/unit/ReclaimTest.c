/* ReclaimTest.c -- nothing that an attempt can hold is freed; shares of OS threads. */
#include "rts/stm/Reclaim.h"

#include "testsuite/support/Runtime.h"

static uint32_t freed;

static void count(void *pointer)
{
    (void)pointer;
    freed++;
}

static StmShare *shareHere(void)
{
    return &schedulerOf(scheduleHere())->stm;
}

static void retire(StmShare *share)
{
    Retired *retired = reclaimNew(NULL, count);
    CHECK(retired != NULL);
    reclaimLater(share, retired);
}

static void *holdUp(void *env)
{
    StmShare *share = shareHere(), *other = reclaimBorrow();
    (void)env;
    freed = 0;
    retire(share);
    CHECK(!reclaimDue(share)); /* one is not worth it */
    reclaimSome(share);
    CHECK_EQ(freed, 1);
    reclaimEnter(other); /* an attempt that may hold the next */
    retire(share);
    for (int i = 0; i < 5; i++)
        reclaimSome(share);
    CHECK_EQ(freed, 1);
    StmShare *third = reclaimBorrow();
    reclaimEnter(third); /* a later one cannot */
    reclaimLeave(other);
    reclaimSome(share); /* but it keeps the epoch from moving twice */
    reclaimLeave(third);
    reclaimSome(share);
    CHECK_EQ(freed, 2);
    for (int i = 0; i < 64; i++)
        retire(share);
    CHECK(reclaimDue(share));
    reclaimGiveBack(third);
    reclaimGiveBack(other);
    CHECK_EQ(reclaimBorrow(), other);
    return NULL;
}

TEST(Reclaim, waitsForAttempts)
{
    greenRun(1, holdUp, NULL);
    CHECK_EQ(freed, 66); /* the rest with the runtime */
}

static void *forgetOne(void *env)
{
    CountingHeap *heap = env;
    uint64_t blocks = RELAXED_LOAD(&heap->live_blocks);
    reclaimForget(reclaimNew(NULL, count));
    CHECK_EQ(RELAXED_LOAD(&heap->live_blocks), blocks);
    RELAXED_STORE(&heap->fail_from, 1);
    CHECK_EQ(reclaimNew(NULL, count), NULL);
    CHECK_EQ(reclaimBorrow(), NULL);
    RELAXED_STORE(&heap->fail_from, 0);
    return NULL;
}

TEST(Reclaim, needsMemory)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(forgetOne, &heap));
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), 0);
}
