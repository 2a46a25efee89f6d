/* FdTableTest.c -- numbers find their slots, slots stay where they are. */
#include "iomgr/Memory.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>

static int64_t bytes_held;
static int allocations_left = INT32_MAX;

static void *allocateCounted(void *context, size_t size, size_t alignment)
{
    (void)context;
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    bytes_held += (int64_t)size;
    return memoryAllocate(NULL, size, alignment);
}

static void releaseCounted(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context;
    bytes_held -= (int64_t)size;
    memoryRelease(NULL, memory, size, alignment);
}

static const Allocator counted = {allocateCounted, releaseCounted, NULL};

TEST(FdTable, numbersFindTheirSlots)
{
    const int numbers[] = {0, 1, 255, 256, 257, 65535, FD_MAX - 1};
    enum { COUNT = sizeof numbers / sizeof numbers[0] };
    FdSlot *slots[COUNT];
    FdTable table;
    CHECK_EQ(fdTableInit(&table, &counted), 0);
    for (int i = 0; i < COUNT; i++)
        slots[i] = fdTableGet(&table, numbers[i]);
    for (int i = 0; i < COUNT; i++) {
        CHECK(slots[i] != NULL);
        CHECK_EQ((uintptr_t)slots[i] % CACHE_LINE, 0);
        CHECK_EQ(fdTableFind(&table, numbers[i]), slots[i]);
        CHECK_EQ(fdTableGet(&table, numbers[i]), slots[i]);
        CHECK_EQ(fdSlotEdges(slots[i], FdRead), 1);
        CHECK_EQ(fdSlotEdges(slots[i], FdWrite), 1);
        CHECK(fdSlotSane(slots[i]));
        for (int j = 0; j < i; j++)
            CHECK_NE(slots[i], slots[j]);
    }
    CHECK_EQ(fdTableFind(&table, 1000), NULL); /* no wait ever came near it */
    CHECK_EQ(fdTableFind(&table, -1), NULL);
    CHECK_EQ(fdTableGet(&table, -1), NULL);
    CHECK_EQ(fdTableGet(&table, FD_MAX), NULL);
    fdTableFree(&table);
    CHECK_EQ(bytes_held, 0);
    fdTableFree(&table); /* twice is nothing */
}

TEST(FdTable, outOfMemory)
{
    FdTable table;
    allocations_left = 0;
    CHECK_EQ(fdTableInit(&table, &counted), -ENOMEM);
    allocations_left = 1;
    CHECK_EQ(fdTableInit(&table, &counted), 0);
    CHECK_EQ(fdTableGet(&table, 5), NULL);
    CHECK_EQ(fdTableFind(&table, 5), NULL);
    allocations_left = INT32_MAX;
    CHECK(fdTableGet(&table, 5) != NULL); /* nothing was left half made */
    fdTableFree(&table);
    CHECK_EQ(bytes_held, 0);
}

enum { RACERS = 3, RACED_CHUNKS = 200 };
static FdTable raced;
static FdSlot *found[RACERS][RACED_CHUNKS];

static void *makeChunks(void *arg)
{
    FdSlot **mine = arg;
    for (int i = 0; i < RACED_CHUNKS; i++)
        mine[i] = fdTableGet(&raced, i << FD_CHUNK_BITS);
    return NULL;
}

TEST(FdTable, aChunkIsMadeOnce)
{
    pthread_t threads[RACERS];
    CHECK_EQ(fdTableInit(&raced, NULL), 0);
    for (int i = 0; i < RACERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, makeChunks, found[i]), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < RACED_CHUNKS; i++) {
        CHECK(found[0][i] != NULL);
        CHECK_EQ(found[1][i], found[0][i]);
        CHECK_EQ(found[2][i], found[0][i]);
    }
    fdTableFree(&raced);
}
