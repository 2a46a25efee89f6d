/* Bench.h -- what every peer in C needs: clocks, --cores, percentiles, and how a figure is printed.
 *
 * Header only, so that a peer is one file and one command compiles it:
 *     gcc -O2 -D_GNU_SOURCE FILE.c [-lst | -luv | -lev | -levent]
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <error.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t readClockNs(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t readNowNs(void)
{
    return readClockNs(CLOCK_MONOTONIC);
}

static inline uint64_t readCpuNs(void)
{
    return readClockNs(CLOCK_PROCESS_CPUTIME_ID);
}

static inline void spinUntilNs(uint64_t end_ns)
{
    while (readNowNs() < end_ns)
        continue;
}

/* The N of `--cores N` (1 if it is not there); a peer that can use no more than `most` says so. */
static inline unsigned parseCores(int count, char **words, unsigned most)
{
    unsigned long cores = 1;
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--cores") != 0 || i + 1 == count)
            error(1, 0, "usage: %s [--cores N]", words[0]);
        cores = strtoul(words[++i], NULL, 10);
    }
    if (cores < 1 || cores > most)
        error(1, 0, "this program can use at most %u cores, not %lu", most, cores);
    return (unsigned)cores;
}

static inline void printFigure(const char *name, double value, const char *unit)
{
    printf("%s %.*f %s\n", name, value < 10 ? 2 : 1, value, unit);
    fflush(stdout);
}

static inline void printPerUnit(const char *name, uint64_t total_ns, uint64_t count)
{
    printFigure(name, (double)total_ns / (double)count, "ns");
}

static inline int compareSamples(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static inline void sortSamples(uint64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compareSamples);
}

/* Of sorted samples in ns; printed in us. */
static inline void printPercentile(const char *name, const uint64_t *sorted, size_t count,
                                   unsigned percent)
{
    printFigure(name, (double)sorted[count * percent / 100] / 1000, "us");
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t drawRandom(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

/* A result below 0 is the end of the program. */
static inline int demand(int result, const char *what)
{
    if (result < 0)
        error(1, errno, "%s", what);
    return result;
}

#endif
