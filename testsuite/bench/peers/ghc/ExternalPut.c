/* ExternalPut.c -- the OS thread of ExternalPut.hs: hs_try_putmvar into MVars whose stable pointers
 * the takers leave in a table. */
#include <HsFFI.h>

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

enum { BOXES = 64, BUSY_ROUNDS = 40, IDLE_ROUNDS = 500, WARM_UP = 5, IDLE_NS = 300000 };

static HsStablePtr table[BOXES];
static uint32_t ready; /* takers that wait */

void boxReady(HsInt index, HsStablePtr box);
double externalPuts(HsInt busy);

void boxReady(HsInt index, HsStablePtr box)
{
    table[index] = box;
    __atomic_fetch_add(&ready, 1, __ATOMIC_RELEASE);
}

static uint64_t cpuOfThis(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t putRound(uint32_t count)
{
    while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != BOXES)
        sched_yield();
    __atomic_fetch_sub(&ready, count, __ATOMIC_RELAXED);
    uint64_t begin_ns = cpuOfThis();
    for (uint32_t i = 0; i < count; i++)
        hs_try_putmvar(-1, table[i]);
    return cpuOfThis() - begin_ns;
}

static void *sendAll(void *env)
{
    int busy = *(int *)env;
    int rounds = busy ? BUSY_ROUNDS : IDLE_ROUNDS;
    uint64_t spent_ns = 0;
    static double result;
    for (int i = 0; i < rounds + WARM_UP; i++) {
        struct timespec pause = {.tv_nsec = IDLE_NS};
        if (!busy)
            nanosleep(&pause, NULL);
        uint64_t ns = putRound(busy ? BOXES : 1);
        spent_ns += i < WARM_UP ? 0 : ns;
    }
    result = (double)spent_ns / ((double)rounds * (busy ? BOXES : 1));
    return &result;
}

/* Nanoseconds of CPU time per put, on an OS thread of its own. */
double externalPuts(HsInt busy)
{
    pthread_t sender;
    void *result;
    int is_busy = (int)busy;
    if (pthread_create(&sender, NULL, sendAll, &is_busy) != 0 || pthread_join(sender, &result) != 0)
        return -1;
    return *(double *)result;
}
