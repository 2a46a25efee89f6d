/* Sleepers.c -- row 16: 1,000,000 threads sleep once each, until some moment of one second.
 *
 * That second begins when the last of them is asleep, so that all sleep at the same time.  When
 * that will be is not known beforehand: `--lead` ns per thread are set aside for it, a third of
 * them for the second wave (in what is left nobody computes, and only CPU time is measured).  Who
 * comes when his moment is over does not sleep; more than one in a hundred of them is an error.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>

#include <stdlib.h>

enum { THREADS = 1000000, LEAD_NS = 15000, WARM_SHARE = 3, LEAST_MS = 200, LATE_SHARE = 100 };

typedef struct Wave {
    Thread **threads;
    uint64_t count;
    int64_t start_ns; /* main stores before it forks; constant */
    uint64_t late;    /* threads add, relaxed: came when their time was over */
} Wave;

static Wave wave;

static void *sleepOnce(void *env)
{
    uint64_t random = (uint64_t)(uintptr_t)env * UINT64_C(0x9e3779b97f4a7c15) + 1;
    int64_t deadline_ns = wave.start_ns + (int64_t)(benchDraw(&random) % BENCH_S);
    if (rtsNow() >= deadline_ns)
        ADD_RELAXED(&wave.late, 1);
    BENCH_CHECK(threadDelayUntil(deadline_ns) == 0);
    return NULL;
}

/* Microseconds of CPU time per thread. */
static double runWave(int64_t lead_ns)
{
    int64_t cpu_ns = benchCpu();
    wave.start_ns = rtsNow() + LEAST_MS * BENCH_MS + (int64_t)wave.count * lead_ns;
    for (uint64_t i = 0; i < wave.count; i++)
        BENCH_CHECK(threadFork(&wave.threads[i], sleepOnce, (void *)(uintptr_t)i) == 0);
    for (uint64_t i = 0; i < wave.count; i++) {
        BENCH_CHECK(threadJoin(wave.threads[i], NULL) == 0);
        threadRelease(wave.threads[i]);
    }
    BENCH_CHECK(wave.late <= wave.count / LATE_SHARE); /* else: a larger --lead */
    return (double)(benchCpu() - cpu_ns) / (double)wave.count / 1e3;
}

static void *begin(void *env)
{
    int64_t lead_ns = *(int64_t *)env;
    benchPrint("cold", runWave(lead_ns), "us");
    benchPrint("warm", runWave(lead_ns / WARM_SHARE), "us");
    return env;
}

int main(int argc, char **argv)
{
    int64_t lead_ns = benchArgument(argc, argv, "--lead", LEAD_NS);
    wave.count = (uint64_t)benchArgument(argc, argv, "--threads", THREADS);
    wave.threads = calloc(wave.count, sizeof(Thread *));
    BENCH_CHECK(wave.threads != NULL);
    int result = benchMain(argc, argv, begin, &lead_ns);
    free(wave.threads);
    return result;
}
