/* CapabilityManagerTest.c -- callbacks under capabilities: whose manager, who steps it, closeFd. */
#include "capability/CapabilityTable.h"
#include "testsuite/support/Runtime.h"

#include <capri/event.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const char *const backends[] = {"epoll", "poll"};

static void runEverywhere(ThreadFn *fn)
{
    for (int i = 0; i < 4; i++) {
        RtsConfig config = {.capabilities = 1 + (uint32_t)i / 2, .backend = backends[i % 2]};
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(fn, NULL));
        greenStop();
    }
}

typedef struct Listener {
    TVar *news; /* written by every call */
    uint32_t calls, closes;
    uint32_t inside; /* callbacks in progress */
    FdKey key;
} Listener;

static int noteByte(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    Listener *listener = env;
    char byte;
    CHECK(manager != NULL);
    CHECK_EQ(ADD_RELAXED(&listener->inside, 1), 0);
    if (events & EventClose) {
        ADD_RELEASE(&listener->closes, 1);
    } else {
        CHECK(read(key.fd, &byte, 1) == 1 || errno == EAGAIN);
        ADD_RELEASE(&listener->calls, 1);
    }
    tvarWriteIO(listener->news, listener);
    ADD_RELEASE(&listener->inside, UINT32_MAX);
    return 0;
}

static void *hearBytes(void *env)
{
    int ends[2];
    Listener listener = {0};
    EventManager *manager = capabilityManager();
    CHECK(manager != NULL);
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK((listener.news = tvarNew(NULL)) != NULL);
    CHECK_EQ(registerFd(manager, noteByte, &listener, ends[0], EventRead, MultiShot, &listener.key),
             0);
    for (uint32_t round = 1; round <= 100; round++) {
        uint64_t seen;
        tvarReadVersionIO(listener.news, &seen);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        while (ACQUIRE_LOAD(&listener.calls) < round) {
            CHECK_EQ(tvarAwait(listener.news, seen), 0);
            tvarReadVersionIO(listener.news, &seen);
        }
    }
    CHECK_EQ(eventManagerStep(manager, 0), -EPERM); /* the runtime steps it */
    CHECK_EQ(eventManagerFree(manager), -EPERM);
    int result = unregisterFd(manager, listener.key);
    CHECK(result == 1 || result == -EINPROGRESS);
    while (ACQUIRE_LOAD(&listener.inside) != 0)
        threadYield();
    tvarFree(listener.news);
    CHECK_EQ(listener.closes, 0);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(listener.closes, 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return env;
}

static Listener listeners[2];

static void *closeEverywhere(void *env)
{
    int ends[2];
    memset(listeners, 0, sizeof listeners);
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    for (uint32_t i = 0; i < capabilityCount(); i++) {
        EventManager *manager = &capabilities.items[i]->manager;
        CHECK((listeners[i].news = tvarNew(NULL)) != NULL);
        CHECK_EQ(registerFd(manager, noteByte, &listeners[i], ends[0], EventRead, MultiShot,
                            &listeners[i].key),
                 0);
    }
    CHECK_EQ(closeFd(ends[0]), 0);
    for (uint32_t i = 0; i < capabilityCount(); i++) {
        CHECK_EQ(listeners[i].closes, 1);
        CHECK_EQ(listeners[i].calls, 0);
        CHECK_EQ(capabilities.items[i]->manager.registered, 0);
        tvarFree(listeners[i].news);
    }
    CHECK_EQ(closeFd(ends[1]), 0);
    return env;
}

TEST(CapabilityManager, callsFromTheSchedulersSteps)
{
    runEverywhere(hearBytes);
}

TEST(CapabilityManager, closeFdReachesEveryManager)
{
    runEverywhere(closeEverywhere);
}

/* ---- safepoints ------------------------------------------------------------------------------ */

enum { BUSY_PIPES = 50, BUSY_ROUNDS = 50 };

static struct {
    uint32_t inside, calls, on_threads, closes, begun; /* on one capability: no races */
    TVar *news;
} busy;

static void *beOutside(void *env)
{
    CHECK_EQ(busy.inside, 0);
    busy.begun++;
    return env;
}

/* Each of its calls has a safepoint at which a poll and the end of the time slice are due. */
static int passSafepoints(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    char byte;
    (void)manager;
    CHECK_EQ(busy.inside++, 0);
    busy.on_threads += threadSelf() != NULL;
    OR_SEQ_CST(&capabilities.items[0]->attention, AttentionPoll | AttentionSlice);
    CHECK_EQ(tvarWriteIO(busy.news, env), 0);
    CHECK_EQ(threadFork(NULL, beOutside, NULL), 0);
    threadSafepoint();
    if (events & EventClose)
        busy.closes++;
    else
        CHECK_EQ(read(key.fd, &byte, 1), 1);
    busy.calls++;
    CHECK_EQ(--busy.inside, 0);
    return 0;
}

static void *yieldOutside(void *env)
{
    (void)env;
    while (busy.closes < BUSY_PIPES) {
        CHECK_EQ(busy.inside, 0);
        CHECK_EQ(threadYield(), 0);
    }
    return NULL;
}

static void *callBusily(void *env)
{
    int ends[BUSY_PIPES][2];
    memset(&busy, 0, sizeof busy);
    CHECK((busy.news = tvarNew(NULL)) != NULL);
    Thread *other = greenFork(yieldOutside, NULL);
    for (int i = 0; i < BUSY_PIPES; i++) {
        CHECK_EQ(pipe2(ends[i], O_NONBLOCK | O_CLOEXEC), 0);
        CHECK_EQ(registerFd(capabilityManager(), passSafepoints, NULL, ends[i][0], EventRead,
                            MultiShot, NULL),
                 0);
    }
    for (uint32_t round = 1; round <= BUSY_ROUNDS; round++) {
        for (int i = 0; i < BUSY_PIPES; i++)
            CHECK_EQ(write(ends[i][1], "x", 1), 1);
        while (busy.calls < round * BUSY_PIPES)
            CHECK_EQ(threadYield(), 0);
    }
    for (int i = 0; i < BUSY_PIPES; i++) {
        CHECK_EQ(closeFd(ends[i][0]), 0);
        CHECK_EQ(closeFd(ends[i][1]), 0);
    }
    CHECK_EQ(busy.closes, BUSY_PIPES);
    greenJoin(other);
    while (busy.begun < busy.calls)
        CHECK_EQ(threadYield(), 0);
    tvarFree(busy.news);
    return env;
}

/* Goal: a callback is left in its middle for no other callback and no thread. */
TEST(CapabilityManager, safepointsInCallbacksPass)
{
    greenRun(1, callBusily, NULL);
    CHECK_EQ(busy.calls, (BUSY_ROUNDS + 1) * BUSY_PIPES);
    CHECK_GE(busy.on_threads, 1); /* a poll out of a yield, or at least closeFd's */
}

TEST(CapabilityManager, noneElsewhere)
{
    CHECK(capabilityManager() == NULL);
    greenStart(1);
    CHECK(capabilityManager() == NULL); /* a plain OS thread */
    greenStop();
}

static void *leaveOneBehind(void *env)
{
    (void)env;
    int ends[2];
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(
        registerFd(capabilityManager(), noteByte, &listeners[0], ends[0], EventRead, OneShot, NULL),
        0);
    return (void *)(intptr_t)ends[0];
}

TEST(CapabilityManager, whatIsLeftGoesWithTheRuntime)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    int fd = (int)(intptr_t)greenJoin(greenFork(leaveOneBehind, NULL));
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
    close(fd);
    close(fd + 1);
}

/* ---- callbacks that fail, callbacks that wait ------------------------------------------------ */

static int failAlways(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager;
    (void)key;
    (void)events;
    ADD_SEQ_CST((uint32_t *)env, 1);
    return -1;
}

static int failInTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    ADD_SEQ_CST((uint32_t *)env, 1);
    return -1;
}

/* Goal: failures of both kinds of callbacks are seen from outside. */
static void *failTwice(void *env)
{
    uint32_t calls = 0;
    int ends[2];
    RtsStats stats;
    EventManager *manager = capabilityManager();
    (void)env;
    CHECK_EQ(rtsStats(0, &stats), 0);
    CHECK_EQ(stats.failures, 0);
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(registerFd(manager, failAlways, &calls, ends[1], EventWrite, OneShot, NULL), 0);
    CHECK_EQ(registerTimeout(manager, 100, failInTime, &calls, NULL), 0);
    for (stats.failures = 0; stats.failures < 2;) {
        CHECK_EQ(threadDelay(100), 0);
        CHECK_EQ(rtsStats(0, &stats), 0);
    }
    CHECK_EQ(SEQ_CST_LOAD(&calls), 2);
    CHECK_EQ(stats.failures, 2);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
    return NULL;
}

TEST(CapabilityManager, failuresAreCounted)
{
    greenRun(1, failTwice, NULL);
}

#ifdef CAPRI_ASSERTIONS
static int waitInside(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager;
    (void)key;
    (void)events;
    (void)env;
    return threadDelay(1000);
}

static int waitInTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    return mvarTake(env, NULL);
}

static void *registerOne(void *env)
{
    EventManager *manager = capabilityManager();
    int ends[2];
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    if (env == NULL)
        CHECK_EQ(registerFd(manager, waitInside, NULL, ends[1], EventWrite, OneShot, NULL), 0);
    else
        CHECK_EQ(registerTimeout(manager, 100, waitInTime, mvarNewEmpty(), NULL), 0);
    CHECK_EQ(threadDelay(60 * 1000 * 1000), 0); /* it stops before */
    return NULL;
}

static void runOne(void *env)
{
    greenRun(2, registerOne, env);
}

/* Goal: with assertions, a callback that waits stops the process: nobody would end its wait. */
TEST(CapabilityManager, aCallbackThatWaitsIsABug)
{
    static char output[2000];
    if (UNDER_TSAN)
        SKIP("it starts no OS threads in a child of a process that had some");
    for (int i = 0; i < 2; i++) {
        int status = testChild(runOne, i == 0 ? NULL : output, output, sizeof output);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGABRT);
        CHECK(strstr(output, "must_not_wait") != NULL);
    }
}
#endif
