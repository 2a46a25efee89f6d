/* TimeoutPoolTest.c -- records: each is somebody's once, whoever takes and gives. */
#include "iomgr/TimeoutPool.h"
#include "iomgr/Memory.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <pthread.h>

static TimeoutPool pool;

static void neverFires(Timer *timer, uint64_t number, void *sink)
{
    (void)timer, (void)number, (void)sink;
    CHECK(false);
}

static void grow(void)
{
    CHECK_EQ(timeoutPoolGrow(&pool, NULL, NULL, neverFires), 0);
}

static void openWith(int chunks)
{
    timeoutPoolOpen(&pool);
    while (chunks-- > 0)
        grow();
}

/* `next` marks who has been taken. */
static Timeout *take(bool home)
{
    Timeout *record = home ? timeoutPoolTakeHome(&pool) : timeoutPoolTake(&pool);
    if (record != NULL) {
        CHECK(record->next == NULL);
        CHECK(record->timer.fire == neverFires);
        record->next = record;
    }
    return record;
}

static void give(bool home, Timeout *record)
{
    CHECK(record->next == record);
    record->next = NULL;
    if (home)
        timeoutPoolGiveHome(&pool, record);
    else
        timeoutPoolGive(&pool, record);
}

TEST(TimeoutPool, givesEachOnce)
{
    Timeout *all[4 * TIMEOUT_MAGAZINE + 1];
    for (int home = 0; home < 2; home++) {
        openWith(4);
        CHECK_EQ(pool.records, 4 * TIMEOUT_MAGAZINE);
        CHECK_EQ(timeoutPoolFree(&pool), pool.records);
        for (uint32_t i = 0; i < 4 * TIMEOUT_MAGAZINE; i++)
            CHECK((all[i] = take(home)) != NULL);
        CHECK(take(home) == NULL);
        CHECK(take(!home) == NULL);
        CHECK_EQ(timeoutPoolFree(&pool), 0);
        for (uint32_t i = 0; i < 4 * TIMEOUT_MAGAZINE; i++)
            give(i % 2, all[i]);
        CHECK_EQ(timeoutPoolFree(&pool), pool.records);
        timeoutPoolClose(&pool, NULL);
    }
}

/* Pairs at home touch nothing that is shared: somebody else holds the lock meanwhile. */
TEST(TimeoutPool, pairsAtHomeTakeNoLock)
{
    openWith(1);
    give(true, take(true));
    spinLock(&pool.lock);
    for (int i = 0; i < 1000; i++)
        give(true, take(true));
    Timeout *some[TIMEOUT_MAGAZINE];
    for (uint32_t i = 0; i < TIMEOUT_MAGAZINE; i++)
        CHECK((some[i] = take(true)) != NULL);
    for (uint32_t i = 0; i < TIMEOUT_MAGAZINE; i++)
        give(true, some[i]);
    spinUnlock(&pool.lock);
    timeoutPoolClose(&pool, NULL);
}

/* What one side takes the other gives back: nothing piles up on either. */
TEST(TimeoutPool, flowsBothWays)
{
    openWith(6);
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < 100000; i++) {
            Timeout *record = take(way == 0);
            CHECK(record != NULL);
            give(way != 0, record);
        }
        CHECK_EQ(timeoutPoolFree(&pool), pool.records);
    }
    timeoutPoolClose(&pool, NULL);
}

/* Random takes and gives on both sides, with chunks that come in between. */
TEST(TimeoutPool, keepsCount)
{
    enum { MOST = 1000 };
    static Timeout *held[MOST];
    uint32_t count = 0;
    openWith(0);
    for (int i = 0; i < 200000; i++) {
        bool home = testRandom() % 2 == 0;
        if (testRandom() % 2 == 0 && count < MOST) {
            Timeout *record = take(home);
            if (record == NULL)
                grow();
            else
                held[count++] = record;
        } else if (count > 0) {
            uint32_t which = (uint32_t)(testRandom() % count);
            give(home, held[which]);
            held[which] = held[--count];
        }
        CHECK_EQ(timeoutPoolFree(&pool) + count, pool.records);
    }
    CHECK_LE(pool.records, (MOST + 4 * TIMEOUT_MAGAZINE) * 5 / 4); /* two are home's own */
    timeoutPoolClose(&pool, NULL);
}

enum { HELPERS = 3, ROUNDS = 100000 };

static void *takeAndGive(void *env)
{
    Timeout *held[5] = {NULL};
    bool home = env != NULL;
    for (int i = 0; i < ROUNDS; i++) {
        Timeout **one = &held[i % 5];
        if (*one != NULL)
            give(home, *one);
        *one = take(home);
    }
    for (int i = 0; i < 5; i++) {
        if (held[i] != NULL)
            give(home, held[i]);
    }
    return NULL;
}

TEST(TimeoutPool, manyThreads)
{
    pthread_t threads[HELPERS];
    openWith(2);
    for (int i = 0; i < HELPERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, takeAndGive, NULL), 0);
    takeAndGive(&pool);
    for (int i = 0; i < HELPERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(timeoutPoolFree(&pool), pool.records);
    timeoutPoolClose(&pool, NULL);
}

static void *refuse(void *context, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    return NULL;
}

static void releaseNothing(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)memory, (void)size, (void)alignment;
}

TEST(TimeoutPool, noMemory)
{
    const Allocator none = {refuse, releaseNothing, NULL};
    openWith(0);
    CHECK_EQ(timeoutPoolGrow(&pool, NULL, &none, neverFires), -ENOMEM);
    CHECK_EQ(pool.records, 0);
    CHECK(take(true) == NULL && take(false) == NULL);
    timeoutPoolClose(&pool, NULL);
}
