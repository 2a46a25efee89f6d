/* Blocked.c -- row 17: memory of threads that are blocked, each on a variable of its own.
 *
 * The variable (64 bytes or so) is counted as the thread's; nothing else belongs to it.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/tvar.h>

enum { FEW = 100000, MANY = 1000000 };

static uint32_t blocked; /* threads add, relaxed, before they block */

static void *blockForEver(void *env)
{
    uint64_t version;
    TVar *cell = tvarNew(env);
    BENCH_CHECK(cell != NULL);
    tvarReadVersionIO(cell, &version);
    ADD_RELAXED(&blocked, 1);
    tvarAwait(cell, version); /* until the runtime is cancelled */
    tvarFree(cell);
    return NULL;
}

static void blockUpTo(uint32_t count)
{
    for (uint32_t i = RELAXED_LOAD(&blocked); i < count; i++)
        BENCH_CHECK(threadFork(NULL, blockForEver, NULL) == 0);
    while (RELAXED_LOAD(&blocked) < count)
        threadYield();
}

static void *begin(void *env)
{
    int64_t before = benchMemory("VmRSS");
    blockUpTo(FEW);
    benchPrint("rss_100k", (double)(benchMemory("VmRSS") - before) / FEW, "B");
    blockUpTo(MANY);
    benchPrint("rss_1m", (double)(benchMemory("VmRSS") - before) / MANY, "B");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
