/* Watchers.c -- row 38: 10,000 transactions wait for one variable, and it is written; as many wait
 * for others, and do not run.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/mvar.h>
#include <capri/rts.h>
#include <capri/stm.h>

enum { WATCHERS = 10000, ROUNDS = 20 };

typedef struct Crowd {
    TVar *tvar;
    uint64_t runs; /* of their actions */
} Crowd;

static uint64_t waiting; /* about to wait for the written one; one core, so COUNT counts */
static MVar *all_wait;   /* filled by the last of a step */

static void *untilPast(Transaction *tx, void *env)
{
    void **step = env;
    Crowd *crowd = step[0];
    COUNT(&crowd->runs, 1);
    stmCheck(tx, (uintptr_t)tvarRead(tx, crowd->tvar) > (uintptr_t)step[1]);
    return NULL;
}

static void *wait(void *env)
{
    for (uintptr_t step = 0; step < ROUNDS; step++) {
        void *of[2] = {env, (void *)step};
        COUNT(&waiting, 1);
        if (RELAXED_LOAD(&waiting) == (step + 1) * WATCHERS)
            BENCH_CHECK(mvarTryPut(all_wait, NULL) == 0);
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
    all_wait = mvarNewEmpty();
    BENCH_CHECK(crowd.tvar != NULL && others.tvar != NULL && all_wait != NULL);
    BENCH_CHECK(capabilityCount() == 1);
    for (int i = 0; i < WATCHERS; i++) {
        BENCH_CHECK(threadFork(&threads[i], wait, &crowd) == 0);
        BENCH_CHECK(threadFork(NULL, waitForEver, &others) == 0);
    }
    while (RELAXED_LOAD(&others.runs) < WATCHERS)
        threadYield();
    BENCH_CHECK(mvarTake(all_wait, NULL) == 0);
    for (uintptr_t step = 0; step < ROUNDS; step++) {
        threadDelay(1000); /* the last of them is on its way */
        int64_t begin_ns = benchNow();
        BENCH_CHECK(tvarWriteIO(crowd.tvar, (void *)(step + 1)) == 0);
        if (step + 1 < ROUNDS) {
            BENCH_CHECK(mvarTake(all_wait, NULL) == 0);
            total_ns += benchNow() - begin_ns;
        }
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
