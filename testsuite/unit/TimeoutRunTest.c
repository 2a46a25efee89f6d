/* TimeoutRunTest.c -- a limit interrupts once, knows its own interrupt, and none comes late. */
#include "rts/TimeoutRun.h"

#include "rts/Interrupt.h"
#include "testsuite/support/Runtime.h"

#include <capri/scope.h>

#define LONG_US (3600 * INT64_C(1000000))

static void *sleepLong(void *env)
{
    (void)env;
    return (void *)(intptr_t)threadDelay(LONG_US);
}

static void *answer(void *env)
{
    return env;
}

static void *never(void *env)
{
    CHECK(env == NULL && false);
    return NULL;
}

static void *useLimits(void *env)
{
    char thing;
    void *result = NULL;
    CHECK_EQ(timeoutRun(LONG_US, answer, &thing, &result), 0);
    CHECK_EQ(result, &thing);
    CHECK_EQ(timeoutRun(-1, answer, NULL, &result), 0);
    CHECK_EQ(result, NULL);
    CHECK_EQ(timeoutRun(INT64_MAX, answer, &thing, NULL), 0);
    CHECK_EQ(timeoutRun(0, never, NULL, &result), -ETIMEDOUT);
    CHECK_EQ(timeoutRunUntil(INT64_MIN, never, NULL, &result), -ETIMEDOUT);
    CHECK_EQ(timeoutRunUntil(INT64_MAX, answer, &thing, &result), 0);
    CHECK_EQ(timeoutRun(1, NULL, NULL, NULL), -EINVAL);
    int64_t before_ns = rtsNow();
    CHECK_EQ(timeoutRun(1000, sleepLong, NULL, &result), -ETIMEDOUT);
    CHECK_GE(rtsNow(), before_ns + MS_NS); /* never early */
    CHECK_EQ((intptr_t)result, -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    CHECK_EQ(threadDelay(100), 0);
    return env;
}

TEST(TimeoutRun, endsWhatTakesTooLong)
{
    greenRun(1, useLimits, NULL);
    greenRun(2, useLimits, NULL);
    greenStart(1);
    void *result = NULL;
    CHECK_EQ(timeoutRun(1000, never, NULL, &result), -EPERM);
    CHECK_EQ(timeoutRun(-1, answer, &result, &result), 0);
    CHECK_EQ(result, &result);
    greenStop();
}

/* ---- nested ---- */

typedef struct Nest {
    int64_t inner_us;
    int inner, after;
} Nest;

static void *innerLimit(void *env)
{
    Nest *nest = env;
    nest->inner = timeoutRun(nest->inner_us, sleepLong, NULL, NULL);
    nest->after = threadDelay(nest->inner == -ETIMEDOUT ? LONG_US : 10);
    return NULL;
}

static void *nestLimits(void *env)
{
    Nest nest = {.inner_us = LONG_US};
    CHECK_EQ(timeoutRun(1000, innerLimit, &nest, NULL), -ETIMEDOUT); /* the outer one ends it */
    CHECK_EQ(nest.inner, -ECANCELED);
    CHECK_EQ(nest.after, 0); /* it is told once */
    nest.inner_us = 500;
    CHECK_EQ(timeoutRun(3000, innerLimit, &nest, NULL), -ETIMEDOUT); /* first the inner one, */
    CHECK_EQ(nest.inner, -ETIMEDOUT);
    CHECK_EQ(nest.after, -ECANCELED); /* then the outer one */
    CHECK_EQ(timeoutRun(LONG_US, answer, &nest, NULL), 0);
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    return env;
}

TEST(TimeoutRun, nests)
{
    greenRun(1, nestLimits, NULL);
    greenRun(2, nestLimits, NULL);
}

/* ---- with other interrupts ---- */

static void *askOften(void *env)
{
    int code = 0;
    CHECK_EQ(threadDelay(LONG_US), -ECANCELED);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, InterruptTimeout);
    CHECK_EQ(threadCaught(&code, NULL), 1); /* timeoutRun's own: it stays */
    return env;
}

static void *beKilledInside(void *env)
{
    int result = timeoutRun(LONG_US, sleepLong, NULL, NULL);
    if (env != NULL)
        CHECK_EQ(threadCaught(NULL, NULL), 1);
    return (void *)(intptr_t)result;
}

static void *stayBusy(void *env)
{
    int64_t end_ns = rtsNow() + 2 * MS_NS;
    while (rtsNow() < end_ns) {
    }
    return env;
}

static void *mixThem(void *env)
{
    CHECK_EQ(timeoutRun(1000, askOften, NULL, NULL), -ETIMEDOUT);
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    Thread *thread = greenFork(beKilledInside, env);
    greenUntil(thread, ThreadBlockedOnDelay);
    CHECK_EQ(threadKill(thread), 0);
    threadRetain(thread);
    CHECK_EQ((intptr_t)greenJoin(thread), -ECANCELED);
    CHECK_EQ(threadStatus(thread).state, env == NULL ? ThreadDied : ThreadFinished);
    threadRelease(thread);
    threadMaskUninterruptible(); /* the time is up, but nothing may be interrupted */
    CHECK_EQ(timeoutRun(1000, stayBusy, NULL, NULL), 0);
    CHECK_EQ(threadRestore(Unmasked), 0); /* and nothing came late */
    CHECK_EQ(threadDelay(1000), 0);
    return NULL;
}

TEST(TimeoutRun, knowsItsOwnInterrupt)
{
    char catches;
    greenRun(1, mixThem, NULL);
    greenRun(2, mixThem, &catches);
}

/* ---- What was thrown and nobody has asked for ---- */

/* Killed after its limit has interrupted it: the kill is what is left. */
static void *beKilledLate(void *env)
{
    (void)env;
    CHECK_EQ(threadDelay(LONG_US), -ECANCELED);
    CHECK_EQ(threadKill(threadSelf()), -ECANCELED);
    return NULL;
}

static void *runOutThenThrow(void *env)
{
    int code = 0;
    CHECK_EQ(timeoutRun(1000, beKilledLate, NULL, NULL), -ECANCELED);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, InterruptKill);
    return env;
}

TEST(TimeoutRun, keepsWhatWasThrownAfter)
{
    greenRun(1, runOutThenThrow, NULL);
    greenRun(2, runOutThenThrow, NULL);
}

/* Somebody throws, that is not asked about, and then the time is up. */
static void *throwAndSleep(void *env)
{
    CHECK_EQ(threadThrowTo(threadSelf(), 5, env), -ECANCELED);
    return sleepLong(NULL);
}

static void *killAndSleep(void *env)
{
    CHECK_EQ(threadKill(threadSelf()), -ECANCELED);
    CHECK_EQ(timeoutRun(1000, sleepLong, NULL, NULL), -ETIMEDOUT); /* the kill was before it */
    return env;
}

static void *beThrownTo(void *env)
{
    int code = 0;
    void *payload = NULL;
    CHECK_EQ(timeoutRun(1000, throwAndSleep, &code, NULL), -ECANCELED);
    CHECK_EQ(threadCaught(&code, &payload), 1);
    CHECK(code == 5 && payload == &code);
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    CHECK_EQ(timeoutRun(10000, killAndSleep, NULL, NULL), -ECANCELED);
    CHECK_EQ(threadDelay(100), 0);
    if (env != NULL) {
        CHECK_EQ(threadCaught(&code, NULL), 1);
        CHECK_EQ(code, InterruptKill);
    }
    return NULL;
}

static void *loseNothing(void *env)
{
    Thread *thread = greenFork(beThrownTo, env);
    threadRetain(thread);
    greenJoin(thread);
    CHECK_EQ(threadStatus(thread).state, env == NULL ? ThreadDied : ThreadFinished);
    threadRelease(thread);
    return NULL;
}

TEST(TimeoutRun, whatIsUncaughtOutlivesALimit)
{
    char catches;
    greenRun(1, loseNothing, NULL);
    greenRun(2, loseNothing, &catches);
}

/* Computes for so many microseconds, but lets itself be interrupted. */
static void *stayBusyFor(void *env)
{
    int64_t end_ns = rtsNow() + (int64_t)(uintptr_t)env * 1000;
    while (rtsNow() < end_ns && threadYield() == 0) {
    }
    return NULL;
}

/* Limits that pass just as the function ends: whatever comes first, the interrupt stays inside. */
static void *raceTheEnd(void *env)
{
    for (uint32_t i = 0; i < greenScale(3000); i++) {
        int result = timeoutRun(1 + i % 60, stayBusyFor, (void *)(uintptr_t)(i % 97), NULL);
        CHECK(result == 0 || result == -ETIMEDOUT);
        CHECK_EQ(threadAllowInterrupt(), 0);
        CHECK_EQ(threadCaught(NULL, NULL), 0);
    }
    CHECK_EQ(RELAXED_LOAD(&threadSelf()->interrupts), 0);
    return env;
}

TEST(TimeoutRun, neverComesLate)
{
    greenRun(1, raceTheEnd, NULL);
    greenRun(2, raceTheEnd, NULL);
}
