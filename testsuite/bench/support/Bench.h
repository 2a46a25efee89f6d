/* Bench.h -- what our programs of the benchmark table share: arguments, a runtime, time, figures.
 *
 *     static double measure(void) { ... }
 *     static void *begin(void *env) { benchPrint("yield", ..., "ns"); return env; }
 *     int main(int argc, char **argv) { return benchMain(argc, argv, begin, NULL); }
 *
 * What each program measures stands in testsuite/bench/Rows.md.
 */
#ifndef TESTSUITE_BENCH_H
#define TESTSUITE_BENCH_H

#include <capri/thread.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_MS INT64_C(1000000)   /* in nanoseconds */
#define BENCH_S INT64_C(1000000000) /* likewise */

/* BENCH_CHECK -- a program that cannot do its work says so and exits with 1. */
#define BENCH_CHECK(condition) ((condition) ? (void)0 : benchFail(__FILE__, __LINE__, #condition))
__attribute__((noreturn)) void benchFail(const char *file, int line, const char *condition);

/* benchArgument -- the number after `name` ("--threads"), or otherwise. */
int64_t benchArgument(int argc, char **argv, const char *name, int64_t otherwise);

/* benchStart -- a runtime of `--cores N` capabilities (1 if nothing is said), with jemalloc where
 * that is linked in.  benchStop -- cancel all threads, stop it.  benchMain -- start, run fn(env)
 * as the first green thread, stop; returns what main returns. */
void benchStart(int argc, char **argv);
void benchStop(void);
int benchMain(int argc, char **argv, ThreadFn *fn, void *env);

/* benchNow -- CLOCK_MONOTONIC.  benchCpu -- CPU time of the process so far.  Nanoseconds. */
int64_t benchNow(void);
int64_t benchCpu(void);

/* benchRate -- nanoseconds per piece of work: work(count, env) with a growing count until it takes
 * 0.3 s; that last one counts, those before it warm up. */
typedef void BenchWork(uint64_t count, void *env);
double benchRate(BenchWork *work, void *env);

/* benchDraw -- a random number; *state is not 0. */
static inline uint64_t benchDraw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* BenchSample -- values one after the other; who adds is one thread at a time, or has the array's
 * place given by benchSampleAdd, which any number of threads may call. */
typedef struct BenchSample {
    int64_t *values;
    uint32_t room;  /* constant */
    uint32_t count; /* everyone adds, relaxed; what came beyond the room is not kept */
} BenchSample;

void benchSampleOpen(BenchSample *sample, uint32_t room);
void benchSampleAdd(BenchSample *sample, int64_t value);

/* benchSampleAt -- the value below which `part` (0.5, 0.99) of the sample lies; sorts it. */
int64_t benchSampleAt(BenchSample *sample, double part);

/* benchPrint -- one figure: "name value unit". */
void benchPrint(const char *name, double value, const char *unit);

/* benchMemory -- a line of /proc/self/status in bytes: "VmRSS", "VmHWM". */
int64_t benchMemory(const char *line);

#endif
