/* Fib.c -- row 6: fib(30); every call forks a thread for the left half.  No cut-off. */
#include "testsuite/bench/support/Bench.h"

enum { N = 30, FIB_N = 832040, RUNS_LEAST = 4, RUNS_MOST = 20 };
#define MEASURE_NS (500 * BENCH_MS)

static void *fib(void *env)
{
    uintptr_t n = (uintptr_t)env;
    Thread *left;
    void *sum;
    if (n < 2)
        return env;
    BENCH_CHECK(threadFork(&left, fib, (void *)(n - 1)) == 0);
    uintptr_t right = (uintptr_t)fib((void *)(n - 2));
    BENCH_CHECK(threadJoin(left, &sum) == 0);
    threadRelease(left);
    return (void *)((uintptr_t)sum + right);
}

static void *begin(void *env)
{
    int64_t best_ns = INT64_MAX, begin_ns = benchNow();
    for (int run = 0; run < RUNS_MOST; run++) {
        int64_t start_ns = benchNow();
        BENCH_CHECK((uintptr_t)fib((void *)N) == FIB_N);
        int64_t passed_ns = benchNow() - start_ns;
        if (run > 0 && passed_ns < best_ns) /* the first warms up */
            best_ns = passed_ns;
        if (run >= RUNS_LEAST && benchNow() - begin_ns > MEASURE_NS)
            break;
    }
    benchPrint("fib", (double)best_ns / 1e6, "ms");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
