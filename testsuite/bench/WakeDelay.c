/* WakeDelay.c -- row 12: a plain OS thread writes to a pipe; a green thread waits in fdRead.
 *
 * The message is the time at which it was sent.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_COUNT = 1600, SPINNING_COUNT = 20000, WARM_UP = 100 };
enum { IDLE_NS = 500000, SPINNING_NS = 3000 };

static int ends[2];       /* constant while anybody uses them */
static uint32_t received; /* the reader stores (release), the sender reads */

static void *receive(void *env)
{
    BenchSample *sample = env;
    for (uint32_t i = 0; i < sample->room + WARM_UP; i++) {
        int64_t sent_ns;
        BENCH_CHECK(fdRead(ends[0], &sent_ns, sizeof sent_ns) == (ssize_t)sizeof sent_ns);
        int64_t delay_ns = benchNow() - sent_ns;
        if (i >= WARM_UP)
            benchSampleAdd(sample, delay_ns);
        RELEASE_STORE(&received, i + 1);
    }
    return NULL;
}

static void sendOne(void)
{
    int64_t now_ns = benchNow();
    BENCH_CHECK(write(ends[1], &now_ns, sizeof now_ns) == (ssize_t)sizeof now_ns);
}

static void sendIdle(uint32_t count)
{
    prctl(PR_SET_TIMERSLACK, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct timespec pause = {.tv_nsec = IDLE_NS};
        nanosleep(&pause, NULL);
        sendOne();
    }
}

static void sendSpinning(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        while (ACQUIRE_LOAD(&received) != i)
            SMP_PAUSE();
        for (int64_t end_ns = benchNow() + SPINNING_NS; benchNow() < end_ns;)
            SMP_PAUSE();
        sendOne();
    }
}

static void *sendAll(void *env)
{
    BenchSample *samples = env;
    for (int spinning = 0; spinning < 2; spinning++) {
        Thread *reader;
        RELAXED_STORE(&received, 0);
        BENCH_CHECK(threadFork(&reader, receive, &samples[spinning]) == 0);
        (spinning ? sendSpinning : sendIdle)(samples[spinning].room + WARM_UP);
        BENCH_CHECK(threadJoin(reader, NULL) == 0); /* blocks this OS thread */
        threadRelease(reader);
    }
    return NULL;
}

static void printSample(BenchSample *sample, const char *p50, const char *p99)
{
    benchPrint(p50, (double)benchSampleAt(sample, 0.5) / 1e3, "us");
    if (p99 != NULL)
        benchPrint(p99, (double)benchSampleAt(sample, 0.99) / 1e3, "us");
    free(sample->values);
}

int main(int argc, char **argv)
{
    BenchSample samples[2];
    pthread_t sender;
    benchSampleOpen(&samples[0], IDLE_COUNT);
    benchSampleOpen(&samples[1], SPINNING_COUNT);
    benchStart(argc, argv);
    BENCH_CHECK(fdPipe(ends) == 0);
    BENCH_CHECK(pthread_create(&sender, NULL, sendAll, samples) == 0);
    BENCH_CHECK(pthread_join(sender, NULL) == 0);
    closeFd(ends[0]);
    closeFd(ends[1]);
    benchStop();
    printSample(&samples[0], "idle_p50", "idle_p99");
    printSample(&samples[1], "spinning_p50", NULL);
    return 0;
}
