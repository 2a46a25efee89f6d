/* HundredThousand.c -- 100,000 parked green threads with guard pages at default sysctls; all wake.
 * not-under: tsan asan valgrind qemu
 *
 * mmap and mprotect per stack stop at 32,751: each guard splits a mapping, and a process may have
 * 65,530. Here each thread parks (half in a variable, half in time), every guard is probed, then
 * all wake.
 */
#include "testsuite/support/Crowd.h"

#include <capri/tvar.h>

enum { THREADS = 100000, DEFAULT_MAP_COUNT = 65530, FAR_S = 3600 };

static TVar *gate;         /* constant while the threads run */
static uint32_t parked;    /* threads add before they park */
static uint32_t awake;     /* threads add afterwards */
static int64_t wake_up_ns; /* main stores before the fork; constant */

static void *parkOnce(void *env)
{
    uint64_t version;
    tvarReadVersionIO(gate, &version);
    ADD_RELAXED(&parked, 1);
    if ((uintptr_t)env % 2 == 0)
        CHECK_EQ(tvarAwait(gate, version), 0);
    else
        CHECK_EQ(tvarAwaitUntil(gate, version, wake_up_ns), 0);
    ADD_RELAXED(&awake, 1);
    return env;
}

/* Does write(2) find the page below the stack unreadable? */
static void checkGuards(const Crowd *crowd, int pipe_end)
{
    for (size_t i = 0; i < crowd->count; i++) {
        const char *bottom = stackBottom(crowd->threads[i]->stack);
        CHECK_EQ(write(pipe_end, bottom - 1, 1), -1);
        CHECK_EQ(errno, EFAULT);
    }
}

static uint64_t liveStacks(void)
{
    RtsStats stats;
    CHECK_EQ(rtsStats(0, &stats), 0);
    return stats.stacks_live;
}

static size_t countMappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    CHECK(maps != NULL);
    for (int c; (c = fgetc(maps)) != EOF;)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

TEST(HundredThousand, parkAndWake)
{
    Crowd crowd;
    int ends[2];
    FILE *limit = fopen("/proc/sys/vm/max_map_count", "r");
    long most = 0;
    if (limit == NULL || fscanf(limit, "%ld", &most) != 1)
        most = DEFAULT_MAP_COUNT;
    if (limit != NULL)
        fclose(limit);
    crowdStart(&crowd, 2, THREADS);
    if (!stackGuardsByMadvise()) {
        crowdStop(&crowd);
        SKIP("this kernel has no MADV_GUARD_INSTALL: a guard costs a mapping");
    }
    gate = tvarNew(NULL);
    CHECK(gate != NULL);
    wake_up_ns = rtsNow() + FAR_S * CROWD_SECOND_NS;
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(threadFork(&crowd.threads[crowd.count++], parkOnce, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        crowdAwaitState(crowd.threads[i], ThreadBlockedOnTVar, -1);
    CHECK_EQ(RELAXED_LOAD(&parked), THREADS);
    CHECK_EQ(RELAXED_LOAD(&awake), 0);
    CHECK_GE(liveStacks(), THREADS);
    size_t mappings = countMappings();
    CHECK_LT(mappings, DEFAULT_MAP_COUNT);
    CHECK_EQ(pipe(ends), 0);
    checkGuards(&crowd, ends[1]);
    CHECK_EQ(tvarWriteIO(gate, gate), 0);
    crowdJoin(&crowd);
    CHECK_EQ(RELAXED_LOAD(&awake), THREADS);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(close(ends[1]), 0);
    tvarFree(gate);
    crowdStop(&crowd);
    printf("%d threads parked and woken, %zu mappings, max_map_count %ld\n", THREADS, mappings,
           most);
}
