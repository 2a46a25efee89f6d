/* WeakStorm.c -- weak handles and lists against threads that end and descriptors that are reused:
 * an upgrade gives that very thread or nothing, and no descriptor is lost or freed twice.
 */
#include "testsuite/support/Crowd.h"

#include <pthread.h>

enum { PLACES = 8, FORKERS = 3, UPGRADERS = 3, OS_THREADS = 2, LIST_MOST = 64 };

/* Written by forkers, read by upgraders; a mixture of two is no thread, and says so. */
static struct {
    Thread *thread; /* release, acquire: the descriptor itself */
    uint64_t id;    /* relaxed */
} places[PLACES];

static uint32_t stop;                          /* seq_cst */
static uint64_t upgraded, missed, seeds, live; /* relaxed add */

static void *liveBriefly(void *env)
{
    uint64_t seed = crowdSeed((uint64_t)(uintptr_t)env), id = threadId(threadSelf());
    for (uint64_t i = crowdDraw(&seed, 4); i > 0; i--)
        threadYield();
    if (crowdDraw(&seed, 8) == 0) {
        Thread *self = threadRetain(threadSelf());
        threadYield();
        threadRelease(self);
    }
    ADD_RELAXED(&live, (uint64_t)-1);
    return (void *)(uintptr_t)id;
}

static void publish(ThreadWeak weak, uint64_t *seed)
{
    uint64_t place = crowdDraw(seed, PLACES);
    RELAXED_STORE(&places[place].id, weak.id);
    RELEASE_STORE(&places[place].thread, weak.thread);
}

/* Threads with a handle that is given back at once or after the join, and detached ones. */
static void *forkMany(void *env)
{
    uint64_t seed = crowdSeed(ADD_RELAXED(&seeds, 1));
    (void)env;
    while (SEQ_CST_LOAD(&stop) == 0) {
        Thread *thread;
        void *result = NULL;
        ADD_RELAXED(&live, 1);
        CHECK_EQ(threadFork(&thread, liveBriefly, (void *)(uintptr_t)crowdDraw(&seed, 1000)), 0);
        uint64_t id = threadId(thread);
        publish(threadWeak(thread), &seed);
        if (crowdDraw(&seed, 2) == 0) {
            CHECK_EQ(threadJoin(thread, &result), 0);
            CHECK_EQ((uintptr_t)result, id);
        }
        threadRelease(thread);
        if (RELAXED_LOAD(&live) > 200)
            threadYield();
    }
    return NULL;
}

static void upgradeOne(uint64_t *seed)
{
    uint64_t place = crowdDraw(seed, PLACES);
    ThreadWeak weak = {.thread = ACQUIRE_LOAD(&places[place].thread),
                       .id = RELAXED_LOAD(&places[place].id)};
    Thread *thread = weak.thread == NULL ? NULL : threadWeakUpgrade(weak);
    if (thread == NULL) {
        ADD_RELAXED(&missed, 1);
        return;
    }
    ADD_RELAXED(&upgraded, 1);
    CHECK_EQ(threadId(thread), weak.id);
    if (crowdDraw(seed, 2) == 0) {
        void *result = NULL;
        CHECK_EQ(threadJoin(thread, &result), 0);
        CHECK_EQ((uintptr_t)result, weak.id);
    }
    threadRelease(thread);
}

static void listSome(void)
{
    Thread *threads[LIST_MOST];
    size_t count = threadList(threads, LIST_MOST);
    for (size_t i = 0; i < count && i < LIST_MOST; i++) {
        CHECK_NE(threadId(threads[i]), 0);
        threadRelease(threads[i]);
    }
}

static void *upgradeMany(void *env)
{
    uint64_t seed = crowdSeed(ADD_RELAXED(&seeds, 1));
    (void)env;
    while (SEQ_CST_LOAD(&stop) == 0) {
        for (int i = 0; i < 50; i++)
            upgradeOne(&seed);
        listSome();
        threadYield();
    }
    return NULL;
}

TEST(WeakStorm, upgradesGiveThatThreadOrNone)
{
    Crowd crowd;
    pthread_t os[OS_THREADS];
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 3), FORKERS + UPGRADERS);
    for (int i = 0; i < FORKERS; i++)
        crowdFork(&crowd, forkMany, NULL, "forker");
    for (int i = 0; i < UPGRADERS; i++)
        crowdFork(&crowd, upgradeMany, NULL, "upgrader");
    for (int i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_create(&os[i], NULL, upgradeMany, NULL), 0);
    crowdPause((int64_t)(testSeconds() * 1e9));
    SEQ_CST_STORE(&stop, 1);
    for (int i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_join(os[i], NULL), 0);
    crowdJoin(&crowd);
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (threadList(NULL, 0) != 0) {
        CHECK_LT(rtsNow(), deadline_ns);
        crowdPause(1000000);
    }
    printf("%llu upgrades, %llu of threads that had ended\n",
           (unsigned long long)RELAXED_LOAD(&upgraded), (unsigned long long)RELAXED_LOAD(&missed));
    CHECK_GT(RELAXED_LOAD(&upgraded), 0);
    crowdStop(&crowd);
}
