/* Watchers.c -- row 38: 10,000 transactions wait for one variable, and it is written; as many wait
 * for others, and do not run.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/stm.h>

enum { WATCHERS = 10000, ROUNDS = 20 };

typedef struct Crowd {
    TVar *tvar;
    uint64_t runs; /* relaxed: of their actions */
} Crowd;

static uint64_t waiting; /* relaxed: about to wait for the written one */

static void *untilPast(Transaction *tx, void *env)
{
    void **step = env;
    Crowd *crowd = step[0];
    ADD_RELAXED(&crowd->runs, 1);
    stmCheck(tx, (uintptr_t)tvarRead(tx, crowd->tvar) > (uintptr_t)step[1]);
    return NULL;
}

static void *wait(void *env)
{
    for (uintptr_t step = 0; step < ROUNDS; step++) {
        void *of[2] = {env, (void *)step};
        ADD_RELAXED(&waiting, 1);
        BENCH_CHECK(stmAtomically(untilPast, of, NULL) == 0);
    }
    return NULL;
}

static void *waitForEver(void *env)
{
    void *of[2] = {env, NULL};
    stmAtomically(untilPast, of, NULL);
    return NULL;
}

static void *begin(void *env)
{
    static Thread *threads[WATCHERS];
    Crowd crowd = {tvarNew(NULL), 0}, others = {tvarNew(NULL), 0};
    int64_t total_ns = 0;
    BENCH_CHECK(crowd.tvar != NULL && others.tvar != NULL);
    for (int i = 0; i < WATCHERS; i++) {
        BENCH_CHECK(threadFork(&threads[i], wait, &crowd) == 0);
        BENCH_CHECK(threadFork(NULL, waitForEver, &others) == 0);
    }
    while (RELAXED_LOAD(&others.runs) < WATCHERS)
        threadYield();
    for (uintptr_t step = 0; step < ROUNDS; step++) {
        while (RELAXED_LOAD(&waiting) < (step + 1) * WATCHERS)
            threadYield();
        threadDelay(1000); /* the last of them are on their way */
        int64_t begin_ns = benchNow();
        BENCH_CHECK(tvarWriteIO(crowd.tvar, (void *)(step + 1)) == 0);
        while (step + 1 < ROUNDS && RELAXED_LOAD(&waiting) < (step + 2) * WATCHERS)
            threadYield();
        total_ns += step + 1 < ROUNDS ? benchNow() - begin_ns : 0;
    }
    for (int i = 0; i < WATCHERS; i++) {
        BENCH_CHECK(threadJoin(threads[i], NULL) == 0);
        threadRelease(threads[i]);
    }
    benchPrint("watchers", (double)total_ns / ((ROUNDS - 1) * (double)WATCHERS), "ns");
    benchPrint("unrelated", (double)(RELAXED_LOAD(&others.runs) - WATCHERS), "runs");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
