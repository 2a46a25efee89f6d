/* Bank.c -- rows 33 and 34: a thread per core moves money between two of its accounts at random.
 *
 * All share 16 accounts (bank), or each has 16 of its own (bank_disjoint).  Wall time per
 * transaction, of all threads together.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/stm.h>

enum { ACCOUNTS = 16, CORES_MOST = 64 };

typedef struct Clerk {
    TVar **accounts;
    TVar *from, *to;
    uint64_t random, count;
} __attribute__((aligned(128))) Clerk; /* none writes into another's lines */

static TVar *accounts[CORES_MOST][ACCOUNTS]; /* constant while threads run */
static bool disjoint;                        /* likewise */

static void *move(Transaction *tx, void *env)
{
    Clerk *clerk = env;
    intptr_t from = (intptr_t)tvarRead(tx, clerk->from), to = (intptr_t)tvarRead(tx, clerk->to);
    tvarWrite(tx, clerk->from, (void *)(from - 1));
    tvarWrite(tx, clerk->to, (void *)(to + 1));
    return NULL;
}

static void *serve(void *env)
{
    Clerk *clerk = env;
    for (uint64_t i = 0; i < clerk->count; i++) {
        uint64_t draw = benchDraw(&clerk->random);
        clerk->from = clerk->accounts[draw % ACCOUNTS];
        clerk->to = clerk->accounts[(draw + 1 + (draw >> 32) % (ACCOUNTS - 1)) % ACCOUNTS];
        BENCH_CHECK(stmAtomically(move, clerk, NULL) == 0);
    }
    return NULL;
}

static void serveAll(uint64_t count, void *env)
{
    static Clerk clerks[CORES_MOST];
    Thread *threads[CORES_MOST];
    uint32_t cores = capabilityCount();
    (void)env;
    for (uint32_t i = 0; i < cores; i++) {
        clerks[i] = (Clerk){
            .accounts = accounts[disjoint ? i : 0], .random = i + 1, .count = count / cores + 1};
        BENCH_CHECK(threadForkOn(&threads[i], i, serve, &clerks[i]) == 0);
    }
    for (uint32_t i = 0; i < cores; i++) {
        BENCH_CHECK(threadJoin(threads[i], NULL) == 0);
        threadRelease(threads[i]);
    }
}

static void *begin(void *env)
{
    for (uint32_t i = 0; i < capabilityCount(); i++) {
        for (int k = 0; k < ACCOUNTS; k++)
            BENCH_CHECK((accounts[i][k] = tvarNew(NULL)) != NULL);
    }
    benchPrint("bank", benchRate(serveAll, NULL), "ns");
    disjoint = true;
    benchPrint("bank_disjoint", benchRate(serveAll, NULL), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
