/* ForeignCalls.c -- calls and regions, short and long, while others live and the world resizes. */
#include "testsuite/support/Bystanders.h"
#include "testsuite/support/Crowd.h"

#include "internal/SMP.h"

#include <capri/foreign.h>
#include <capri/mvar.h>

#include <pthread.h>

enum { CALLERS = 24, PAIRS = 3, BOUND = 3 };

static Crowd crowd;
static int64_t fork_pause_us = 5000;
static uint64_t calls_made, regions_made; /* relaxed adds */

typedef struct Errand {
    uint64_t before, after; /* plain: the call reads one and writes the other */
    int64_t pause_ns;
} Errand;

static void *runErrand(void *arg)
{
    Errand *errand = arg;
    CHECK(threadSelf() == NULL);
    if (errand->pause_ns > 0)
        crowdPause(errand->pause_ns);
    else if (errand->pause_ns < 0)
        crowdCompute(-errand->pause_ns);
    errand->after = errand->before + 1;
    return errand;
}

/* 0, some us asleep or computing: mostly short ones. */
static int64_t drawPause(uint64_t *state)
{
    uint64_t kind = crowdDraw(state, 16);
    if (kind < 10)
        return 0;
    int64_t pause_ns = (int64_t)crowdDraw(state, 200 * 1000);
    return kind < 14 ? pause_ns : -pause_ns / 4;
}

static void *callOften(void *env)
{
    uint64_t state = crowdSeed((uint64_t)(uintptr_t)env);
    Thread *self = threadSelf();
    while (rtsNow() < end_ns) {
        Errand errand = {.before = crowdDraw(&state, 1000), .pause_ns = drawPause(&state)};
        void *result = NULL;
        if (crowdDraw(&state, 4) == 0) {
            BlockingRegion region;
            CHECK_EQ(threadBlockingEnter(&region), 0);
            result = runErrand(&errand);
            threadBlockingLeave(&region);
            ADD_RELAXED(&regions_made, 1);
        } else {
            CHECK_EQ(foreignCall(runErrand, &errand, &result), 0);
            ADD_RELAXED(&calls_made, 1);
        }
        CHECK(result == &errand && errand.after == errand.before + 1);
        CHECK_EQ(threadSelf(), self);
        if (crowdDraw(&state, 8) == 0)
            threadYield();
        if (crowdDraw(&state, 32) == 0)
            threadDelay((int64_t)crowdDraw(&state, 100));
    }
    return NULL;
}

static void *resizeOften(void *env)
{
    uint64_t state = crowdSeed(77);
    while (rtsNow() < end_ns) {
        CHECK_EQ(capabilitySetCount(1 + (uint32_t)crowdDraw(&state, 4)), 0);
        threadDelay(3000);
    }
    return env;
}

/* Each has an OS thread of its own. */
static void *callBound(void *env)
{
    pthread_t os_thread = pthread_self();
    while (rtsNow() < end_ns) {
        Errand errand = {.before = 1, .pause_ns = 20000};
        CHECK_EQ(foreignCall(runErrand, &errand, NULL), 0);
        CHECK(pthread_equal(os_thread, pthread_self()));
        threadDelay(100);
        CHECK(pthread_equal(os_thread, pthread_self()));
    }
    return env;
}

TEST(ForeignCalls, amongOthers)
{
    MVar *cells[PAIRS][2];
    end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    crowdStart(&crowd, 2, CALLERS + 2 * PAIRS + 2 + BOUND);
    for (int i = 0; i < PAIRS; i++) {
        for (int k = 0; k < 2; k++)
            CHECK((cells[i][k] = mvarNewEmpty()) != NULL);
        crowdFork(&crowd, serve, cells[i], "server");
        crowdFork(&crowd, volley, cells[i], "player");
    }
    for (uintptr_t i = 0; i < CALLERS; i++) {
        if (i % 4 == 0)
            crowdForkOn(&crowd, (uint32_t)i, callOften, (void *)i, "pinned caller");
        else
            crowdFork(&crowd, callOften, (void *)i, "caller");
    }
    crowdFork(&crowd, resizeOften, NULL, "resizer");
    crowdFork(&crowd, forkOften, &fork_pause_us, "forker");
    for (int i = 0; i < BOUND; i++)
        crowdForkWith(&crowd, (ThreadAttributes){.bound = true, .label = "bound"}, callBound, NULL);
    crowdJoin(&crowd);
    CHECK_GT(calls_made, 0);
    CHECK_GT(regions_made, 0);
    CHECK_GT(pings, 0);
    CHECK_GT(forks, 0);
    for (int i = 0; i < PAIRS; i++)
        for (int k = 0; k < 2; k++)
            mvarFree(cells[i][k]);
    crowdStop(&crowd);
}
