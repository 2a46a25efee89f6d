/* GivingUp.c -- a crowd waits for one thing, and all give up one by one: killed, timed out, or
 * woken by something else.
 *
 * Nobody is left behind, and the removers' steps grow with the crowd and not with its square (they
 * are counted where assertions are compiled in; where not, the square would take minutes).
 * --waiters N: so many, 0 of them sanitized.
 */
#include "testsuite/support/Crowd.h"

#include "capability/CapabilityTable.h"
#include "iomgr/WatchList.h"
#include "rts/stm/TVar.h"

#include <capri/capri.h>

enum { WAITERS = 20000, STEPS_EACH = 12 };

typedef struct Waiter {
    TVar *own;
    int result;
} Waiter;

static Waiter *waiters;
static TVar *flag; /* what all wait for */
static int silent; /* likewise */
static Thread *longest;
static uint32_t waiting;    /* who is about to wait */
static int64_t deadline_ns; /* relaxed; 0: not all are there */

static size_t countWaiters(void)
{
    const char *number = testArg("--waiters");
    return number != NULL ? strtoul(number, NULL, 10) : crowdScale(WAITERS, WAITERS / 20);
}

static uint64_t stepsNow(void)
{
#ifdef WATCH_STEPS
    return RELAXED_LOAD(&watch_list_steps);
#else
    return 0;
#endif
}

/* ---- the waits: what they return is the waiter's result ---- */

static void *awaitFlag(void *env)
{
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = tvarAwait(flag, 0);
    return NULL;
}

static int64_t deadlineOfAll(void)
{
    while (RELAXED_LOAD(&deadline_ns) == 0)
        threadYield();
    return RELAXED_LOAD(&deadline_ns);
}

static void *awaitFlagUntil(void *env)
{
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = tvarAwaitUntil(flag, 0, deadlineOfAll());
    return NULL;
}

static void *eitherIsSet(Transaction *tx, void *env)
{
    Waiter *waiter = env;
    void *own = tvarRead(tx, waiter->own);
    stmCheck(tx, own != NULL || tvarRead(tx, flag) != NULL);
    return own;
}

static void *awaitEither(void *env)
{
    void *own = NULL;
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = stmAtomically(eitherIsSet, env, &own);
    return own;
}

static void *awaitRead(void *env)
{
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = threadWaitRead(silent);
    return NULL;
}

/* As a read does whose peer is slow: the wait is a listed one. */
static void *readByte(void *env)
{
    char byte;
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = (int)fdRead(silent, &byte, 1);
    return NULL;
}

static void *awaitReadUntil(void *env)
{
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = threadWaitReadUntil(silent, deadlineOfAll());
    return NULL;
}

static void *joinLongest(void *env)
{
    ADD_SEQ_CST(&waiting, 1);
    ((Waiter *)env)->result = threadJoinUntil(longest, NULL, deadlineOfAll());
    return NULL;
}

static void *runLong(void *env)
{
    tvarAwait(flag, 0);
    return env;
}

/* ---- giving up ---- */

static void forkAll(Crowd *crowd, ThreadFn *wait, size_t count)
{
    RELAXED_STORE(&waiting, 0);
    for (size_t i = 0; i < count; i++)
        crowdFork(crowd, wait, &waiters[i], "waiter");
    while (SEQ_CST_LOAD(&waiting) < count)
        crowdPause(1000000);
    crowdPause(10000000);
}

static void *killAll(void *env)
{
    Crowd *crowd = env;
    for (size_t i = 0; i < crowd->count; i++) /* the one that waits longest first */
        CHECK_EQ(threadKill(crowd->threads[i]), 0);
    return NULL;
}

static void killThem(Crowd *crowd)
{
    Thread *killer;
    CHECK_EQ(threadFork(&killer, killAll, crowd), 0);
    CHECK_EQ(threadJoin(killer, NULL), 0);
    threadRelease(killer);
}

static void *setEachOwn(void *env)
{
    for (size_t i = 0; i < *(size_t *)env; i++) {
        CHECK_EQ(tvarWriteIO(waiters[i].own, &waiters[i]), 0);
        if (i % 64 == 0)
            threadYield();
    }
    return NULL;
}

static void wakeThem(size_t count)
{
    Thread *waker;
    CHECK_EQ(threadFork(&waker, setEachOwn, &count), 0);
    CHECK_EQ(threadJoin(waker, NULL), 0);
    threadRelease(waker);
}

static void checkSteps(const char *what, uint64_t before, size_t count)
{
    uint64_t steps = stepsNow() - before;
    fprintf(stderr, "%s: %zu waiters, %llu steps\n", what, count, (unsigned long long)steps);
    /* Whoever stands behind the descriptor of `longest`, which may lie too far from their stacks
     * for a number, walks: a handful, if that one came late.  The square is far away. */
    CHECK_LE(steps, STEPS_EACH * (uint64_t)count + (uint64_t)count * count / 100);
}

/* What they wait with, and what becomes of them. */
static void play(const char *what, ThreadFn *wait, bool kill, int64_t limit_ns, int result)
{
    Crowd crowd;
    size_t count = countWaiters();
    crowdStart(&crowd, 2, count);
    CHECK((flag = tvarNew(NULL)) != NULL);
    int ends[2];
    crowdPair(ends, true);
    silent = ends[0];
    CHECK_EQ(threadFork(&longest, runLong, NULL), 0);
    waiters = calloc(count, sizeof *waiters);
    CHECK(waiters != NULL);
    for (size_t i = 0; i < count && wait == awaitEither; i++)
        CHECK((waiters[i].own = tvarNew(NULL)) != NULL);
    uint64_t before = stepsNow();
    RELAXED_STORE(&deadline_ns, 0);
    forkAll(&crowd, wait, count);
    RELAXED_STORE(&deadline_ns, rtsNow() + limit_ns);
    if (kill)
        killThem(&crowd);
    else if (wait == awaitEither)
        wakeThem(count);
    crowdJoin(&crowd);
    checkSteps(what, before, count);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(waiters[i].result, result);
    if (wait != awaitFlag && wait != awaitFlagUntil && wait != awaitEither)
        CHECK(watchListSane(&flag->watchers));
    CHECK_EQ(tvarWriteIO(flag, &crowd), 0);
    CHECK_EQ(threadJoin(longest, NULL), 0);
    threadRelease(longest);
    CHECK(!watchListHasWatchers(&flag->watchers));
    for (size_t i = 0; i < count; i++)
        tvarFree(waiters[i].own);
    tvarFree(flag);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    free(waiters);
    crowdStop(&crowd);
}

#define SOON_NS (CROWD_SECOND_NS / 2)

TEST(GivingUp, killedAtOneVariable)
{
    play("killed at a variable", awaitFlag, true, 0, -ECANCELED);
}

TEST(GivingUp, killedInTransactions)
{
    play("killed in a transaction", awaitEither, true, 0, -ECANCELED);
}

TEST(GivingUp, killedAtOneDescriptor)
{
    play("killed in a wait for a descriptor", awaitRead, true, 0, -ECANCELED);
}

TEST(GivingUp, killedWhileReading)
{
    play("killed while reading", readByte, true, 0, -ECANCELED);
}

TEST(GivingUp, timedOutAtOneVariable)
{
    play("timed out at a variable", awaitFlagUntil, false, SOON_NS, -ETIMEDOUT);
}

TEST(GivingUp, timedOutAtOneDescriptor)
{
    play("timed out at a descriptor", awaitReadUntil, false, SOON_NS, -ETIMEDOUT);
}

TEST(GivingUp, timedOutAtOneThread)
{
    play("timed out at a thread", joinLongest, false, SOON_NS, -ETIMEDOUT);
}

TEST(GivingUp, wokenByTheirOwn)
{
    play("woken by their own variable", awaitEither, false, 0, 0);
}
