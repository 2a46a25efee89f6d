/* StandaloneTest.c -- a manager without a runtime: this program links iomgr/ alone.
 *
 * links: capri_iomgr
 */
#include "testsuite/support/Caller.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

static int64_t readNow(void)
{
    return clockRead(&clockMonotonic);
}

/* An allocator that counts, and can be made to refuse. */
typedef struct Ledger {
    uint64_t made, bytes; /* living */
    uint64_t calls;
    uint64_t refuse_at; /* the call that is refused; 0: none */
} Ledger;

static void *ledgerAllocate(void *context, size_t size, size_t alignment)
{
    Ledger *ledger = context;
    if (++ledger->calls == ledger->refuse_at)
        return NULL;
    ledger->made++;
    ledger->bytes += size;
    return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

static void ledgerRelease(void *context, void *memory, size_t size, size_t alignment)
{
    Ledger *ledger = context;
    (void)alignment;
    ledger->made--;
    ledger->bytes -= size;
    free(memory);
}

static EventManagerConfig configOf(Ledger *ledger, const char *backend)
{
    return (EventManagerConfig){
        .backend = backend,
        .allocator = {ledgerAllocate, ledgerRelease, ledger},
    };
}

static int countFds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static const char *const backends[] = {"epoll", "poll"};

/* Where there is no io_uring that is asked for in vain, and epoll comes and goes once more. */
TEST(Standalone, madeAndFreedTenThousandTimes)
{
    static const char *const names[] = {"epoll", "poll", "uring"};
    enum { NAMES = sizeof names / sizeof names[0] };
    const int rounds = testUnderValgrind() ? 200 : 10000; /* of each back-end */
    int ends[2], before;
    pipeOpen(ends);
    byteSend(ends[1]);
    before = countFds();
    for (int i = 0; i < NAMES * rounds; i++) {
        Ledger ledger = {0};
        EventManagerConfig config = configOf(&ledger, names[i % NAMES]);
        EventManager *manager;
        Caller called = {0}, left = {0};
        CHECK_EQ(eventManagerNew(&config, &manager), 0);
        CHECK_EQ(callerRegister(manager, &called, ends[0], EventRead, OneShot), 0);
        CHECK_EQ(callerRegister(manager, &left, ends[1], EventRead, MultiShot), 0);
        CHECK_EQ(eventManagerStep(manager, -1), 1);
        if (i % NAMES != 1) /* poll has none */
            CHECK_GE(eventManagerFd(manager), 0);
        CHECK_EQ(eventManagerFree(manager), 0);
        CHECK_EQ(left.calls + left.closes, 0);
        CHECK_EQ(ledger.made, 0);
        CHECK_EQ(ledger.bytes, 0);
    }
    CHECK_EQ(countFds(), before);
    pairClose(ends);
}

TEST(Standalone, manyAtOnce)
{
    enum { MANY = 100 };
    static EventManager *managers[MANY];
    static Caller callers[MANY];
    int ends[2];
    pipeOpen(ends);
    byteSend(ends[1]);
    memset(callers, 0, sizeof callers);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(eventManagerNew(NULL, &managers[i]), 0);
        CHECK_EQ(callerRegister(managers[i], &callers[i], ends[0], EventRead, MultiShot), 0);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(eventManagerStep(managers[i], -1), 1);
        CHECK_EQ(callers[i].calls, 1);
    }
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(eventManagerFree(managers[i]), 0);
    pairClose(ends);
}

TEST(Standalone, everyRefusedAllocationIsReported)
{
    int ends[2];
    pipeOpen(ends);
    int before = countFds();
    for (int b = 0; b < 2; b++) {
        int result = -ENOMEM;
        for (uint64_t at = 1; result != 0; at++) {
            Ledger ledger = {.refuse_at = at};
            EventManagerConfig config = configOf(&ledger, backends[b]);
            EventManager *manager;
            Caller caller = {0};
            CHECK_LT(at, 100);
            result = eventManagerNew(&config, &manager);
            if (result == 0) {
                result = callerRegister(manager, &caller, ends[0], EventRead, MultiShot);
                if (result < 0)
                    CHECK_EQ(unregisterFd(manager, caller.key), 0);
                CHECK_EQ(eventManagerFree(manager), 0);
            }
            CHECK(result == 0 || result == -ENOMEM);
            CHECK_EQ(ledger.made, 0);
            CHECK_EQ(countFds(), before);
        }
    }
    pairClose(ends);
}

TEST(Standalone, withoutFdsItSaysSo)
{
    struct rlimit old, none;
    EventManager *manager = NULL;
    int before = countFds();
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (int spare = 0;; spare++) {
        int lowest = dup(0);
        close(lowest);
        none = (struct rlimit){(rlim_t)(lowest + spare), old.rlim_max};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
        int result = eventManagerNew(NULL, &manager);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (result == 0)
            break;
        CHECK_EQ(result, -EMFILE);
        CHECK_EQ(countFds(), before);
        CHECK_LT(spare, 8);
    }
    CHECK_EQ(eventManagerFree(manager), 0);
    CHECK_EQ(countFds(), before);
}

TEST(Standalone, badConfigsAreRefused)
{
    EventManagerConfig unknown = {.backend = "no such"};
    EventManagerConfig half = {.allocator = {.allocate = ledgerAllocate}};
    EventManager *manager;
    CHECK_EQ(eventManagerNew(&unknown, &manager), -EINVAL);
    CHECK_EQ(eventManagerNew(&half, &manager), -EINVAL);
    CHECK_EQ(eventManagerNew(NULL, NULL), -EINVAL);
}

TEST(Standalone, onlyItsOwnKind)
{
    static EventManager shared;
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&shared, NULL, NULL, NULL), 0);
    CHECK_EQ(eventManagerStep(&shared, 0), -EPERM);
    CHECK_EQ(eventManagerRun(&shared), -EPERM);
    CHECK_EQ(eventManagerFd(&shared), -EPERM);
    CHECK_EQ(eventManagerCloseFd(&shared, 0), -EPERM);
    CHECK_EQ(eventManagerFree(&shared), -EPERM);
    eventManagerClose(&shared);
}

static EventManager *makeOne(const char *backend)
{
    EventManagerConfig config = {.backend = backend};
    EventManager *made;
    CHECK_EQ(eventManagerNew(&config, &made), 0);
    return made;
}

/* Goal: a key that another manager gave, living or gone, names nothing here. */
TEST(Standalone, keysAreTheirManagersOwn)
{
    enum { MANY = 10000 };
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        EventManager *one = makeOne(backends[i]), *other = makeOne(backends[i]);
        Caller first = {0}, second = {0}, last = {0};
        int ends[2];
        pipeOpen(ends);
        CHECK_EQ(callerRegister(one, &first, ends[0], EventRead, MultiShot), 0);
        CHECK_EQ(callerRegister(other, &second, ends[0], EventRead, MultiShot), 0);
        CHECK_NE(first.key.unique, second.key.unique);
        CHECK_EQ(unregisterFd(other, first.key), 0);
        CHECK_EQ(unregisterFd(one, second.key), 0);
        for (int round = 0; round < MANY; round++) { /* further than the numbers of `other` */
            CHECK_EQ(callerRegister(one, &last, ends[0], EventRead, MultiShot), 0);
            CHECK_EQ(unregisterFd(other, last.key), 0);
            CHECK_EQ(unregisterFd(one, last.key), 1);
        }
        byteSend(ends[1]);
        CHECK_EQ(eventManagerStep(other, 0), 1);
        CHECK_EQ(second.calls, 1);
        CHECK_EQ(eventManagerFree(other), 0);
        other = makeOne(backends[i]);
        CHECK_EQ(callerRegister(other, &last, ends[0], EventRead, MultiShot), 0);
        CHECK_EQ(unregisterFd(other, second.key), 0);
        CHECK_EQ(unregisterFd(one, first.key), 1);
        CHECK_EQ(unregisterFd(other, last.key), 1);
        CHECK_EQ(eventManagerFree(one) + eventManagerFree(other), 0);
        pairClose(ends);
    }
}

/* ---- stepping -------------------------------------------------------------------------------- */

static void stepInside(EventManager *manager, Caller *caller)
{
    CHECK_EQ(eventManagerStep(manager, 0), -EBUSY);
    CHECK_EQ(eventManagerRun(manager), -EBUSY);
    CHECK_EQ(eventManagerFd(manager), -EBUSY);
    caller->answer = eventManagerFree(manager);
}

TEST(Standalone, oneStepAtATime)
{
    int ends[2];
    EventManager *manager;
    Caller caller = {.then = stepInside};
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    CHECK_EQ(callerRegister(manager, &caller, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(eventManagerStep(manager, 0), 1);
    CHECK_EQ(caller.answer, -EBUSY);
    CHECK_EQ(eventManagerFree(manager), 0);
    pairClose(ends);
}

TEST(Standalone, aStepLastsAtLeastItsTime)
{
    EventManager *manager;
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    for (int64_t timeout_ns = 1; timeout_ns <= 3000000; timeout_ns *= 100) {
        int64_t start_ns = readNow();
        CHECK_EQ(eventManagerStep(manager, timeout_ns), 0);
        CHECK_GE(readNow() - start_ns, timeout_ns);
    }
    eventManagerWake(manager);
    CHECK_EQ(eventManagerStep(manager, INT64_MAX), 0); /* saturates; a wake from before counts */
    CHECK_EQ(eventManagerFree(manager), 0);
}

static EventManager *woken; /* by the handler, unless NULL */
static uint32_t alarms;

static void onAlarm(int number)
{
    (void)number;
    alarms++;
    if (woken != NULL)
        eventManagerWake(woken);
}

/* A signal alone does not end a step; its handler may. */
TEST(Standalone, aHandlerEndsAStepByAWake)
{
    struct sigaction action = {.sa_handler = onAlarm};
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        EventManager *manager = makeOne(backends[i]);
        int64_t start_ns = readNow();
        CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
        for (alarms = 0; alarms == 0; start_ns = readNow())
            CHECK_EQ(eventManagerStep(manager, 10 * 1000 * 1000), 0);
        CHECK_EQ(eventManagerStep(manager, 10 * 1000 * 1000), 0);
        CHECK_GE(readNow() - start_ns, 10 * 1000 * 1000);
        woken = manager;
        CHECK_EQ(eventManagerStep(manager, -1), 0);
        woken = NULL;
        CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
        CHECK_EQ(eventManagerFree(manager), 0);
    }
}

static void *runThem(void *manager)
{
    CHECK_EQ(eventManagerRun(manager), 0);
    return NULL;
}

static void stopIt(EventManager *manager, Caller *caller)
{
    (void)caller;
    eventManagerStop(manager);
}

/* Goal: a wake is for the next step, be it one that does not sleep. */
TEST(Standalone, aStepUsesUpAWake)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        EventManager *manager = makeOne(backends[i]);
        EventManagerStats stats;
        eventManagerWake(manager);
        CHECK_EQ(eventManagerStep(manager, 0), 0);
        eventManagerStats(manager, &stats);
        CHECK_EQ(stats.wakeups, 1);
        eventManagerWake(manager);
        CHECK_EQ(eventManagerStep(manager, -1), 0); /* for ever, were it not for that */
        eventManagerStats(manager, &stats);
        CHECK_EQ(stats.wakeups, 2);
        CHECK_EQ(eventManagerFree(manager), 0);
    }
}

TEST(Standalone, runAndStop)
{
    int ends[2];
    pthread_t thread;
    EventManager *manager;
    Caller caller = {.then = stopIt};
    pipeOpen(ends);
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    eventManagerStop(manager);
    CHECK_EQ(eventManagerRun(manager), 0); /* a stop from before counts once */
    CHECK_EQ(pthread_create(&thread, NULL, runThem, manager), 0);
    CHECK_EQ(callerRegister(manager, &caller, ends[0], EventRead, OneShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(pthread_join(thread, NULL), 0); /* its callback has stopped it */
    CHECK_EQ(caller.calls, 1);
    CHECK_EQ(pthread_create(&thread, NULL, runThem, manager), 0);
    eventManagerStop(manager);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(eventManagerFree(manager), 0);
    pairClose(ends);
}

/* ---- in a loop of somebody else's ------------------------------------------------------------ */

static bool isReadable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

static void noteTimer(Timer *timer, uint64_t number, void *sink)
{
    (void)timer, (void)number, (void)sink;
}

TEST(Standalone, itsFdTellsEventsWakesAndTimers)
{
    int ends[2];
    EventManager *manager;
    Caller caller = {0};
    Timer timer = {.fire = noteTimer};
    pipeOpen(ends);
    CHECK_EQ(eventManagerNew(&(EventManagerConfig){.backend = "epoll"}, &manager), 0);
    int fd = eventManagerFd(manager);
    CHECK_GE(fd, 0);
    CHECK_EQ(eventManagerFd(manager), fd);
    CHECK(!isReadable(fd, 0));
    CHECK_EQ(callerRegister(manager, &caller, ends[0], EventRead, MultiShot), 0);
    CHECK(!isReadable(fd, 0));
    byteSend(ends[1]);
    CHECK(isReadable(fd, 0));
    CHECK_EQ(eventManagerStep(manager, 0), 1);
    CHECK(isReadable(fd, 0)); /* level-triggered: the byte is still there */
    fdEmpty(ends[0]);
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    CHECK(!isReadable(fd, 0));
    eventManagerWake(manager);
    CHECK(isReadable(fd, 0));
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    CHECK(!isReadable(fd, 0));
    /* A timer: the fd becomes readable by itself, and silent when the timer has fired. */
    for (uint64_t number = 1; number <= 3; number++) {
        int64_t deadline_ns = readNow() + 2000000;
        CHECK_EQ(timerHeapArm(&manager->timers, &timer, number, deadline_ns), 0);
        CHECK_EQ(eventManagerFd(manager), fd);
        CHECK(isReadable(fd, -1));
        CHECK_GE(readNow(), deadline_ns);
        CHECK_EQ(eventManagerStep(manager, 0), 1);
        CHECK(!isReadable(fd, 0));
    }
    CHECK_EQ(eventManagerFree(manager), 0);
    pairClose(ends);
}

TEST(Standalone, inAnEpollSetOfTheHost)
{
    int ends[2], host = epoll_create1(EPOLL_CLOEXEC);
    EventManager *manager;
    Caller caller = {0};
    struct epoll_event event = {.events = EPOLLIN};
    pipeOpen(ends);
    CHECK_EQ(eventManagerNew(&(EventManagerConfig){.backend = "epoll"}, &manager), 0);
    CHECK_EQ(callerRegister(manager, &caller, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(epoll_ctl(host, EPOLL_CTL_ADD, eventManagerFd(manager), &event), 0);
    CHECK_EQ(epoll_wait(host, &event, 1, 0), 0);
    byteSend(ends[1]);
    CHECK_EQ(epoll_wait(host, &event, 1, -1), 1);
    CHECK_EQ(eventManagerStep(manager, 0), 1);
    CHECK_EQ(epoll_wait(host, &event, 1, 0), 0);
    CHECK_EQ(eventManagerFree(manager), 0);
    close(host);
    pairClose(ends);
}

TEST(Standalone, pollHasNoFdOfItsOwn)
{
    EventManager *manager;
    CHECK_EQ(eventManagerNew(&(EventManagerConfig){.backend = "poll"}, &manager), 0);
    CHECK_EQ(eventManagerFd(manager), -ENOTSUP);
    CHECK_EQ(eventManagerFree(manager), 0);
}

/* ---- another thread inside the callback ------------------------------------------------------ */

static uint32_t inside, may_leave;

static void stayInside(EventManager *manager, Caller *caller)
{
    (void)manager, (void)caller;
    RELEASE_STORE(&inside, 1);
    while (ACQUIRE_LOAD(&may_leave) == 0)
        usleep(100);
}

static void *stepOnce(void *manager)
{
    CHECK_EQ(eventManagerStep(manager, -1), 1);
    return NULL;
}

/* One round: `how` 0 unregisters, 1 closes, while another thread is inside the callback. */
static void meetInside(Lifetime lifetime, int how)
{
    int ends[2];
    pthread_t thread;
    EventManager *manager;
    Caller caller = {.then = stayInside};
    inside = may_leave = 0;
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    CHECK_EQ(callerRegister(manager, &caller, ends[0], EventRead, lifetime), 0);
    CHECK_EQ(pthread_create(&thread, NULL, stepOnce, manager), 0);
    while (ACQUIRE_LOAD(&inside) == 0)
        usleep(100);
    CHECK_EQ(eventManagerStep(manager, 0), -EBUSY);
    CHECK_EQ(eventManagerFree(manager), -EBUSY);
    if (how == 0)
        CHECK_EQ(unregisterFd(manager, caller.key), -EINPROGRESS);
    else
        CHECK_EQ(eventManagerCloseFd(manager, ends[0]), 0);
    CHECK_EQ(ACQUIRE_LOAD(&caller.closes), 0);
    RELEASE_STORE(&may_leave, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(caller.calls, 1);
    CHECK_EQ(caller.closes, how == 1 && lifetime == MultiShot ? 1 : 0);
    CHECK_EQ(manager->registered, 0);
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    CHECK_EQ(eventManagerFree(manager), 0);
    if (how == 0)
        close(ends[0]);
    close(ends[1]);
}

TEST(Standalone, othersMeetARunningCallback)
{
    for (int how = 0; how < 2; how++) {
        meetInside(OneShot, how);
        meetInside(MultiShot, how);
    }
}
