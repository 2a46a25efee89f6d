/* FileBlocks.h -- row 25: a file in the page cache, and the figures of reading blocks of it. */
#ifndef FILE_BLOCKS_H
#define FILE_BLOCKS_H

#include "Bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READS_AT_ONCE = 32, BLOCK_BYTES = 4096, BLOCKS = 2 * 1024 };
#define WARM_UP_NS 100000000ull
#define MEASURE_NS 500000000ull

static inline int makeBlocks(void)
{
    static char block[BLOCK_BYTES];
    char name[] = "/tmp/capri-bench-XXXXXX";
    int fd = demand(mkstemp(name), "mkstemp");
    memset(block, 'x', sizeof block);
    for (int i = 0; i < BLOCKS; i++)
        if (write(fd, block, sizeof block) != BLOCK_BYTES)
            error(1, errno, "write");
    demand(unlink(name), "unlink");
    return fd;
}

static inline off_t drawOffset(uint64_t *random)
{
    return (off_t)(drawRandom(random) % BLOCKS * BLOCK_BYTES);
}

static inline void printReads(uint64_t reads, uint64_t passed_ns)
{
    printPerUnit("file_read", passed_ns, reads);
    printFigure("file_rate", (double)reads / (double)passed_ns * 1e9, "reads/s");
}

#endif
