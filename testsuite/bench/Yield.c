/* Yield.c -- row 2: two green threads yield to each other. */
#include "testsuite/bench/support/Bench.h"

static void *yieldOften(void *env)
{
    for (uint64_t i = *(uint64_t *)env; i > 0; i--)
        threadYield();
    return NULL;
}

static void yieldBoth(uint64_t count, void *env)
{
    Thread *other;
    count = count / 2 + 1;
    BENCH_CHECK(threadFork(&other, yieldOften, &count) == 0);
    (void)env;
    yieldOften(&count);
    BENCH_CHECK(threadJoin(other, NULL) == 0);
    threadRelease(other);
}

static void *begin(void *env)
{
    benchPrint("yield", benchRate(yieldBoth, NULL), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
