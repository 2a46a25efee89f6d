/* BusyCore.c -- row 19: one core computes for 2 s and calls nothing; its descriptors' events.
 *
 * Ten pipes have their home at capability 1, where the first wait for them was.  Then a thread
 * computes there while a plain OS thread writes to them, the time at which it does so; whoever
 * is idle sees to the readers.  Nearly all must have been read by the end of the computing: what
 * waits until then would be missing among the delays.
 */
#include "capability/FdHome.h"
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>
#include <capri/rts.h>

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum { BUSY = 1, PIPES = 10, EVENTS = 2000, PAUSE_NS = 1000000, READ_LEAST_PERCENT = 99 };
#define BUSY_NS (EVENTS * (int64_t)PAUSE_NS)

static int pipes[PIPES][2];
static BenchSample delays;
static uint32_t computing; /* the busy thread stores 1, 2; everyone reads */
static uint32_t sent;      /* the sender's */

static void *readEvents(void *env)
{
    int64_t sent_ns;
    while (fdRead(*(int *)env, &sent_ns, sizeof sent_ns) == (ssize_t)sizeof sent_ns) {
        int64_t delay_ns = benchNow() - sent_ns;
        if (ACQUIRE_LOAD(&computing) == 1)
            benchSampleAdd(&delays, delay_ns);
    }
    return NULL;
}

static void *compute(void *env)
{
    int64_t end_ns = benchNow() + BUSY_NS;
    for (int i = 0; i < PIPES; i++) {
        BENCH_CHECK(fdPipe(pipes[i]) == 0);
        BENCH_CHECK(threadWaitReadUntil(pipes[i][0], rtsNow() + 1000) == -ETIMEDOUT);
        BENCH_CHECK((fdHomeLook(pipes[i][0]) & 0xffff) == BUSY + 1);
        BENCH_CHECK(threadFork(NULL, readEvents, &pipes[i][0]) == 0);
    }
    threadDelay(1000); /* they wait */
    RELEASE_STORE(&computing, 1);
    while (benchNow() < end_ns) {
    }
    RELEASE_STORE(&computing, 2);
    return env;
}

static void *sendEvents(void *env)
{
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    while (ACQUIRE_LOAD(&computing) == 0)
        nanosleep(&pause, NULL);
    for (; ACQUIRE_LOAD(&computing) == 1; sent++) {
        nanosleep(&pause, NULL);
        int64_t now_ns = benchNow();
        BENCH_CHECK(write(pipes[sent % PIPES][1], &now_ns, sizeof now_ns) ==
                    (ssize_t)sizeof now_ns);
    }
    return env;
}

static void *begin(void *env)
{
    Thread *busy;
    BENCH_CHECK(capabilityCount() > BUSY);
    BENCH_CHECK(threadForkOn(&busy, BUSY, compute, NULL) == 0);
    BENCH_CHECK(threadJoin(busy, NULL) == 0);
    threadRelease(busy);
    return env;
}

int main(int argc, char **argv)
{
    pthread_t sender;
    benchSampleOpen(&delays, EVENTS);
    BENCH_CHECK(pthread_create(&sender, NULL, sendEvents, NULL) == 0);
    benchMain(argc, argv, begin, NULL);
    BENCH_CHECK(pthread_join(sender, NULL) == 0);
    BENCH_CHECK(delays.count * 100 >= sent * READ_LEAST_PERCENT);
    benchPrint("busy_p50", (double)benchSampleAt(&delays, 0.5) / 1e3, "us");
    benchPrint("busy_p99", (double)benchSampleAt(&delays, 0.99) / 1e3, "us");
    return 0;
}
