/* OrElseTest.c -- alternatives and catching: whose writes and reads remain. */
#include "rts/stm/STM.h"

#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Three {
    TVar *a, *b, *c;
    uint32_t runs;
} Three;

static Three makeThree(void)
{
    return (Three){tvarNew(V(0)), tvarNew(V(0)), tvarNew(V(0)), 0};
}

static void freeThree(Three *it)
{
    tvarFree(it->a);
    tvarFree(it->b);
    tvarFree(it->c);
}

/* Writes c, then takes a if it is set. */
static void *takeA(Transaction *tx, void *env)
{
    Three *it = env;
    tvarWrite(tx, it->c, V(1));
    stmCheck(tx, tvarRead(tx, it->a) != NULL);
    return tvarSwap(tx, it->a, NULL);
}

static void *takeB(Transaction *tx, void *env)
{
    Three *it = env;
    CHECK_EQ(tvarRead(tx, it->c), V(0)); /* what takeA wrote is undone */
    stmCheck(tx, tvarRead(tx, it->b) != NULL);
    return tvarSwap(tx, it->b, NULL);
}

static void *takeEither(Transaction *tx, void *env)
{
    Three *it = env;
    it->runs++;
    return stmOrElse(tx, takeA, it, takeB, it);
}

static void *choose(void *env)
{
    Three it = makeThree();
    void *result = NULL;
    (void)env;
    tvarWriteIO(it.a, V(5));
    tvarWriteIO(it.b, V(6));
    CHECK_EQ(stmAtomically(takeEither, &it, &result), 0);
    CHECK_EQ(result, V(5)); /* left first */
    CHECK_EQ(tvarReadIO(it.c), V(1));
    tvarWriteIO(it.c, V(0));
    CHECK_EQ(stmAtomically(takeEither, &it, &result), 0);
    CHECK_EQ(result, V(6));
    CHECK_EQ(tvarReadIO(it.c), V(0));
    CHECK_EQ(tvarReadIO(it.b), V(0));
    freeThree(&it);
    return NULL;
}

TEST(OrElse, leftFirstAndItsWritesAreUndone)
{
    greenRun(1, choose, NULL);
}

static void *runEither(void *env)
{
    void *result = NULL;
    CHECK_EQ(stmAtomically(takeEither, env, &result), 0);
    return result;
}

/* Both wait: either wakes, and c, which was only written (and read as unchanged), does not matter
 * for the first. */
static void *wakeBySide(void *env)
{
    (void)env;
    for (int side = 0; side < 2; side++) {
        Three it = makeThree();
        Thread *thread = greenFork(runEither, &it);
        greenUntil(thread, ThreadBlockedOnTVar);
        CHECK(watchListHasWatchers(&it.a->watchers)); /* the reads of both */
        CHECK(watchListHasWatchers(&it.b->watchers));
        CHECK_EQ(it.runs, 1);
        tvarWriteIO(side == 0 ? it.a : it.b, V(9));
        CHECK_EQ(greenJoin(thread), V(9));
        CHECK_EQ(it.runs, 2);
        CHECK_EQ(tvarReadIO(it.c), side == 0 ? V(1) : V(0));
        CHECK(!watchListHasWatchers(&it.a->watchers));
        CHECK(!watchListHasWatchers(&it.b->watchers));
        freeThree(&it);
    }
    return NULL;
}

TEST(OrElse, bothSidesWake)
{
    greenRun(1, wakeBySide, NULL);
}

/* ---- nested: what the inner kept goes when the outer is dropped ---- */

static void *writeB(Transaction *tx, void *env)
{
    Three *it = env;
    tvarWrite(tx, it->a, V(2));
    tvarWrite(tx, it->b, V(2));
    return NULL;
}

static void *innerThenRetry(Transaction *tx, void *env)
{
    Three *it = env;
    tvarWrite(tx, it->a, V(1));
    stmOrElse(tx, writeB, it, writeB, it);
    CHECK_EQ(tvarRead(tx, it->a), V(2));
    CHECK_EQ(tvarRead(tx, it->b), V(2));
    tvarWrite(tx, it->a, V(3));
    stmRetry(tx);
}

static void *seeNothing(Transaction *tx, void *env)
{
    Three *it = env;
    CHECK_EQ(tvarRead(tx, it->a), V(7));
    CHECK_EQ(tvarRead(tx, it->b), V(0));
    tvarWrite(tx, it->b, V(4));
    return NULL;
}

static void *nested(Transaction *tx, void *env)
{
    Three *it = env;
    tvarWrite(tx, it->a, V(7));
    stmOrElse(tx, innerThenRetry, it, seeNothing, it);
    CHECK(logSane(&tx->log));
    return NULL;
}

static void *nestTwice(void *env)
{
    Three it = makeThree();
    (void)env;
    CHECK_EQ(stmAtomically(nested, &it, NULL), 0);
    CHECK_EQ(tvarReadIO(it.a), V(7));
    CHECK_EQ(tvarReadIO(it.b), V(4));
    freeThree(&it);
    return NULL;
}

TEST(OrElse, droppingDropsWhatWasKeptInside)
{
    greenRun(1, nestTwice, NULL);
}

/* ---- catch ---- */

static void *writeAndThrow(Transaction *tx, void *env)
{
    Three *it = env;
    tvarRead(tx, it->c);
    tvarWrite(tx, it->b, V(1));
    stmThrow(tx, -EDOM, it);
}

static void *handle(Transaction *tx, int code, void *payload, void *env)
{
    Three *it = env;
    CHECK_EQ(code, -EDOM);
    CHECK_EQ(payload, env);
    CHECK_EQ(tvarRead(tx, it->a), V(5)); /* the outer write stays */
    CHECK_EQ(tvarRead(tx, it->b), V(0)); /* the inner is undone */
    return V(code);
}

static void *catchIt(Transaction *tx, void *env)
{
    Three *it = env;
    tvarWrite(tx, it->a, V(5));
    void *result = stmCatch(tx, writeAndThrow, it, handle, it);
    CHECK_EQ(tx->log.count, 3); /* c is still in the log: it counts for waking */
    return result;
}

static void *rethrow(Transaction *tx, int code, void *payload, void *env)
{
    (void)code, (void)payload, (void)env;
    stmThrow(tx, -ERANGE, NULL);
}

static void *catchAndRethrow(Transaction *tx, void *env)
{
    return stmCatch(tx, writeAndThrow, env, rethrow, env);
}

static void *caughtOrNot(void *env)
{
    Three it = makeThree();
    void *result = NULL;
    (void)env;
    CHECK_EQ(stmAtomically(catchIt, &it, &result), 0);
    CHECK_EQ((intptr_t)result, -EDOM);
    CHECK_EQ(tvarReadIO(it.a), V(5));
    CHECK_EQ(tvarReadIO(it.b), V(0));
    CHECK_EQ(stmAtomically(catchAndRethrow, &it, &result), -ERANGE);
    CHECK_EQ(result, NULL);
    freeThree(&it);
    return NULL;
}

TEST(OrElse, catchUndoesOnlyWhatThrew)
{
    greenRun(1, caughtOrNot, NULL);
}

/* ---- retry passes through catch, in the action and in the handler ---- */

static void *retryInside(Transaction *tx, void *env)
{
    Three *it = env;
    stmCheck(tx, tvarRead(tx, it->a) != NULL);
    return V(1);
}

static void *neverHandled(Transaction *tx, int code, void *payload, void *env)
{
    (void)tx, (void)code, (void)payload, (void)env;
    CHECK(false);
    return NULL;
}

static void *retryThroughAction(Transaction *tx, void *env)
{
    return stmCatch(tx, retryInside, env, neverHandled, env);
}

static void *retryHandler(Transaction *tx, int code, void *payload, void *env)
{
    (void)code, (void)payload;
    return retryInside(tx, env);
}

static void *retryThroughHandler(Transaction *tx, void *env)
{
    return stmCatch(tx, writeAndThrow, env, retryHandler, env);
}

static void *two(Transaction *tx, void *env)
{
    (void)tx, (void)env;
    return V(2);
}

static void *actionOrTwo(Transaction *tx, void *env)
{
    return stmOrElse(tx, retryThroughAction, env, two, env);
}

static void *handlerOrTwo(Transaction *tx, void *env)
{
    return stmOrElse(tx, retryThroughHandler, env, two, env);
}

static void *passThrough(void *env)
{
    Three it = makeThree();
    void *result = NULL;
    (void)env;
    CHECK_EQ(stmAtomically(actionOrTwo, &it, &result), 0);
    CHECK_EQ(result, V(2));
    CHECK_EQ(stmAtomically(handlerOrTwo, &it, &result), 0);
    CHECK_EQ(result, V(2));
    CHECK_EQ(tvarReadIO(it.b), V(0));
    tvarWriteIO(it.a, V(1));
    CHECK_EQ(stmAtomically(handlerOrTwo, &it, &result), 0);
    CHECK_EQ(result, V(1));
    freeThree(&it);
    return NULL;
}

TEST(OrElse, retryPassesThroughCatch)
{
    greenRun(1, passThrough, NULL);
}
