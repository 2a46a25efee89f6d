/* HooksTest.c -- what the host is told of, how often, and where. */
#include "rts/Hooks.h"

#include "testsuite/support/Steps.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

enum { MOST = 8 };

/* Relaxed adds and stores, but what is said to be an OS thread's. */
static struct {
    uint32_t starts[MOST], stops[MOST], idles[MOST], safepoints;
    uint32_t enters, leaves;
    uint32_t carried[MOST]; /* enters - leaves, of that one */
} told;

/* The OS thread's: read and written by functions that nothing inlines. */
static __thread uint32_t inside;

static __attribute__((noinline)) uint32_t changeInside(uint32_t by)
{
    inside += by;
    __asm__ volatile("" ::: "memory");
    return inside;
}

static void onStart(uint32_t capability, void *env)
{
    CHECK_EQ(env, &told);
    CHECK_LT(capability, MOST);
    CHECK_EQ(changeInside(0), 1);
    CHECK(threadSelf() == NULL);
    CHECK(capabilityUser(capability) == NULL || capabilityUser(capability) == &told);
    CHECK_EQ(capabilitySetUser(&told), 0);
    ADD_RELAXED(&told.starts[capability], 1);
}

static void onStop(uint32_t capability, void *env)
{
    CHECK_EQ(env, &told);
    CHECK_EQ(capabilityUser(capability), &told);
    ADD_RELAXED(&told.stops[capability], 1);
    CHECK_LE(RELAXED_LOAD(&told.stops[capability]), RELAXED_LOAD(&told.starts[capability]));
}

static void onEnter(uint32_t capability, void *env)
{
    CHECK_EQ(env, &told);
    CHECK_EQ(changeInside(1), 1);
    ADD_RELAXED(&told.carried[capability], 1);
    ADD_RELAXED(&told.enters, 1);
}

static void onLeave(uint32_t capability, void *env)
{
    CHECK_EQ(env, &told);
    CHECK_EQ(changeInside(UINT32_MAX), 0);
    ADD_RELAXED(&told.carried[capability], UINT32_MAX);
    ADD_RELAXED(&told.leaves, 1);
}

static void onIdle(uint32_t capability, void *env)
{
    CHECK_EQ(env, &told);
    CHECK_EQ(changeInside(0), 1);
    CHECK(threadSelf() == NULL);
    ADD_RELAXED(&told.idles[capability], 1);
}

static void *touchNothing(Transaction *tx, void *env)
{
    CHECK(tx == NULL); /* it does not run */
    return env;
}

static void onSafepoint(uint32_t capability, void *env)
{
    CHECK_EQ(env, &told);
    CHECK(threadSelf() != NULL);
    CHECK_EQ(threadCapability(), (int)capability);
    CHECK(!scheduleMayWait());
    CHECK_EQ(stmAtomically(touchNothing, NULL, NULL), -EPERM);
    ADD_RELAXED(&told.safepoints, 1);
}

static RtsConfig allHooks(uint32_t count)
{
    memset(&told, 0, sizeof told);
    return (RtsConfig){.capabilities = count,
                       .hooks = {.start = onStart,
                                 .stop = onStop,
                                 .enter = onEnter,
                                 .leave = onLeave,
                                 .idle = onIdle,
                                 .safepoint = onSafepoint,
                                 .env = &told}};
}

static void checkOver(uint32_t count)
{
    for (uint32_t i = 0; i < MOST; i++) {
        CHECK_EQ(told.starts[i], told.stops[i]);
        CHECK(i < count || told.starts[i] == 0);
        CHECK_EQ(told.carried[i], 0);
    }
    CHECK_EQ(told.enters, told.leaves);
    CHECK_EQ(changeInside(0), 0);
}

static void *passSafepoints(void *env)
{
    for (int i = 0; i < 160; i++)
        CHECK_EQ(threadSafepoint(), 0);
    CHECK_EQ(changeInside(0), 1);
    CHECK_EQ(capabilityUser((uint32_t)threadCapability()), &told);
    return env;
}

static void runSome(uint32_t count)
{
    Thread *threads[10];
    for (uint32_t i = 0; i < 10; i++)
        CHECK_EQ(threadForkOn(&threads[i], i % count, passSafepoints, NULL), 0);
    for (int i = 0; i < 10; i++)
        greenJoin(threads[i]);
}

TEST(Hooks, eachCapabilityStartsAndStops)
{
    for (uint32_t count = 1; count <= 3; count++) {
        RtsConfig config = allHooks(count);
        CHECK_EQ(capabilitySetUser(&told), -EPERM);
        CHECK_EQ(rtsInit(&config), 0);
        runSome(count);
        CHECK_GE(RELAXED_LOAD(&told.safepoints), 100); /* each 16th of 160, of ten threads */
        CHECK_EQ(capabilityUser(count), NULL);
        for (uint32_t i = 0; i < count; i++) /* before somebody stops it */
            while (RELAXED_LOAD(&told.idles[i]) == 0)
                sched_yield();
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        checkOver(count);
        for (uint32_t i = 0; i < count; i++)
            CHECK_EQ(told.starts[i], 1);
        CHECK_EQ(told.enters, count);
    }
}

TEST(Hooks, whoIsDisabledStops)
{
    RtsConfig config = allHooks(3);
    CHECK_EQ(rtsInit(&config), 0);
    while (RELAXED_LOAD(&told.starts[0]) == 0 || RELAXED_LOAD(&told.starts[2]) == 0)
        sched_yield();
    for (uint32_t i = 1; i <= 5; i++) {
        CHECK_EQ(capabilitySetCount(1), 0);
        while (RELAXED_LOAD(&told.stops[2]) < i)
            sched_yield();
        CHECK_EQ(capabilitySetCount(3), 0);
        while (RELAXED_LOAD(&told.starts[2]) <= i)
            sched_yield();
    }
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    checkOver(3);
    CHECK_EQ(told.starts[0], 1);
    CHECK_EQ(told.starts[2], 6);
}

/* ---- other carriers -------------------------------------------------------------------------- */

static int ends[2];

static void *readBlocking(void *env)
{
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    return env;
}

static void *callBlocking(void *env)
{
    CHECK_EQ(foreignCall(readBlocking, NULL, NULL), 0);
    CHECK_EQ(changeInside(0), 1); /* perhaps on another OS thread, which has entered */
    return env;
}

static void *letGo(void *env)
{
    for (int i = 0; i < 100; i++)
        threadYield();
    CHECK_EQ(write(ends[1], "x", 1), 1);
    return env;
}

static void *stayBound(void *env)
{
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(changeInside(0), 1);
        threadYield();
    }
    return env;
}

TEST(Hooks, whoeverCarriesEnters)
{
    Thread *bound;
    RtsConfig config = allHooks(1);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(rtsInit(&config), 0);
    Thread *caller = greenFork(callBlocking, NULL);
    while (threadStatus(caller).state != ThreadBlockedOnCall)
        sched_yield();
    greenJoin(greenFork(letGo, NULL)); /* so its capability was taken, and is carried on */
    greenJoin(caller);
    CHECK_EQ(threadForkOS(&bound, stayBound, NULL), 0);
    greenJoin(bound);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    checkOver(1);
    CHECK_EQ(told.starts[0], 1);
    CHECK_GE(told.enters, 2 + 10); /* the spare, and each turn of the bound one */
    close(ends[0]);
    close(ends[1]);
}

/* ---- in steps -------------------------------------------------------------------------------- */

TEST(Hooks, everyStepEntersAndLeaves)
{
    RtsConfig config = allHooks(0);
    config.stepped = true;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(told.starts[0] + told.enters, 0);
    for (uint32_t i = 1; i <= 5; i++) {
        CHECK_EQ(rtsStep(0), 0);
        CHECK_EQ(told.enters, i);
        CHECK_EQ(told.leaves, i);
        CHECK_EQ(told.idles[0], i);
        CHECK_EQ(changeInside(0), 0);
    }
    CHECK_EQ(told.starts[0], 1);
    CHECK_EQ(told.stops[0], 0);
    runSome(1);
    CHECK_GE(told.safepoints, 100);
    stepsEnd();
    checkOver(1);
    CHECK_EQ(told.starts[0], 1);
}

/* ---- idle may make something ready ----------------------------------------------------------- */

static uint32_t forked;

static void *countOne(void *env)
{
    ADD_RELAXED((uint32_t *)env, 1);
    return NULL;
}

static void forkWhenIdle(uint32_t capability, void *env)
{
    (void)capability;
    if (forked < 10) {
        forked++;
        CHECK_EQ(threadFork(NULL, countOne, env), 0);
    }
}

TEST(Hooks, whatIdleForksRuns)
{
    uint32_t ran = 0;
    RtsConfig config = {.stepped = true, .hooks = {.idle = forkWhenIdle, .env = &ran}};
    forked = 0;
    CHECK_EQ(rtsInit(&config), 0);
    while (ran < 10) /* each time it is idle; mostly all in the first step */
        CHECK_GE(rtsStep(0), 0);
    CHECK_EQ(forked, 10);
    stepsEnd();
}
