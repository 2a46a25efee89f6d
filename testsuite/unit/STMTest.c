/* STMTest.c -- transactions: all or nothing, waiting, throwing, what is refused. */
#include "rts/stm/STM.h"

#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Pair {
    TVar *x, *y;
    intptr_t amount;
    uint32_t runs; /* of the action; whoever runs it */
} Pair;

static void *move(Transaction *tx, void *env)
{
    Pair *it = env;
    intptr_t x = (intptr_t)tvarRead(tx, it->x);
    it->runs++;
    stmCheck(tx, x >= it->amount);
    tvarWrite(tx, it->x, V(x - it->amount));
    CHECK_EQ((intptr_t)tvarRead(tx, it->x), x - it->amount); /* its own write */
    intptr_t y = (intptr_t)tvarSwap(tx, it->y, V(0));
    tvarWrite(tx, it->y, V(y + it->amount));
    return V(y);
}

static void *moveOnce(void *env)
{
    Pair it = {tvarNew(V(10)), tvarNew(V(1)), 3, 0};
    void *result = NULL;
    (void)env;
    uint64_t before, after;
    tvarReadVersionIO(it.y, &before);
    CHECK_EQ(stmAtomically(move, &it, &result), 0);
    CHECK_EQ(result, V(1));
    CHECK_EQ(tvarReadIO(it.x), V(7));
    CHECK_EQ(tvarReadVersionIO(it.y, &after), V(4));
    CHECK_GT(after, before);
    CHECK_EQ(it.runs, 1);
    CHECK_EQ(stmAtomically(move, &it, NULL), 0);
    CHECK_EQ(tvarReadIO(it.x), V(4));
    tvarFree(it.x);
    tvarFree(it.y);
    return NULL;
}

TEST(STM, movesAllOrNothing)
{
    greenRun(1, moveOnce, NULL);
    greenStart(1);
    moveOnce(NULL); /* a plain OS thread */
    greenStop();
}

/* An action writes around its transaction, which it should not: no pair that never was, even so. */
static void *writeBehind(Transaction *tx, void *env)
{
    Pair *it = env;
    void *x = tvarRead(tx, it->x);
    if (it->runs++ == 0) {
        CHECK_EQ(tvarWriteIO(it->x, V(1)), 0);
        CHECK_EQ(tvarWriteIO(it->y, V(1)), 0);
    }
    CHECK_EQ(tvarRead(tx, it->y), x);
    return x;
}

static void *runBehind(void *env)
{
    Pair it = {tvarNew(V(0)), tvarNew(V(0)), 0, 0};
    void *result = NULL;
    CHECK_EQ(stmAtomically(writeBehind, &it, &result), 0);
    CHECK_EQ(result, V(1));
    CHECK_EQ(it.runs, 2);
    tvarFree(it.x);
    tvarFree(it.y);
    return env;
}

TEST(STM, whatAnActionWritesItselfIsNews)
{
    greenRun(1, runBehind, NULL);
    greenStart(1);
    runBehind(NULL);
    greenStop();
}

/* ---- waiting ---- */

static void *runMove(void *env)
{
    return V(stmAtomically(move, env, NULL));
}

static void *waitForEnough(void *env)
{
    Pair it = {tvarNew(V(0)), tvarNew(V(0)), 3, 0};
    TVar *other = tvarNew(V(0));
    (void)env;
    Thread *thread = greenFork(runMove, &it);
    greenUntil(thread, ThreadBlockedOnTVar);
    CHECK_EQ(it.runs, 1);
    CHECK_EQ(tvarWriteIO(other, V(5)), 0); /* nothing it has read */
    CHECK_EQ(tvarWriteIO(it.y, V(5)), 0);
    threadYield();
    CHECK_EQ(it.runs, 1);
    CHECK_EQ(tvarWriteIO(it.x, V(2)), 0); /* not enough */
    threadYield();
    greenUntil(thread, ThreadBlockedOnTVar);
    CHECK_EQ(it.runs, 2);
    CHECK_EQ(tvarWriteIO(it.x, V(3)), 0);
    CHECK_EQ(greenJoin(thread), V(0));
    CHECK_EQ(it.runs, 3);
    CHECK_EQ(tvarReadIO(it.y), V(8));
    CHECK(!watchListHasWatchers(&it.x->watchers));
    tvarFree(it.x);
    tvarFree(it.y);
    tvarFree(other);
    return NULL;
}

TEST(STM, retryWaitsForWhatItRead)
{
    greenRun(1, waitForEnough, NULL);
}

static void *giveUpWaiting(void *env)
{
    Pair it = {tvarNew(V(0)), tvarNew(V(0)), 3, 0};
    (void)env;
    int64_t deadline_ns = rtsNow() + 3 * MS_NS;
    CHECK_EQ(stmAtomicallyUntil(move, &it, NULL, deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    CHECK_EQ(stmAtomicallyUntil(move, &it, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(it.runs, 2);
    CHECK(!watchListHasWatchers(&it.x->watchers));
    tvarFree(it.x);
    tvarFree(it.y);
    return NULL;
}

TEST(STM, untilTimesOut)
{
    greenRun(1, giveUpWaiting, NULL);
    greenStart(1);
    giveUpWaiting(NULL);
    greenStop();
}

static void *retryAtOnce(Transaction *tx, void *env)
{
    (void)env;
    stmRetry(tx);
}

static void *retryForEver(void *env)
{
    return V(stmAtomically(retryAtOnce, env, NULL));
}

static void *cancelWaiters(void *env)
{
    Pair *it = env;
    Thread *one = greenFork(runMove, it), *none = greenFork(retryForEver, NULL);
    greenUntil(one, ThreadBlockedOnTVar);
    greenUntil(none, ThreadBlockedOnTVar);
    threadRelease(one);
    threadRelease(none);
    return NULL;
}

static void *waitOutside(void *env)
{
    return V(stmAtomically(move, env, NULL));
}

TEST(STM, shutdownCancels)
{
    greenStart(2);
    Pair it = {tvarNew(V(0)), tvarNew(V(0)), 3, 0}, other = it;
    greenJoin(greenFork(cancelWaiters, &it));
    pthread_t outside = osFork(waitOutside, &other);
    while (RELAXED_LOAD(&it.x->watchers) == 0)
        sched_yield();
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    intptr_t result = (intptr_t)osJoin(outside);
    CHECK(result == -ECANCELED || result == -ENXIO || result == -ESHUTDOWN);
}

/* ---- Goal: no plain OS thread is in a transaction any more, nor calls the allocator, when a
 * shutdown has returned.  Method: whatever a cancelled one gives back takes long. */

enum { MANY = 10, HOLD_MS = 30 }; /* more than a wait keeps in its frame */

typedef struct Leaving {
    TVar *many[MANY];
    pthread_t self;
    uint32_t waits, down; /* release, acquire */
    uint32_t held;        /* by the OS thread */
} Leaving;

static void *allocateAny(void *context, size_t size, size_t alignment)
{
    (void)context;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void releaseSlowly(void *context, void *memory, size_t size, size_t alignment)
{
    Leaving *leaving = context;
    (void)size;
    (void)alignment;
    if (ACQUIRE_LOAD(&leaving->waits) != 0 && pthread_equal(pthread_self(), leaving->self)) {
        usleep(HOLD_MS * 1000);
        leaving->held++;
        CHECK_EQ(ACQUIRE_LOAD(&leaving->down), 0);
    }
    free(memory);
}

static void *waitForMany(Transaction *tx, void *env)
{
    Leaving *leaving = env;
    tvarNewSTM(tx, NULL);
    for (int i = 0; i < MANY; i++)
        tvarRead(tx, leaving->many[i]);
    RELEASE_STORE(&leaving->waits, 1);
    stmRetry(tx);
}

static void *leaveSlowly(void *env)
{
    Leaving *leaving = env;
    leaving->self = pthread_self();
    return V(stmAtomically(waitForMany, leaving, NULL));
}

TEST(STM, shutdownWaitsForWhoLeaves)
{
    Leaving leaving = {.waits = 0};
    RtsConfig config = {.capabilities = 1, .allocator = {allocateAny, releaseSlowly, &leaving}};
    CHECK_EQ(rtsInit(&config), 0);
    for (int i = 0; i < MANY; i++)
        leaving.many[i] = tvarNew(NULL);
    pthread_t os = osFork(leaveSlowly, &leaving);
    while (RELAXED_LOAD(&leaving.many[MANY - 1]->watchers) == 0)
        sched_yield();
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    RELEASE_STORE(&leaving.down, 1);
    CHECK_EQ((intptr_t)osJoin(os), -ECANCELED);
    CHECK_GT(leaving.held, 0);
}

/* ---- Goal: an attempt that a shutdown meets ends before that, and wants for nothing.  Method: a
 * plain OS thread's makes a variable when others are refused already. */

static uint32_t refused, begun; /* release, acquire */

static void *endAtOnce(void *env)
{
    return env;
}

static void *tryUntilRefused(void *env)
{
    int result;
    while (ACQUIRE_LOAD(&begun) == 0)
        sched_yield();
    while ((result = threadFork(NULL, endAtOnce, env)) == 0)
        usleep(100);
    CHECK_EQ(result, -ESHUTDOWN);
    RELEASE_STORE(&refused, 1);
    return NULL;
}

static void *makeWhenRefused(Transaction *tx, void *env)
{
    RELEASE_STORE(&begun, 1);
    while (ACQUIRE_LOAD(&refused) == 0)
        usleep(100);
    tvarFreeSTM(tx, tvarNewSTM(tx, env));
    return env;
}

static void *runMaking(void *env)
{
    return V(stmAtomically(makeWhenRefused, env, NULL));
}

TEST(STM, shutdownLetsAnAttemptEnd)
{
    greenStart(1);
    RELEASE_STORE(&refused, 0);
    RELEASE_STORE(&begun, 0);
    pthread_t one = osFork(runMaking, NULL), other = osFork(tryUntilRefused, NULL);
    while (ACQUIRE_LOAD(&begun) == 0)
        sched_yield();
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(osJoin(one), V(0));
    osJoin(other);
}

static void *wakeOutside(void *env)
{
    Pair *it = env;
    while (RELAXED_LOAD(&it->x->watchers) == 0)
        threadYield();
    tvarWriteIO(it->x, V(5));
    return NULL;
}

/* A read of two variables: nodes of its own. */
static void *moveOfTwo(Transaction *tx, void *env)
{
    Pair *it = env;
    tvarRead(tx, it->y);
    return move(tx, env);
}

TEST(STM, osThreadsWait)
{
    greenStart(1);
    Pair it = {tvarNew(V(0)), tvarNew(V(0)), 3, 0};
    for (int i = 0; i < 10; i++) {
        tvarWriteIO(it.x, V(0));
        Thread *waker = greenFork(wakeOutside, &it);
        CHECK_EQ(stmAtomically(moveOfTwo, &it, NULL), 0);
        CHECK_EQ(tvarReadIO(it.x), V(2));
        greenJoin(waker);
    }
    greenStop();
}

/* ---- throwing ---- */

static void *writeAndThrow(Transaction *tx, void *env)
{
    Pair *it = env;
    tvarWrite(tx, it->x, V(99));
    stmThrow(tx, -EDOM, it);
}

static void *throwOut(void *env)
{
    Pair it = {tvarNew(V(1)), tvarNew(V(2)), 0, 0};
    void *payload = NULL;
    (void)env;
    CHECK_EQ(stmAtomically(writeAndThrow, &it, &payload), -EDOM);
    CHECK_EQ(payload, (void *)&it);
    CHECK_EQ(tvarReadIO(it.x), V(1));
    tvarFree(it.x);
    tvarFree(it.y);
    return NULL;
}

TEST(STM, throwUndoes)
{
    greenRun(1, throwOut, NULL);
}

/* ---- what is refused ---- */

static void *nest(Transaction *tx, void *env)
{
    Pair *it = env;
    CHECK_EQ(stmAtomically(move, it, NULL), -EPERM);
    CHECK_EQ(tvarRead(tx, it->x), V(7));
    return NULL;
}

static void *writeDelay(Transaction *tx, void *env)
{
    tvarWrite(tx, env, NULL);
    return NULL;
}

static void *refuse(void *env)
{
    Pair it = {tvarNew(V(7)), tvarNew(V(0)), 1, 0};
    TVar *delay;
    (void)env;
    CHECK_EQ(stmAtomically(NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(stmAtomically(nest, &it, NULL), 0);
    CHECK_EQ(it.runs, 0);
    CHECK_EQ(registerDelay(1000000, &delay), 0);
    CHECK_EQ(stmAtomically(writeDelay, delay, NULL), -EPERM);
    tvarFree(delay);
    CHECK_EQ(stmAtomically(move, &it, NULL), 0); /* and it goes on */
    tvarFree(it.x);
    tvarFree(it.y);
    return NULL;
}

TEST(STM, refusesNestingAndEventVariables)
{
    Pair it = {0};
    CHECK_EQ(stmAtomically(move, &it, NULL), -ENXIO);
    greenRun(1, refuse, NULL);
    greenStart(1);
    refuse(NULL);
    greenStop();
}

/* ---- a delay, read in a transaction ---- */

static void *untilSet(Transaction *tx, void *env)
{
    TVar **of = env;
    void *first = tvarRead(tx, of[0]), *second = tvarRead(tx, of[1]);
    stmCheck(tx, first != NULL || second != NULL);
    return first;
}

static void *waitForDelay(void *env)
{
    TVar *of[2] = {NULL, tvarNew(NULL)};
    void *result = NULL;
    (void)env;
    CHECK_EQ(registerDelay(2000, &of[0]), 0);
    CHECK_EQ(stmAtomically(untilSet, of, &result), 0);
    CHECK_EQ(result, V(1));
    CHECK(!watchListHasWatchers(&of[1]->watchers));
    tvarFree(of[0]);
    tvarFree(of[1]);
    return NULL;
}

TEST(STM, waitsForATimer)
{
    greenRun(1, waitForDelay, NULL);
}

/* ---- statistics ---- */

static void *countThem(void *env)
{
    StmStats before, after;
    (void)env;
    CHECK_EQ(stmStats(0, &before), 0);
    moveOnce(NULL);
    throwOut(NULL);
    CHECK_EQ(stmStats(0, &after), 0);
    CHECK_EQ(after.starts - before.starts, 3);
    CHECK_EQ(after.commits - before.commits, 2);
    CHECK_EQ(after.failures - before.failures, 1);
    giveUpWaiting(NULL);
    CHECK_EQ(stmStats(0, &after), 0);
    CHECK_EQ(after.retries, 2);
    CHECK_EQ(after.waits, 2);
    CHECK_EQ(stmStats(1, &after), -EINVAL);
    CHECK_EQ(stmStats(0, NULL), -EINVAL);
    CHECK_EQ(stmStats(STM_OUTSIDE, &after), 0);
    CHECK_EQ(after.starts, 0);
    return NULL;
}

TEST(STM, counts)
{
    StmStats stats;
    CHECK_EQ(stmStats(0, &stats), -ENXIO);
    greenRun(1, countThem, NULL);
    greenStart(1);
    moveOnce(NULL);
    CHECK_EQ(stmStats(STM_OUTSIDE, &stats), 0);
    CHECK_EQ(stats.starts, 2);
    CHECK_EQ(stats.commits, 2);
    greenStop();
}
