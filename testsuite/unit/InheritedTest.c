/* InheritedTest.c -- a standalone manager in the child of a fork: refused, freed, without a word to
 * the parent's.
 *
 * not-under: tsan valgrind
 */
#include "testsuite/support/Caller.h"
#include "testsuite/support/Runtime.h"

#include <capri/timeout.h>

#ifdef CAPRI_URING
#include "iomgr/backend/IOUring.h"
#endif

#include <sys/mman.h>

static const char *const backends[] = {"epoll", "poll", "uring"};

typedef struct Inherited {
    EventManager *manager;
    CountingHeap heap;
    int ends[2];
    Caller caller;
    TimeoutKey timeout;
    uint32_t fired;
    const char *backend;
} Inherited;

static int noteTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    ADD_RELAXED((uint32_t *)env, 1);
    return 0;
}

/* A manager of the child's own works, and tells the parent's keys apart. */
static void useOwn(const char *backend, TimeoutKey old)
{
    EventManagerConfig config = {.backend = backend};
    EventManager *own;
    Caller caller = {0};
    int ends[2];
    CHECK_EQ(eventManagerNew(&config, &own), 0);
    pipeOpen(ends);
    CHECK_EQ(callerRegister(own, &caller, ends[0], EventRead, OneShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(eventManagerStep(own, -1), 1);
    CHECK_EQ(caller.calls, 1);
    if (old.record != NULL) {
        CHECK_EQ(unregisterTimeout(own, old), -ESRCH);
        CHECK_EQ(updateTimeout(own, old, 1), -ESRCH);
    }
    CHECK_EQ(unregisterFd(own, (FdKey){.fd = ends[0]}), 0);
    CHECK_EQ(eventManagerFree(own), 0);
    pairClose(ends);
}

static void tryEverything(void *env)
{
    Inherited *it = env;
    EventManager *manager = it->manager;
    Caller caller = {0};
    uint32_t fired = 0;
    TimeoutKey key;
    uint32_t fds = fdsOpen();
    CHECK_EQ(eventManagerStep(manager, 0), -ENOTRECOVERABLE);
    CHECK_EQ(eventManagerRun(manager), -ENOTRECOVERABLE);
    CHECK_EQ(eventManagerFd(manager), -ENOTRECOVERABLE);
    CHECK_EQ(eventManagerCloseFd(manager, it->ends[0]), -ENOTRECOVERABLE);
    CHECK_EQ(callerRegister(manager, &caller, it->ends[1], EventWrite, OneShot), -ENOTRECOVERABLE);
    CHECK_EQ(unregisterFd(manager, it->caller.key), -ENOTRECOVERABLE);
    CHECK_EQ(registerTimeout(manager, 1, noteTime, &fired, &key), -ENOTRECOVERABLE);
    CHECK_EQ(timeoutRegisterAt(manager, 1, noteTime, &fired, &key), -ENOTRECOVERABLE);
    CHECK_EQ(updateTimeout(manager, it->timeout, 1), -ENOTRECOVERABLE);
    CHECK_EQ(timeoutUpdateAt(manager, it->timeout, 1), -ENOTRECOVERABLE);
    CHECK_EQ(unregisterTimeout(manager, it->timeout), -ENOTRECOVERABLE);
    eventManagerWake(manager);
    eventManagerStop(manager);
    useOwn(it->backend, it->timeout);
    CHECK_EQ(eventManagerFree(manager), 0);
    CHECK_EQ(it->heap.live_blocks, 0);
    CHECK_LT(fdsOpen(), fds); /* its copies are closed */
    CHECK_EQ(fired, 0);
    CHECK_EQ(it->caller.calls + it->caller.closes + caller.calls, 0);
}

static void expectChild(void (*body)(void *env), void *env)
{
    static char output[2000];
    int status = testChild(body, env, output, sizeof output);
    if (status != 0)
        testFailed(__FILE__, __LINE__, output);
}

static void inheritOn(const char *backend)
{
    static Inherited it;
    EventManagerStats stats;
    it = (Inherited){.backend = backend};
    EventManagerConfig config = {.backend = backend, .allocator = countingAllocator(&it.heap)};
    CHECK_EQ(eventManagerNew(&config, &it.manager), 0);
    pipeOpen(it.ends);
    CHECK_EQ(callerRegister(it.manager, &it.caller, it.ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(eventManagerStep(it.manager, 0), 0);
    CHECK_EQ(registerTimeout(it.manager, 1000000000, noteTime, &it.fired, &it.timeout), 0);
    expectChild(tryEverything, &it);
    CHECK_EQ(unregisterTimeout(it.manager, it.timeout), 1);
    CHECK_EQ(eventManagerStep(it.manager, 0), 0);
    eventManagerStats(it.manager, &stats);
    CHECK_EQ(stats.wakeups, 0); /* the child's wakes are nobody's */
    byteSend(it.ends[1]);
    CHECK_EQ(eventManagerStep(it.manager, -1), 1); /* the parent's watch is as it was */
    CHECK_EQ(it.caller.calls, 1);
    CHECK_EQ(eventManagerCloseFd(it.manager, it.ends[0]), 0);
    CHECK_EQ(it.caller.closes, 1);
    CHECK_EQ(eventManagerFree(it.manager), 0);
    CHECK_EQ(it.heap.live_blocks, 0);
    close(it.ends[1]);
}

TEST(Inherited, isRefusedAndFreed)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        inheritOn(backends[i]);
}

typedef struct Heir {
    EventManager *manager;
    const char *backend;
} Heir;

/* What the child maps may lie where the parent's ring was. */
static void makeThenFree(void *env)
{
    const Heir *heir = env;
    EventManagerConfig config = {.backend = heir->backend};
    EventManager *own;
    Caller caller = {0};
    int ends[2];
    CHECK_EQ(eventManagerNew(&config, &own), 0);
    pipeOpen(ends);
    CHECK_EQ(callerRegister(own, &caller, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(eventManagerFree(heir->manager), 0);
    byteSend(ends[1]);
    CHECK_EQ(eventManagerStep(own, -1), 1);
    CHECK_EQ(caller.calls, 1);
    CHECK_EQ(eventManagerFree(own), 0);
    pairClose(ends);
}

/* Goal: freeing the parent's leaves a manager alone that the child has made before. */
TEST(Inherited, isFreedAfterOnesOwnWasMade)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        Heir heir = {.backend = backends[i]};
        EventManagerConfig config = {.backend = backends[i]};
        CHECK_EQ(eventManagerNew(&config, &heir.manager), 0);
        expectChild(makeThenFree, &heir);
        CHECK_EQ(eventManagerFree(heir.manager), 0);
    }
}

#ifdef CAPRI_URING

/* A page of the child's own at that address, which nobody has mapped. */
static char *mapPage(const void *at)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *wanted = (void *)((uintptr_t)at & ~(size - 1));
    char *page = mmap(wanted, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK_EQ(page, wanted);
    *page = 'x';
    return page;
}

static void freeAmongPages(void *env)
{
    EventManager *manager = env;
    const struct io_uring *ring = &manager->state->ring.uring;
    char *queue = mapPage(ring->sq.ring_ptr), *entries = mapPage(ring->sq.sqes);
    CHECK_EQ(eventManagerFree(manager), 0);
    CHECK_EQ(*queue, 'x');
    CHECK_EQ(*entries, 'x');
}

/* Goal: where the parent has its queues the child's memory stays. */
TEST(Inherited, leavesTheChildsMemory)
{
    EventManagerConfig config = {.backend = "uring"};
    EventManager *manager;
    if (ringsRefused())
        SKIP("no rings here");
    CHECK_EQ(eventManagerNew(&config, &manager), 0);
    expectChild(freeAmongPages, manager);
    CHECK_EQ(eventManagerFree(manager), 0);
}

#endif

static void findItBusy(void *env)
{
    EventManager *manager = env;
    CHECK_EQ(eventManagerStep(manager, 0), -ENOTRECOVERABLE);
    CHECK_EQ(eventManagerFree(manager), -EBUSY);
    useOwn(NULL, (TimeoutKey){NULL, 0});
}

static int forkInside(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)key;
    (void)events;
    expectChild(findItBusy, manager);
    *(int *)env += 1;
    return 0;
}

/* Goal: a fork out of a callback finds the manager in the middle of a step. */
TEST(Inherited, halfDoneIsNotFreed)
{
    EventManager *manager;
    int ends[2], calls = 0;
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(registerFd(manager, forkInside, &calls, ends[0], EventRead, OneShot, NULL), 0);
    CHECK_EQ(eventManagerStep(manager, -1), 1);
    CHECK_EQ(calls, 1);
    CHECK_EQ(eventManagerFree(manager), 0);
    pairClose(ends);
}
