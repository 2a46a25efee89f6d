/* EventManagerTest.c -- the step: what it polls, when it reads the clock, how long it sleeps. */
#include "iomgr/Memory.h"
#include "iomgr/backend/Mock.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>

static EventManager manager;
static FakeClock fake;

static void openManager(int64_t now_ns)
{
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, &backendMock, fakeClockInit(&fake, now_ns), NULL), 0);
}

static int park(Watcher *watcher, int fd, FdDirection direction)
{
    return watcherAwait(&manager, watcher, fd, FdAdopted, direction, 0, 1);
}

/* ---- sleeping: the hook moves the clock, sometimes less than it was asked to ---- */

static struct {
    uint32_t calls;
    int64_t timeouts_ns[16];
    int64_t step_ns; /* 0: as long as asked */
    bool deliver;
} sleeper;

static void sleepFake(void *context, int64_t timeout_ns)
{
    (void)context;
    CHECK_LT(sleeper.calls, 16);
    sleeper.timeouts_ns[sleeper.calls++] = timeout_ns;
    if (timeout_ns > 0)
        fake.now_ns += sleeper.step_ns != 0 ? sleeper.step_ns : timeout_ns;
    if (sleeper.deliver)
        mockDeliverFd(manager.state, 5, EventRead);
}

static void openSleeping(int64_t now_ns)
{
    memset(&sleeper, 0, sizeof sleeper);
    openManager(now_ns);
    mockOnSleep(manager.state, sleepFake, NULL);
}

typedef struct Alarm {
    Timer timer;
    uint32_t fired;
    int64_t at_ns;
} Alarm;

static void noteAlarm(Timer *timer, uint64_t number, void *sink)
{
    Alarm *alarm = (Alarm *)timer;
    (void)number, (void)sink;
    alarm->fired++;
    alarm->at_ns = fake.now_ns;
}

static void arm(Alarm *alarm, int64_t deadline_ns)
{
    alarm->timer.fire = noteAlarm;
    CHECK_EQ(timerHeapArm(&manager.timers, &alarm->timer, 1, deadline_ns), 0);
}

TEST(EventManager, aLookReadsNoClockWithoutTimers)
{
    Alarm alarm = {0};
    openManager(1000);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 0);
    CHECK_EQ(fake.reads, 0);
    CHECK_EQ(manager.poll_count, 5);
    CHECK_EQ(manager.stats.polls, 5);
    CHECK_EQ(manager.stats.sleeps, 0);
    arm(&alarm, 5000);
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 0);
    CHECK_EQ(fake.reads, 1);
    CHECK_EQ(manager.now_ns, 1000);
    fake.now_ns = 5000;
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 1);
    CHECK_EQ(fake.reads, 2);
    CHECK_EQ(alarm.fired, 1);
    eventManagerClose(&manager);
}

TEST(EventManager, sleepsForEverWithoutDeadlines)
{
    Watcher reader;
    openSleeping(1000);
    CHECK_EQ(park(&reader, 5, FdRead), 0);
    sleeper.deliver = true;
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
    CHECK_EQ(sleeper.calls, 1);
    CHECK_EQ(sleeper.timeouts_ns[0], -1);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(manager.stats.sleeps, 1);
    CHECK_EQ(manager.stats.fired, 1);
    CHECK_EQ(manager.stats.events, 1);
    eventManagerClose(&manager);
}

TEST(EventManager, shortSleepsAreExactLongOnesInParts)
{
    openSleeping(0);
    CHECK_EQ(eventManagerPoll(&manager, 20000000, NULL), 0);
    CHECK_EQ(sleeper.calls, 1);
    CHECK_EQ(sleeper.timeouts_ns[0], 20000000);
    CHECK_EQ(eventManagerPoll(&manager, 20000000 + INT64_C(1000000000), NULL), 0);
    CHECK_EQ(sleeper.calls, 3);
    CHECK_EQ(sleeper.timeouts_ns[1], 998000000); /* 0.2 % less: the kernel adds 0.1 % */
    CHECK_EQ(sleeper.timeouts_ns[2], 2000000);
    CHECK_EQ(fake.now_ns, 1020000000);
    eventManagerClose(&manager);
}

TEST(EventManager, sleepsUntilTheNextTimer)
{
    Alarm first = {0}, second = {0}, dead = {0};
    openSleeping(1000);
    arm(&dead, 1500);
    arm(&first, 9000);
    arm(&second, 9001);
    timerHeapDisarm(NULL, &dead.timer);
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
    CHECK_EQ(sleeper.timeouts_ns[0], 8000); /* not 500: that one was disarmed */
    CHECK_EQ(first.fired, 1);
    CHECK_EQ(first.at_ns, 9000);
    CHECK_EQ(second.fired, 0);
    CHECK_EQ(eventManagerPoll(&manager, 9000, NULL), 0); /* over: no sleep */
    CHECK_EQ(sleeper.calls, 1);
    eventManagerClose(&manager);
}

TEST(EventManager, aSignalDoesNotEndTheStep)
{
    openSleeping(0);
    sleeper.step_ns = 400; /* each poll ends early with 0, as after a signal */
    CHECK_EQ(eventManagerPoll(&manager, 1000, NULL), 0);
    CHECK_EQ(sleeper.calls, 3);
    CHECK_EQ(sleeper.timeouts_ns[1], 600);
    CHECK_EQ(sleeper.timeouts_ns[2], 200);
    eventManagerClose(&manager);
}

TEST(EventManager, aWakeupEndsTheStepAndIsDrainedByTheOwnerOnly)
{
    openManager(1000);
    eventManagerWake(&manager);
    eventManagerWake(&manager);
    CHECK_EQ(eventManagerRescue(&manager, NULL), 0);
    CHECK_EQ(manager.stats.wakeups, 0);
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 0);
    CHECK_EQ(manager.stats.wakeups, 1);
    CHECK_EQ(manager.stats.events, 0);
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 0);
    CHECK_EQ(manager.stats.wakeups, 1);
    eventManagerClose(&manager);
}

TEST(EventManager, theTimersGateGoesBackToBiased)
{
    Alarm alarm = {0};
    openManager(1000);
    OwnerGate *gate = &manager.timers.gate;
    if (gate->shared != 0) {
        eventManagerClose(&manager);
        SKIP("no membarrier here: the gate is always shared");
    }
    arm(&alarm, 1000);
    CHECK_EQ(eventManagerRescue(&manager, NULL), 1);
    CHECK_EQ(gate->shared, 1);
    arm(&alarm, INT64_MAX - 1);
    for (int i = 0; i < 3; i++) { /* notices the visit, then that there was no more */
        fake.now_ns += 1000000;
        eventManagerPoll(&manager, 0, NULL);
    }
    CHECK_EQ(gate->shared, 0);
    eventManagerClose(&manager);
}

/* ---- dispatching ---- */

TEST(EventManager, directionsOfEvents)
{
    const struct {
        uint32_t events;
        bool read, write;
    } cases[] = {
        {EventRead, true, false},   {EventWrite, false, true}, {EventRead | EventWrite, true, true},
        {EventHangUp, true, true},  {EventError, true, true},  {EventPeerClosed, true, false},
        {EventUrgent, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Watcher reader, writer;
        openManager(1000);
        CHECK_EQ(park(&reader, 5, FdRead), 0);
        CHECK_EQ(park(&writer, 5, FdWrite), 0);
        CHECK(mockDeliverFd(manager.state, 5, cases[i].events));
        CHECK_EQ(eventManagerPoll(&manager, 0, NULL), cases[i].read + cases[i].write);
        CHECK_EQ(reader.fired, cases[i].read);
        CHECK_EQ(writer.fired, cases[i].write);
        CHECK(fdSlotSane(fdTableFind(&manager.table, 5)));
        eventManagerClose(&manager);
    }
}

TEST(EventManager, aBatchIsDispatchedWholeAndStrangersAreStale)
{
    enum { FDS = 400 };
    static Watcher readers[FDS];
    openManager(1000);
    for (int i = 0; i < FDS; i++)
        CHECK_EQ(park(&readers[i], 3 + i, FdRead), 0);
    mockDeliver(manager.state, (UINT64_C(9) << 32) | 3, EventRead); /* another generation */
    mockDeliver(manager.state, 100000, EventRead);                  /* no slot */
    mockDeliver(manager.state, UINT64_C(0xffffffff), EventRead);    /* no number */
    for (int i = 0; i < FDS; i++)
        CHECK(mockDeliverFd(manager.state, 3 + i, EventRead));
    CHECK_EQ(eventManagerRescue(&manager, NULL), 29); /* 32 records, 3 of them stale */
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), EVENT_BATCH);
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), FDS - 29 - EVENT_BATCH);
    CHECK_EQ(manager.stats.stale, 3);
    CHECK_EQ(manager.stats.events, FDS + 3);
    CHECK_EQ(manager.stats.fired, FDS);
    CHECK_EQ(manager.stats.rescues, 32);
    EventManagerStats stats;
    eventManagerStats(&manager, &stats);
    CHECK_EQ(stats.visits, manager.stats.visits);
    CHECK_GT(stats.visits, 0);
    for (int i = 0; i < FDS; i++)
        CHECK_EQ(readers[i].fired, 1);
    eventManagerClose(&manager);
}

static void closeInCallback(WatchNode *node, uint64_t number, int result, void *sink)
{
    watcherFire(node, number, result, sink);
    eventManagerClosingFd(&manager, 6, sink); /* a callback may change any slot */
    eventManagerClosingFd(&manager, 5, sink);
}

TEST(EventManager, aCallbackMayCloseWhatComesLaterInTheBatch)
{
    Watcher closer, victim;
    openManager(1000);
    watcherInit(&closer)->node.fire = closeInCallback;
    CHECK_EQ(eventManagerAwait(&manager, 5, 0, FdRead, (FdSeen){0, 1}, &closer.node, NULL), 0);
    CHECK_EQ(park(&victim, 6, FdRead), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK(mockDeliverFd(manager.state, 6, EventRead));
    eventManagerPoll(&manager, 0, NULL);
    CHECK_EQ(closer.fired, 1);
    CHECK_EQ(victim.fired, 1);
    CHECK_EQ(victim.result, -EBADF);
    CHECK_EQ(manager.stats.stale, 1);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    eventManagerClose(&manager);
}

/* ---- opening ---- */

static int allocations_left;
static int64_t bytes_held;

static void *allocateFew(void *context, size_t size, size_t alignment)
{
    (void)context;
    if (allocations_left-- <= 0)
        return NULL;
    bytes_held += (int64_t)size;
    return memoryAllocate(NULL, size, alignment);
}

static void releaseFew(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context;
    bytes_held -= (int64_t)size;
    memoryRelease(NULL, memory, size, alignment);
}

TEST(EventManager, openFailsCleanly)
{
    const Allocator allocator = {allocateFew, releaseFew, NULL};
    const Backend *backends[] = {&backendEPoll, &backendPoll, &backendMock};
    ownerGateStart();
    for (size_t b = 0; b < sizeof backends / sizeof backends[0]; b++) {
        int before = dup(0), result = -ENOMEM;
        for (int few = 0; result != 0; few++) {
            allocations_left = few;
            result = eventManagerOpen(&manager, backends[b], NULL, &allocator);
            CHECK(result == 0 || result == -ENOMEM);
            CHECK_LE(few, 3);
            if (result != 0)
                CHECK_EQ(bytes_held, 0);
        }
        eventManagerClose(&manager);
        CHECK_EQ(bytes_held, 0);
        int after = dup(0);
        CHECK_EQ(after, before + 1); /* no fd was left behind */
        close(before);
        close(after);
    }
}

/* ---- an owner, a rescuer and waiters, on real pipes ---- */

enum { PIPES = 3, TRIPS = 1500 };

static struct {
    EventManager manager;
    int ends[PIPES][2];
    uint32_t running;
    bool stop;
} real;

static void *rescueOften(void *arg)
{
    (void)arg;
    while (!ACQUIRE_LOAD(&real.stop)) {
        eventManagerRescue(&real.manager, NULL);
        sched_yield();
    }
    return NULL;
}

/* Sends itself a byte and waits for it, TRIPS times; hangs if a wake-up is lost. */
static void *sendAndWait(void *arg)
{
    int *ends = arg;
    uint32_t kind = ends == real.ends[0] ? 0 : FdAdopted;
    Watcher reader;
    for (int trip = 0; trip < TRIPS; trip++) {
        uint32_t edges = eventManagerEdges(&real.manager, ends[0], FdRead);
        CHECK_EQ(fdEmpty(ends[0]), 0);
        if (trip % 2)
            byteSend(ends[1]);
        int result = watcherAwait(&real.manager, &reader, ends[0], kind, FdRead, edges, 1);
        if (trip % 2 == 0)
            byteSend(ends[1]);
        CHECK(result == 0 || result == 1);
        while (result == 0 && ACQUIRE_LOAD(&reader.fired) == 0)
            sched_yield();
        while (fdEmpty(ends[0]) == 0) /* ready for an older edge: wait for this one's byte */
            sched_yield();
    }
    ADD_RELEASE(&real.running, UINT32_MAX);
    return NULL;
}

TEST(EventManager, nothingIsLostBetweenOwnerAndRescuer)
{
    pthread_t rescuer, waiters[PIPES];
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&real.manager, NULL, NULL, NULL), 0);
    real.running = PIPES;
    CHECK_EQ(pthread_create(&rescuer, NULL, rescueOften, NULL), 0);
    for (int i = 0; i < PIPES; i++) {
        pipeOpen(real.ends[i]);
        CHECK_EQ(pthread_create(&waiters[i], NULL, sendAndWait, real.ends[i]), 0);
    }
    while (ACQUIRE_LOAD(&real.running) != 0) {
        eventManagerPoll(&real.manager, 0, NULL);
        sched_yield();
    }
    RELEASE_STORE(&real.stop, true);
    pthread_join(rescuer, NULL);
    for (int i = 0; i < PIPES; i++) {
        pthread_join(waiters[i], NULL);
        CHECK(fdSlotSane(fdTableFind(&real.manager.table, real.ends[i][0])));
        eventManagerClosingFd(&real.manager, real.ends[i][0], NULL);
        pairClose(real.ends[i]);
    }
    CHECK_EQ(RELAXED_LOAD(&real.manager.fds), 0);
    eventManagerClose(&real.manager);
}
