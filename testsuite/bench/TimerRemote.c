/* TimerRemote.c -- row 24: timeouts armed on one core and cancelled on the other.
 *
 * Two pinned threads in turn: the first registers BATCH timeouts at its own capability's manager,
 * the second, on the other core, unregisters them all.  They hand over by a word at which they
 * spin, so that nobody sleeps and no wake-up is due but those that the timers themselves cause.
 * `at`: the moment is given, the clock is not read.
 */
#include "internal/SMP.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/timeout.h>

enum { BATCH = 4096, DISTANCES = 1024 };

static EventManager *manager;
static TimeoutKey keys[BATCH];
static int64_t distances_us[DISTANCES];
static int64_t start_ns;
static uint32_t turn; /* 0: arm, 1: cancel, 2: over */

static int neverCalled(EventManager *at, TimeoutKey key, void *env)
{
    (void)at;
    (void)key;
    (void)env;
    BENCH_CHECK(false);
    return 0;
}

static void awaitTurn(uint32_t mine)
{
    while (ACQUIRE_LOAD(&turn) == 1 - mine)
        SMP_PAUSE();
}

static void *cancelAll(void *env)
{
    for (awaitTurn(1); ACQUIRE_LOAD(&turn) == 1; awaitTurn(1)) {
        for (int i = 0; i < BATCH; i++)
            BENCH_CHECK(unregisterTimeout(manager, keys[i]) == 1);
        RELEASE_STORE(&turn, 0);
    }
    return env;
}

static void armAndHandOver(uint64_t count, void *env)
{
    (void)env;
    for (uint64_t done = 0; done < count; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            BENCH_CHECK(registerTimeout(manager, distances_us[i % DISTANCES], neverCalled, NULL,
                                        &keys[i]) == 0);
        RELEASE_STORE(&turn, 1);
        awaitTurn(0);
        threadSafepoint();
    }
}

static void armAtAndHandOver(uint64_t count, void *env)
{
    (void)env;
    for (uint64_t done = 0; done < count; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            BENCH_CHECK(timeoutRegisterAt(manager, start_ns + 1000 * distances_us[i % DISTANCES],
                                          neverCalled, NULL, &keys[i]) == 0);
        RELEASE_STORE(&turn, 1);
        awaitTurn(0);
        threadSafepoint();
    }
}

static uint64_t wakesSent(void)
{
    RtsStats first, second;
    BENCH_CHECK(rtsStats(0, &first) == 0 && rtsStats(1, &second) == 0);
    return first.wakes_sent + second.wakes_sent;
}

static void *armAll(void *env)
{
    uint64_t random = 42;
    manager = capabilityManager();
    for (int i = 0; i < DISTANCES; i++)
        distances_us[i] = 3600 * BENCH_S / 1000 + (int64_t)(benchDraw(&random) % 1000000);
    armAndHandOver(BATCH, NULL);
    uint64_t wakes = wakesSent();
    benchPrint("timer_remote", benchRate(armAndHandOver, NULL), "ns");
    start_ns = benchNow();
    benchPrint("timer_remote_at", benchRate(armAtAndHandOver, NULL), "ns");
    benchPrint("timer_wakes", (double)(wakesSent() - wakes), "wakes");
    RELEASE_STORE(&turn, 2);
    return env;
}

static void *begin(void *env)
{
    Thread *arming, *cancelling;
    BENCH_CHECK(threadForkOn(&cancelling, 1, cancelAll, NULL) == 0);
    BENCH_CHECK(threadForkOn(&arming, 0, armAll, NULL) == 0);
    BENCH_CHECK(threadJoin(arming, NULL) == 0 && threadJoin(cancelling, NULL) == 0);
    threadRelease(arming);
    threadRelease(cancelling);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
