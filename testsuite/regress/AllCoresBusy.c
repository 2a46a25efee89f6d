/* AllCoresBusy.c -- every core computes, with safepoints: everybody else gets a turn.
 *
 * One thread a capability computes until everything has happened (or for so long that it never
 * will), calling only threadSafepoint.  Nobody is idle, so the Monitor must say that a poll or a
 * slice is due.
 */
#include "testsuite/support/Crowd.h"

enum { CAPABILITIES = 2, READERS = 8, EVENTS = 80, SLEEPERS = 20, QUEUED = 20 };
enum { EVERYTHING = EVENTS + SLEEPERS + QUEUED };

static uint32_t computing;  /* the busy threads add 1 at the start; at the end 100 */
static uint32_t happened;   /* everyone adds; the busy threads read */
static int64_t worst_ns[2]; /* events, timers; under no lock: printed only, stored relaxed */

static void note(int what, int64_t delay_ns)
{
    if (delay_ns > RELAXED_LOAD(&worst_ns[what]))
        RELAXED_STORE(&worst_ns[what], delay_ns);
    CHECK_LT(ACQUIRE_LOAD(&computing), 100); /* the verdict: they still compute */
    ADD_RELEASE(&happened, 1);
}

static void *readEvents(void *env)
{
    for (int i = 0; i < EVENTS / READERS; i++) {
        int64_t sent_ns;
        CHECK_EQ(fdRead(*(int *)env, &sent_ns, sizeof sent_ns), (ssize_t)sizeof sent_ns);
        note(0, rtsNow() - sent_ns);
    }
    return NULL;
}

static void *sleepOnce(void *env)
{
    int64_t deadline_ns = rtsNow() + (int64_t)(uintptr_t)env;
    CHECK_EQ(threadDelayUntil(deadline_ns), 0);
    CHECK_GE(rtsNow(), deadline_ns);
    note(1, rtsNow() - deadline_ns);
    return NULL;
}

static void *runQueued(void *env)
{
    note(0, 0);
    return env;
}

static void *compute(void *env)
{
    int64_t start_ns = rtsNow();
    ADD_SEQ_CST(&computing, 1);
    while (ACQUIRE_LOAD(&happened) < EVERYTHING &&
           rtsNow() - start_ns < CROWD_HANG_S * CROWD_SECOND_NS / 2) {
        crowdCompute(20000);
        threadSafepoint();
    }
    ADD_SEQ_CST(&computing, 100);
    return env;
}

TEST(AllCoresBusy, safepointsServeEverybody)
{
    int pairs[READERS][2];
    Crowd crowd;
    crowdStart(&crowd, CAPABILITIES, READERS + SLEEPERS + QUEUED + CAPABILITIES);
    for (size_t i = 0; i < READERS; i++) {
        crowdPair(pairs[i], i % 2);
        Thread *reader = crowdFork(&crowd, readEvents, &pairs[i][0], "reader");
        crowdAwaitState(reader, ThreadBlockedOnRead, pairs[i][0]);
    }
    for (uint32_t i = 0; i < CAPABILITIES; i++)
        crowdForkOn(&crowd, i, compute, NULL, "computes");
    int64_t hang_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (ACQUIRE_LOAD(&computing) != CAPABILITIES)
        CHECK_LT(rtsNow(), hang_ns);
    for (uintptr_t i = 0; i < SLEEPERS; i++)
        crowdFork(&crowd, sleepOnce, (void *)(i * 10000000), "sleeper");
    for (size_t i = 0; i < QUEUED; i++)
        crowdForkOn(&crowd, (uint32_t)i, runQueued, NULL, "queued");
    for (size_t i = 0; i < EVENTS; i++) {
        int64_t now_ns = rtsNow();
        CHECK_EQ(send(pairs[i % READERS][1], &now_ns, sizeof now_ns, 0), (ssize_t)sizeof now_ns);
        crowdPause(3000000);
    }
    crowdJoin(&crowd);
    CHECK_EQ(RELAXED_LOAD(&happened), EVERYTHING);
    printf("worst event %lld us, worst timer %lld us\n",
           (long long)RELAXED_LOAD(&worst_ns[0]) / 1000,
           (long long)RELAXED_LOAD(&worst_ns[1]) / 1000);
    for (size_t i = 0; i < READERS; i++)
        for (int end = 0; end < 2; end++)
            CHECK_EQ(closeFd(pairs[i][end]), 0);
    crowdStop(&crowd);
}
