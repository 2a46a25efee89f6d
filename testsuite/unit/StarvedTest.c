/* StarvedTest.c -- newborns without a stack: they wait, they get one, or they give up. */
#include "rts/Starved.h"

#include "testsuite/support/Runtime.h"

#include <capri/scope.h>

enum { FIRST_SLAB = 64 }; /* stacks there are before a second mapping is asked for */

static uint32_t order[FIRST_SLAB * 2]; /* one capability's threads */
static uint32_t ran;

static void *runNow(void *env)
{
    order[ran++] = (uint32_t)(uintptr_t)env;
    return env;
}

static void *returnEnv(void *env)
{
    return env;
}

static void *holdUntil(void *env)
{
    CHECK_EQ(greenAwaitNext(env), 0);
    return NULL;
}

static void *holdForEver(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return env;
}

/* On the one green thread there is: every other stack of the first slab goes to a thread that
 * holds it until its gate is written, and there will be no further slab. */
typedef struct Hoard {
    Thread *threads[FIRST_SLAB];
    TVar *gates[FIRST_SLAB];
    uint32_t count;
} Hoard;

static void hoardAll(Hoard *hoard)
{
    stackMapFail(-1);
    ran = 0;
    for (hoard->count = 0; hoard->count < FIRST_SLAB - 1; hoard->count++) {
        TVar *gate = tvarNew(NULL);
        Thread *thread = greenFork(holdUntil, gate);
        greenUntil(thread, ThreadBlockedOnTVar);
        hoard->gates[hoard->count] = gate;
        hoard->threads[hoard->count] = thread;
    }
}

static void letGo(Hoard *hoard, uint32_t count)
{
    for (; count > 0; count--) {
        hoard->count--;
        CHECK_EQ(tvarWriteIO(hoard->gates[hoard->count], NULL), 0);
        greenJoin(hoard->threads[hoard->count]);
        tvarFree(hoard->gates[hoard->count]);
    }
}

static void *starveThenFeed(void *env)
{
    enum { NEWBORNS = 3 };
    Hoard hoard;
    Thread *newborns[NEWBORNS];
    (void)env;
    hoardAll(&hoard);
    for (uintptr_t i = 0; i < NEWBORNS; i++) {
        newborns[i] = greenFork(runNow, (void *)(i + 1));
        greenUntil(newborns[i], ThreadBlockedOnStack);
    }
    CHECK_EQ(RELAXED_LOAD(&starved_count), NEWBORNS);
    for (int i = 0; i < 100; i++) { /* others keep running */
        threadYield();
        CHECK_EQ(ran, 0);
    }
    CHECK_EQ(threadStatus(newborns[0]).state, ThreadBlockedOnStack);
    letGo(&hoard, 1); /* one stack is enough for all, one after the other */
    for (uintptr_t i = 0; i < NEWBORNS; i++)
        CHECK_EQ((uintptr_t)greenJoin(newborns[i]), i + 1);
    CHECK_EQ(ran, NEWBORNS);
    for (uint32_t i = 0; i < NEWBORNS; i++)
        CHECK_EQ(order[i], i + 1); /* oldest first */
    CHECK_EQ(RELAXED_LOAD(&starved_count), 0);
    letGo(&hoard, hoard.count);
    stackMapFail(0);
    return NULL;
}

TEST(Starved, waitsForAStackAndGetsIt)
{
    greenRun(1, starveThenFeed, NULL);
}

/* A newborn that asks for more than anybody can give back must not keep the stack from the next
 * one. */
static void *starveLarge(void *env)
{
    Hoard hoard;
    ThreadAttributes large = {.stack_size = (size_t)1 << 20};
    Thread *first, *second;
    (void)env;
    hoardAll(&hoard);
    CHECK_EQ(threadForkWith(&first, &large, runNow, (void *)1), 0);
    greenUntil(first, ThreadBlockedOnStack);
    second = greenFork(runNow, (void *)2);
    greenUntil(second, ThreadBlockedOnStack);
    letGo(&hoard, 1);
    void *result = NULL;
    CHECK_EQ(threadJoin(second, &result), 0);
    CHECK_EQ((uintptr_t)result, 2);
    threadRelease(second);
    stackMapFail(0);
    letGo(&hoard, hoard.count);
    CHECK_EQ((uintptr_t)greenJoin(first), 1);
    return NULL;
}

TEST(Starved, largeOnesDoNotStandInTheWay)
{
    greenRun(1, starveLarge, NULL);
}

static void *starveToDeath(void *env)
{
    enum { NEWBORNS = 4 };
    Hoard hoard;
    Thread *newborns[NEWBORNS];
    uint32_t turns = 0;
    (void)env;
    hoardAll(&hoard);
    for (uintptr_t i = 0; i < NEWBORNS; i++)
        newborns[i] = greenFork(runNow, NULL);
    int64_t began_ns = rtsNow();
    while (threadStatus(newborns[0]).state != ThreadFinished) {
        CHECK_EQ(threadDelay(100), 0);
        turns++;
    }
    CHECK_GT(turns, 10);
    for (int i = 0; i < NEWBORNS; i++) {
        void *result = &hoard, *untouched = &hoard;
        CHECK_EQ(threadJoin(newborns[i], &result), -ENOMEM);
        CHECK_EQ(result, untouched);
        CHECK_EQ(threadJoin(newborns[i], NULL), -ENOMEM); /* and again */
        CHECK_EQ(threadStatus(newborns[i]).state, ThreadFinished);
        threadRelease(newborns[i]);
    }
    CHECK_GE(rtsNow() - began_ns, (int64_t)STARVED_NS / 2); /* it did wait for one */
    CHECK_EQ(ran, 0);
    CHECK_EQ(RELAXED_LOAD(&starved_count), 0);
    letGo(&hoard, hoard.count);
    CHECK_EQ((uintptr_t)greenJoin(greenFork(runNow, (void *)7)), 7); /* others are not affected */
    stackMapFail(0);
    return NULL;
}

TEST(Starved, givesUpInTheEnd)
{
    greenRun(1, starveToDeath, NULL);
}

/* A scope is told of a child that never ran. */
static int countRun(void *env)
{
    (void)env;
    ran++;
    return 0;
}

static int forkOne(Scope *scope, void *env)
{
    return scopeFork(scope, NULL, countRun, env);
}

static void *starveAChild(void *env)
{
    Hoard hoard;
    hoardAll(&hoard);
    CHECK_EQ(scopeRun(forkOne, env), -ENOMEM);
    CHECK_EQ(ran, 0);
    letGo(&hoard, hoard.count);
    CHECK_EQ(scopeRun(forkOne, env), 0);
    CHECK_EQ(ran, 1);
    stackMapFail(0);
    return NULL;
}

TEST(Starved, failsItsScope)
{
    greenRun(1, starveAChild, NULL);
}

/* When nobody holds a stack nobody can give one back: no use in waiting. */
TEST(Starved, givesUpAtOnceWhenNobodyCouldHelp)
{
    Thread *threads[10];
    greenStart(2);
    stackMapFail(-1);
    for (int i = 0; i < 10; i++)
        threads[i] = greenFork(returnEnv, NULL);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(threadJoin(threads[i], NULL), -ENOMEM);
        threadRelease(threads[i]);
    }
    CHECK_EQ(threadFork(NULL, returnEnv, NULL), 0); /* detached: nobody is told */
    stackMapFail(0);
    CHECK_EQ((uintptr_t)greenJoin(greenFork(returnEnv, (void *)3)), 3);
    greenStop(); /* all of them are counted as ended */
}

/* Shutdown finds newborns that still wait: cancelled, they end. */
TEST(Starved, endsWithTheRuntime)
{
    Thread *newborn, *holder;
    ThreadAttributes large = {.stack_size = (size_t)1 << 20};
    greenStart(1);
    holder = greenFork(holdForEver, NULL);
    greenUntil(holder, ThreadBlockedOnDelay);
    threadRelease(holder);
    stackMapFail(-1);
    ran = 0;
    CHECK_EQ(threadForkWith(&newborn, &large, runNow, NULL), 0);
    greenUntil(newborn, ThreadBlockedOnStack);
    threadRelease(newborn);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(ran, 0);
    CHECK_EQ(RELAXED_LOAD(&starved_count), 0);
}
