/* ThreadPoolTest.c -- descriptors: chunks that stay, caches, ids, and memory that runs out. */
#include "rts/Thread.h"

#include "testsuite/support/Runtime.h"

#include <string.h>

enum { MANY = 2 * THREAD_CACHE_MOST };

static CountingHeap heap;
static Allocator allocator;

static void begin(void)
{
    heap = (CountingHeap){0};
    allocator = countingAllocator(&heap);
    threadPoolStart(&allocator);
}

static void end(void)
{
    threadPoolEnd();
    CHECK_EQ(heap.live_blocks, 0);
    CHECK_EQ(heap.live_bytes, 0);
}

static Thread *threads[MANY];

static void takeAll(ThreadCache *cache)
{
    for (int i = 0; i < MANY; i++) {
        threads[i] = threadCacheTake(cache);
        CHECK(threads[i] != NULL);
        CHECK_EQ(threads[i]->id, 0);
        threads[i]->id = (uint64_t)i + 1;
    }
}

static void giveAll(ThreadCache *cache)
{
    for (int i = 0; i < MANY; i++) {
        threads[i]->id = 0;
        threadCacheGive(cache, threads[i]);
    }
}

TEST(ThreadPool, handsEachOutOnce)
{
    ThreadCache cache = {0};
    begin();
    takeAll(&cache); /* an id that is not 0 tells who has been handed out twice */
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(threads[i]->id, (uint64_t)i + 1);
        CHECK_EQ((uintptr_t)&threads[i]->node % 16, 0);
        CHECK(threads[i]->runnable.run != NULL);
        CHECK(threads[i]->timer.fire != NULL);
    }
    giveAll(&cache);
    CHECK_LE(cache.count, THREAD_CACHE_MOST); /* the rest is for others */
    end();
}

/* What one capability gave back another one gets: memory does not grow. */
TEST(ThreadPool, passesOnWhatOneGivesBack)
{
    ThreadCache one = {0}, two = {0};
    begin();
    takeAll(&one);
    giveAll(&one);
    uint64_t asked = heap.asked;
    threadCacheDrain(&one);
    CHECK_EQ(one.count, 0);
    CHECK_EQ(one.free, NULL);
    takeAll(&two);
    CHECK_EQ(heap.asked, asked);
    giveAll(&two);
    for (int round = 0; round < 30; round++) {
        if (round == 10) /* by then it keeps back what it may */
            asked = heap.asked;
        takeAll(&one);
        giveAll(&two); /* from one to the other, for ever */
    }
    CHECK_EQ(heap.asked, asked);
    end();
}

TEST(ThreadPool, neverRepeatsAnId)
{
    ThreadCache one = {0}, two = {0};
    static uint64_t seen[4 * MANY];
    begin();
    for (int i = 0; i < 2 * MANY; i++) {
        seen[2 * i] = threadCacheId(&one);
        seen[2 * i + 1] = threadCacheId(&two);
        CHECK_GT(seen[2 * i], 0);
        CHECK_GT(seen[2 * i + 1], 0);
        if (i > 0) { /* each cache counts up, so two lists are compared by merging them */
            CHECK_GT(seen[2 * i], seen[2 * i - 2]);
            CHECK_GT(seen[2 * i + 1], seen[2 * i - 1]);
        }
    }
    for (int a = 0, b = 1; a < 4 * MANY && b < 4 * MANY;) {
        CHECK_NE(seen[a], seen[b]);
        if (seen[a] < seen[b])
            a += 2;
        else
            b += 2;
    }
    end();
}

static void countThread(Thread *thread, void *env)
{
    uint32_t *count = env;
    CHECK_NE(thread->id, 0);
    ++*count;
}

TEST(ThreadPool, walksTheLiving)
{
    ThreadCache cache = {0};
    uint32_t count = 0;
    begin();
    threadPoolEach(countThread, &count);
    CHECK_EQ(count, 0);
    takeAll(&cache);
    threadPoolEach(countThread, &count);
    CHECK_EQ(count, MANY);
    threads[0]->id = threads[MANY - 1]->id = 0;
    count = 0;
    threadPoolEach(countThread, &count);
    CHECK_EQ(count, MANY - 2);
    giveAll(&cache);
    end();
}

TEST(ThreadPool, saysWhenMemoryIsOut)
{
    ThreadCache cache = {0};
    begin();
    heap.fail_from = 1;
    CHECK_EQ(threadCacheTake(&cache), NULL);
    CHECK_EQ(threadCacheTake(&cache), NULL);
    heap.fail_from = 0;
    Thread *thread = threadCacheTake(&cache);
    CHECK(thread != NULL);
    heap.fail_from = 1;
    int more = 0;
    while (threadCacheTake(&cache) != NULL) /* what the chunk still holds */
        more++;
    CHECK_GT(more, 0);
    threadCacheGive(&cache, thread);
    CHECK_EQ(threadCacheTake(&cache), thread);
    end();
}
