/* SerialTest.c -- the token: one holds it, others park, commits stand aside. */
#include "rts/stm/Serial.h"

#include "rts/stm/STM.h"
#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Shared {
    TVar *tvar, *other;
    uint32_t inside, took; /* relaxed */
} Shared;

static void *takeTurns(void *env)
{
    Shared *shared = env;
    for (int i = 0; i < 100; i++) {
        serialTake();
        CHECK_EQ(ADD_RELAXED(&shared->inside, 1), 0);
        threadYield();
        ADD_RELAXED(&shared->inside, (uint32_t)-1);
        ADD_RELAXED(&shared->took, 1);
        serialGive();
    }
    return NULL;
}

TEST(Serial, oneAtATime)
{
    Thread *threads[6];
    Shared shared = {0};
    greenStart(2);
    for (int i = 0; i < 6; i++)
        threads[i] = greenFork(takeTurns, &shared);
    pthread_t os = osFork(takeTurns, &shared);
    for (int i = 0; i < 6; i++)
        greenJoin(threads[i]);
    osJoin(os);
    CHECK_EQ(RELAXED_LOAD(&shared.took), 700);
    CHECK(!serialIsHeld());
    greenStop();
}

static void *addOne(Transaction *tx, void *env)
{
    Shared *shared = env;
    tvarWrite(tx, shared->tvar, V((intptr_t)tvarRead(tx, shared->tvar) + 1));
    return NULL;
}

static void *readIt(Transaction *tx, void *env)
{
    return tvarRead(tx, ((Shared *)env)->tvar);
}

static void *commitOne(void *env)
{
    CHECK_EQ(stmAtomically(addOne, env, NULL), 0);
    return NULL;
}

static void *writeOne(void *env)
{
    CHECK_EQ(tvarWriteIO(((Shared *)env)->tvar, V(10)), 0);
    return NULL;
}

static void *standAside(void *env)
{
    Shared *shared = env;
    void *result;
    StmStats stats;
    shared->tvar = tvarNew(V(0));
    serialTake();
    Thread *commits = greenFork(commitOne, shared), *writes = greenFork(writeOne, shared);
    greenUntil(commits, ThreadBlockedOnTVar);
    greenUntil(writes, ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomically(readIt, shared, &result), 0); /* reading disturbs nobody */
    CHECK_EQ(result, V(0));
    serialGive();
    greenJoin(commits);
    greenJoin(writes);
    CHECK_GE((intptr_t)tvarReadIO(shared->tvar), 10);
    CHECK_EQ(stmStats(0, &stats), 0);
    CHECK_EQ(stats.yielded, 1);
    tvarFree(shared->tvar);
    return NULL;
}

TEST(Serial, commitsStandAside)
{
    Shared shared = {0};
    greenRun(1, standAside, &shared);
}

/* ---- spoilt again and again, it comes to its turn ---- */

static uint32_t spoil; /* attempts that somebody spoils */

static void *spoilt(Transaction *tx, void *env)
{
    Shared *shared = env;
    void *value = tvarRead(tx, shared->tvar);
    if (spoil > 0) {
        spoil--;
        tvarPut(shared->tvar, value, scheduleHere()); /* as a timer would, in the middle */
    }
    tvarWrite(tx, shared->tvar, V((intptr_t)value + 1));
    CHECK_EQ(serialIsHeld(), tx->serial);
    return NULL;
}

static void *spoilMany(void *env)
{
    Shared *shared = env;
    StmStats stats;
    shared->tvar = tvarNew(V(0));
    spoil = SERIAL_AFTER - 1;
    CHECK_EQ(stmAtomically(spoilt, shared, NULL), 0);
    CHECK_EQ(stmStats(0, &stats), 0);
    CHECK_EQ(stats.serial, 0);
    spoil = SERIAL_AFTER + 3;
    CHECK_EQ(stmAtomically(spoilt, shared, NULL), 0);
    CHECK_EQ(tvarReadIO(shared->tvar), V(2));
    CHECK_EQ(stmStats(0, &stats), 0);
    CHECK_EQ(stats.serial, 1);
    CHECK_EQ(stats.changed, 2 * SERIAL_AFTER + 2);
    CHECK_EQ(stats.longest_abort, SERIAL_AFTER + 3);
    CHECK(!serialIsHeld());
    tvarFree(shared->tvar);
    return NULL;
}

TEST(Serial, comesAfterManyAborts)
{
    Shared shared = {0};
    greenRun(1, spoilMany, &shared);
}

/* A holder that retries or throws has given the token back. */
static void *spoiltAndOut(Transaction *tx, void *env)
{
    Shared *shared = env;
    void *value = tvarRead(tx, shared->tvar);
    if (spoil > 0) {
        spoil--;
        tvarPut(shared->tvar, value, scheduleHere());
        tvarWrite(tx, shared->tvar, value);
        return NULL;
    }
    CHECK(tx->serial);
    if (shared->took++ == 0)
        stmRetry(tx);
    stmThrow(tx, -EDOM, NULL);
}

static void *runSpoilt(void *env)
{
    return V(stmAtomically(spoiltAndOut, env, NULL));
}

static void *letGo(void *env)
{
    Shared *shared = env;
    shared->tvar = tvarNew(V(0));
    spoil = SERIAL_AFTER;
    Thread *thread = greenFork(runSpoilt, shared);
    greenUntil(thread, ThreadBlockedOnTVar);
    CHECK(!serialIsHeld());
    spoil = SERIAL_AFTER;
    tvarWriteIO(shared->tvar, V(1));
    CHECK_EQ((intptr_t)greenJoin(thread), -EDOM);
    CHECK(!serialIsHeld());
    tvarFree(shared->tvar);
    return NULL;
}

TEST(Serial, whoeverFailsLetsGo)
{
    Shared shared = {0};
    greenRun(1, letGo, &shared);
}

/* ---- Goal: who waits for the token is neither interrupted nor late, for it does not retry: it
 * commits, and is interrupted where it waits next.  Method: both kinds of wait (to be let commit;
 * spoilt before it comes to that, for the token), and of a variable's write, are thrown to, and
 * their deadlines pass. */

static void *commitUntil(void *env)
{
    CHECK_EQ(stmAtomicallyUntil(addOne, env, NULL, rtsNow() + MS_NS), 0);
    return NULL;
}

static void *spoiltFirst(Transaction *tx, void *env)
{
    Shared *shared = env;
    void *value = tvarRead(tx, shared->other);
    if (shared->took < SERIAL_AFTER) {
        shared->took++;
        tvarPut(shared->other, value, scheduleHere());
        tvarPut(shared->tvar, tvarReadIO(shared->tvar), scheduleHere()); /* news: it looks again */
    }
    return addOne(tx, shared);
}

static void *spoiltUntil(void *env)
{
    CHECK_EQ(stmAtomicallyUntil(spoiltFirst, env, NULL, rtsNow() + MS_NS), 0);
    return NULL;
}

static void *writeOther(void *env)
{
    CHECK_EQ(tvarWriteIO(((Shared *)env)->other, V(10)), 0);
    return NULL;
}

typedef struct Waits {
    Shared *shared;
    ThreadFn *fn;
} Waits;

static void *waitAndAllow(void *env)
{
    Waits *waits = env;
    threadMask();
    waits->fn(waits->shared);
    CHECK_EQ(threadRestore(Unmasked), -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return NULL;
}

static void *throwOne(void *env)
{
    CHECK_EQ(threadThrowTo(env, 1, NULL), 0);
    return NULL;
}

static void *waitForTheToken(void *env)
{
    enum { WAITS = 3 };
    static ThreadFn *const fns[WAITS] = {commitUntil, spoiltUntil, writeOther};
    Shared *shared = env;
    Waits waits[WAITS];
    Thread *threads[WAITS], *throwers[WAITS];
    shared->tvar = tvarNew(V(0));
    shared->other = tvarNew(V(0));
    serialTake();
    pthread_t os = osFork(commitUntil, shared);
    for (int i = 0; i < WAITS; i++) {
        waits[i] = (Waits){shared, fns[i]};
        threads[i] = greenFork(waitAndAllow, &waits[i]);
        greenUntil(threads[i], ThreadBlockedOnTVar);
        throwers[i] = greenFork(throwOne, threads[i]);
        greenUntil(throwers[i], ThreadBlockedOnThrowTo);
    }
    CHECK_EQ(threadDelay(2000), 0); /* the deadlines are over */
    CHECK_EQ(tvarReadIO(shared->tvar), V(0));
    serialGive();
    for (int i = 0; i < WAITS; i++) {
        greenJoin(threads[i]);
        greenJoin(throwers[i]);
    }
    osJoin(os);
    CHECK_EQ(tvarReadIO(shared->tvar), V(3));
    CHECK_EQ(tvarReadIO(shared->other), V(10));
    CHECK(!serialIsHeld());
    tvarFree(shared->tvar);
    tvarFree(shared->other);
    return NULL;
}

TEST(Serial, waitingIsNotToBeSeen)
{
    Shared shared = {0};
    greenRun(1, waitForTheToken, &shared);
}

/* ---- Goal: a shutdown that cancels does not end it either.  Method: one that does wait for the
 * token, while it is held until the runtime has been told to stop. */

static void *commitInShutdown(void *env)
{
    Shared *shared = env;
    threadMaskUninterruptible();
    ADD_SEQ_CST(&shared->inside, 1);
    CHECK_EQ(stmAtomically(addOne, shared, NULL), 0);
    return NULL;
}

TEST(Serial, shutdownWaitsForIt)
{
    Shared shared = {0};
    greenStart(1);
    shared.tvar = tvarNew(V(0));
    serialTake();
    Thread *thread = greenFork(commitInShutdown, &shared);
    while (threadStatus(thread).state != ThreadBlockedOnTVar)
        sched_yield();
    threadRelease(thread);
    CHECK_EQ(rtsShutdown(Cancel, rtsNow() + 5 * MS_NS), -ETIMEDOUT);
    CHECK_EQ(tvarReadIO(shared.tvar), V(0));
    serialGive();
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}

/* ---- Goal: what a transaction's hook writes does not wait for the transaction's own token.
 * Method: a plain OS thread's is spoilt until it runs in serial mode; its hooks write variables. */

typedef struct Spoilt {
    TVar *tvar, *told;
    uint32_t attempts, spoilt; /* release, acquire */
    uint64_t held;             /* hooks that have run with the token held */
} Spoilt;

static void writeInHook(void *env)
{
    Spoilt *spoilt = env;
    spoilt->held += serialIsHeld();
    CHECK_EQ(tvarWriteIO(spoilt->told, V(1)), 0);
}

static void *writeSpoilt(Transaction *tx, void *env)
{
    Spoilt *spoilt = env;
    void *value = tvarRead(tx, spoilt->tvar);
    uint32_t attempt = spoilt->attempts + 1;
    RELEASE_STORE(&spoilt->attempts, attempt);
    while (attempt <= SERIAL_AFTER && ACQUIRE_LOAD(&spoilt->spoilt) != attempt)
        sched_yield();
    stmOnCommit(tx, writeInHook, env);
    tvarWrite(tx, spoilt->tvar, value);
    return NULL;
}

static void *commitSpoilt(void *env)
{
    CHECK_EQ(stmAtomically(writeSpoilt, env, NULL), 0);
    return NULL;
}

TEST(Serial, hooksOfTheHolder)
{
    greenStart(1);
    Spoilt spoilt = {.tvar = tvarNew(V(0)), .told = tvarNew(V(0))};
    pthread_t os = osFork(commitSpoilt, &spoilt);
    for (uint32_t attempt = 1; attempt <= SERIAL_AFTER; attempt++) {
        while (ACQUIRE_LOAD(&spoilt.attempts) != attempt)
            sched_yield();
        CHECK_EQ(tvarWriteIO(spoilt.tvar, V(0)), 0);
        RELEASE_STORE(&spoilt.spoilt, attempt);
    }
    osJoin(os);
    CHECK_EQ(spoilt.attempts, SERIAL_AFTER + 1);
    CHECK_EQ(spoilt.held, 1);
    CHECK_EQ(tvarReadIO(spoilt.told), V(1));
    tvarFree(spoilt.tvar);
    tvarFree(spoilt.told);
    greenStop();
}
