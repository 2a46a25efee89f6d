/* SleepDelay.c -- row 13: threadDelay(100) while nothing else runs: by how much is it late? */
#include "testsuite/bench/support/Bench.h"

#include <stdlib.h>

enum { SLEEP_US = 100, COUNT = 4000, WARM_UP = 200 };

static void *begin(void *env)
{
    BenchSample late;
    benchSampleOpen(&late, COUNT);
    for (int i = 0; i < COUNT + WARM_UP; i++) {
        int64_t start_ns = benchNow();
        BENCH_CHECK(threadDelay(SLEEP_US) == 0);
        int64_t late_ns = benchNow() - start_ns - SLEEP_US * 1000;
        if (i >= WARM_UP)
            benchSampleAdd(&late, late_ns);
    }
    benchPrint("late_p50", (double)benchSampleAt(&late, 0.5) / 1e3, "us");
    benchPrint("late_p99", (double)benchSampleAt(&late, 0.99) / 1e3, "us");
    free(late.values);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
