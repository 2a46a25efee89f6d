/* ManyReads.c -- rows 36 and 37: a transaction of n reads, alone; and beside short writers.
 *
 * Alone: what a read adds to an empty transaction.  Beside: one thread sums 10,000 variables up in
 * one transaction, as often as it can in a second, while one on each other core (or beside it)
 * moves between two of them.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/stm.h>

#include <stdio.h>

enum { MOST = 10000, LONG_S = 1 };

static TVar *tvars[MOST]; /* constant while threads run */
static uint32_t stopped;  /* relaxed */

static void *readSome(Transaction *tx, void *env)
{
    intptr_t sum = 0;
    for (uint32_t i = 0; i < *(uint32_t *)env; i++)
        sum += (intptr_t)tvarRead(tx, tvars[i]);
    return (void *)sum;
}

static void readOften(uint64_t count, void *env)
{
    void *sum = NULL;
    for (uint64_t i = 0; i < count; i++)
        BENCH_CHECK(stmAtomically(readSome, env, &sum) == 0 && sum == NULL);
}

static void *move(Transaction *tx, void *env)
{
    uint64_t draw = benchDraw(env);
    TVar *from = tvars[(draw >> 8) % MOST], *to = tvars[(draw >> 40) % MOST];
    tvarWrite(tx, from, (void *)((intptr_t)tvarRead(tx, from) - 1));
    tvarWrite(tx, to, (void *)((intptr_t)tvarRead(tx, to) + 1));
    return NULL;
}

static void *moveOften(void *env)
{
    uint64_t random = 1;
    while (RELAXED_LOAD(&stopped) == 0) {
        BENCH_CHECK(stmAtomically(move, &random, NULL) == 0);
        threadYield();
    }
    return env;
}

static void measureLong(void)
{
    uint64_t done = 0;
    uint32_t all = MOST;
    Thread *thread;
    BENCH_CHECK(threadForkOn(&thread, capabilityCount() - 1, moveOften, NULL) == 0);
    int64_t begin_ns = benchNow();
    while (benchNow() - begin_ns < LONG_S * BENCH_S) {
        readOften(1, &all);
        threadYield();
        done++;
    }
    RELAXED_STORE(&stopped, 1);
    benchPrint("long_reads", (double)done * 1e9 / (double)(benchNow() - begin_ns), "reads/s");
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
}

static void *begin(void *env)
{
    static const uint32_t counts[] = {0, 1, 10, 100, 1000, 10000};
    double empty = 0;
    for (int i = 0; i < MOST; i++)
        BENCH_CHECK((tvars[i] = tvarNew(NULL)) != NULL);
    for (int i = 0; i < (int)(sizeof counts / sizeof *counts); i++) {
        uint32_t count = counts[i];
        char name[32];
        double whole = benchRate(readOften, &count);
        if (count == 0)
            empty = whole;
        else if (snprintf(name, sizeof name, "read_%u", count) > 0)
            benchPrint(name, (whole - empty) / count, "ns");
    }
    measureLong();
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
