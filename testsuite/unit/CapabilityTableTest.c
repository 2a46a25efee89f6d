/* CapabilityTableTest.c -- all capabilities or none; picking one; processors. */
#include "capability/CapabilityTable.h"

#include "testsuite/support/Test.h"

#include <errno.h>
#include <stdlib.h>

/* An allocator that fails at the n-th request and knows how much is out. */
typedef struct Budget {
    int requests_left; /* < 0: no limit */
    int64_t out_bytes;
} Budget;

static void *allocateFrom(void *context, size_t size, size_t alignment)
{
    Budget *budget = context;
    if (budget->requests_left == 0)
        return NULL;
    if (budget->requests_left > 0)
        budget->requests_left--;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) != 0)
        return NULL;
    budget->out_bytes += (int64_t)size;
    return memory;
}

static void releaseTo(void *context, void *memory, size_t size, size_t alignment)
{
    Budget *budget = context;
    (void)alignment;
    budget->out_bytes -= (int64_t)size;
    free(memory);
}

TEST(CapabilityTable, refusesBadCounts)
{
    CHECK_EQ(capabilityTableStart(0, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(capabilityTableStart(CAPABILITY_MOST + 1, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(capabilities.count, 0);
}

TEST(CapabilityTable, startsTheMostAndFreesThem)
{
    Budget budget = {.requests_left = -1};
    Allocator allocator = {allocateFrom, releaseTo, &budget};
    CHECK_EQ(capabilityTableStart(CAPABILITY_MOST, NULL, NULL, &allocator), 0);
    CHECK_EQ(capabilities.count, CAPABILITY_MOST);
    for (uint32_t i = 0; i < CAPABILITY_MOST; i++) {
        CHECK_EQ(capabilities.items[i]->index, i);
        CHECK_EQ((uintptr_t)capabilities.items[i] % CACHE_LINE, 0);
        CHECK(runQueueSane(&capabilities.items[i]->queue));
    }
    capabilityTableFree(&allocator);
    CHECK_EQ(capabilities.count, 0);
    CHECK_EQ(budget.out_bytes, 0);
}

/* Goal: a start-up that runs out of memory anywhere leaves nothing behind.  Method: fail each
 * request. */
TEST(CapabilityTable, startsAllOrNone)
{
    int failures = 0;
    for (int result = -ENOMEM; result != 0; failures++) {
        CHECK_LT(failures, 1000);
        Budget budget = {.requests_left = failures};
        Allocator allocator = {allocateFrom, releaseTo, &budget};
        result = capabilityTableStart(3, NULL, NULL, &allocator);
        CHECK(result == 0 || result == -ENOMEM);
        CHECK_EQ(capabilities.count, result == 0 ? 3 : 0);
        if (result == 0)
            capabilityTableFree(&allocator);
        CHECK_EQ(budget.out_bytes, 0);
    }
    CHECK_GT(failures, 3);
}

TEST(CapabilityTable, picksRoundRobin)
{
    CHECK_EQ(capabilityTableStart(3, NULL, NULL, NULL), 0);
    int picked[3] = {0};
    for (int i = 0; i < 30; i++)
        picked[capabilityTablePick()->index]++;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(picked[i], 10);
    capabilityTableFree(NULL);
}

/* Goal: a new one is seen by nobody until it is published, and where pinned work goes follows the
 * number that is enabled. */
TEST(CapabilityTable, growsAndShrinks)
{
    Capability *made;
    CHECK_EQ(capabilityTableStart(2, NULL, NULL, NULL), 0);
    CHECK_EQ(capabilityTableEnabled(), 2);
    Capability *first = capabilities.items[0];
    CHECK_EQ(capabilityTableMake(NULL, NULL, NULL, &made), 0);
    CHECK_EQ(made->index, 2);
    CHECK_EQ(made->mode, CapabilityDisabled);
    CHECK_EQ(capabilityTableCount(), 2);
    capabilityTableDrop(made, NULL);
    CHECK_EQ(capabilityTableMake(NULL, NULL, NULL, &made), 0);
    capabilityTablePublish(made);
    CHECK_EQ(capabilityTableCount(), 3);
    CHECK_EQ(capabilityTableEnabled(), 2);
    CHECK_EQ(capabilityTablePlace(2), first);
    capabilityTableEnable(3);
    CHECK_EQ(made->mode, CapabilityEnabled);
    CHECK_EQ(capabilityTablePlace(2), made);
    capabilityTableEnable(1);
    CHECK_EQ(capabilityTableCount(), 3);
    CHECK_EQ(first->mode, CapabilityEnabled);
    for (uint32_t i = 1; i < 3; i++) {
        CHECK_EQ(capabilities.items[i]->mode, CapabilityDisabled);
        CHECK(capabilities.items[i]->attention & AttentionSlice);
        CHECK_EQ(capabilityTablePlace(i), first);
        CHECK_EQ(capabilityTablePick(), first);
    }
    CHECK_EQ(capabilities.items[0], first);
    capabilityTableFree(NULL);
}

TEST(CapabilityTable, growsToTheMostAndNoFurther)
{
    Capability *made;
    CHECK_EQ(capabilityTableStart(CAPABILITY_MOST, NULL, NULL, NULL), 0);
    CHECK_EQ(capabilityTableMake(NULL, NULL, NULL, &made), -EINVAL);
    capabilityTableFree(NULL);
}
