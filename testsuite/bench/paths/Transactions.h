/* Transactions.h -- paths of HotPaths.c: transactions that write, read much, wait, are woken. */
#ifndef TESTSUITE_TRANSACTIONS_H
#define TESTSUITE_TRANSACTIONS_H

#include "testsuite/bench/paths/Threads.h"

#include <capri/stm.h>

enum { MANY_READS = 100, WATCHERS = 100 };

static TVar *newVar(void)
{
    TVar *tvar = tvarNew(NULL);
    require(tvar != NULL, "tvarNew failed");
    return tvar;
}

static void *atomically(StmAction *action, void *env)
{
    void *result = NULL;
    require(stmAtomically(action, env, &result) == 0, "stmAtomically failed");
    return result;
}

/* Read and write two variables that nobody else uses. */
static void *moveOne(Transaction *tx, void *env)
{
    TVar **of = env;
    intptr_t from = (intptr_t)tvarRead(tx, of[0]), to = (intptr_t)tvarRead(tx, of[1]);
    tvarWrite(tx, of[0], (void *)(from - 1));
    tvarWrite(tx, of[1], (void *)(to + 1));
    return NULL;
}

static void runTransaction(uint32_t count)
{
    TVar *of[2] = {newVar(), newVar()};
    for (uint32_t i = 0; i < count; i++)
        atomically(moveOne, of);
    tvarFree(of[0]);
    tvarFree(of[1]);
}

/* One read of MANY_READS in a transaction, its beginning and end included. */
static void *readAll(Transaction *tx, void *env)
{
    TVar **of = env;
    intptr_t sum = 0;
    for (uint32_t i = 0; i < MANY_READS; i++)
        sum += (intptr_t)tvarRead(tx, of[i]);
    return (void *)sum;
}

static void runReads(uint32_t count)
{
    TVar *of[MANY_READS];
    for (uint32_t i = 0; i < MANY_READS; i++)
        of[i] = newVar();
    for (uint32_t i = 0; i < count; i += MANY_READS)
        require(atomically(readAll, of) == NULL, "a sum of nothing");
    for (uint32_t i = 0; i < MANY_READS; i++)
        tvarFree(of[i]);
}

typedef struct Catcher {
    TVar *mine, *other;
    uint32_t left;
} Catcher;

static void *throwBall(Transaction *tx, void *env)
{
    tvarWrite(tx, ((Catcher *)env)->other, env);
    return NULL;
}

static void *catchBall(Transaction *tx, void *env)
{
    TVar *mine = ((Catcher *)env)->mine;
    stmCheck(tx, tvarRead(tx, mine) != NULL);
    tvarWrite(tx, mine, NULL);
    return NULL;
}

static void *playCatch(void *env)
{
    for (Catcher *self = env; self->left > 0; self->left--) {
        atomically(catchBall, self);
        atomically(throwBall, self);
    }
    return NULL;
}

/* Two threads, one ball, a variable for each: count transactions that wait, and as many that do
 * not. */
static void runHandOff(uint32_t count)
{
    TVar *of[2] = {newVar(), newVar()};
    Catcher one = {of[0], of[1], count / 2}, other = {of[1], of[0], count / 2};
    Thread *threads[] = {forkThread(playCatch, &one), forkThread(playCatch, &other)};
    threadYield();
    atomically(throwBall, &other);
    joinThread(threads[0]);
    joinThread(threads[1]);
    tvarFree(of[0]);
    tvarFree(of[1]);
}

typedef struct Audience {
    TVar *round;
    uint32_t rounds, begun; /* begun: waits, of all */
} Audience;

typedef struct Step {
    TVar *round;
    uintptr_t past;
} Step;

static void *roundIsPast(Transaction *tx, void *env)
{
    Step *step = env;
    stmCheck(tx, (uintptr_t)tvarRead(tx, step->round) > step->past);
    return NULL;
}

static void *watchRounds(void *env)
{
    Audience *audience = env;
    for (uintptr_t past = 0; past < audience->rounds; past++, audience->begun++)
        atomically(roundIsPast, &(Step){audience->round, past});
    return NULL;
}

/* WATCHERS transactions wait for one variable; each time it is written all of them run. */
static void runWatchers(uint32_t count)
{
    Thread *threads[WATCHERS];
    Audience audience = {newVar(), count / WATCHERS, 0};
    for (uint32_t i = 0; i < WATCHERS; i++)
        threads[i] = forkThread(watchRounds, &audience);
    for (uintptr_t round = 1; round <= audience.rounds; round++) {
        do
            threadYield();
        while (audience.begun < (round - 1) * WATCHERS); /* those before have all run */
        require(tvarWriteIO(audience.round, (void *)round) == 0, "tvarWriteIO failed");
    }
    for (uint32_t i = 0; i < WATCHERS; i++)
        joinThread(threads[i]);
    tvarFree(audience.round);
}

#endif
