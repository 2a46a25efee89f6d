/* FileRead_pread.c -- row 25's least: one OS thread per core calls pread in a loop. */
#include "FileBlocks.h"

#include <pthread.h>

static int file;
static uint64_t start_ns; /* when the measurement begins; constant while they run */

static void *readBlocks(void *env)
{
    static __thread char block[BLOCK_BYTES];
    uint64_t random = (uint64_t)(uintptr_t)env, reads = 0, now_ns;
    while ((now_ns = readNowNs()) < start_ns + MEASURE_NS) {
        for (int i = 0; i < 64; i++)
            if (pread(file, block, BLOCK_BYTES, drawOffset(&random)) != BLOCK_BYTES)
                error(1, errno, "pread");
        if (now_ns >= start_ns)
            reads += 64;
    }
    return (void *)(uintptr_t)reads;
}

int main(int count, char **words)
{
    unsigned cores = parseCores(count, words, 64);
    pthread_t threads[64];
    uint64_t reads = 0;
    file = makeBlocks();
    start_ns = readNowNs() + WARM_UP_NS;
    for (unsigned i = 0; i < cores; i++)
        if (pthread_create(&threads[i], NULL, readBlocks, (void *)(uintptr_t)(i + 1)) != 0)
            error(1, 0, "pthread_create");
    for (unsigned i = 0; i < cores; i++) {
        void *result;
        pthread_join(threads[i], &result);
        reads += (uintptr_t)result;
    }
    printReads(reads, MEASURE_NS);
    return 0;
}
