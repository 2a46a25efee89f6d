/* TVarStorm.c -- many awaiters and writers on few variables, green threads and OS threads alike.
 *
 * Storm: one writer per variable counts up to a last value as fast as it can; readers of all kinds
 * see values and versions that never go back, and stop at the last value: a missed wake-up leaves
 * one behind. Lockstep: the writer goes on only when every awaiter has acknowledged the round, so
 * that every single wake-up counts.
 */
#include "testsuite/support/Crowd.h"

#include <capri/tvar.h>

#include <pthread.h>

enum { VARIABLES = 4, AWAITERS = 24, OS_AWAITERS = 4, ROUND_WRITES = 2000, STEPS = 200 };

static TVar *variables[VARIABLES]; /* constant while the threads run */
static TVar *acknowledged[VARIABLES];
static uint32_t counters[VARIABLES]; /* lockstep: awaiters add, the last one writes acknowledged */
static uint32_t awaiters_each;       /* constant while the threads run */
static uint64_t writes_most;         /* likewise */
static uint64_t seed_index;          /* relaxed add */

typedef struct Seen {
    uintptr_t value;
    uint64_t version;
} Seen;

/* The next look at a variable: never older than the one before. */
static Seen look(TVar *tvar, Seen before)
{
    Seen now;
    now.value = (uintptr_t)tvarReadVersionIO(tvar, &now.version);
    CHECK_GE(now.value, before.value);
    CHECK_GE(now.version, before.version);
    CHECK_EQ(now.version == before.version, now.value == before.value);
    return now;
}

/* ---- storm ---- */

static void *followToTheEnd(void *env)
{
    TVar *tvar = variables[(uintptr_t)env % VARIABLES];
    uint64_t seed = crowdSeed(ADD_RELAXED(&seed_index, 1)), waits = 0;
    Seen seen = {0, 0};
    seen.value = (uintptr_t)tvarReadVersionIO(tvar, &seen.version);
    while (seen.value != writes_most) {
        if (crowdDraw(&seed, 4) == 0) {
            int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(&seed, 100000);
            int result = tvarAwaitUntil(tvar, seen.version, deadline_ns);
            if (result == -ETIMEDOUT)
                CHECK_GE(rtsNow(), deadline_ns);
            else
                CHECK_EQ(result, 0);
        } else {
            uint64_t version = seen.version;
            CHECK_EQ(tvarAwait(tvar, version), 0);
            seen = look(tvar, seen);
            CHECK_NE(seen.version, version); /* it woke because there was a write */
        }
        seen = look(tvar, seen);
        if (++waits % 64 == 0)
            threadYield();
    }
    return NULL;
}

static void *countUp(void *env)
{
    TVar *tvar = variables[(uintptr_t)env % VARIABLES];
    uint64_t seed = crowdSeed(ADD_RELAXED(&seed_index, 1));
    for (uint64_t value = 1; value <= writes_most; value++) {
        CHECK_EQ(tvarWriteIO(tvar, (void *)(uintptr_t)value), 0);
        if (crowdDraw(&seed, 8) == 0)
            threadYield();
        else if (crowdDraw(&seed, 64) == 0)
            threadDelay((int64_t)crowdDraw(&seed, 50));
    }
    return NULL;
}

static void makeVariables(void)
{
    for (size_t i = 0; i < VARIABLES; i++) {
        variables[i] = tvarNew(NULL);
        acknowledged[i] = tvarNew(NULL);
        CHECK(variables[i] != NULL && acknowledged[i] != NULL);
        RELAXED_STORE(&counters[i], 0);
    }
}

static void freeVariables(void)
{
    for (size_t i = 0; i < VARIABLES; i++) {
        tvarFree(variables[i]);
        tvarFree(acknowledged[i]);
    }
}

/* `fn` on OS_AWAITERS OS threads and AWAITERS green threads, `writer` for each variable, the last
 * of them on an OS thread. */
static void runAll(Crowd *crowd, ThreadFn *fn, ThreadFn *writer)
{
    pthread_t os_threads[OS_AWAITERS + 1];
    for (uintptr_t i = 0; i < OS_AWAITERS; i++)
        CHECK_EQ(pthread_create(&os_threads[i], NULL, fn, (void *)i), 0);
    for (uintptr_t i = 0; i < AWAITERS; i++)
        crowdFork(crowd, fn, (void *)i, "awaiter");
    for (uintptr_t i = 0; i + 1 < VARIABLES; i++)
        crowdFork(crowd, writer, (void *)i, "writer");
    void *last = (void *)(uintptr_t)(VARIABLES - 1);
    CHECK_EQ(pthread_create(&os_threads[OS_AWAITERS], NULL, writer, last), 0);
    crowdJoin(crowd);
    for (size_t i = 0; i <= OS_AWAITERS; i++)
        CHECK_EQ(pthread_join(os_threads[i], NULL), 0);
}

TEST(TVarStorm, everyFollowerSeesTheLastValue)
{
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), AWAITERS + VARIABLES);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    writes_most = crowdScale(ROUND_WRITES, ROUND_WRITES / 10);
    do {
        makeVariables();
        runAll(&crowd, followToTheEnd, countUp);
        freeVariables();
        rounds++;
    } while (rtsNow() < end_ns);
    printf("%llu rounds of %llu writes on %d variables\n", (unsigned long long)rounds,
           (unsigned long long)writes_most, VARIABLES);
    crowdStop(&crowd);
}

/* ---- lockstep ---- */

static void *acknowledgeEach(void *env)
{
    size_t which = (uintptr_t)env % VARIABLES;
    Seen seen = {0, 0};
    for (uintptr_t step = 1; step <= STEPS; step++) {
        seen.value = (uintptr_t)tvarReadVersionIO(variables[which], &seen.version);
        while (seen.value < step) {
            CHECK_EQ(tvarAwait(variables[which], seen.version), 0);
            seen = look(variables[which], seen);
        }
        CHECK_EQ(seen.value, step); /* the writer waits for us */
        if (ADD_SEQ_CST(&counters[which], 1) + 1 == step * awaiters_each)
            CHECK_EQ(tvarWriteIO(acknowledged[which], (void *)step), 0);
    }
    return NULL;
}

static void *writeEach(void *env)
{
    size_t which = (uintptr_t)env % VARIABLES;
    for (uintptr_t step = 1; step <= STEPS; step++) {
        uint64_t version;
        CHECK_EQ(tvarWriteIO(variables[which], (void *)step), 0);
        while ((uintptr_t)tvarReadVersionIO(acknowledged[which], &version) != step)
            CHECK_EQ(tvarAwait(acknowledged[which], version), 0);
    }
    return NULL;
}

TEST(TVarStorm, lockstepLosesNoWakeUp)
{
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), AWAITERS + VARIABLES);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    _Static_assert(AWAITERS % VARIABLES == 0 && OS_AWAITERS % VARIABLES == 0, "the same for each");
    awaiters_each = (AWAITERS + OS_AWAITERS) / VARIABLES;
    do {
        makeVariables();
        runAll(&crowd, acknowledgeEach, writeEach);
        freeVariables();
        rounds++;
    } while (rtsNow() < end_ns);
    printf("%llu rounds of %d steps, %u awaiters for each of %d variables\n",
           (unsigned long long)rounds, STEPS, awaiters_each, VARIABLES);
    crowdStop(&crowd);
}
