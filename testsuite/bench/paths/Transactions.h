/* Transactions.h -- a path of HotPaths.c: a transaction on two variables. */
#ifndef TESTSUITE_TRANSACTIONS_H
#define TESTSUITE_TRANSACTIONS_H

#include "testsuite/bench/paths/Steady.h"

#include <capri/stm.h>

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
    TVar *of[2] = {tvarNew(NULL), tvarNew(NULL)};
    require(of[0] != NULL && of[1] != NULL, "tvarNew failed");
    for (uint32_t i = 0; i < count; i++)
        require(stmAtomically(moveOne, of, NULL) == 0, "stmAtomically failed");
    tvarFree(of[0]);
    tvarFree(of[1]);
}

#endif
