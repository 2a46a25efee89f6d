/* TimerManagerTest.c -- timeouts: what the calls answer, order, bounds, memory, sleeping. */
#include "iomgr/Memory.h"
#include "iomgr/backend/Mock.h"
#include "testsuite/support/IoFixture.h"

#include <capri/timeout.h>

#include <poll.h>

static EventManager manager;
static FakeClock fake;

static void openWith(const Allocator *allocator)
{
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, &backendMock, fakeClockInit(&fake, 1000000), allocator), 0);
}

/* Move the clock and look once. */
static uint32_t pass(int64_t us)
{
    fake.now_ns += us * 1000;
    uint32_t fired = eventManagerPoll(&manager, 0, NULL);
    CHECK(timerHeapSane(&manager.timers));
    return fired;
}

static uint32_t entries(void)
{
    return timerEntriesCount(&manager.timers.entries);
}

enum { MOST_CALLS = 4096 };

typedef struct Call {
    uint32_t count;
    TimeoutKey key;
    int result; /* what the callback returns */
} Call;

static Call *calls[MOST_CALLS];
static uint32_t call_count;

static int noteCall(EventManager *at, TimeoutKey key, void *env)
{
    Call *call = env;
    CHECK(at == &manager);
    CHECK(key.record == call->key.record && key.generation == call->key.generation);
    CHECK_EQ(unregisterTimeout(at, key), 0); /* it is gone already */
    CHECK_EQ(updateTimeout(at, key, 1), 0);
    call->count++;
    CHECK_LT(call_count, MOST_CALLS);
    calls[call_count++] = call;
    return call->result;
}

static void add(Call *call, int64_t delay_us)
{
    CHECK_EQ(registerTimeout(&manager, delay_us, noteCall, call, &call->key), 0);
    CHECK(call->key.record != NULL || delay_us <= 0);
}

static void openIt(void)
{
    call_count = 0;
    openWith(NULL);
}

/* ---- the answers --------------------------------------------------------------------------- */

TEST(TimerManager, firesOnceAndNotBefore)
{
    Call call = {0};
    openIt();
    add(&call, 100);
    CHECK_EQ(pass(99), 0);
    fake.now_ns += 999;
    CHECK_EQ(pass(0), 0);
    CHECK_EQ(call.count, 0);
    fake.now_ns += 1;
    pass(0);
    CHECK_EQ(call.count, 1);
    pass(1000000);
    CHECK_EQ(call.count, 1);
    CHECK_EQ(unregisterTimeout(&manager, call.key), 0);
    CHECK_EQ(updateTimeout(&manager, call.key, 100), 0);
    eventManagerClose(&manager);
}

static int countAny(EventManager *at, TimeoutKey key, void *env)
{
    (void)at;
    CHECK(key.record == NULL && key.generation == 0);
    ++*(uint32_t *)env;
    return -1;
}

TEST(TimerManager, notPositiveFiresAtOnceInTheCaller)
{
    const int64_t delays_us[] = {0, -1, INT64_MIN};
    openIt();
    for (int i = 0; i < 3; i++) {
        uint32_t count = 0;
        TimeoutKey key = {&key, 77};
        CHECK_EQ(registerTimeout(&manager, delays_us[i], countAny, &count, &key), 0);
        CHECK_EQ(count, 1);
        CHECK(key.record == NULL && key.generation == 0);
        CHECK_EQ(unregisterTimeout(&manager, key), 0);
        CHECK_EQ(updateTimeout(&manager, key, 5), 0);
    }
    CHECK_EQ(manager.timeouts.failed, 3);
    CHECK_EQ(manager.timeouts.pool.records, 0);
    eventManagerClose(&manager);
}

TEST(TimerManager, badArguments)
{
    static EventManager other;
    FakeClock clock;
    Call call = {0};
    openIt();
    CHECK_EQ(eventManagerOpen(&other, &backendMock, fakeClockInit(&clock, 1), NULL), 0);
    CHECK_EQ(registerTimeout(NULL, 5, noteCall, &call, NULL), -EINVAL);
    CHECK_EQ(registerTimeout(&manager, 5, NULL, &call, NULL), -EINVAL);
    CHECK_EQ(updateTimeout(NULL, (TimeoutKey){NULL, 0}, 5), -EINVAL);
    CHECK_EQ(unregisterTimeout(NULL, (TimeoutKey){NULL, 0}), -EINVAL);
    add(&call, 5);
    CHECK_EQ(updateTimeout(&other, call.key, 50), -EINVAL);
    CHECK_EQ(unregisterTimeout(&other, call.key), -EINVAL);
    pass(5);
    CHECK_EQ(call.count, 1);
    eventManagerClose(&other);
    eventManagerClose(&manager);
}

TEST(TimerManager, stoppedBeforeAndAfterItWasCollected)
{
    Call queued = {0}, placed = {0}, other = {0};
    openIt();
    add(&placed, 100);
    add(&other, 10);
    pass(10); /* collects both */
    add(&queued, 100);
    CHECK_EQ(other.count, 1);
    CHECK_EQ(unregisterTimeout(&manager, placed.key), 1);
    CHECK_EQ(unregisterTimeout(&manager, queued.key), 1);
    CHECK_EQ(unregisterTimeout(&manager, placed.key), 0);
    CHECK_EQ(unregisterTimeout(&manager, queued.key), 0);
    CHECK_EQ(updateTimeout(&manager, placed.key, 1), 0);
    CHECK_EQ(updateTimeout(&manager, queued.key, 1), 0);
    pass(1000000);
    CHECK_EQ(placed.count + queued.count, 0);
    CHECK_EQ(eventManagerPoll(&manager, 1, NULL), 0);
    CHECK_EQ(entries(), 0);
    eventManagerClose(&manager);
}

TEST(TimerManager, updatedLaterAndEarlier)
{
    Call later = {0}, earlier = {0}, twice = {0}, other = {0};
    openIt();
    add(&later, 100);
    add(&earlier, 1000);
    add(&twice, 500);
    add(&other, 10);
    pass(10); /* collects */
    CHECK_EQ(updateTimeout(&manager, later.key, 300), 1);
    CHECK_EQ(updateTimeout(&manager, earlier.key, 50), 1);
    CHECK_EQ(updateTimeout(&manager, twice.key, 60), 1);
    CHECK_EQ(updateTimeout(&manager, twice.key, 200), 1); /* in the inbox */
    pass(49);
    CHECK_EQ(earlier.count, 0);
    pass(1);
    CHECK_EQ(earlier.count, 1);
    pass(149); /* past `later`'s first deadline and `twice`'s second */
    CHECK_EQ(later.count + twice.count, 0);
    pass(1);
    CHECK_EQ(twice.count, 1);
    CHECK_EQ(updateTimeout(&manager, later.key, 0), 1); /* not in the caller */
    CHECK_EQ(later.count, 0);
    pass(0);
    CHECK_EQ(later.count, 1);
    pass(1000000);
    CHECK_EQ(later.count + earlier.count + twice.count, 3);
    eventManagerClose(&manager);
}

TEST(TimerManager, beyondTheClocksEnd)
{
    Call never = {0}, back = {0};
    openIt();
    add(&never, INT64_MAX);
    add(&back, INT64_MAX / 1000);
    CHECK_EQ(pass(INT64_C(1000000) * 3600 * 24 * 365), 0);
    CHECK_EQ(updateTimeout(&manager, back.key, 7), 1);
    CHECK_EQ(pass(7), 1);
    CHECK_EQ(back.count, 1);
    add(&back, 10);
    pass(5);
    CHECK_EQ(updateTimeout(&manager, back.key, INT64_MAX), 1); /* takes the deadline back */
    pass(1000);
    CHECK_EQ(back.count, 1);
    CHECK_EQ(eventManagerPoll(&manager, fake.now_ns, NULL), 0);
    CHECK_EQ(unregisterTimeout(&manager, back.key), 1);
    CHECK_EQ(unregisterTimeout(&manager, never.key), 1);
    eventManagerClose(&manager);
}

/* Records are used again; keys are not. */
TEST(TimerManager, aStaleKeyTouchesNothingNewer)
{
    Call first = {0}, second = {0};
    openIt();
    for (int i = 0; i < 1000; i++) {
        add(&first, 100);
        TimeoutKey stale = first.key;
        if (i % 2 == 0) {
            pass(100);
            CHECK_EQ(first.count, 1);
        } else {
            pass(50);
            CHECK_EQ(unregisterTimeout(&manager, stale), 1);
        }
        add(&second, 100);
        CHECK_EQ(unregisterTimeout(&manager, stale), 0);
        CHECK_EQ(updateTimeout(&manager, stale, 1000000), 0);
        pass(100);
        CHECK_EQ(second.count, 1);
        first.count = second.count = call_count = 0;
    }
    CHECK_LE(manager.timeouts.pool.records, 64);
    eventManagerClose(&manager);
}

/* ---- order --------------------------------------------------------------------------------- */

TEST(TimerManager, deadlineOrderThenRegistrationOrder)
{
    enum { MANY = 3000, KINDS = 7 };
    static Call many[MANY];
    openIt();
    for (int i = 0; i < MANY; i++) {
        add(&many[i], 100 + (i * 5) % KINDS);
        if (i == MANY / 2)
            eventManagerPoll(&manager, 1, NULL); /* the first half is collected earlier */
    }
    while (call_count < MANY)
        pass(1000);
    for (int i = 1; i < MANY; i++) {
        long before = calls[i - 1] - many, here = calls[i] - many;
        long before_us = before * 5 % KINDS, here_us = here * 5 % KINDS;
        CHECK_LE(before_us, here_us);
        if (before_us == here_us)
            CHECK_LT(before, here);
    }
    eventManagerClose(&manager);
}

/* ---- callbacks ----------------------------------------------------------------------------- */

TEST(TimerManager, aFailingCallbackStopsNothing)
{
    Call many[10] = {0};
    openIt();
    for (int i = 0; i < 10; i++) {
        many[i].result = i % 2 == 0 ? -EIO : i;
        add(&many[i], 10 + i);
    }
    pass(100);
    CHECK_EQ(call_count, 10);
    CHECK_EQ(manager.timeouts.failed, 5);
    eventManagerClose(&manager);
}

static TimeoutKey victim;

static int registerAnew(EventManager *at, TimeoutKey key, void *env)
{
    uint32_t *count = env;
    (void)key;
    ++*count;
    CHECK_EQ(unregisterTimeout(at, victim), *count == 1);
    return registerTimeout(at, 1, registerAnew, env, NULL);
}

TEST(TimerManager, callbacksRegisterAndUnregister)
{
    uint32_t count = 0;
    Call stopped = {0};
    openIt();
    CHECK_EQ(registerTimeout(&manager, 10, registerAnew, &count, NULL), 0);
    add(&stopped, 11);
    victim = stopped.key;
    pass(10);
    CHECK_EQ(count, 1);
    for (uint32_t i = 2; i < 100; i++) { /* one each time */
        pass(1);
        CHECK_EQ(count, i);
    }
    CHECK_EQ(stopped.count, 0);
    CHECK_EQ(manager.timeouts.failed, 0);
    eventManagerClose(&manager);
}

/* ---- bounds -------------------------------------------------------------------------------- */

TEST(TimerManager, aMillionPairsLeaveNothing)
{
    Call live = {0};
    openIt();
    add(&live, 1000000000);
    for (int i = 0; i < 1000000; i++) { /* while the owner does not look */
        TimeoutKey key;
        CHECK_EQ(registerTimeout(&manager, 1000 + i % 100, noteCall, &live, &key), 0);
        CHECK_EQ(unregisterTimeout(&manager, key), 1);
    }
    CHECK_LE(manager.timeouts.pool.records, 192);
    for (int i = 0; i < 100000; i++) { /* while it looks at each */
        TimeoutKey key;
        CHECK_EQ(registerTimeout(&manager, 1000 + i % 100, noteCall, &live, &key), 0);
        eventManagerPoll(&manager, 1, NULL);
        CHECK_EQ(unregisterTimeout(&manager, key), 1);
        CHECK_LE(entries(), 64 + 2);
    }
    CHECK_LE(manager.timeouts.pool.records, 192);
    CHECK_EQ(live.count, 0);
    eventManagerClose(&manager);
}

TEST(TimerManager, manyAtOnceThenNone)
{
    enum { MANY = 20000 };
    static TimeoutKey keys[MANY];
    Call live = {0};
    openIt();
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < MANY; i++) {
            int64_t delay_us = 1000000 + (int64_t)(testRandom() % 1000000);
            CHECK_EQ(registerTimeout(&manager, delay_us, noteCall, &live, &keys[i]), 0);
        }
        eventManagerPoll(&manager, 1, NULL);
        CHECK_EQ(entries(), MANY);
        for (int i = 0; i < MANY; i++)
            CHECK_EQ(unregisterTimeout(&manager, keys[i]), 1);
        eventManagerPoll(&manager, 1, NULL);
        CHECK_LE(entries(), 64);
        CHECK_LE(manager.timeouts.pool.records, MANY + MANY / 4 + 128);
    }
    for (int i = 0; i < MANY; i++) /* and in the inbox, the oldest first */
        CHECK_EQ(registerTimeout(&manager, 1000, noteCall, &live, &keys[i]), 0);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(unregisterTimeout(&manager, keys[i]), 1);
    CHECK_LE(manager.timeouts.dead, 65);
    CHECK_LE(manager.timeouts.pool.records, MANY + MANY / 4 + 128);
    pass(1000);
    CHECK_EQ(live.count, 0);
    eventManagerClose(&manager);
}

/* ---- memory -------------------------------------------------------------------------------- */

static bool no_memory;

static void *allocateSometimes(void *context, size_t size, size_t alignment)
{
    (void)context;
    return no_memory ? NULL : memoryAllocate(NULL, size, alignment);
}

static void releaseAny(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context;
    memoryRelease(NULL, memory, size, alignment);
}

TEST(TimerManager, outOfMemoryLosesNothing)
{
    enum { MANY = 64 };
    const Allocator allocator = {allocateSometimes, releaseAny, NULL};
    static Call many[MANY + 1];
    call_count = 0;
    no_memory = false;
    openWith(&allocator);
    for (int i = 0; i < MANY; i++)
        add(&many[i], 100 + i);
    no_memory = true;
    CHECK_EQ(registerTimeout(&manager, 5, noteCall, &many[MANY], &many[MANY].key), -ENOMEM);
    for (int i = 0; i < 20; i++) /* the heap has room for 61; the rest waits in the inbox */
        eventManagerPoll(&manager, 1, NULL);
    CHECK_EQ(entries(), 61);
    pass(50); /* asks for what is due, and gets no memory */
    CHECK_EQ(call_count, 0);
    CHECK_EQ(unregisterTimeout(&manager, many[MANY - 1].key), 1);
    no_memory = false;
    while (call_count < MANY - 1)
        pass(1000);
    for (int i = 0; i < MANY - 1; i++)
        CHECK_EQ(many[i].count, 1);
    pass(1000);
    CHECK_EQ(many[MANY - 1].count, 0);
    eventManagerClose(&manager);
}

/* ---- sleeping and waking ------------------------------------------------------------------- */

static Call asleep[8];
static uint32_t sleeps;

static uint32_t wakeupsPending(void)
{
    struct pollfd fd = {.fd = manager.wakeup.fd, .events = POLLIN};
    CHECK_GE(poll(&fd, 1, 0), 0);
    return fd.revents != 0;
}

/* What others do while the owner sleeps, for 1000 us. */
static void whileAsleep(void *context, int64_t timeout_ns)
{
    (void)context;
    if (timeout_ns == 0)
        return;
    sleeps++;
    CHECK_EQ(timeout_ns, 1000 * 1000);
    add(&asleep[1], 2000); /* later: it may sleep on */
    CHECK_EQ(wakeupsPending(), 0);
    add(&asleep[2], 500); /* earlier */
    CHECK_EQ(wakeupsPending(), 1);
    wakeupDrain(&manager.wakeup);
    add(&asleep[3], 400); /* earlier still: it has been woken */
    CHECK_EQ(updateTimeout(&manager, asleep[1].key, 300), 1);
    CHECK_EQ(unregisterTimeout(&manager, asleep[2].key), 1);
    CHECK_EQ(wakeupsPending(), 0);
    fake.now_ns += 1000 * 1000;
}

TEST(TimerManager, oneSleepIsEndedByOneWakeup)
{
    openIt();
    sleeps = 0;
    add(&asleep[0], 1000);
    mockOnSleep(manager.state, whileAsleep, NULL);
    CHECK_EQ(wakeupsPending(), 0); /* it is awake: nobody wakes it */
    CHECK_GT(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 0);
    CHECK_EQ(sleeps, 1);
    CHECK_EQ(call_count, 3);
    CHECK(calls[0] == &asleep[1] && calls[1] == &asleep[3] && calls[2] == &asleep[0]);
    add(&asleep[0], 5);
    CHECK_EQ(wakeupsPending(), 0);
    eventManagerClose(&manager);
}

TEST(TimerManager, aRescuerCollectsAndFires)
{
    Call call = {0};
    openIt();
    add(&call, 100);
    CHECK_EQ(timerHeapDue(&manager.timers), fake.now_ns + 100000);
    CHECK_EQ(eventManagerRescue(&manager, NULL), 0);
    fake.now_ns += 100000;
    CHECK_EQ(eventManagerRescue(&manager, NULL), 1);
    CHECK_EQ(call.count, 1);
    CHECK_EQ(timerHeapDue(&manager.timers), DEADLINE_NEVER);
    eventManagerClose(&manager);
}
