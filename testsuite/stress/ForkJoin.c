/* ForkJoin.c -- storms of births and deaths: trees, a flat crowd, detached threads, joins from
 * anywhere.
 *
 * Every thread does one countable thing; the counts and the results that joins bring must be exact.
 */
#include "testsuite/support/Crowd.h"

#include <pthread.h>

enum { TREE_DEPTH = 6, MOST_CHILDREN = 4, FLAT = 10000, JOINERS = 3, SHARED = 64 };

static uint64_t born, buried; /* everybody adds, relaxed */
static uint64_t fork_index;   /* everybody adds, relaxed: gives each thread its own numbers */

static ThreadAttributes drawAttributes(uint64_t *seed)
{
    static const size_t sizes[] = {0, 0, 0, 65536, 131072, 262144};
    ThreadAttributes attributes = {.stack_size = sizes[crowdDraw(seed, 6)]};
    if (crowdDraw(seed, 4) == 0)
        attributes.pinned = 1 + (uint32_t)crowdDraw(seed, 5);
    if (crowdDraw(seed, 16) == 0)
        attributes.label = "leaf or branch";
    return attributes;
}

/* ---- trees ---- */

typedef struct Branch {
    uint32_t depth;
    uint64_t seed;
    uint64_t leaves; /* expected below, filled in by whoever plants it; read by its thread */
} Branch;

static void *growBranch(void *env);

static void dawdle(uint64_t *seed)
{
    uint64_t what = crowdDraw(seed, 16);
    if (what < 3)
        threadYield();
    else if (what == 3)
        threadDelay((int64_t)crowdDraw(seed, 50));
}

static uint64_t growChildren(Branch *branch)
{
    Branch children[MOST_CHILDREN];
    Thread *threads[MOST_CHILDREN];
    size_t count = 1 + crowdDraw(&branch->seed, MOST_CHILDREN);
    uint64_t leaves = 0;
    for (size_t i = 0; i < count; i++) {
        ThreadAttributes attributes = drawAttributes(&branch->seed);
        children[i] = (Branch){branch->depth - 1, testRandomFrom(&branch->seed), 0};
        CHECK_EQ(threadForkWith(&threads[i], &attributes, growBranch, &children[i]), 0);
        dawdle(&branch->seed);
    }
    for (size_t i = count; i-- > 0;) {
        void *result = NULL;
        CHECK_EQ(threadJoin(threads[i], &result), 0);
        CHECK_EQ((uintptr_t)result, children[i].leaves);
        if (crowdDraw(&branch->seed, 4) == 0)
            CHECK_EQ(threadJoin(threads[i], NULL), 0); /* again: it has ended for good */
        leaves += (uintptr_t)result;
        threadRelease(threads[i]);
    }
    return leaves;
}

static void *growBranch(void *env)
{
    Branch *branch = env;
    ADD_RELAXED(&born, 1);
    dawdle(&branch->seed);
    branch->leaves = branch->depth == 0 ? 1 : growChildren(branch);
    ADD_RELAXED(&buried, 1);
    return (void *)(uintptr_t)branch->leaves;
}

TEST(ForkJoin, treesCountTheirLeaves)
{
    uint64_t state = testSeed(), trees = 0, leaves = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)crowdDraw(&state, 4), 4);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        Branch roots[4];
        for (size_t i = 0; i < 4; i++) {
            roots[i] = (Branch){TREE_DEPTH, testRandomFrom(&state), 0};
            crowdFork(&crowd, growBranch, &roots[i], "root");
        }
        crowdJoin(&crowd);
        for (size_t i = 0; i < 4; i++)
            leaves += roots[i].leaves;
        trees += 4;
    } while (rtsNow() < end_ns);
    CHECK_EQ(RELAXED_LOAD(&born), RELAXED_LOAD(&buried));
    printf("%llu trees, %llu threads, %llu leaves\n", (unsigned long long)trees,
           (unsigned long long)RELAXED_LOAD(&born), (unsigned long long)leaves);
    crowdStop(&crowd);
}

/* ---- the flat crowd ---- */

static void *countOne(void *env)
{
    uint64_t seed = crowdSeed(ADD_RELAXED(&fork_index, 1));
    if (crowdDraw(&seed, 8) == 0)
        threadYield();
    ADD_RELAXED(&buried, 1);
    return env;
}

static void *forkFlat(void *env)
{
    size_t count = *(size_t *)env;
    Thread **threads = calloc(count, sizeof *threads);
    uint64_t seed = crowdSeed(77);
    CHECK(threads != NULL);
    for (size_t i = 0; i < count; i++) {
        ThreadAttributes attributes = drawAttributes(&seed);
        CHECK_EQ(threadForkWith(&threads[i], &attributes, countOne, (void *)i), 0);
        if (i % 3 == 1) {
            threadRelease(threads[i]); /* before or after its end, whichever comes first */
            threads[i] = NULL;
        }
    }
    for (size_t i = 0; i < count; i++) {
        void *result = NULL;
        if (threads[i] == NULL)
            continue;
        CHECK_EQ(threadJoin(threads[i], &result), 0);
        CHECK_EQ((uintptr_t)result, i);
        threadRelease(threads[i]);
    }
    free(threads);
    return NULL;
}

TEST(ForkJoin, tenThousandAtOnce)
{
    size_t count = crowdScale(FLAT, 1000);
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 3, 1);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    RELAXED_STORE(&buried, 0);
    do {
        crowdFork(&crowd, forkFlat, &count, "forker");
        crowdJoin(&crowd);
        rounds++;
    } while (rtsNow() < end_ns);
    crowdStop(&crowd); /* drains: those whose handles were given back have ended too */
    CHECK_EQ(RELAXED_LOAD(&buried), rounds * count);
    printf("%llu times %zu threads\n", (unsigned long long)rounds, count);
}

/* ---- detached ---- */

static void *forkDetached(void *env)
{
    uint64_t seed = crowdSeed(ADD_RELAXED(&fork_index, 1));
    uintptr_t depth = (uintptr_t)env;
    ADD_RELAXED(&born, 1);
    for (size_t i = 0; depth > 0 && i < 3; i++) {
        ThreadAttributes attributes = drawAttributes(&seed);
        CHECK_EQ(threadForkWith(NULL, &attributes, forkDetached, (void *)(depth - 1)), 0);
    }
    dawdle(&seed);
    ADD_RELAXED(&buried, 1);
    return NULL;
}

/* A tree of depth 5 and breadth 3 has 364 threads; nobody waits for any of them but the
 * shutdown. */
TEST(ForkJoin, detachedThreadsAllEnd)
{
    uint64_t rounds = 0;
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    RELAXED_STORE(&born, 0);
    RELAXED_STORE(&buried, 0);
    do {
        RtsConfig config = {.capabilities = 1 + (uint32_t)(rounds % 3)};
        CHECK_EQ(rtsInit(&config), 0);
        CHECK_EQ(threadFork(NULL, forkDetached, (void *)5), 0);
        int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
        while (rounds % 2 == 0 && RELAXED_LOAD(&buried) < (rounds + 1) * 364) {
            CHECK_LT(rtsNow(), deadline_ns);
            crowdPause(100000);
        }
        CHECK_EQ(rtsShutdown(Drain, deadline_ns), 0); /* every other time while they live */
        rounds++;
        CHECK_EQ(RELAXED_LOAD(&buried), rounds * 364);
    } while (rtsNow() < end_ns);
    CHECK_EQ(RELAXED_LOAD(&born), RELAXED_LOAD(&buried));
    printf("%llu detached threads\n", (unsigned long long)RELAXED_LOAD(&born));
}

/* ---- joins from OS threads ---- */

static Thread *shared[SHARED]; /* written by the test before the joiners start, read by them */

static void *joinAll(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    for (size_t n = 0; n < SHARED; n++) {
        size_t i = (n + (size_t)seed) % SHARED;
        void *result = NULL;
        CHECK_EQ(threadJoin(shared[i], &result), 0);
        CHECK_EQ((uintptr_t)result, i);
    }
    return NULL;
}

TEST(ForkJoin, osThreadsAndGreenThreadsJoinTheSame)
{
    uint64_t rounds = 0, seed = crowdSeed(5);
    Crowd crowd;
    crowdStart(&crowd, 2, JOINERS);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        pthread_t os_threads[JOINERS];
        for (size_t i = 0; i < SHARED; i++) {
            ThreadAttributes attributes = drawAttributes(&seed);
            CHECK_EQ(threadForkWith(&shared[i], &attributes, countOne, (void *)i), 0);
        }
        for (uintptr_t i = 0; i < JOINERS; i++) {
            CHECK_EQ(pthread_create(&os_threads[i], NULL, joinAll, (void *)(rounds * 9 + i)), 0);
            crowdFork(&crowd, joinAll, (void *)(rounds * 11 + i), "joiner");
        }
        crowdJoin(&crowd);
        for (uintptr_t i = 0; i < JOINERS; i++)
            CHECK_EQ(pthread_join(os_threads[i], NULL), 0);
        for (size_t i = 0; i < SHARED; i++)
            threadRelease(shared[i]);
        rounds++;
    } while (rtsNow() < end_ns);
    printf("%llu rounds, %d threads joined by %d each\n", (unsigned long long)rounds, SHARED,
           2 * JOINERS);
    crowdStop(&crowd);
}
