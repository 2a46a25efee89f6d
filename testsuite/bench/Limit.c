/* Limit.c -- row 31: a time-out around every read of a byte that is there.
 *
 * Printed is what the time-out adds.  That is less than the noise of the calls around it, so the
 * three ways take turns in blocks of a millisecond or so; each block is compared with the plain one
 * just before, and the median of all these differences counts.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/capri.h>

#include <stdlib.h>
#include <sys/socket.h>

#define LIMIT_US INT64_C(60000000)
enum { READS = 500, WARM_UP = 20, BLOCKS = 200 };

static int pair[2];

static void turn(ssize_t got)
{
    char byte = 'x';
    BENCH_CHECK(got == 1);
    BENCH_CHECK(fdWrite(pair[0], &byte, 1) == 1);
}

static void *readPlainly(void *env)
{
    char byte;
    turn(fdRead(pair[1], &byte, 1));
    return env;
}

static void *readUntil(void *env)
{
    char byte;
    turn(fdReadUntil(pair[1], &byte, 1, rtsNow() + LIMIT_US * 1000));
    return env;
}

static void *readLimited(void *env)
{
    BENCH_CHECK(timeoutRun(LIMIT_US, readPlainly, env, NULL) == 0);
    return env;
}

/* What a block of reads takes, in nanoseconds. */
static inline __attribute__((always_inline)) int64_t timeBlock(ThreadFn *read)
{
    int64_t start_ns = benchNow();
    for (int i = 0; i < READS; i++)
        read(NULL);
    return benchNow() - start_ns;
}

static void printAdded(const char *name, BenchSample *added)
{
    benchPrint(name, (double)benchSampleAt(added, 0.5) / READS, "ns");
    free(added->values);
}

static void *begin(void *env)
{
    BenchSample until, limited;
    BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    BENCH_CHECK(fdAdopt(pair[0]) == 0 && fdAdopt(pair[1]) == 0);
    benchSampleOpen(&until, BLOCKS);
    benchSampleOpen(&limited, BLOCKS);
    turn(1);
    for (int i = -WARM_UP; i < BLOCKS; i++) {
        int64_t plain_ns = timeBlock(readPlainly), until_ns = timeBlock(readUntil) - plain_ns;
        plain_ns = timeBlock(readPlainly);
        int64_t limited_ns = timeBlock(readLimited) - plain_ns;
        if (i >= 0) {
            benchSampleAdd(&until, until_ns);
            benchSampleAdd(&limited, limited_ns);
        }
    }
    printAdded("read_until", &until);
    printAdded("timeout_run", &limited);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
