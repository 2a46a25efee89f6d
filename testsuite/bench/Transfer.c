/* Transfer.c -- row 32: a transaction that reads and writes two variables nobody else uses. */
#include "testsuite/bench/support/Bench.h"

#include <capri/stm.h>

static void *move(Transaction *tx, void *env)
{
    TVar **of = env;
    intptr_t from = (intptr_t)tvarRead(tx, of[0]), to = (intptr_t)tvarRead(tx, of[1]);
    tvarWrite(tx, of[0], (void *)(from - 1));
    tvarWrite(tx, of[1], (void *)(to + 1));
    return NULL;
}

static void moveOften(uint64_t count, void *env)
{
    for (uint64_t i = 0; i < count; i++)
        BENCH_CHECK(stmAtomically(move, env, NULL) == 0);
}

static void *begin(void *env)
{
    TVar *of[2] = {tvarNew(NULL), tvarNew(NULL)};
    BENCH_CHECK(of[0] != NULL && of[1] != NULL);
    benchPrint("transfer", benchRate(moveOften, of), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
