/* ChanStorm.c -- writers and readers of one stream, green threads and OS threads alike, some with
 * deadlines: every end sees every value once, each writer's in order and all ends in the same one.
 */
#include "testsuite/support/Crowd.h"

#include <capri/chan.h>

#include <pthread.h>

enum { ENDS = 3, WRITERS = 4, VALUES = 1500 };

static struct {
    Chan *ends[ENDS];                       /* constant while the threads run */
    uint32_t read[ENDS];                    /* values read from an end: its reader's */
    uint32_t order[ENDS][WRITERS * VALUES]; /* likewise: which */
    uint32_t each;                          /* constant: values of each writer */
    uint64_t seed_index;                    /* relaxed add */
} all;

static void *writeOwn(void *env)
{
    uintptr_t writer = (uintptr_t)env;
    uint64_t seed = crowdSeed(ADD_RELAXED(&all.seed_index, 1));
    for (uintptr_t i = 0; i < all.each; i++) {
        CHECK_EQ(chanWrite(all.ends[crowdDraw(&seed, ENDS)], (void *)(i * WRITERS + writer)), 0);
        if (crowdDraw(&seed, 16) == 0)
            threadYield();
    }
    return NULL;
}

static void *readEnd(void *env)
{
    size_t end = (uintptr_t)env;
    uint64_t seed = crowdSeed(ADD_RELAXED(&all.seed_index, 1));
    uintptr_t next[WRITERS] = {0};
    while (all.read[end] < all.each * WRITERS) {
        void *value = NULL;
        int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(&seed, 20000);
        int result = crowdDraw(&seed, 2) == 0 ? chanRead(all.ends[end], &value)
                                              : chanReadUntil(all.ends[end], &value, deadline_ns);
        if (result == -ETIMEDOUT)
            continue;
        CHECK_EQ(result, 0);
        uintptr_t number = (uintptr_t)value, writer = number % WRITERS;
        CHECK_EQ(number / WRITERS, next[writer]++);
        all.order[end][all.read[end]++] = (uint32_t)number;
    }
    return NULL;
}

TEST(ChanStorm, everyEndSeesTheSame)
{
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), ENDS + WRITERS);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    all.each = (uint32_t)crowdScale(VALUES, VALUES / 10);
    do {
        pthread_t reader, writer;
        all.ends[0] = chanNew();
        for (size_t i = 0; i < ENDS; i++) {
            all.ends[i] = i == 0 ? all.ends[0] : chanDup(all.ends[0]);
            CHECK(all.ends[i] != NULL);
            all.read[i] = 0;
        }
        CHECK_EQ(pthread_create(&reader, NULL, readEnd, NULL), 0);
        CHECK_EQ(pthread_create(&writer, NULL, writeOwn, NULL), 0);
        for (uintptr_t i = 1; i < ENDS; i++)
            crowdFork(&crowd, readEnd, (void *)i, "reader");
        for (uintptr_t i = 1; i < WRITERS; i++)
            crowdFork(&crowd, writeOwn, (void *)i, "writer");
        crowdJoin(&crowd);
        CHECK_EQ(pthread_join(reader, NULL), 0);
        CHECK_EQ(pthread_join(writer, NULL), 0);
        for (size_t i = 0; i < ENDS; i++) {
            CHECK_EQ(memcmp(all.order[i], all.order[0], all.read[0] * sizeof all.order[0][0]), 0);
            CHECK_EQ(chanTryRead(all.ends[i], NULL), -EAGAIN);
            chanFree(all.ends[i]);
        }
        rounds++;
    } while (rtsNow() < end_ns);
    printf("%llu rounds of %u values\n", (unsigned long long)rounds, all.each * WRITERS);
    crowdStop(&crowd);
}
