/* Yield.c -- row 2: two green threads yield to each other.
 *
 * `yield`: both run one function.  `yield_apart`: each yields from a place of its own in the code,
 * and each return from a yield goes elsewhere than the call before it: the processor, which
 * predicts returns by calls, mispredicts it.
 */
#include "testsuite/bench/support/Bench.h"

static __attribute__((noinline)) void *yieldOften(void *env)
{
    for (uint64_t i = *(uint64_t *)env; i > 0; i--)
        threadYield();
    return NULL;
}

static __attribute__((noinline)) void *yieldElsewhere(void *env)
{
    uint64_t i = *(uint64_t *)env;
    do {
        threadYield();
    } while (--i > 0);
    return env;
}

static void yieldBoth(uint64_t count, void *other)
{
    Thread *thread;
    count = count / 2 + 1;
    BENCH_CHECK(threadFork(&thread, *(ThreadFn **)other, &count) == 0);
    yieldOften(&count);
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
}

static void *begin(void *env)
{
    ThreadFn *same = yieldOften, *apart = yieldElsewhere;
    benchPrint("yield", benchRate(yieldBoth, &same), "ns");
    benchPrint("yield_apart", benchRate(yieldBoth, &apart), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
