/* ScopeTest.c -- no child outlives its scope; the first failure interrupts the rest. */
#include "rts/Interrupt.h"

#include "testsuite/support/Runtime.h"

#include <capri/scope.h>

#define LONG_US (3600 * INT64_C(1000000))

enum { CHILDREN = 5, FAILURE = -77 };

typedef struct Play {
    uint32_t begun, ended, interrupted; /* relaxed adds */
    int body;                           /* what the body is to do */
    Scope *scope;
    Thread *owner;
} Play;

enum { BodyReturns, BodyFails, BodyWaits, BodyCancels };

static int endSoon(void *env)
{
    Play *play = env;
    int result = threadDelay(500);
    ADD_RELAXED(&play->ended, 1);
    return result;
}

static int waitLong(void *env)
{
    Play *play = env;
    int code = 0;
    ADD_RELAXED(&play->begun, 1);
    int result = threadDelay(LONG_US);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, InterruptScope);
    ADD_RELAXED(&play->interrupted, 1);
    ADD_RELAXED(&play->ended, 1);
    return result;
}

static int failSoon(void *env)
{
    Play *play = env;
    CHECK_EQ(threadDelay(500), 0);
    ADD_RELAXED(&play->ended, 1);
    return FAILURE;
}

/* A child forks others, and ends first. */
static int forkMore(void *env)
{
    Play *play = env;
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(scopeFork(play->scope, NULL, endSoon, play), 0);
    ADD_RELAXED(&play->ended, 1);
    return 0;
}

static int forkSome(Scope *scope, void *env)
{
    Play *play = env;
    play->scope = scope;
    CHECK_EQ(scopeFork(scope, NULL, forkMore, play), 0);
    CHECK_EQ(scopeFork(scope, &(ThreadAttributes){.label = "soon"}, endSoon, play), 0);
    CHECK_EQ(scopeFork(scope, NULL, NULL, play), -EINVAL);
    CHECK_EQ(scopeFork(NULL, NULL, endSoon, play), -EINVAL);
    return 5;
}

static void *outliveNone(void *env)
{
    Play play = {0};
    CHECK_EQ(scopeRun(forkSome, &play), 5);
    CHECK_EQ(RELAXED_LOAD(&play.ended), CHILDREN + 2);
    CHECK_EQ(scopeRun(NULL, NULL), -EINVAL);
    return env;
}

TEST(Scope, outlivesItsChildren)
{
    greenRun(1, outliveNone, NULL);
    greenRun(2, outliveNone, NULL);
    greenStart(2);
    outliveNone(NULL); /* a plain OS thread */
    greenStop();
}

static int failing(Scope *scope, void *env)
{
    Play *play = env;
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(scopeFork(scope, NULL, waitLong, play), 0);
    while (RELAXED_LOAD(&play->begun) < CHILDREN) /* else one might be told before */
        threadYield();
    if (play->body != BodyFails && play->body != BodyCancels)
        CHECK_EQ(scopeFork(scope, NULL, failSoon, play), 0);
    switch (play->body) {
    case BodyFails:
        return FAILURE;
    case BodyWaits:
        return threadDelay(LONG_US);
    case BodyCancels:
        scopeCancel(scope);
        CHECK_EQ(scopeFork(scope, NULL, waitLong, play), -ECANCELED);
        return 3;
    default:
        return 0;
    }
}

static void *failEachWay(void *env)
{
    for (int body = BodyReturns; body <= BodyCancels; body++) {
        Play play = {.body = body};
        if (threadSelf() == NULL && body == BodyWaits)
            continue; /* nobody can interrupt it */
        CHECK_EQ(scopeRun(failing, &play), body == BodyCancels ? -ECANCELED : FAILURE);
        CHECK_EQ(RELAXED_LOAD(&play.interrupted), CHILDREN);
        CHECK_EQ(threadCaught(NULL, NULL), 0);
        CHECK_EQ(threadDelay(10), 0); /* nothing is pending any more */
    }
    return env;
}

TEST(Scope, endsWithTheFirstFailure)
{
    greenRun(1, failEachWay, NULL);
    greenRun(2, failEachWay, NULL);
    greenStart(2);
    failEachWay(NULL);
    greenStop();
}

static int forkWaiters(Scope *scope, void *env)
{
    Play *play = env;
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(scopeFork(scope, NULL, waitLong, play), 0);
    while (RELAXED_LOAD(&play->begun) < CHILDREN)
        threadYield();
    return play->body == BodyWaits ? threadDelay(LONG_US) : 0;
}

static void *runWaiters(void *env)
{
    Play *play = env;
    int code = 0;
    CHECK_EQ(scopeRun(forkWaiters, play), -ECANCELED);
    CHECK_EQ(RELAXED_LOAD(&play->ended), CHILDREN);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, InterruptKill);
    return NULL;
}

static void *killOwners(void *env)
{
    for (int body = BodyReturns; body <= BodyWaits; body += BodyWaits) {
        Play play = {.body = body};
        Thread *owner = greenFork(runWaiters, &play);
        greenUntil(owner, body == BodyWaits ? ThreadBlockedOnDelay : ThreadBlockedOnThread);
        CHECK_EQ(threadKill(owner), 0);
        greenJoin(owner);
    }
    return env;
}

TEST(Scope, endsWithItsOwner)
{
    greenRun(1, killOwners, NULL);
    greenRun(2, killOwners, NULL);
}

/* A child that is killed before it begins has failed. */
static int countBegun(void *env)
{
    ((Play *)env)->begun++;
    return 0;
}

static int killNewborn(Scope *scope, void *env)
{
    Thread *threads[2];
    CHECK_EQ(scopeFork(scope, NULL, countBegun, env), 0);
    size_t found = threadList(threads, 2);
    for (size_t i = 0; i < found; i++) {
        if (threads[i] != threadSelf())
            CHECK_EQ(threadKill(threads[i]), 0);
        threadRelease(threads[i]);
    }
    return 0;
}

static void *losesNewborn(void *env)
{
    Play play;
    int result;
    do { /* the time slice may be over before the child is killed */
        play = (Play){0};
        result = scopeRun(killNewborn, &play);
    } while (play.begun != 0);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    return env;
}

TEST(Scope, isToldOfAChildThatNeverRan)
{
    greenRun(1, losesNewborn, NULL);
}

/* A limit around a scope around limits: whoever is out of time takes down what is inside. */
static int limitedChild(void *env)
{
    Play *play = env;
    ADD_RELAXED(&play->begun, 1);
    int result = threadDelay(LONG_US);
    ADD_RELAXED(&play->ended, 1);
    return result;
}

static int forkLimited(Scope *scope, void *env)
{
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(scopeFork(scope, NULL, limitedChild, env), 0);
    while (RELAXED_LOAD(&((Play *)env)->begun) < CHILDREN)
        CHECK_EQ(threadYield(), 0);
    return 0;
}

static void *runScope(void *env)
{
    return (void *)(intptr_t)scopeRun(forkLimited, env);
}

static void *limitAScope(void *env)
{
    Play play = {0};
    void *result;
    CHECK_EQ(timeoutRun(50000, runScope, &play, &result), -ETIMEDOUT);
    CHECK_EQ((intptr_t)result, -ECANCELED);
    CHECK_EQ(RELAXED_LOAD(&play.ended), CHILDREN);
    return env;
}

TEST(Scope, hasALimit)
{
    greenRun(1, limitAScope, NULL);
    greenRun(2, limitAScope, NULL);
}

/* ---- A kill that nobody has asked for ---- */

static int ignoreAKill(Scope *scope, void *env)
{
    CHECK_EQ(scopeFork(scope, NULL, failSoon, env), 0);
    CHECK_EQ(threadKill(threadSelf()), -ECANCELED);
    CHECK_EQ(threadDelay(LONG_US), -ECANCELED); /* the scope */
    return 0;
}

static void *beKilledInScope(void *env)
{
    Play play = {0};
    int code = 0;
    CHECK_EQ(scopeRun(ignoreAKill, &play), FAILURE);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, InterruptKill);
    return env;
}

TEST(Scope, keepsWhatWasThrownBefore)
{
    greenRun(1, beKilledInScope, NULL);
    greenRun(2, beKilledInScope, NULL);
}

/* Many that fail and fork at the same time, again and again. */
static int failOrFork(void *env)
{
    Play *play = env;
    uint32_t turn = ADD_RELAXED(&play->ended, 1);
    if (turn % 7 == 6)
        return FAILURE;
    int result = scopeFork(play->scope, NULL, failOrFork, play);
    return result == -ECANCELED ? 0 : result;
}

static int beginStorm(Scope *scope, void *env)
{
    Play *play = env;
    play->scope = scope;
    for (int i = 0; i < CHILDREN; i++) {
        int result = scopeFork(scope, NULL, failOrFork, play);
        CHECK(result == 0 || result == -ECANCELED);
    }
    return 0;
}

static void *storm(void *env)
{
    for (uint32_t i = 0; i < greenScale(1000); i++) {
        Play play = {0};
        CHECK_EQ(scopeRun(beginStorm, &play), FAILURE);
        CHECK_EQ(threadAllowInterrupt(), 0);
    }
    return env;
}

TEST(Scope, mayFailAndForkAtOnce)
{
    greenRun(1, storm, NULL);
    greenRun(2, storm, NULL);
}

/* Goal: no scope without a runtime. */
static int neverBegun(Scope *scope, void *env)
{
    (void)scope;
    (void)env;
    CHECK(false);
    return 0;
}

TEST(Scope, needsTheRuntime)
{
    CHECK_EQ(scopeRun(neverBegun, NULL), -ENXIO);
}
