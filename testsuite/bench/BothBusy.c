/* BothBusy.c -- row 20: a thread for each core computes, with safepoints; two play ping-pong.
 *
 * About a microsecond of arithmetic lies between two safepoints.  The players use a pair of
 * sockets; a round trip is there and back.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>
#include <capri/rts.h>

#include <sys/socket.h>

enum { STEPS = 300, ROUNDS_MOST = 1 << 20 };
#define WARM_UP_NS (BENCH_S / 10)
#define MEASURE_NS BENCH_S

static uint32_t stop; /* who measures stores 1; the computing threads read */
static int pair[2];   /* constant */

static void *compute(void *env)
{
    uint64_t random = 42;
    while (RELAXED_LOAD(&stop) == 0) {
        for (int i = 0; i < STEPS; i++)
            benchDraw(&random);
        threadSafepoint();
    }
    return random == 0 ? env : NULL;
}

static void *answer(void *env)
{
    char ball;
    while (fdRead(pair[1], &ball, 1) == 1)
        if (fdWrite(pair[1], &ball, 1) != 1)
            break;
    return env;
}

static void *play(void *env)
{
    BenchSample *round_trips = env;
    int64_t begin_ns = benchNow() + WARM_UP_NS;
    for (;;) {
        char ball = 'o';
        int64_t start_ns = benchNow();
        if (start_ns > begin_ns + MEASURE_NS)
            break;
        BENCH_CHECK(fdWrite(pair[0], &ball, 1) == 1);
        BENCH_CHECK(fdRead(pair[0], &ball, 1) == 1);
        if (start_ns >= begin_ns)
            benchSampleAdd(round_trips, benchNow() - start_ns);
    }
    RELAXED_STORE(&stop, 1);
    return NULL;
}

static void *begin(void *env)
{
    Thread *player;
    BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    BENCH_CHECK(fdAdopt(pair[0]) == 0 && fdAdopt(pair[1]) == 0);
    for (uint32_t i = 0; i < capabilityCount(); i++)
        BENCH_CHECK(threadForkOn(NULL, i, compute, NULL) == 0);
    BENCH_CHECK(threadFork(NULL, answer, NULL) == 0);
    BENCH_CHECK(threadFork(&player, play, env) == 0);
    BENCH_CHECK(threadJoin(player, NULL) == 0);
    threadRelease(player);
    return env;
}

int main(int argc, char **argv)
{
    BenchSample round_trips;
    benchSampleOpen(&round_trips, ROUNDS_MOST);
    benchMain(argc, argv, begin, &round_trips);
    benchPrint("round_trip_p50", (double)benchSampleAt(&round_trips, 0.5) / 1e3, "us");
    benchPrint("round_trip_p99", (double)benchSampleAt(&round_trips, 0.99) / 1e3, "us");
    return 0;
}
