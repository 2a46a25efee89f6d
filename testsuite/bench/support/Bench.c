/* Bench.c -- what our programs of the benchmark table share. */
#include "testsuite/bench/support/Bench.h"

#include "internal/SMP.h"

#include <capri/rts.h>
#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEASURE_NS (300 * BENCH_MS)
#define STOP_MOST_NS (20 * BENCH_S)
enum { GROWTH_MOST = 100 };

void benchFail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, condition);
    _Exit(1); /* from any thread, on any stack: nothing of the runtime is torn down */
}

static const char *findWord(int argc, char **argv, const char *name)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return NULL;
}

int64_t benchArgument(int argc, char **argv, const char *name, int64_t otherwise)
{
    char *end;
    const char *word = findWord(argc, argv, name);
    if (word == NULL)
        return otherwise;
    int64_t value = strtoll(word, &end, 10);
    BENCH_CHECK(*end == '\0' && end != word);
    return value;
}

static RtsConfig configOf(int argc, char **argv)
{
    RtsConfig config = {.capabilities = (uint32_t)benchArgument(argc, argv, "--cores", 1),
                        .backend = findWord(argc, argv, "--backend")};
#ifdef CAPRI_WITH_JEMALLOC
    config.allocator = jemallocAllocator();
#endif
    return config;
}

void benchStart(int argc, char **argv)
{
    RtsConfig config = configOf(argc, argv);
    BENCH_CHECK(rtsInit(&config) == 0);
}

void benchStop(void)
{
    BENCH_CHECK(rtsShutdown(Cancel, rtsNow() + STOP_MOST_NS) == 0);
}

int benchMain(int argc, char **argv, ThreadFn *fn, void *env)
{
    RtsConfig config = configOf(argc, argv);
    BENCH_CHECK(rtsMain(&config, fn, env, NULL) == 0);
    return 0;
}

static int64_t readClock(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * BENCH_S + time.tv_nsec;
}

int64_t benchNow(void)
{
    return readClock(CLOCK_MONOTONIC);
}

int64_t benchCpu(void)
{
    return readClock(CLOCK_PROCESS_CPUTIME_ID);
}

double benchRate(BenchWork *work, void *env)
{
    uint64_t count = 1;
    for (;;) {
        int64_t start_ns = benchNow();
        work(count, env);
        int64_t passed_ns = benchNow() - start_ns;
        if (passed_ns >= MEASURE_NS)
            return (double)passed_ns / (double)count;
        /* A little more than what should be enough. */
        double growth = 1.2 * (double)MEASURE_NS / (double)(passed_ns + 1);
        count = (uint64_t)((double)count * (growth < GROWTH_MOST ? growth : GROWTH_MOST)) + 1;
    }
}

void benchSampleOpen(BenchSample *sample, uint32_t room)
{
    *sample = (BenchSample){.values = calloc(room, sizeof(int64_t)), .room = room};
    BENCH_CHECK(sample->values != NULL);
}

void benchSampleAdd(BenchSample *sample, int64_t value)
{
    uint32_t place = ADD_RELAXED(&sample->count, 1);
    if (place < sample->room)
        sample->values[place] = value;
}

static int compareValues(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

int64_t benchSampleAt(BenchSample *sample, double part)
{
    uint32_t count = sample->count < sample->room ? sample->count : sample->room;
    BENCH_CHECK(count > 0);
    qsort(sample->values, count, sizeof(int64_t), compareValues);
    return sample->values[(uint32_t)(part * (double)(count - 1))];
}

void benchPrint(const char *name, double value, const char *unit)
{
    printf("%s %.6g %s\n", name, value, unit);
    fflush(stdout);
}

int64_t benchMemory(const char *line)
{
    char text[256];
    long long kib = -1;
    size_t length = strlen(line);
    FILE *status = fopen("/proc/self/status", "r");
    BENCH_CHECK(status != NULL);
    while (kib < 0 && fgets(text, sizeof text, status) != NULL) {
        if (strncmp(text, line, length) == 0 && text[length] == ':')
            sscanf(text + length + 1, "%lld", &kib);
    }
    fclose(status);
    BENCH_CHECK(kib >= 0);
    return kib * 1024;
}
