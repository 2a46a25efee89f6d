/* ForeignCallTest.c -- foreignCall and blocking regions: short ones, long ones, many, nested.
 */
#include "capability/CapabilityTable.h"
#include "capability/Monitor.h"
#include "capability/Spare.h"
#include "rts/Schedule.h"
#include "testsuite/support/Runtime.h"

#include <string.h>

/* A function that blocks until it is released. */
typedef struct Gate {
    uint32_t entered, open; /* relaxed add; futex would do, but nothing here is about speed */
    Thread *self;
    pthread_t os_thread;
} Gate;

static void *passGate(void *arg)
{
    Gate *gate = arg;
    gate->self = threadSelf();
    gate->os_thread = pthread_self();
    ADD_SEQ_CST(&gate->entered, 1);
    while (ACQUIRE_LOAD(&gate->open) == 0)
        usleep(100);
    return gate;
}

static void *countOne(void *arg)
{
    ++*(uint64_t *)arg;
    return arg;
}

/* Goal: what is short costs nothing: it is made here and now, on a big stack.  Method: no OS thread
 * is made, nothing is taken, this one never blocks. */
static void *touchMuch(void *arg)
{
    volatile char much[1024 * 1024];
    for (size_t i = 0; i < sizeof much; i += 4096)
        much[i] = 1;
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(workerCapability(), NULL);
    return arg;
}

/* False: the machine is loaded, and one lasted long enough for the capability to be taken. */
static bool callShortly(void)
{
    uint64_t count = 0;
    void *result = NULL;
    Worker *carrier = capabilities.items[0]->carrier;
    uint64_t calls = carrier->call.count / 2;
    CHECK_EQ(foreignCall(touchMuch, &count, &result), 0);
    CHECK_EQ(result, &count);
    for (uint64_t i = 1; i <= 1000; i++) {
        CHECK_EQ(foreignCall(countOne, &count, NULL), 0);
        CHECK_EQ(count, i);
        CHECK(threadSelf() != NULL);
    }
    if (capabilities.items[0]->carrier != carrier)
        return false;
    CHECK_EQ(carrier->call.count / 2 - calls, 1001);
    return true;
}

static void *callShort(void *env)
{
    int tries = 0;
    (void)env;
    while (!callShortly())
        CHECK_LT(++tries, 1000);
    CHECK_EQ(foreignCall(NULL, NULL, NULL), -EINVAL);
    return NULL;
}

TEST(ForeignCall, short)
{
    greenRun(1, callShort, NULL);
}

TEST(ForeignCall, justCallsOutside)
{
    uint64_t count = 0;
    void *result = NULL;
    BlockingRegion region;
    CHECK_EQ(foreignCall(countOne, &count, &result), 0);
    CHECK_EQ(count, 1);
    CHECK_EQ(result, &count);
    CHECK_EQ(threadBlockingEnter(&region), 0);
    threadBlockingLeave(&region);
}

/* Goal: one that blocks holds up nobody.  Method: it ends only if another thread runs meanwhile. */
static void *callGate(void *env)
{
    void *result = NULL;
    CHECK_EQ(foreignCall(passGate, env, &result), 0);
    CHECK_EQ(result, env);
    CHECK(threadSelf() != NULL);
    return NULL;
}

static void *openGate(void *env)
{
    Gate *gate = env;
    while (SEQ_CST_LOAD(&gate->entered) == 0)
        threadYield();
    RELEASE_STORE(&gate->open, 1);
    return NULL;
}

static void *blockAndOpen(void *env)
{
    (void)env;
    for (int round = 0; round < 20; round++) {
        Gate gate = {0};
        Thread *caller = greenFork(callGate, &gate), *opener = greenFork(openGate, &gate);
        greenJoin(caller);
        greenJoin(opener);
        CHECK_EQ(gate.self, NULL);
    }
    return NULL;
}

TEST(ForeignCall, othersRunOn)
{
    greenRun(1, blockAndOpen, NULL);
    greenRun(2, blockAndOpen, NULL);
}

/* The same of a region, on the thread's own stack. */
static void *gateInRegion(void *env)
{
    BlockingRegion outer, inner;
    CHECK_EQ(threadBlockingEnter(&outer), 0);
    pthread_t os_thread = pthread_self();
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(threadBlockingEnter(&inner), 0);
    passGate(env);
    threadBlockingLeave(&inner);
    CHECK(pthread_equal(os_thread, pthread_self()));
    CHECK_EQ(threadSelf(), NULL);
    threadBlockingLeave(&outer);
    CHECK(threadSelf() != NULL);
    return NULL;
}

static void *regionAndOpen(void *env)
{
    (void)env;
    for (int round = 0; round < 20; round++) {
        Gate gate = {0};
        Thread *caller = greenFork(gateInRegion, &gate), *opener = greenFork(openGate, &gate);
        greenJoin(caller);
        greenJoin(opener);
    }
    return NULL;
}

TEST(ForeignCall, regions)
{
    greenRun(1, regionAndOpen, NULL);
    greenRun(2, regionAndOpen, NULL);
}

/* A pinned thread comes back to its capability. */
static void *callPinned(void *env)
{
    Gate *gate = env;
    CHECK_EQ(threadCapability(), 1);
    CHECK_EQ(foreignCall(passGate, gate, NULL), 0);
    CHECK_EQ(threadCapability(), 1);
    return NULL;
}

static void *runPinned(void *env)
{
    Gate gate = {0};
    Thread *caller, *opener;
    (void)env;
    CHECK_EQ(threadForkOn(&caller, 1, callPinned, &gate), 0);
    while (SEQ_CST_LOAD(&gate.entered) == 0)
        threadYield();
    CHECK_EQ(threadForkOn(&opener, 1, openGate, &gate), 0); /* only there */
    greenJoin(opener);
    greenJoin(caller);
    return NULL;
}

TEST(ForeignCall, pinned)
{
    greenRun(2, runPinned, NULL);
}

/* ---- Many at once, and the OS threads afterwards. ---- */

enum { MANY = 200 };

static void *callMany(void *env)
{
    static Gate gates[MANY];
    Thread *threads[MANY];
    (void)env;
    memset(gates, 0, sizeof gates);
    for (int i = 0; i < MANY; i++)
        threads[i] = greenFork(callGate, &gates[i]);
    for (int i = 0; i < MANY; i++) /* all of them are in their calls */
        while (SEQ_CST_LOAD(&gates[i].entered) == 0)
            threadYield();
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(threadStatus(threads[i]).state, ThreadBlockedOnCall);
    CHECK_GE(workerCount(), MANY);
    for (int i = 0; i < MANY; i++)
        RELEASE_STORE(&gates[i].open, 1);
    for (int i = 0; i < MANY; i++)
        greenJoin(threads[i]);
    return NULL;
}

static uint32_t osThreads(void)
{
    uint32_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count - 2;
}

TEST(ForeignCall, manyAtOnceAndFewAfterwards)
{
    uint32_t before = osThreads();
    greenStart(2);
    greenJoin(greenFork(callMany, NULL));
    while (osThreads() >
           before + 2 + 1) /* carriers and Monitor: spares end when idle for a while */
        usleep(1000);
    CHECK_EQ(spareState().threads, 0);
    greenStop();
}

/* ---- The bound. ---- */

static void *callRefused(void *env)
{
    static Gate gates[3];
    Thread *threads[2];
    uint64_t count = 0;
    BlockingRegion region;
    (void)env;
    memset(gates, 0, sizeof gates);
    for (int i = 0; i < 2; i++) {
        threads[i] = greenFork(callGate, &gates[i]);
        while (SEQ_CST_LOAD(&gates[i].entered) == 0)
            threadYield();
    }
    CHECK_EQ(foreignCall(countOne, &count, NULL), -EAGAIN);
    CHECK_EQ(count, 0);
    CHECK_EQ(threadBlockingEnter(&region), -EAGAIN);
    for (int i = 0; i < 2; i++)
        RELEASE_STORE(&gates[i].open, 1);
    for (int i = 0; i < 2; i++)
        greenJoin(threads[i]);
    while (foreignCall(countOne, &count, NULL) == -EAGAIN)
        threadYield();
    CHECK_EQ(count, 1);
    return NULL;
}

TEST(ForeignCall, boundOfOsThreads)
{
    RtsConfig config = {.capabilities = 1, .foreign_threads = 2};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(callRefused, NULL));
    greenStop();
    config.foreign_threads = SPARE_MOST + 1;
    CHECK_EQ(rtsInit(&config), -EINVAL);
}

/* ---- fn calls the library. ---- */

static void *forkAndJoin(void *arg)
{
    uint64_t *count = arg;
    Thread *thread = NULL;
    CHECK_EQ(threadFork(&thread, countOne, count), 0); /* needs the capability that we hold */
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    CHECK_EQ(foreignCall(countOne, count, NULL), 0);
    CHECK_EQ(threadYield(), 0);
    CHECK_EQ(threadDelay(10), 0);
    CHECK_EQ(rtsShutdown(Cancel, 0), -EPERM);
    return NULL;
}

static void *callNested(void *env)
{
    uint64_t count = 0;
    (void)env;
    CHECK_EQ(foreignCall(forkAndJoin, &count, NULL), 0);
    CHECK_EQ(count, 2);
    return NULL;
}

TEST(ForeignCall, nested)
{
    greenRun(1, callNested, NULL);
    greenRun(2, callNested, NULL);
}

/* ---- The world changes meanwhile. ---- */

static void *resizeDuring(void *env)
{
    Gate gate = {0};
    (void)env;
    Thread *caller = greenFork(callGate, &gate);
    while (SEQ_CST_LOAD(&gate.entered) == 0)
        threadYield();
    for (uint32_t count = 3; count >= 1; count--)
        CHECK_EQ(capabilitySetCount(count), 0);
    RELEASE_STORE(&gate.open, 1);
    greenJoin(caller);
    return NULL;
}

TEST(ForeignCall, resizeDuringACall)
{
    greenRun(1, resizeDuring, NULL);
    greenRun(2, resizeDuring, NULL);
}

TEST(ForeignCall, shutdownWaits)
{
    Gate gate = {0};
    greenStart(1);
    CHECK_EQ(threadFork(NULL, callGate, &gate), 0);
    while (SEQ_CST_LOAD(&gate.entered) == 0)
        usleep(100);
    CHECK_EQ(rtsShutdown(Cancel, rtsNow() + 5 * MS_NS), -ETIMEDOUT);
    RELEASE_STORE(&gate.open, 1);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}

static void *callOnce(void *env)
{
    CHECK_EQ(foreignCall(countOne, env, NULL), 0);
    return NULL;
}

static void *napUntil(void *env)
{
    while (ACQUIRE_LOAD((uint32_t *)env) == 0)
        CHECK_EQ(threadDelay(200), 0);
    return NULL;
}

/* Until a call has ended a long sleep: one that had not begun at awake_ns was not over yet.
 * Returns a time before that call. */
static int64_t callInLongSleep(uint64_t *count)
{
    for (int64_t awake_ns = 0;;) {
        int64_t now_ns = rtsNow();
        if ((ACQUIRE_LOAD(&monitor.alarm) & MonitorSlow) == 0) {
            awake_ns = now_ns;
            usleep(100);
            continue;
        }
        uint64_t before = *count;
        greenJoin(greenFork(callOnce, count));
        CHECK_EQ(*count, before + 1);
        if (rtsNow() - awake_ns <= MONITOR_TICK_USUAL_NS)
            return now_ns;
    }
}

/* Goal: a call is found soon, however long the Monitor meant to sleep.  Method: a thread that naps
 * keeps it ticking seldom; a call ends that, for a while in which no sleep is long. */
TEST(ForeignCall, endsALongSleepOfTheMonitor)
{
    uint32_t over = 0;
    uint64_t count = 0;
    greenStart(1);
    Thread *napper = greenFork(napUntil, &over);
    for (int round = 0; round < 3; round++) {
        int64_t begun_ns = callInLongSleep(&count), now_ns;
        uint64_t ticks = RELAXED_LOAD(&monitor.ticks);
        while (RELAXED_LOAD(&monitor.ticks) == ticks)
            usleep(100); /* it knows by now */
        while ((now_ns = rtsNow()) - begun_ns < CALL_USUAL_NS - 20 * MS_NS) {
            bool slow = (ACQUIRE_LOAD(&monitor.alarm) & MonitorSlow) != 0;
            CHECK(!slow || rtsNow() - begun_ns >= CALL_USUAL_NS);
            usleep(500);
        }
    }
    RELEASE_STORE(&over, 1);
    greenJoin(napper);
    greenStop();
}

/* Goal: an idle process stays idle, whoever blocks in a call.  Method: the Monitor lies dormant. */
TEST(ForeignCall, longCallLetsTheMonitorSleep)
{
    Gate gate = {0};
    greenStart(1);
    Thread *caller = greenFork(callGate, &gate);
    while (ACQUIRE_LOAD(&monitor.dormant) == 0 || SEQ_CST_LOAD(&gate.entered) == 0)
        usleep(1000);
    RELEASE_STORE(&gate.open, 1);
    greenJoin(caller);
    greenStop();
}
