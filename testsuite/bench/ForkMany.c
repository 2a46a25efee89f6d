/* ForkMany.c -- row 4: fork 1000 threads that return at once, then join them all; and again. */
#include "testsuite/bench/support/Bench.h"

enum { CHILDREN = 1000 };

static void *returnAtOnce(void *env)
{
    return env;
}

static void forkAllJoinAll(uint64_t count, void *env)
{
    Thread **children = env;
    for (uint64_t round = 0; round < count; round++) {
        for (int i = 0; i < CHILDREN; i++)
            BENCH_CHECK(threadFork(&children[i], returnAtOnce, NULL) == 0);
        for (int i = 0; i < CHILDREN; i++) {
            BENCH_CHECK(threadJoin(children[i], NULL) == 0);
            threadRelease(children[i]);
        }
    }
}

static void *begin(void *env)
{
    static Thread *children[CHILDREN];
    benchPrint("fork_many", benchRate(forkAllJoinAll, children) / CHILDREN, "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
