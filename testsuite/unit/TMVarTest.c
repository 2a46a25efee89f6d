/* TMVarTest.c -- boxes and semaphores inside of transactions, rule by rule. */
#include <capri/tmvar.h>

#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Box {
    TMVar *box;
    TSem *sem;
    uint32_t inside, most; /* relaxed */
} Box;

static void *useBox(Transaction *tx, void *env)
{
    TMVar *box = ((Box *)env)->box;
    void *value = env;
    CHECK(tmvarIsEmpty(tx, box));
    CHECK(!tmvarTryTake(tx, box, &value));
    CHECK(!tmvarTryRead(tx, box, &value));
    CHECK_EQ(value, env);
    CHECK(tmvarTryPut(tx, box, NULL)); /* NULL is a value */
    CHECK(!tmvarTryPut(tx, box, V(1)));
    CHECK(!tmvarIsEmpty(tx, box));
    CHECK_EQ(tmvarRead(tx, box), NULL);
    CHECK_EQ(tmvarSwap(tx, box, V(2)), NULL);
    CHECK_EQ(tmvarTake(tx, box), V(2));
    tmvarPut(tx, box, V(3));
    tmvarWrite(tx, box, V(4)); /* overwrites */
    CHECK(tmvarTryTake(tx, box, &value));
    CHECK_EQ(value, V(4));
    tmvarWrite(tx, box, V(5)); /* and fills */
    CHECK(tmvarTryRead(tx, box, &value));
    CHECK_EQ(value, V(5));
    return NULL;
}

static void *takeIt(Transaction *tx, void *env)
{
    return tmvarTake(tx, ((Box *)env)->box);
}

static void *putIt(Transaction *tx, void *env)
{
    tmvarPut(tx, ((Box *)env)->box, V(9));
    return NULL;
}

static void *swapIt(Transaction *tx, void *env)
{
    return tmvarSwap(tx, ((Box *)env)->box, V(8));
}

static void *runTake(void *env)
{
    void *value = NULL;
    CHECK_EQ(stmAtomically(takeIt, env, &value), 0);
    return value;
}

static void *runPut(void *env)
{
    CHECK_EQ(stmAtomically(putIt, env, NULL), 0);
    return NULL;
}

static void *boxes(void *env)
{
    Box it = {.box = tmvarNewEmpty()};
    (void)env;
    CHECK_EQ(stmAtomicallyUntil(swapIt, &it, NULL, 0), -ETIMEDOUT); /* empty */
    CHECK_EQ(stmAtomically(useBox, &it, NULL), 0);
    CHECK_EQ(stmAtomicallyUntil(putIt, &it, NULL, 0), -ETIMEDOUT); /* full */
    CHECK_EQ(runTake(&it), V(5));
    Thread *taker = greenFork(runTake, &it);
    greenUntil(taker, ThreadBlockedOnTVar);
    runPut(&it);
    CHECK_EQ(greenJoin(taker), V(9));
    runPut(&it);
    Thread *putter = greenFork(runPut, &it);
    greenUntil(putter, ThreadBlockedOnTVar);
    CHECK_EQ(runTake(&it), V(9));
    greenJoin(putter);
    tmvarFree(it.box);
    it.box = tmvarNew(V(6));
    CHECK_EQ(runTake(&it), V(6));
    tmvarFree(it.box);
    tmvarFree(NULL);
    return NULL;
}

TEST(TMVar, holdsOneValue)
{
    CHECK_EQ(tmvarNewEmpty(), NULL);
    greenRun(1, boxes, NULL);
}

/* ---- TSem ---- */

static void *waitSem(Transaction *tx, void *env)
{
    tsemWait(tx, ((Box *)env)->sem);
    return NULL;
}

static void *signalSem(Transaction *tx, void *env)
{
    tsemSignal(tx, ((Box *)env)->sem, 1);
    return NULL;
}

static void *signalMuch(Transaction *tx, void *env)
{
    tsemSignal(tx, ((Box *)env)->sem, INT64_MAX);
    return NULL;
}

static void *comeAndGo(void *env)
{
    Box *it = env;
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(stmAtomically(waitSem, it, NULL), 0);
        uint32_t inside = ADD_SEQ_CST(&it->inside, 1) + 1;
        CHECK_LE(inside, 2);
        threadYield();
        ADD_SEQ_CST(&it->inside, (uint32_t)-1);
        CHECK_EQ(stmAtomically(signalSem, it, NULL), 0);
    }
    return NULL;
}

static void *semaphores(void *env)
{
    Box it = {.sem = tsemNew(-1)}; /* owes one */
    Thread *threads[5];
    (void)env;
    CHECK_EQ(stmAtomically(signalSem, &it, NULL), 0);
    CHECK_EQ(stmAtomicallyUntil(waitSem, &it, NULL, 0), -ETIMEDOUT);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(stmAtomically(signalSem, &it, NULL), 0);
    for (int i = 0; i < 5; i++)
        threads[i] = greenFork(comeAndGo, &it);
    for (int i = 0; i < 5; i++)
        greenJoin(threads[i]);
    CHECK_EQ(stmAtomically(signalMuch, &it, NULL), -EOVERFLOW);
    CHECK_EQ(stmAtomically(waitSem, &it, NULL), 0);
    CHECK_EQ(stmAtomically(waitSem, &it, NULL), 0);
    CHECK_EQ(stmAtomicallyUntil(waitSem, &it, NULL, 0), -ETIMEDOUT);
    tsemFree(it.sem);
    return NULL;
}

TEST(TMVar, semaphoresCountUnits)
{
    greenRun(2, semaphores, NULL);
}
