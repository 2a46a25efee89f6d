/* Sleepers.c -- row 16: 1,000,000 threads sleep once each, until some moment of one second.
 *
 * That second begins when the last of them is asleep, so that all sleep at the same time.  When
 * that will be is not known beforehand: `--lead` ns per thread are set aside for it, a third of
 * them for the second wave (in what is left nobody computes, and only CPU time is measured).  Who
 * comes when his moment is over does not sleep; with more than one in a hundred of them all is done
 * again, in a new process, with twice the lead.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 1000000, LEAD_NS = 15000, WARM_SHARE = 3, LEAST_MS = 200, LATE_SHARE = 100 };

typedef struct Wave {
    Thread **threads;
    uint64_t count;
    int64_t start_ns; /* main stores before it forks; constant */
    uint64_t late;    /* threads add, relaxed: came when their time was over */
} Wave;

static Wave wave;
static int cores;       /* constant while threads run */
static int64_t lead_ns; /* likewise: of the first wave */

static void startAgain(void)
{
    char words[3][24];
    snprintf(words[0], sizeof words[0], "%d", cores);
    snprintf(words[1], sizeof words[1], "%lld", 2 * (long long)lead_ns);
    snprintf(words[2], sizeof words[2], "%llu", (unsigned long long)wave.count);
    execl("/proc/self/exe", "Sleepers", "--cores", words[0], "--lead", words[1], "--threads",
          words[2], (char *)NULL);
    BENCH_CHECK(false);
}

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
static double runWave(int64_t lead)
{
    int64_t cpu_ns = benchCpu();
    wave.start_ns = rtsNow() + LEAST_MS * BENCH_MS + (int64_t)wave.count * lead;
    for (uint64_t i = 0; i < wave.count; i++)
        BENCH_CHECK(threadFork(&wave.threads[i], sleepOnce, (void *)(uintptr_t)i) == 0);
    for (uint64_t i = 0; i < wave.count; i++) {
        BENCH_CHECK(threadJoin(wave.threads[i], NULL) == 0);
        threadRelease(wave.threads[i]);
    }
    if (wave.late > wave.count / LATE_SHARE)
        startAgain();
    return (double)(benchCpu() - cpu_ns) / (double)wave.count / 1e3;
}

static void *begin(void *env)
{
    double cold_us = runWave(lead_ns), warm_us = runWave(lead_ns / WARM_SHARE);
    benchPrint("cold", cold_us, "us");
    benchPrint("warm", warm_us, "us");
    return env;
}

int main(int argc, char **argv)
{
    lead_ns = benchArgument(argc, argv, "--lead", LEAD_NS);
    cores = (int)benchArgument(argc, argv, "--cores", 1);
    wave.count = (uint64_t)benchArgument(argc, argv, "--threads", THREADS);
    wave.threads = calloc(wave.count, sizeof(Thread *));
    BENCH_CHECK(wave.threads != NULL);
    int result = benchMain(argc, argv, begin, NULL);
    free(wave.threads);
    return result;
}
