/* TimerCancel.c -- deadlines against events: never early, every wait ends, nothing is left behind.
 *
 * Waits with a deadline on sockets that are written at random moments, delays, and registerDelay
 * variables that are awaited and freed.  A result is checked against the clock: -ETIMEDOUT before
 * the deadline is a failure, however small the difference.  Then a hundred thousand time-outs, and
 * as many waits that an event ended first, must leave the timer heaps and the descriptor's slot as
 * small as before.
 */
#include "testsuite/support/Crowd.h"

#include "capability/CapabilityTable.h"

#include <capri/tvar.h>

enum { PAIRS = 40, DELAYERS = 40, MOST_WAIT_NS = 3000000, LEFT_MOST = 64, SILENT_WAITS = 100000 };

typedef struct Waiter {
    int ends[2];
    uint64_t seed, writer_seed;
    uint64_t waits, timeouts, events; /* the waiter; main reads after the join */
} Waiter;

static uint32_t stopping; /* main stores, all threads read */
static Waiter waiters[PAIRS > DELAYERS ? PAIRS : DELAYERS];

/* Entries in all heaps, each counted as a visitor of its gate. */
static uint64_t timersLeft(void)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < capabilities.count; i++) {
        TimerHeap *heap = &capabilities.items[i]->manager.timers;
        while (!ownerGateVisit(&heap->gate))
            crowdPause(1000);
        total += timerEntriesCount(&heap->entries);
        ownerGateVisitEnd(&heap->gate);
    }
    return total;
}

/* ---- descriptors ---- */

static void *waitForBytes(void *env)
{
    Waiter *waiter = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        char bytes[64];
        int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(&waiter->seed, MOST_WAIT_NS);
        ssize_t n = fdRecv(waiter->ends[0], bytes, sizeof bytes, MSG_DONTWAIT);
        CHECK(n > 0 || n == -EAGAIN);
        if (n > 0)
            continue;
        int result = threadWaitReadUntil(waiter->ends[0], deadline_ns);
        if (result == -ETIMEDOUT)
            CHECK_GE(rtsNow(), deadline_ns);
        else
            CHECK_EQ(result, 0);
        waiter->waits++;
        waiter->timeouts += result != 0;
        waiter->events += result == 0;
    }
    return NULL;
}

static void *writeBytes(void *env)
{
    Waiter *waiter = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        int64_t delay_us = (int64_t)crowdDraw(&waiter->writer_seed, MOST_WAIT_NS / 1000);
        int64_t before_ns = rtsNow();
        CHECK_EQ(threadDelay(delay_us), 0);
        CHECK_GE(rtsNow(), before_ns + delay_us * 1000);
        CHECK_EQ(fdWriteAll(waiter->ends[1], "x", 1), 1);
    }
    return NULL;
}

TEST(TimerCancel, writesAgainstDeadlines)
{
    uint64_t waits = 0, timeouts = 0, events = 0;
    Crowd crowd;
    crowdStart(&crowd, 2 + (uint32_t)(testRandom() % 3), 2 * PAIRS);
    RELAXED_STORE(&stopping, 0);
    for (size_t i = 0; i < PAIRS; i++) {
        waiters[i] = (Waiter){.seed = crowdSeed(i), .writer_seed = crowdSeed(1000 + i)};
        crowdPair(waiters[i].ends, i % 2);
        crowdFork(&crowd, waitForBytes, &waiters[i], "waiter");
        crowdFork(&crowd, writeBytes, &waiters[i], "writer");
    }
    crowdPause((int64_t)(testSeconds() * 1e9));
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    for (size_t i = 0; i < PAIRS; i++) {
        waits += waiters[i].waits;
        timeouts += waiters[i].timeouts;
        events += waiters[i].events;
        CHECK_EQ(closeFd(waiters[i].ends[0]), 0);
        CHECK_EQ(closeFd(waiters[i].ends[1]), 0);
    }
    printf("%llu waits, %llu timed out, %llu ended by an event\n", (unsigned long long)waits,
           (unsigned long long)timeouts, (unsigned long long)events);
    crowdStop(&crowd);
}

/* ---- registerDelay ---- */

static void *freeAndAwait(void *env)
{
    Waiter *waiter = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        int64_t delay_us = (int64_t)crowdDraw(&waiter->seed, 2000), before_ns = rtsNow();
        TVar *tvar;
        uint64_t version;
        CHECK_EQ(registerDelay(delay_us, &tvar), 0);
        if (crowdDraw(&waiter->seed, 2) == 0) {
            while (tvarReadVersionIO(tvar, &version) == NULL)
                CHECK_EQ(tvarAwait(tvar, version), 0);
            CHECK_GE(rtsNow(), before_ns + delay_us * 1000);
            waiter->events++;
        } else {
            CHECK_EQ(threadDelay((int64_t)crowdDraw(&waiter->seed, 2000)), 0);
            if (tvarReadIO(tvar) != NULL)
                CHECK_GE(rtsNow(), before_ns + delay_us * 1000);
            waiter->timeouts++;
        }
        CHECK_EQ(tvarWriteIO(tvar, NULL), -EPERM);
        tvarFree(tvar);
        waiter->waits++;
    }
    return NULL;
}

TEST(TimerCancel, delaysAreAwaitedAndFreed)
{
    uint64_t waits = 0;
    Crowd crowd;
    crowdStart(&crowd, 2 + (uint32_t)(testRandom() % 3), DELAYERS);
    RELAXED_STORE(&stopping, 0);
    for (size_t i = 0; i < DELAYERS; i++) {
        waiters[i] = (Waiter){.seed = crowdSeed(i)};
        crowdFork(&crowd, freeAndAwait, &waiters[i], "delayer");
    }
    crowdPause((int64_t)(testSeconds() * 1e9));
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    for (size_t i = 0; i < DELAYERS; i++)
        waits += waiters[i].waits;
    printf("%llu delays\n", (unsigned long long)waits);
    CHECK_LE(timersLeft(), (uint64_t)LEFT_MOST * capabilities.count);
    crowdStop(&crowd);
}

/* ---- nothing is left ---- */

typedef struct Silence {
    int fd;
    size_t waits;
} Silence;

static void *timeOutOften(void *env)
{
    Silence *silence = env;
    for (size_t i = 0; i < silence->waits; i++) {
        int64_t deadline_ns = rtsNow() + 1000;
        CHECK_EQ(threadWaitReadUntil(silence->fd, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    return NULL;
}

TEST(TimerCancel, timeoutsOnASilentDescriptorLeaveNothing)
{
    enum { THREADS = 100 };
    size_t total = crowdScale(SILENT_WAITS, SILENT_WAITS / 20);
    int ends[2];
    Crowd crowd;
    crowdStart(&crowd, 2, THREADS);
    crowdPair(ends, true);
    Silence silence = {ends[0], total / THREADS};
    for (size_t i = 0; i < THREADS; i++)
        crowdFork(&crowd, timeOutOften, &silence, "silent");
    crowdJoin(&crowd);
    printf("%zu time-outs, %llu timers left\n", total, (unsigned long long)timersLeft());
    CHECK_LE(timersLeft(), (uint64_t)LEFT_MOST * capabilities.count);
    for (uint32_t i = 0; i < capabilities.count; i++) {
        FdSlot *slot = fdTableFind(&capabilities.items[i]->manager.table, ends[0]);
        CHECK(slot == NULL || !watchListHasWatchers(&slot->waiters[FdRead]));
    }
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    crowdStop(&crowd);
}

static uint64_t bounces; /* the threads add, main reads */

/* One thread of a pair: wait an hour at most, the other side answers at once. */
static void *bounce(void *env)
{
    Silence *silence = env;
    char byte = 0;
    for (size_t i = 0; i < silence->waits; i++) {
        CHECK_EQ(fdWriteAll(silence->fd, "x", 1), 1);
        while (fdRecv(silence->fd, &byte, 1, MSG_DONTWAIT) == -EAGAIN)
            CHECK_EQ(threadWaitReadUntil(silence->fd, rtsNow() + 3600 * CROWD_SECOND_NS), 0);
        ADD_RELAXED(&bounces, 1);
    }
    return NULL;
}

TEST(TimerCancel, cancelledDeadlinesLeaveNothing)
{
    enum { THREADS = 20 };
    size_t total = crowdScale(SILENT_WAITS, SILENT_WAITS / 20);
    int ends[THREADS];
    Silence sides[THREADS];
    Crowd crowd;
    crowdStart(&crowd, 2, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        if (i % 2 == 0)
            crowdPair(&ends[i], true);
        sides[i] = (Silence){ends[i], total / THREADS};
        crowdFork(&crowd, bounce, &sides[i], "bouncer");
    }
    int64_t hang_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (RELAXED_LOAD(&bounces) < total && rtsNow() < hang_ns) {
        CHECK_LE(timersLeft(), UINT64_C(4) * LEFT_MOST * capabilities.count);
        crowdPause(1000000);
    }
    crowdJoin(&crowd);
    printf("%zu cancelled deadlines, %llu timers left\n", total, (unsigned long long)timersLeft());
    CHECK_LE(timersLeft(), UINT64_C(2) * LEFT_MOST * capabilities.count);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ(closeFd(ends[i]), 0);
    crowdStop(&crowd);
}
