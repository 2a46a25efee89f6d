/* ForeignCall.c -- row 29: a call of a C function that returns at once, and one that blocks.
 *
 * `call`: an empty function.  `others`: a thread blocks for 1 ms in a call, with another one ready
 * behind it on its only capability: how long after the call's begin that one runs.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/foreign.h>

#include <time.h>

enum { CALLS = 400, BLOCK_NS = 1000000 };

static BenchSample delays;
static int64_t began_ns; /* the caller writes it on the OS thread that then is in the call */

static void *doNothing(void *arg)
{
    return arg;
}

static void callOften(uint64_t count, void *env)
{
    for (uint64_t i = 0; i < count; i++)
        BENCH_CHECK(foreignCall(doNothing, env, NULL) == 0);
}

static void *blockBriefly(void *arg)
{
    struct timespec time = {.tv_nsec = BLOCK_NS};
    began_ns = benchNow();
    nanosleep(&time, NULL);
    return arg;
}

static void *lookAtClock(void *env)
{
    benchSampleAdd(&delays, benchNow() - began_ns);
    return env;
}

static void *begin(void *env)
{
    benchPrint("call", benchRate(callOften, NULL), "ns");
    for (int i = 0; i < CALLS; i++) {
        Thread *other;
        BENCH_CHECK(threadFork(&other, lookAtClock, NULL) == 0);
        BENCH_CHECK(foreignCall(blockBriefly, NULL, NULL) == 0);
        BENCH_CHECK(threadJoin(other, NULL) == 0);
        threadRelease(other);
    }
    return env;
}

int main(int argc, char **argv)
{
    benchSampleOpen(&delays, CALLS);
    benchMain(argc, argv, begin, NULL);
    benchPrint("others_p50", (double)benchSampleAt(&delays, 0.5) / 1e3, "us");
    benchPrint("others_p99", (double)benchSampleAt(&delays, 0.99) / 1e3, "us");
    return 0;
}
