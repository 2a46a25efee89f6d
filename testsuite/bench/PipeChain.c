/* PipeChain.c -- row 11: 1000 pipes in a ring, a thread for each; 100 bytes travel round.
 *
 * Each event is a read of one byte and a write of one byte.  Room for more would spare the read
 * that fails before each wait, but bytes that meet in a pipe stay together, and one read would
 * then serve several events.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>

enum { PIPES = 1000, ACTIVE = 100, WARM_UP_US = 200000, MEASURE_US = 500000 };

typedef struct Link {
    uint64_t events; /* its thread stores, relaxed; the measurer reads */
    int in, out;     /* constant */
} CACHE_ALIGNED Link;

static Link links[PIPES];

static void *passOn(void *env)
{
    Link *link = env;
    char byte;
    while (fdRead(link->in, &byte, 1) == 1 && fdWrite(link->out, &byte, 1) == 1)
        RELAXED_STORE(&link->events, link->events + 1);
    return NULL; /* the runtime is being cancelled */
}

static uint64_t countEvents(void)
{
    uint64_t events = 0;
    for (int i = 0; i < PIPES; i++)
        events += RELAXED_LOAD(&links[i].events);
    return events;
}

static void *begin(void *env)
{
    for (int i = 0; i < PIPES; i++) {
        int ends[2];
        BENCH_CHECK(fdPipe(ends) == 0);
        links[i].in = ends[0];
        links[(i + PIPES - 1) % PIPES].out = ends[1];
    }
    for (int i = 0; i < PIPES; i++)
        BENCH_CHECK(threadFork(NULL, passOn, &links[i]) == 0);
    threadYield(); /* they wait */
    for (int i = 0; i < PIPES; i += PIPES / ACTIVE)
        BENCH_CHECK(fdWrite(links[i].out, "", 1) == 1);
    threadDelay(WARM_UP_US);
    int64_t start_ns = benchNow();
    uint64_t before = countEvents();
    threadDelay(MEASURE_US);
    uint64_t events = countEvents() - before;
    int64_t passed_ns = benchNow() - start_ns;
    BENCH_CHECK(events > 0);
    benchPrint("pipe_chain", (double)passed_ns / (double)events, "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
