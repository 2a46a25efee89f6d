/* FileRead.c -- row 25: 32 threads read random blocks of a file that is in the page cache. */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/file.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    THREADS = 32,
    BLOCK_BYTES = 4096,
    BLOCKS = 2 * 1024,
    WARM_UP_US = 100000,
    MEASURE_US = 500000
};

typedef struct Reader {
    uint64_t reads; /* its thread stores, relaxed; the measurer reads */
    uint64_t random;
    char block[BLOCK_BYTES];
} CACHE_ALIGNED Reader;

static Reader readers[THREADS];
static uint32_t stopping; /* the measurer stores, readers load: relaxed */
static int file;

static void makeFile(void)
{
    static char block[BLOCK_BYTES];
    char name[] = "/tmp/capri-bench-XXXXXX";
    int made = mkstemp(name);
    BENCH_CHECK(made >= 0);
    memset(block, 'x', sizeof block);
    for (int i = 0; i < BLOCKS; i++)
        BENCH_CHECK(write(made, block, sizeof block) == BLOCK_BYTES);
    file = fdOpen(name, O_RDONLY, 0);
    BENCH_CHECK(file >= 0 && unlink(name) == 0 && close(made) == 0);
}

static void *readBlocks(void *env)
{
    Reader *reader = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        int64_t offset = (int64_t)(benchDraw(&reader->random) % BLOCKS * BLOCK_BYTES);
        BENCH_CHECK(fdPread(file, reader->block, BLOCK_BYTES, offset) == BLOCK_BYTES);
        RELAXED_STORE(&reader->reads, reader->reads + 1);
    }
    return NULL;
}

static uint64_t countReads(void)
{
    uint64_t reads = 0;
    for (int i = 0; i < THREADS; i++)
        reads += RELAXED_LOAD(&readers[i].reads);
    return reads;
}

static void *begin(void *env)
{
    Thread *threads[THREADS];
    makeFile();
    for (int i = 0; i < THREADS; i++) {
        readers[i].random = (uint64_t)i + 1;
        BENCH_CHECK(threadFork(&threads[i], readBlocks, &readers[i]) == 0);
    }
    threadDelay(WARM_UP_US);
    int64_t start_ns = benchNow();
    uint64_t before = countReads();
    threadDelay(MEASURE_US);
    double reads = (double)(countReads() - before);
    double passed_ns = (double)(benchNow() - start_ns);
    RELAXED_STORE(&stopping, 1);
    for (int i = 0; i < THREADS; i++) {
        threadJoin(threads[i], NULL);
        threadRelease(threads[i]);
    }
    benchPrint("file_read", passed_ns / reads, "ns");
    benchPrint("file_rate", reads / passed_ns * 1e9, "reads/s");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
