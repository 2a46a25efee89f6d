/* ExternalPut.c -- row 30: a plain OS thread puts into MVars; what that costs it.
 *
 * busy: every capability has a thread that yields for ever; 64 puts in a row, each to a taker of
 * its own.  idle: everybody sleeps, one put at a time.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/waker.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

enum { BOXES = 64, BUSY_ROUNDS = 40, IDLE_ROUNDS = 500, WARM_UP = 5, IDLE_NS = 300000 };

static MVar *boxes[BOXES];
static Waker *wakers[BOXES];
static uint32_t taken, stopping; /* takers add; the sender reads */
static uint64_t busy_ns, idle_ns;

static void *takeAll(void *env)
{
    while (mvarTake(env, NULL) == 0)
        ADD_RELEASE(&taken, 1);
    return NULL;
}

static void *yieldOn(void *env)
{
    while (RELAXED_LOAD(&stopping) == 0)
        threadYield();
    return env;
}

static uint64_t cpuOfThis(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One round: CPU time of `count` puts. */
static uint64_t putRound(uint32_t count)
{
    uint32_t before = ACQUIRE_LOAD(&taken);
    uint64_t begin_ns = cpuOfThis();
    for (uint32_t i = 0; i < count; i++)
        BENCH_CHECK(wakerPut(wakers[i], NULL) == 0);
    uint64_t spent_ns = cpuOfThis() - begin_ns;
    while (ACQUIRE_LOAD(&taken) - before != count)
        sched_yield();
    return spent_ns;
}

static void *sendBusy(void *env)
{
    for (int i = 0; i < BUSY_ROUNDS + WARM_UP; i++) {
        uint64_t spent_ns = putRound(BOXES);
        busy_ns += i < WARM_UP ? 0 : spent_ns;
    }
    return env;
}

static void *sendIdle(void *env)
{
    for (int i = 0; i < IDLE_ROUNDS + WARM_UP; i++) {
        struct timespec pause = {.tv_nsec = IDLE_NS};
        nanosleep(&pause, NULL);
        uint64_t spent_ns = putRound(1);
        idle_ns += i < WARM_UP ? 0 : spent_ns;
    }
    return env;
}

static uint64_t countWakes(void)
{
    uint64_t wakes = 0;
    RtsStats stats;
    for (uint32_t i = 0; rtsStats(i, &stats) == 0; i++)
        wakes += stats.wakes_sent;
    return wakes;
}

static void runSender(void *(*send)(void *env))
{
    pthread_t sender;
    BENCH_CHECK(pthread_create(&sender, NULL, send, NULL) == 0);
    BENCH_CHECK(pthread_join(sender, NULL) == 0);
}

int main(int argc, char **argv)
{
    Thread *busy[64];
    benchStart(argc, argv);
    uint32_t cores = capabilityCount();
    for (int i = 0; i < BOXES; i++) {
        BENCH_CHECK((boxes[i] = mvarNewEmpty()) != NULL);
        BENCH_CHECK((wakers[i] = wakerNewMVar(boxes[i])) != NULL);
        BENCH_CHECK(threadFork(NULL, takeAll, boxes[i]) == 0);
    }
    runSender(sendIdle);
    uint64_t wakes = countWakes();
    runSender(sendIdle);
    wakes = countWakes() - wakes;
    for (uint32_t i = 0; i < cores; i++)
        BENCH_CHECK(threadForkOn(&busy[i], i, yieldOn, NULL) == 0);
    runSender(sendBusy);
    RELAXED_STORE(&stopping, 1);
    for (uint32_t i = 0; i < cores; i++) {
        BENCH_CHECK(threadJoin(busy[i], NULL) == 0);
        threadRelease(busy[i]);
    }
    benchStop();
    benchPrint("put_busy", (double)busy_ns / ((double)BUSY_ROUNDS * BOXES), "ns");
    benchPrint("put_idle", (double)idle_ns / (2.0 * IDLE_ROUNDS) / 1e3, "us");
    benchPrint("put_wakes", (double)wakes / (IDLE_ROUNDS + WARM_UP), "wakes");
    return 0;
}
