/* PoolTest.c -- type-stable memory: rts/Pool.c. */
#include "rts/Pool.h"

#include "internal/SMP.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

typedef struct Item {
    uint64_t held; /* survives in the pool */
    void *link;
} CACHE_ALIGNED Item;

static int outstanding; /* blocks that were allocated and not released */
static int allowed = 1 << 30;

static void *countingAllocate(void *context, size_t size, size_t alignment)
{
    (void)context;
    if (allowed-- <= 0)
        return NULL;
    outstanding++;
    return aligned_alloc(alignment, size);
}

static void countingRelease(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context;
    (void)size;
    (void)alignment;
    outstanding--;
    free(memory);
}

static const Allocator counting = {countingAllocate, countingRelease, NULL};

/* Goal: every item is distinct, aligned, zero at first, and keeps what it held. */
TEST(Pool, itemsStayAsTheyAre)
{
    enum { MANY = 200 };
    static Item *items[MANY];
    Pool pool;
    poolOpen(&pool, &counting, sizeof(Item), offsetof(Item, link));
    for (uint64_t i = 0; i < MANY; i++) {
        items[i] = poolTake(&pool);
        CHECK_EQ((uintptr_t)items[i] % CACHE_LINE, 0u);
        CHECK_EQ(items[i]->held, 0u);
        items[i]->held = i + 1;
    }
    for (uint64_t i = 0; i < MANY; i++)
        CHECK_EQ(items[i]->held, i + 1);
    for (int i = 0; i < MANY; i++)
        poolGive(&pool, items[i]);
    uint64_t sum = 0;
    for (int i = 0; i < MANY; i++) /* no more memory is wanted for as many again */
        sum += ((Item *)poolTake(&pool))->held;
    CHECK_EQ(sum, (uint64_t)MANY * (MANY + 1) / 2);
    CHECK_GT(outstanding, 0);
    poolClose(&pool);
    CHECK_EQ(outstanding, 0);
}

TEST(Pool, saysWhenMemoryIsOut)
{
    Pool pool;
    poolOpen(&pool, &counting, sizeof(Item), offsetof(Item, link));
    allowed = 0;
    CHECK_EQ(poolTake(&pool), NULL);
    allowed = 1 << 30;
    CHECK_NE(poolTake(&pool), NULL);
    poolClose(&pool);
    CHECK_EQ(outstanding, 0);
}

static Pool shared;

static void *takeAndGive(void *env)
{
    for (int i = 0; i < 20000; i++) {
        Item *item = poolTake(&shared);
        CHECK_EQ(XCHG_ACQUIRE(&item->held, (uint64_t)(uintptr_t)env), 0u); /* nobody else has it */
        RELEASE_STORE(&item->held, 0);
        poolGive(&shared, item);
    }
    return NULL;
}

TEST(Pool, nobodySharesAnItem)
{
    pthread_t threads[3];
    poolOpen(&shared, &counting, sizeof(Item), offsetof(Item, link));
    for (uintptr_t i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, takeAndGive, (void *)(i + 1)), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    poolClose(&shared);
}
