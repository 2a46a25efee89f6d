/* DrainTest.c -- a shutdown waits for those that live, and for no others. */
#include "rts/Drain.h"

#include "rts/BlockingPool.h"
#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <netdb.h>

/* ---- several shutdowns ----------------------------------------------------------------------- */

static uint32_t stopped; /* shutdowns that have returned */

static void *sleepForEver(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return env;
}

static void *drainForEver(void *env)
{
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    ADD_SEQ_CST(&stopped, 1);
    return env;
}

TEST(Drain, aSecondShutdownHasADeadlineAndCancels)
{
    greenStart(1);
    stopped = 0;
    CHECK_EQ(threadFork(NULL, sleepForEver, NULL), 0);
    pthread_t first = osFork(drainForEver, NULL);
    while (RELAXED_LOAD(&drain_on) == 0)
        sched_yield();
    int64_t deadline_ns = rtsNow() + 5 * MS_NS;
    CHECK_EQ(rtsShutdown(Drain, deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    CHECK_EQ(SEQ_CST_LOAD(&stopped), 0);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), -ENXIO); /* the first one has ended it */
    osJoin(first);
    CHECK_EQ(stopped, 1);
    greenStart(1); /* and a new life knows nothing of it */
    CHECK_EQ(threadFork(NULL, sleepForEver, NULL), 0);
    CHECK_EQ(rtsShutdown(Drain, rtsNow() + 5 * MS_NS), -ETIMEDOUT);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}

/* ---- what callbacks fork --------------------------------------------------------------------- */

static uint32_t forked, ran;

static void *runLate(void *env)
{
    CHECK_EQ(threadDelay(2000), 0);
    ADD_SEQ_CST(&ran, 1);
    return env;
}

static int forkLate(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    (void)env;
    CHECK_EQ(threadFork(NULL, runLate, NULL), 0);
    SEQ_CST_STORE(&forked, 1);
    return 0;
}

static void *registerFork(void *env)
{
    TimeoutKey key;
    CHECK_EQ(registerTimeout(capabilityManager(), 20 * 1000, forkLate, NULL, &key), 0);
    return env;
}

static void awaitFork(BlockingJob *job)
{
    (void)job;
    while (SEQ_CST_LOAD(&forked) == 0)
        sched_yield();
}

/* A shutdown waits for a call that was given up; meanwhile a callback forks. */
TEST(Drain, whatCallbacksForkLives)
{
    BlockingJob job = {.run = awaitFork};
    forked = ran = 0;
    greenStart(1);
    greenJoin(greenFork(registerFork, NULL));
    CHECK_EQ(blockingPoolSubmit(&job), 0);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(ran, 1);
}

static void *returnEnv(void *env)
{
    return env;
}

static void forkAtEnd(uint32_t capability, void *env)
{
    uint32_t *refused = env;
    (void)capability;
    for (int i = 0; i < 200; i++)
        CHECK_EQ(threadFork(NULL, returnEnv, NULL), -ESHUTDOWN);
    ADD_SEQ_CST(refused, 1);
}

/* Nobody would run it any more. */
TEST(Drain, whatHooksForkAtTheEndIsRefused)
{
    uint32_t refused = 0;
    for (int i = 0; i < 2; i++) {
        RtsConfig config = {.capabilities = 1, .stepped = i == 1};
        config.hooks = (RtsHooks){.stop = forkAtEnd, .env = &refused};
        CHECK_EQ(rtsInit(&config), 0);
        Thread *thread = greenFork(returnEnv, &config);
        CHECK_EQ(greenJoin(thread), &config);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    }
    CHECK_EQ(refused, 2);
}

/* ---- plain OS threads on their way out ------------------------------------------------------- */

static CountingHeap heap;
static uint32_t leaving, may_leave;
static pthread_t leaver;

/* The last that the call does: it frees what it worked on. */
static void releaseLate(void *context, void *memory, size_t size, size_t alignment)
{
    if (SEQ_CST_LOAD(&may_leave) == 0 && pthread_equal(pthread_self(), leaver)) {
        SEQ_CST_STORE(&leaving, 1);
        while (SEQ_CST_LOAD(&may_leave) == 0)
            sched_yield();
    }
    countingRelease(context, memory, size, alignment);
}

static void *openFile(void *env)
{
    leaver = pthread_self();
    while (SEQ_CST_LOAD(&leaving) == 0) { /* else the pool has freed it */
        int fd = fdOpenUntil("/dev/null", O_RDONLY, 0, rtsNow() + 3600 * 1000 * MS_NS);
        CHECK_GE(fd, 0);
        CHECK_EQ(close(fd), 0);
    }
    return env;
}

static void *lookUp(void *env)
{
    struct addrinfo *addresses;
    leaver = pthread_self();
    while (SEQ_CST_LOAD(&leaving) == 0) {
        CHECK_EQ(addressLookup("127.0.0.1", NULL, NULL, &addresses), 0);
        freeaddrinfo(addresses);
    }
    return env;
}

/* Shutdown waits until it is out, not only until its wait is over. */
static void leaveLate(void *(*call)(void *env))
{
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    config.allocator.release = releaseLate;
    leaving = 0;
    may_leave = 0;
    CHECK_EQ(rtsInit(&config), 0);
    pthread_t thread = osFork(call, NULL);
    while (SEQ_CST_LOAD(&leaving) == 0)
        sched_yield();
    CHECK_EQ(rtsShutdown(Drain, rtsNow() + MS_NS), -ETIMEDOUT);
    SEQ_CST_STORE(&may_leave, 1);
    osJoin(thread);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(heap.live_blocks, 0);
}

TEST(Drain, whoLeavesACallIsWaitedFor)
{
    leaveLate(openFile);
    leaveLate(lookUp);
}
