/* BoundTest.c -- bound threads: always one OS thread, whatever they wait for. */
#include "capability/Spare.h"
#include "testsuite/support/Runtime.h"

#include <string.h>

static __thread uint32_t mine; /* the OS thread's; read by functions that nothing inlines */

static __attribute__((noinline)) void writeMine(uint32_t value)
{
    mine = value;
    __asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) uint32_t readMine(void)
{
    __asm__ volatile("" ::: "memory");
    return mine;
}

static void *returnMine(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)readMine();
}

static uint32_t readByCall(void)
{
    void *result = NULL;
    CHECK_EQ(foreignCall(returnMine, NULL, &result), 0);
    return (uint32_t)(uintptr_t)result;
}

static void *sleepBriefly(void *arg)
{
    usleep(500);
    return arg;
}

/* Yields, parks, sleeps and calls: always the same OS thread. */
static void *stayBound(void *env)
{
    uint32_t number = (uint32_t)(uintptr_t)env;
    pthread_t os_thread = pthread_self();
    CHECK(threadIsBound());
    writeMine(number);
    for (int i = 0; i < 30; i++) {
        switch (i % 4) {
        case 0:
            CHECK_EQ(threadYield(), 0);
            break;
        case 1:
            CHECK_EQ(threadDelay(50), 0);
            break;
        case 2:
            CHECK_EQ(foreignCall(sleepBriefly, NULL, NULL), 0);
            break;
        default:
            greenJoin(greenFork(returnMine, NULL));
        }
        CHECK_EQ(readMine(), number);
        CHECK_EQ(readByCall(), number);
        CHECK(pthread_equal(os_thread, pthread_self()));
    }
    return env;
}

static void *yieldMuch(void *env)
{
    CHECK(!threadIsBound());
    for (int i = 0; i < 300; i++)
        threadYield();
    return env;
}

static void *runBound(void *env)
{
    enum { BOUND = 5 };
    Thread *bound[BOUND], *others[BOUND];
    (void)env;
    for (uintptr_t i = 0; i < BOUND; i++) {
        CHECK_EQ(threadForkOS(&bound[i], stayBound, (void *)(i + 1)), 0);
        others[i] = greenFork(yieldMuch, NULL);
    }
    for (uintptr_t i = 0; i < BOUND; i++) {
        CHECK_EQ(greenJoin(bound[i]), (void *)(i + 1));
        greenJoin(others[i]);
    }
    return NULL;
}

TEST(Bound, keepsItsOsThread)
{
    greenRun(1, runBound, NULL);
    greenRun(2, runBound, NULL);
    greenRun(4, runBound, NULL);
}

TEST(Bound, isForkedFromOutside)
{
    Thread *thread;
    greenStart(2);
    CHECK(threadIsBound());
    CHECK_EQ(threadForkOS(&thread, stayBound, (void *)7), 0);
    CHECK_EQ(greenJoin(thread), (void *)7);
    greenStop();
}

/* Pinned as well: only there, and only on that OS thread. */
static void *stayPinned(void *env)
{
    pthread_t os_thread = pthread_self();
    for (int i = 0; i < 20; i++) {
        threadYield();
        CHECK_EQ(threadCapability(), 1);
        CHECK(pthread_equal(os_thread, pthread_self()));
    }
    return env;
}

static void *runPinned(void *env)
{
    ThreadAttributes attributes = {.pinned = 2, .bound = true, .label = "bound and pinned"};
    Thread *thread;
    CHECK_EQ(threadForkWith(&thread, &attributes, stayPinned, NULL), 0);
    greenJoin(thread);
    return env;
}

TEST(Bound, mayBePinned)
{
    greenRun(2, runPinned, NULL);
}

static void *tellBound(void *env)
{
    (void)env;
    return (void *)(uintptr_t)(threadIsBound() ? 1 : 2);
}

static void *runBoth(void *env)
{
    void *result = NULL;
    CHECK_EQ(threadRunBound(tellBound, NULL, &result), 0);
    CHECK_EQ(result, (void *)1);
    CHECK_EQ(threadRunUnbound(tellBound, NULL, &result), 0);
    CHECK_EQ(result, (void *)2);
    CHECK_EQ(threadRunBound(NULL, NULL, NULL), -EINVAL);
    return env;
}

TEST(Bound, runsBoundAndUnbound)
{
    Thread *thread;
    greenStart(1);
    greenJoin(greenFork(runBoth, NULL));
    CHECK_EQ(threadForkOS(&thread, runBoth, NULL), 0);
    greenJoin(thread);
    runBoth(NULL);
    greenStop();
}

/* Their OS threads end with them. */
static void *endAtOnce(void *env)
{
    return env;
}

TEST(Bound, endsItsOsThread)
{
    greenStart(1);
    for (int i = 0; i < 100; i++) {
        Thread *thread;
        CHECK_EQ(threadForkOS(&thread, endAtOnce, NULL), 0);
        greenJoin(thread);
    }
    CHECK_LE(workerCount(), 50); /* slots are used again */
    greenStop();
    CHECK_EQ(workerCount(), 0);
}

/* A cancelled runtime ends them like any other. */
static void *waitForEver(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return env;
}

TEST(Bound, isCancelled)
{
    greenStart(2);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(threadForkOS(NULL, waitForEver, NULL), 0);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}
