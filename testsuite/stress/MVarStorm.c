/* MVarStorm.c -- many takers and putters on few MVars, green threads and OS threads alike.
 *
 * Tokens: each is taken out of one box and put into another, with deadlines that mostly pass at
 * once, so that hand-overs and giving up meet all the time.  A token is held by one thread at a
 * time, and in the end every one of them is there.  Flow: without deadlines; what producers put is
 * what consumers take, each value once, and a hand-over that is lost leaves somebody behind.
 */
#include "testsuite/support/Crowd.h"

#include <capri/mvar.h>

#include <pthread.h>

enum { BOXES = 3, TOKENS = 2, GREEN = 12, OS_THREADS = 3, FLOW_VALUES = 2000 };

static MVar *boxes[BOXES];    /* constant while the threads run */
static uint32_t held[TOKENS]; /* 1 while a thread has that token */
static uint64_t moves;        /* relaxed add */
static uint64_t seed_index;   /* likewise */
static char poison;           /* its address: end */

/* ---- tokens ---- */

static int64_t drawDeadline(uint64_t *seed)
{
    return rtsNow() + (int64_t)crowdDraw(seed, 30000) - 5000;
}

static void hold(uint32_t *token)
{
    CHECK(token >= held && token < held + TOKENS);
    CHECK_EQ(XCHG_ACQ_REL(token, 1), 0);
}

/* Into any box, as soon as one has room. */
static void putSomewhere(uint32_t *token, uint64_t *seed)
{
    CHECK_EQ(XCHG_ACQ_REL(token, 0), 1);
    for (;;) {
        MVar *box = boxes[crowdDraw(seed, BOXES)];
        int result = crowdDraw(seed, 4) == 0 ? mvarTryPut(box, token)
                                             : mvarPutUntil(box, token, drawDeadline(seed));
        if (result == 0)
            return;
        CHECK(result == -ETIMEDOUT || result == -EAGAIN);
    }
}

static int takeSomehow(MVar *box, void **value, uint64_t *seed)
{
    switch (crowdDraw(seed, 4)) {
    case 0:
        return mvarTryTake(box, value);
    case 1:
        return mvarTake(box, value);
    default:
        return mvarTakeUntil(box, value, drawDeadline(seed));
    }
}

static void *moveTokens(void *env)
{
    uint64_t seed = crowdSeed(ADD_RELAXED(&seed_index, 1));
    (void)env;
    for (;;) {
        MVar *box = boxes[crowdDraw(&seed, BOXES)];
        void *value = NULL;
        if (crowdDraw(&seed, 8) == 0) {
            int result = mvarReadUntil(box, &value, drawDeadline(&seed));
            CHECK(result == 0 || result == -ETIMEDOUT);
            continue;
        }
        int result = takeSomehow(box, &value, &seed);
        if (result != 0) {
            CHECK(result == -ETIMEDOUT || result == -EAGAIN);
            continue;
        }
        if (value == &poison) { /* for the next one */
            CHECK_EQ(mvarPut(box, value), 0);
            return NULL;
        }
        hold(value);
        ADD_RELAXED(&moves, 1);
        if (crowdDraw(&seed, 16) == 0 && threadSelf() != NULL)
            threadYield();
        putSomewhere(value, &seed);
    }
}

/* Take all tokens out, then poison every box. */
static void stopTokens(void)
{
    uint32_t found = 0;
    for (uint32_t i = 0; found < TOKENS; i++) {
        void *value;
        if (mvarTakeUntil(boxes[i % BOXES], &value, rtsNow() + 100000) == 0) {
            hold(value);
            found++;
        }
    }
    for (uint32_t i = 0; i < BOXES; i++)
        CHECK_EQ(mvarPut(boxes[i], &poison), 0);
}

static void runAll(Crowd *crowd, ThreadFn *green, ThreadFn *os, void (*then)(void))
{
    pthread_t os_threads[OS_THREADS];
    for (uintptr_t i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_create(&os_threads[i], NULL, os, (void *)i), 0);
    for (uintptr_t i = 0; i < GREEN; i++)
        crowdFork(crowd, green, (void *)i, "mover");
    then();
    crowdJoin(crowd);
    for (size_t i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_join(os_threads[i], NULL), 0);
}

static void letThemMove(void)
{
    crowdPause(100 * 1000 * 1000);
    stopTokens();
}

TEST(MVarStorm, tokensAreNeitherLostNorDoubled)
{
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), GREEN);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        for (size_t i = 0; i < BOXES; i++) {
            boxes[i] = i < TOKENS ? mvarNew(&held[i]) : mvarNewEmpty();
            CHECK(boxes[i] != NULL);
        }
        for (size_t i = 0; i < TOKENS; i++)
            RELAXED_STORE(&held[i], 0);
        runAll(&crowd, moveTokens, moveTokens, letThemMove);
        for (size_t i = 0; i < BOXES; i++) {
            void *value = NULL;
            CHECK_EQ(mvarTryTake(boxes[i], &value), 0);
            CHECK_EQ(value, (void *)&poison);
            mvarFree(boxes[i]);
        }
    } while (rtsNow() < end_ns);
    printf("%llu moves of %d tokens\n", (unsigned long long)RELAXED_LOAD(&moves), TOKENS);
    crowdStop(&crowd);
}

/* ---- flow ---- */

static uint32_t taken[FLOW_VALUES];  /* times each value was taken */
static uint32_t next_put, next_take; /* relaxed add */
static uint32_t flow_values;         /* constant while the threads run */

static void produce(MVar *box)
{
    for (uint32_t value; (value = ADD_RELAXED(&next_put, 1)) < flow_values;)
        CHECK_EQ(mvarPut(box, &taken[value]), 0);
}

static void consume(MVar *box)
{
    while (ADD_RELAXED(&next_take, 1) < flow_values) {
        void *value = NULL;
        CHECK_EQ(mvarTake(box, &value), 0);
        CHECK_EQ(ADD_RELAXED((uint32_t *)value, 1), 0);
    }
}

static void *flow(void *env)
{
    if ((uintptr_t)env % 2 == 0)
        produce(boxes[0]);
    else
        consume(boxes[0]);
    return NULL;
}

static void doNothing(void)
{
}

TEST(MVarStorm, whatIsPutIsTakenOnce)
{
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), GREEN);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    flow_values = (uint32_t)crowdScale(FLOW_VALUES, FLOW_VALUES / 10);
    do {
        boxes[0] = mvarNewEmpty();
        CHECK(boxes[0] != NULL);
        RELAXED_STORE(&next_put, 0);
        RELAXED_STORE(&next_take, 0);
        runAll(&crowd, flow, flow, doNothing);
        for (size_t i = 0; i < flow_values; i++)
            CHECK_EQ(XCHG_ACQ_REL(&taken[i], 0), 1);
        CHECK(mvarIsEmpty(boxes[0]));
        mvarFree(boxes[0]);
        rounds++;
    } while (rtsNow() < end_ns);
    printf("%llu rounds of %u values\n", (unsigned long long)rounds, flow_values);
    crowdStop(&crowd);
}
