/* PipeRing.c -- row 26: 1000 pipes, 999 threads that copy, one message that travels round.
 *
 * The benchmark by which GHC's event managers were compared: nothing is ready but the next pipe.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>

enum {
    PIPES = 1000,
    MESSAGE = 64,
    ROOM = 4096,
    WARM_UP_ROUNDS = 20,
    MEASURE_NS = 500 * 1000 * 1000
};

static int pipes[PIPES][2];

static void *copyOn(void *env)
{
    int(*pair)[2] = env;
    char message[ROOM]; /* who copies does not know how long messages are */
    ssize_t got;
    while ((got = fdRead(pair[0][0], message, sizeof message)) > 0)
        BENCH_CHECK(fdWrite(pair[1][1], message, (size_t)got) == got);
    return NULL; /* the runtime is being cancelled */
}

static void goRound(void)
{
    char message[MESSAGE] = "";
    BENCH_CHECK(fdWrite(pipes[0][1], message, sizeof message) == MESSAGE);
    BENCH_CHECK(fdRead(pipes[PIPES - 1][0], message, sizeof message) == MESSAGE);
}

static void *begin(void *env)
{
    for (int i = 0; i < PIPES; i++)
        BENCH_CHECK(fdPipe(pipes[i]) == 0);
    for (int i = 0; i + 1 < PIPES; i++)
        BENCH_CHECK(threadFork(NULL, copyOn, &pipes[i]) == 0);
    for (int i = 0; i < WARM_UP_ROUNDS; i++)
        goRound();
    int64_t start_ns = benchNow(), passed_ns = 0, rounds = 0;
    for (; passed_ns < MEASURE_NS; passed_ns = benchNow() - start_ns, rounds++)
        goRound();
    benchPrint("pipe_ring", (double)passed_ns / (double)(rounds * (PIPES - 1)), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
