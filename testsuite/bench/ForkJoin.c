/* ForkJoin.c -- row 3: fork a thread that returns at once, join it, one at a time. */
#include "testsuite/bench/support/Bench.h"

static void *returnAtOnce(void *env)
{
    return env;
}

static void forkAndJoin(uint64_t count, void *env)
{
    for (uint64_t i = 0; i < count; i++) {
        Thread *child;
        BENCH_CHECK(threadFork(&child, returnAtOnce, env) == 0);
        BENCH_CHECK(threadJoin(child, NULL) == 0);
        threadRelease(child);
    }
}

static void *begin(void *env)
{
    benchPrint("fork_join", benchRate(forkAndJoin, NULL), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
