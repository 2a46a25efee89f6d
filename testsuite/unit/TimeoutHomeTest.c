/* TimeoutHomeTest.c -- timeouts on the manager's own OS thread, and beside others.
 *
 * A manager on the Mock back-end with a clock that is moved by hand is settled as a standalone one
 * is by its first step; the others are standalone.
 */
#include "iomgr/Memory.h"
#include "iomgr/backend/Mock.h"
#include "testsuite/support/IoFixture.h"

#include <capri/timeout.h>

#include <poll.h>
#include <pthread.h>

static EventManager fixed;
static FakeClock fake;

enum { MOST_CALLS = 4096 };

typedef struct Call {
    uint32_t count;
    TimeoutKey key;
} Call;

static Call *calls[MOST_CALLS];
static uint32_t call_count;

static void openWith(const Allocator *allocator)
{
    call_count = 0;
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&fixed, &backendMock, fakeClockInit(&fake, 1000000), allocator), 0);
    timerManagerSettle(&fixed);
    CHECK(eventManagerIsHome(&fixed));
}

static void closeIt(void)
{
    CHECK(fixed.timeouts.inbox == NULL);
    eventManagerClose(&fixed);
}

static uint32_t pass(int64_t us)
{
    fake.now_ns += us * 1000;
    uint32_t fired = eventManagerPoll(&fixed, 0, NULL);
    CHECK(timerHeapSane(&fixed.timers));
    return fired;
}

static uint32_t entries(void)
{
    return timerEntriesCount(&fixed.timers.entries);
}

static int noteCall(EventManager *at, TimeoutKey key, void *env)
{
    Call *call = env;
    CHECK(key.record == call->key.record && key.generation == call->key.generation);
    CHECK_EQ(unregisterTimeout(at, key), 0);
    CHECK_EQ(updateTimeout(at, key, 1), 0);
    call->count++;
    CHECK_LT(call_count, MOST_CALLS);
    calls[call_count++] = call;
    return 0;
}

static void add(Call *call, int64_t delay_us)
{
    CHECK_EQ(registerTimeout(&fixed, delay_us, noteCall, call, &call->key), 0);
    CHECK(fixed.timeouts.inbox == NULL); /* nothing is posted at home */
}

/* ---- the answers --------------------------------------------------------------------------- */

TEST(TimeoutHome, firesOnceAndNotBefore)
{
    Call call = {0};
    openWith(NULL);
    add(&call, 100);
    CHECK_EQ(entries(), 1);
    CHECK_EQ(pass(99), 0);
    fake.now_ns += 999;
    CHECK_EQ(pass(0), 0);
    fake.now_ns += 1;
    CHECK_EQ(pass(0), 1);
    pass(1000000);
    CHECK_EQ(call.count, 1);
    CHECK_EQ(unregisterTimeout(&fixed, call.key), 0);
    CHECK_EQ(updateTimeout(&fixed, call.key, 100), 0);
    closeIt();
}

TEST(TimeoutHome, stoppedAndUpdated)
{
    Call stopped = {0}, later = {0}, earlier = {0}, now = {0};
    openWith(NULL);
    add(&stopped, 100);
    add(&later, 100);
    add(&earlier, 1000);
    add(&now, 1000);
    CHECK_EQ(unregisterTimeout(&fixed, stopped.key), 1);
    CHECK_EQ(unregisterTimeout(&fixed, stopped.key), 0);
    CHECK_EQ(updateTimeout(&fixed, stopped.key, 1), 0);
    CHECK_EQ(updateTimeout(&fixed, later.key, 300), 1);
    CHECK_EQ(updateTimeout(&fixed, earlier.key, 50), 1);
    CHECK_EQ(updateTimeout(&fixed, now.key, -5), 1); /* not in the caller */
    CHECK_EQ(now.count, 0);
    CHECK_EQ(pass(0), 1);
    CHECK_EQ(now.count, 1);
    CHECK_EQ(pass(49), 0);
    CHECK_EQ(pass(1), 1);
    CHECK_EQ(earlier.count, 1);
    pass(249);
    CHECK_EQ(later.count, 0);
    pass(1);
    CHECK_EQ(later.count, 1);
    pass(1000000);
    CHECK_EQ(call_count, 3);
    CHECK_EQ(stopped.count, 0);
    CHECK_EQ(fixed.timeouts.sharing.words,
             ownerGateAsymmetric() ? TIMEOUT_WORDS_HOME : TIMEOUT_WORDS_SHARED);
    closeIt();
}

TEST(TimeoutHome, aStaleKeyTouchesNothingNewer)
{
    Call first = {0}, second = {0};
    openWith(NULL);
    for (int i = 0; i < 1000; i++) {
        add(&first, 100);
        TimeoutKey stale = first.key;
        if (i % 2 == 0)
            CHECK_EQ(pass(100), 1);
        else
            CHECK_EQ(unregisterTimeout(&fixed, stale), 1);
        add(&second, 100);
        CHECK(second.key.record == stale.record); /* it is the same */
        CHECK_EQ(unregisterTimeout(&fixed, stale), 0);
        CHECK_EQ(updateTimeout(&fixed, stale, 1000000), 0);
        CHECK_EQ(pass(100), 1);
        CHECK_EQ(second.count, 1);
        first.count = second.count = call_count = 0;
    }
    CHECK_EQ(fixed.timeouts.pool.records, 64);
    closeIt();
}

/* ---- moments ------------------------------------------------------------------------------- */

TEST(TimeoutHome, momentsNeedNoClock)
{
    Call call = {0}, past = {0}, never = {0};
    openWith(NULL);
    uint64_t reads = fake.reads;
    int64_t start_ns = fake.now_ns;
    CHECK_EQ(timeoutRegisterAt(&fixed, start_ns + 500, noteCall, &call, &call.key), 0);
    CHECK_EQ(timeoutUpdateAt(&fixed, call.key, start_ns + 700), 1);
    CHECK_EQ(timeoutRegisterAt(&fixed, INT64_MIN, noteCall, &past, &past.key), 0);
    CHECK_EQ(past.count, 0); /* never in the caller */
    CHECK_EQ(timeoutRegisterAt(&fixed, INT64_MAX, noteCall, &never, &never.key), 0);
    CHECK_EQ(fake.reads, reads);
    CHECK_EQ(pass(0), 1);
    CHECK_EQ(past.count, 1);
    fake.now_ns = start_ns + 699;
    CHECK_EQ(pass(0), 0);
    fake.now_ns = start_ns + 700;
    CHECK_EQ(pass(0), 1);
    CHECK_EQ(pass(INT64_C(1000000) * 3600 * 24 * 365), 0);
    CHECK_EQ(timeoutUpdateAt(&fixed, never.key, fake.now_ns), 1);
    CHECK_EQ(pass(0), 1);
    CHECK_EQ(timeoutUpdateAt(&fixed, never.key, fake.now_ns), 0);
    CHECK_EQ(timeoutRegisterAt(NULL, 5, noteCall, &call, NULL), -EINVAL);
    CHECK_EQ(timeoutRegisterAt(&fixed, 5, NULL, &call, NULL), -EINVAL);
    CHECK_EQ(timeoutUpdateAt(NULL, call.key, 5), -EINVAL);
    closeIt();
}

TEST(TimeoutHome, nowIsReadOnceAStep)
{
    openWith(NULL);
    pass(0);
    uint64_t reads = fake.reads;
    int64_t now_ns = eventManagerNow(&fixed);
    CHECK_EQ(now_ns, fake.now_ns);
    fake.now_ns += 5000;
    CHECK_EQ(eventManagerNow(&fixed), now_ns);
    CHECK_EQ(fake.reads, reads + 1);
    pass(0);
    CHECK_EQ(eventManagerNow(&fixed), now_ns + 5000);
    closeIt();
}

/* ---- order --------------------------------------------------------------------------------- */

typedef struct Posting {
    Call *call;
    int64_t deadline_ns;
} Posting;

static void *postOne(void *env)
{
    Posting *posting = env;
    CHECK(!eventManagerIsHome(&fixed));
    CHECK_EQ(timeoutRegisterAt(&fixed, posting->deadline_ns, noteCall, posting->call,
                               &posting->call->key),
             0);
    return NULL;
}

/* Some are registered at home, some elsewhere; each before the next. */
TEST(TimeoutHome, orderOfRegistrationWhereverThatWas)
{
    enum { MANY = 40 };
    static Call many[MANY];
    pthread_t helper;
    openWith(NULL);
    int64_t deadline_ns = fake.now_ns + 5000;
    for (int i = 0; i < MANY; i++) {
        Posting posting = {&many[i], deadline_ns};
        if (i % 3 == 0) {
            CHECK_EQ(pthread_create(&helper, NULL, postOne, &posting), 0);
            pthread_join(helper, NULL);
        } else {
            CHECK_EQ(timeoutRegisterAt(&fixed, deadline_ns, noteCall, &many[i], &many[i].key), 0);
        }
    }
    CHECK_EQ(pass(5), MANY);
    for (int i = 0; i < MANY; i++)
        CHECK(calls[i] == &many[i]);
    closeIt();
}

TEST(TimeoutHome, whatIsQueuedIsCancelledAndMoved)
{
    Call queued[3] = {{0}};
    pthread_t helper;
    openWith(NULL);
    for (int i = 0; i < 3; i++) {
        Posting posting = {&queued[i], fake.now_ns + 5000};
        CHECK_EQ(pthread_create(&helper, NULL, postOne, &posting), 0);
        pthread_join(helper, NULL);
    }
    CHECK(fixed.timeouts.inbox != NULL);
    CHECK_EQ(unregisterTimeout(&fixed, queued[0].key), 1);
    CHECK_EQ(updateTimeout(&fixed, queued[1].key, 100), 1);
    CHECK_EQ(pass(5), 1);
    CHECK_EQ(queued[2].count, 1);
    CHECK_EQ(pass(95), 1);
    CHECK_EQ(queued[1].count, 1);
    CHECK_EQ(queued[0].count, 0);
    closeIt();
}

/* ---- callbacks, bounds, memory --------------------------------------------------------------- */

static TimeoutKey victim;

static int registerAnew(EventManager *at, TimeoutKey key, void *env)
{
    uint32_t *count = env;
    (void)key;
    ++*count;
    CHECK_EQ(unregisterTimeout(at, victim), *count == 1);
    return registerTimeout(at, 1, registerAnew, env, NULL);
}

TEST(TimeoutHome, callbacksRegisterAndUnregister)
{
    uint32_t count = 0;
    Call stopped = {0};
    openWith(NULL);
    CHECK_EQ(registerTimeout(&fixed, 10, registerAnew, &count, NULL), 0);
    add(&stopped, 11);
    victim = stopped.key;
    pass(10);
    CHECK_EQ(count, 1);
    for (uint32_t i = 2; i < 100; i++) { /* one each time */
        pass(1);
        CHECK_EQ(count, i);
    }
    CHECK_EQ(stopped.count, 0);
    CHECK_EQ(fixed.timeouts.failed, 0);
    closeIt();
}

TEST(TimeoutHome, aMillionPairsLeaveNothing)
{
    Call live = {0};
    openWith(NULL);
    add(&live, 1000000000);
    for (int i = 0; i < 1000000; i++) {
        TimeoutKey key;
        CHECK_EQ(registerTimeout(&fixed, 1000 + i % 100, noteCall, &live, &key), 0);
        CHECK_EQ(unregisterTimeout(&fixed, key), 1);
    }
    CHECK_EQ(entries(), 1);
    CHECK_EQ(fixed.timeouts.pool.records, 64);
    CHECK_EQ(live.count, 0);
    closeIt();
}

TEST(TimeoutHome, manyAtOnceThenNone)
{
    enum { MANY = 20000 };
    static TimeoutKey keys[MANY];
    Call live = {0};
    openWith(NULL);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < MANY; i++) {
            int64_t delay_us = 1000000 + (int64_t)(testRandom() % 1000000);
            CHECK_EQ(registerTimeout(&fixed, delay_us, noteCall, &live, &keys[i]), 0);
        }
        CHECK_LE(entries(), MANY + 64);
        for (int i = 0; i < MANY; i++)
            CHECK_EQ(unregisterTimeout(&fixed, keys[(i * 7) % MANY]), 1);
        CHECK_LE(entries(), 64);
        CHECK_LE(fixed.timeouts.pool.records, MANY + MANY / 4 + 64);
        CHECK_EQ(timeoutPoolFree(&fixed.timeouts.pool), fixed.timeouts.pool.records);
    }
    closeIt();
}

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

/* The heap has room for 61, a chunk for 64. */
TEST(TimeoutHome, outOfMemory)
{
    enum { ROOM = 61 };
    const Allocator allocator = {allocateSometimes, releaseAny, NULL};
    static Call many[ROOM + 1];
    no_memory = false;
    openWith(&allocator);
    for (int i = 0; i < ROOM; i++)
        add(&many[i], 1000 + i);
    no_memory = true;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(registerTimeout(&fixed, 5, noteCall, &many[ROOM], NULL), -ENOMEM);
    CHECK_EQ(updateTimeout(&fixed, many[3].key, 10), 1); /* no room: it is posted, and not lost */
    CHECK(fixed.timeouts.inbox != NULL);
    CHECK_EQ(unregisterTimeout(&fixed, many[4].key), 1);
    CHECK_EQ(unregisterTimeout(&fixed, many[4].key), 0);
    no_memory = false;
    pass(10);
    CHECK_EQ(many[3].count, 1);
    while (call_count < ROOM - 1)
        pass(1000);
    CHECK_EQ(many[4].count + many[ROOM].count, 0);
    closeIt();
}

/* ---- others cancel, others step -------------------------------------------------------------- */

static void *cancelIt(void *env)
{
    CHECK_EQ(unregisterTimeout(&fixed, *(TimeoutKey *)env), 1);
    CHECK_EQ(unregisterTimeout(&fixed, *(TimeoutKey *)env), 0);
    return NULL;
}

TEST(TimeoutHome, othersCancelAndAreExpectedFromThenOn)
{
    Call call = {0}, other = {0};
    pthread_t helper;
    openWith(NULL);
    add(&call, 100);
    add(&other, 100);
    CHECK_EQ(pthread_create(&helper, NULL, cancelIt, &call.key), 0);
    pthread_join(helper, NULL);
    CHECK_EQ(fixed.timeouts.sharing.words, TIMEOUT_WORDS_SHARED);
    CHECK_EQ(unregisterTimeout(&fixed, call.key), 0);
    CHECK_EQ(unregisterTimeout(&fixed, other.key), 1);
    add(&call, 50);
    CHECK_EQ(pass(50), 1);
    CHECK_EQ(call.count, 1);
    closeIt();
}

static void *stepOnce(void *env)
{
    EventManager *manager = env;
    CHECK(!eventManagerIsHome(manager));
    CHECK_GE(eventManagerStep(manager, 0), 0);
    CHECK(eventManagerIsHome(manager));
    return NULL;
}

static int countOne(EventManager *at, TimeoutKey key, void *env)
{
    (void)at, (void)key;
    ADD_RELAXED((uint32_t *)env, 1);
    return 0;
}

TEST(TimeoutHome, homeIsWhereItWasSteppedLast)
{
    EventManager *manager;
    pthread_t helper;
    TimeoutKey key;
    uint32_t fired = 0;
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    CHECK(!eventManagerIsHome(manager));
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    CHECK(eventManagerIsHome(manager));
    CHECK_EQ(registerTimeout(manager, 100, countOne, &fired, NULL), 0);
    CHECK_EQ(registerTimeout(manager, 1000000000, countOne, &fired, &key), 0);
    CHECK_EQ(pthread_create(&helper, NULL, stepOnce, manager), 0);
    pthread_join(helper, NULL);
    CHECK(!eventManagerIsHome(manager));
    CHECK(manager->timeouts.moved);
    CHECK_EQ(registerTimeout(manager, 100, countOne, &fired, NULL), 0);
    CHECK(manager->timeouts.inbox != NULL);
    CHECK_EQ(unregisterTimeout(manager, key), 1);
    while (fired < 2)
        CHECK_GE(eventManagerStep(manager, -1), 0);
    CHECK(eventManagerIsHome(manager)); /* back again */
    CHECK_EQ(unregisterTimeout(manager, key), 0);
    CHECK_EQ(eventManagerFree(manager), 0);
}

/* ---- a foreign loop ------------------------------------------------------------------------- */

static bool isReadable(int fd, int timeout_ms)
{
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    CHECK_GE(poll(&asked, 1, timeout_ms), 0);
    return asked.revents != 0;
}

/* Between two steps its fd stands for the deadlines: earlier ones than it knows of make it
 * readable, once. */
TEST(TimeoutHome, aLentManagerIsTold)
{
    EventManager *manager;
    EventManagerStats stats;
    uint32_t fired = 0;
    CHECK_EQ(eventManagerNew(&(EventManagerConfig){.backend = "epoll"}, &manager), 0);
    int fd = eventManagerFd(manager);
    CHECK_GE(fd, 0);
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    CHECK(!isReadable(fd, 0));
    CHECK_EQ(registerTimeout(manager, 1000, countOne, &fired, NULL), 0);
    CHECK_EQ(registerTimeout(manager, 500, countOne, &fired, NULL), 0);
    CHECK(manager->timeouts.inbox == NULL);
    CHECK(isReadable(fd, -1));
    while (fired < 2) {
        CHECK(isReadable(fd, -1));
        CHECK_GE(eventManagerStep(manager, 0), 0);
    }
    eventManagerStats(manager, &stats);
    CHECK_EQ(stats.wakeups, 1);
    CHECK_EQ(eventManagerFree(manager), 0);
}
