/* Limit_floor.c -- row 31's floor: the clock is read once, as whoever sets a time-out must. */
#include "Bench.h"

#include <time.h>

enum { ROUNDS = 5 * 1000 * 1000 };

int main(int count, char **words)
{
    parseCores(count, words, 1);
    uint64_t start_ns = readNowNs();
    for (int i = 0; i < ROUNDS; i++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        __asm__ volatile("" ::"r"(&now) : "memory");
    }
    uint64_t end_ns = readNowNs();
    printPerUnit("read_until", end_ns - start_ns, ROUNDS);
    printPerUnit("timeout_run", end_ns - start_ns, ROUNDS);
    return 0;
}
