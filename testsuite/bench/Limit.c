/* Limit.c -- row 31: a time-out around every read of a byte that is there.
 *
 * Printed is what the time-out adds: the loop with it, less the loop without.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/capri.h>

#include <sys/socket.h>

#define LIMIT_US INT64_C(60000000)

static int pair[2];

static void turn(ssize_t got)
{
    char byte = 'x';
    BENCH_CHECK(got == 1);
    BENCH_CHECK(fdWrite(pair[0], &byte, 1) == 1);
}

static void readPlainly(uint64_t count, void *env)
{
    (void)env;
    for (uint64_t i = 0; i < count; i++) {
        char byte;
        turn(fdRead(pair[1], &byte, 1));
    }
}

static void readUntil(uint64_t count, void *env)
{
    (void)env;
    for (uint64_t i = 0; i < count; i++) {
        char byte;
        turn(fdReadUntil(pair[1], &byte, 1, rtsNow() + LIMIT_US * 1000));
    }
}

static void *readByte(void *env)
{
    (void)env;
    char byte;
    turn(fdRead(pair[1], &byte, 1));
    return NULL;
}

static void readLimited(uint64_t count, void *env)
{
    for (uint64_t i = 0; i < count; i++)
        BENCH_CHECK(timeoutRun(LIMIT_US, readByte, env, NULL) == 0);
}

static void *begin(void *env)
{
    BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    BENCH_CHECK(fdAdopt(pair[0]) == 0 && fdAdopt(pair[1]) == 0);
    turn(1);
    double plain = benchRate(readPlainly, NULL);
    benchPrint("read_until", benchRate(readUntil, NULL) - plain, "ns");
    benchPrint("timeout_run", benchRate(readLimited, NULL) - plain, "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
