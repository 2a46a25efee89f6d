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
        CHECK_EQ(serialTake(DEADLINE_NEVER), 0);
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
    CHECK_EQ(serialTake(DEADLINE_NEVER), 0);
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

/* ---- waiting for it ends in time ---- */

static void *commitUntil(void *env)
{
    return V(stmAtomicallyUntil(addOne, env, NULL, rtsNow() + 2 * MS_NS));
}

static void *commitForEver(void *env)
{
    int status = stmAtomically(addOne, env, NULL);
    if (status == -ECANCELED)
        CHECK_EQ(threadCaught(NULL, NULL), 1);
    return V(status);
}

static void *writeAndAllow(void *env)
{
    CHECK_EQ(tvarWriteIO(((Shared *)env)->tvar, V(10)), 0);
    CHECK_EQ(threadMaskingState(), Unmasked);
    int status = threadAllowInterrupt();
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return V(status);
}

static void *throwOne(void *env)
{
    CHECK_EQ(threadThrowTo(env, 1, NULL), 0);
    return NULL;
}

/* Both kinds of wait: to be let commit; and, spoilt before it comes to that, for the token. */
static void *spoiltReading(Transaction *tx, void *env)
{
    Shared *shared = env;
    void *value = tvarRead(tx, shared->tvar);
    shared->took++;
    tvarPut(shared->tvar, value, scheduleHere());
    tvarPut(shared->other, value, scheduleHere()); /* news: what was read before is looked at */
    return tvarRead(tx, shared->other);
}

static void *spoiltUntil(void *env)
{
    return V(stmAtomicallyUntil(spoiltReading, env, NULL, rtsNow() + 2 * MS_NS));
}

static void *spoiltForEver(void *env)
{
    int status = stmAtomically(spoiltReading, env, NULL);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return V(status);
}

static void *parkedForTheToken(void *env)
{
    Shared *shared = env;
    shared->tvar = tvarNew(V(0));
    shared->other = tvarNew(V(0));
    CHECK_EQ(serialTake(DEADLINE_NEVER), 0);
    CHECK_EQ(commitUntil(shared), V(-ETIMEDOUT));
    CHECK_EQ(spoiltUntil(shared), V(-ETIMEDOUT));
    CHECK_EQ(shared->took, SERIAL_AFTER);
    pthread_t os = osFork(commitUntil, shared);
    CHECK_EQ(osJoin(os), V(-ETIMEDOUT));
    Thread *commits = greenFork(commitForEver, shared);
    greenUntil(commits, ThreadBlockedOnTVar);
    CHECK_EQ(threadKill(commits), 0);
    CHECK_EQ(greenJoin(commits), V(-ECANCELED));
    Thread *takes = greenFork(spoiltForEver, shared);
    greenUntil(takes, ThreadBlockedOnTVar);
    CHECK_EQ(threadKill(takes), 0);
    CHECK_EQ(greenJoin(takes), V(-ECANCELED));
    CHECK_EQ(tvarReadIO(shared->tvar), V(0));
    /* A write that cannot fail is not interrupted either: the interrupt comes after it. */
    Thread *writes = greenFork(writeAndAllow, shared);
    greenUntil(writes, ThreadBlockedOnTVar);
    CHECK_EQ(threadThrowToUntil(writes, 1, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(tvarReadIO(shared->tvar), V(0));
    Thread *thrower = greenFork(throwOne, writes);
    greenUntil(thrower, ThreadBlockedOnThrowTo);
    serialGive();
    CHECK_EQ(greenJoin(writes), V(-ECANCELED));
    greenJoin(thrower);
    CHECK_EQ(tvarReadIO(shared->tvar), V(10));
    CHECK(!serialIsHeld());
    tvarFree(shared->tvar);
    tvarFree(shared->other);
    return NULL;
}

TEST(Serial, whoParksForItCanGiveUp)
{
    Shared shared = {0};
    greenRun(1, parkedForTheToken, &shared);
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
