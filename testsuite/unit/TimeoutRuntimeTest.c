/* TimeoutRuntimeTest.c -- timeouts of capabilities' managers: asleep, busy, from green threads.
 */
#include "capability/CapabilityTable.h"
#include "testsuite/support/Runtime.h"

#include <capri/timeout.h>

enum { MANY = 500 };

static uint32_t fired; /* anyone adds, relaxed */
static int64_t not_before_ns[MANY];

static int noteFired(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key;
    CHECK_GE(rtsNow(), *(int64_t *)env);
    ADD_RELEASE(&fired, 1);
    return 0;
}

static EventManager *managerOf(uint32_t index)
{
    return &capabilities.items[index]->manager;
}

static TimeoutKey add(uint32_t index, uint32_t which, int64_t delay_us)
{
    TimeoutKey key;
    not_before_ns[which] = rtsNow() + delay_us * 1000;
    CHECK_EQ(registerTimeout(managerOf(index), delay_us, noteFired, &not_before_ns[which], &key),
             0);
    return key;
}

/* Capabilities that sleep, or are about to. */
TEST(TimeoutRuntime, aPlainThreadWakesSleepingCapabilities)
{
    uint32_t stopped = 0;
    greenStart(2);
    RELAXED_STORE(&fired, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        TimeoutKey key = add(i % 2, i, 1 + i % 50);
        if (i % 3 == 0)
            stopped += unregisterTimeout(managerOf(i % 2), key) == 1;
        if (i % 3 == 1)
            updateTimeout(managerOf(i % 2), key, 100);
        if (i % 64 == 0) /* let them fall asleep */
            usleep(300);
    }
    while (ACQUIRE_LOAD(&fired) + stopped != MANY)
        sched_yield();
    greenStop();
}

/* The thread ends when all have fired: its own capability cannot have done it. */
static void *computeUntilFired(void *env)
{
    uint32_t here = (uint32_t)threadCapability();
    (void)env;
    for (uint32_t i = 0; i < MANY; i++)
        add(here, i, 1 + i % 500);
    while (ACQUIRE_LOAD(&fired) != MANY)
        SMP_PAUSE();
    return NULL;
}

TEST(TimeoutRuntime, aBusyCapabilitysAreFiredByAPeer)
{
    RELAXED_STORE(&fired, 0);
    greenRun(2, computeUntilFired, NULL);
}

static void *sleepUntilFired(void *env)
{
    (void)env;
    for (uint32_t i = 0; i < MANY; i++)
        add(0, i, 1 + i % 500);
    while (ACQUIRE_LOAD(&fired) != MANY)
        CHECK_EQ(threadDelay(100), 0);
    return NULL;
}

TEST(TimeoutRuntime, besideSleepingThreads)
{
    RELAXED_STORE(&fired, 0);
    greenRun(1, sleepUntilFired, NULL);
}

/* Nobody has an fd, nobody sleeps: a capability that only switches looks all the same. */
static void *yieldUntilFired(void *env)
{
    (void)env;
    for (uint32_t i = 0; i < MANY; i++)
        add(0, i, 1 + i % 500);
    while (ACQUIRE_LOAD(&fired) != MANY)
        threadYield();
    return NULL;
}

TEST(TimeoutRuntime, besideThreadsThatYield)
{
    RELAXED_STORE(&fired, 0);
    greenRun(1, yieldUntilFired, NULL);
}
