/* GivenUpConformance.c -- waits that are given up, time out or are closed leave nothing behind; the
 * highest number.
 *
 * A hundred thousand of each: no table entry, nothing the kernel watches but what is open, no
 * request in flight, no memory.
 */
#include "testsuite/conformance/Conformance.h"
#include "testsuite/support/Crowd.h"
#include "testsuite/support/Runtime.h"

#include "capability/CapabilityTable.h"
#ifdef CAPRI_URING
#include "iomgr/backend/IOUring.h"
#endif

#include <stdio.h>
#include <sys/resource.h>

enum { WAITS = 100 * 1000, POLL_EVERY = 50, TIMERS_MOST = 64 };

static CountingHeap heap;
static Allocator allocator;

static void openCounted(void)
{
    ownerGateStart();
    allocator = countingAllocator(&heap);
    CHECK_EQ(eventManagerOpen(&manager, backendTested(), NULL, &allocator), 0);
}

static void closeCounted(void)
{
    eventManagerClose(&manager);
    CHECK_EQ(heap.live_bytes, 0);
}

/* How many fds an epoll instance watches: lines of its fdinfo. */
static uint32_t watchedByEPoll(int epoll_fd)
{
    char path[64], line[256];
    uint32_t count = 0;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epoll_fd);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        count += strncmp(line, "tfd:", 4) == 0;
    fclose(file);
    return count;
}

/* What the kernel watches for us, the wakeup not counted; of poll(2) nothing between polls. */
static uint32_t watchedByKernel(void)
{
    if (manager.backend == &backendEPoll)
        return watchedByEPoll(eventManagerPollable(&manager)) - 1;
#ifdef CAPRI_URING
    if (manager.backend == &backendIOUring) {
        EventRecord record;
        while (manager.backend->poll(manager.state, 0, &record, 1) != 0)
            continue;
        return manager.state->in_flight - 1;
    }
#endif
    return 0;
}

static void giveUp(uint32_t kind)
{
    Watcher watcher;
    int ends[2];
    uint64_t bytes = 0;
    uint32_t waits = (uint32_t)crowdScale(WAITS, WAITS / 20);
    openCounted();
    pipeOpen(ends);
    for (uint32_t i = 0; i < waits; i++) {
        CHECK_EQ(park(&watcher, ends[0], kind, FdRead), 0);
        CHECK(eventManagerForget(&manager, ends[0], FdRead, &watcher.node, NULL));
        if (i == POLL_EVERY) /* everything has been grown that grows */
            bytes = heap.live_bytes;
        if (i % POLL_EVERY == 0)
            CHECK_EQ(look(), 0);
    }
    CHECK_EQ(heap.live_bytes, bytes);
    CHECK_LE(watchedByKernel(), 1); /* the fd is open */
    CHECK(sane(ends[0]));
    byteSend(ends[1]);
    CHECK_EQ(look(), 0); /* nobody is there */
    eventManagerClosingFd(&manager, ends[0], NULL);
    close(ends[0]);
    eventManagerClosedFd(&manager, ends[0], NULL);
    CHECK_EQ(manager.fds, 0);
    CHECK_EQ(watchedByKernel(), 0);
    CHECK_EQ(RELAXED_LOAD(&watcher.fired), 0);
    close(ends[1]);
    closeCounted();
}

TEST(GivenUp, waitsOfAStrangersFd)
{
    giveUp(0);
}

TEST(GivenUp, waitsOfAnAdoptedFd)
{
    giveUp(FdAdopted);
}

static void closeUnder(uint32_t kind)
{
    Watcher watcher;
    uint64_t bytes = 0;
    uint32_t waits = (uint32_t)crowdScale(WAITS, WAITS / 20);
    openCounted();
    for (uint32_t i = 0; i < waits; i++) {
        int ends[2];
        pipeOpen(ends);
        CHECK_EQ(park(&watcher, ends[0], kind, FdRead), 0);
        eventManagerClosingFd(&manager, ends[0], NULL);
        CHECK_EQ(ACQUIRE_LOAD(&watcher.fired), 1);
        CHECK_EQ(watcher.result, -EBADF);
        pairClose(ends);
        eventManagerClosedFd(&manager, ends[0], NULL);
        CHECK_EQ(manager.fds, 0);
        if (i == POLL_EVERY)
            bytes = heap.live_bytes;
        if (i % POLL_EVERY == 0)
            CHECK_EQ(look(), 0);
    }
    CHECK_EQ(heap.live_bytes, bytes);
    CHECK_EQ(watchedByKernel(), 0);
    closeCounted();
}

TEST(GivenUp, closedUnderWaitsOfAStranger)
{
    closeUnder(0);
}

TEST(GivenUp, closedUnderWaitsOfAnAdoptedFd)
{
    closeUnder(FdAdopted);
}

/* ---- with threads -------------------------------------------------------------------------- */

static uint32_t timersHeld(void)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < capabilities.count; i++) {
        TimerHeap *timers = &capabilities.items[i]->manager.timers;
        while (!ownerGateVisit(&timers->gate))
            crowdPause(1000);
        total += (uint32_t)timerEntriesCount(&timers->entries);
        ownerGateVisitEnd(&timers->gate);
    }
    return total;
}

static uint64_t bytes_before, bytes_after;
static uint32_t timed_out;

static void *timeOut(void *env)
{
    const int *fd = env;
    size_t waits = crowdScale(WAITS, WAITS / 20);
    for (size_t i = 0; i < waits; i++) {
        int64_t deadline_ns = rtsNow() + (int64_t)(i % 3) * 1000;
        CHECK_EQ(threadWaitReadUntil(*fd, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        if (i == waits / 10)
            bytes_before = RELAXED_LOAD(&heap.live_bytes);
    }
    bytes_after = RELAXED_LOAD(&heap.live_bytes);
    RELEASE_STORE(&timed_out, 1);
    return NULL;
}

static void timeOutOn(bool adopted)
{
    RtsConfig config = {
        .capabilities = 1, .backend = testArg("--backend"), .allocator = countingAllocator(&heap)};
    int pair[2];
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    crowdPair(pair, adopted);
    CHECK_EQ(threadFork(&thread, timeOut, &pair[0]), 0);
    while (ACQUIRE_LOAD(&timed_out) == 0) /* a join takes memory: not while bytes are counted */
        crowdPause(1000 * 1000);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    CHECK_EQ(bytes_after, bytes_before);
    CHECK_LE(timersHeld(), TIMERS_MOST);
    FdSlot *slot = fdTableFind(&capabilities.items[0]->manager.table, pair[0]);
    CHECK(slot != NULL);
    CHECK(!watchListHasWatchers(&slot->waiters[FdRead]));
    CHECK_EQ(closeFd(pair[0]), 0);
    CHECK_EQ(closeFd(pair[1]), 0);
    CHECK_EQ(RELAXED_LOAD(&capabilities.items[0]->manager.fds), 0);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(heap.live_bytes, 0);
}

TEST(GivenUp, timeOutsOnAStrangersFd)
{
    timeOutOn(false);
}

TEST(GivenUp, timeOutsOnAnAdoptedFd)
{
    timeOutOn(true);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static void *useNumber(void *env)
{
    char byte = 0;
    int fd = *(int *)env;
    CHECK_EQ(fdRead(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'h');
    CHECK_EQ(fdRead(fd, &byte, 1), -EBADF); /* closed under it */
    return NULL;
}

/* Goal: the highest number that the process may have is a number like any other. */
TEST(Numbers, theHighestIsLikeAnyOther)
{
    struct rlimit limit;
    Crowd crowd;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max > FD_MAX ? FD_MAX : limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int highest = (int)limit.rlim_cur - 1;
    crowdStart(&crowd, 2, 2);
    for (int round = 0; round < 4; round++) {
        int pair[2];
        bool adopted = round % 2 == 0;
        crowdPair(pair, false);
        CHECK_EQ(dup3(pair[0], highest, O_CLOEXEC), highest);
        CHECK_EQ(close(pair[0]), 0);
        if (adopted)
            CHECK_EQ(fdAdopt(highest), 0);
        Thread *thread = crowdFork(&crowd, useNumber, &highest, "highest");
        crowdAwaitState(thread, ThreadBlockedOnRead, highest);
        CHECK_EQ(fdWriteAll(pair[1], "h", 1), 1);
        while (recv(highest, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            crowdPause(100000); /* until it has been read */
        crowdAwaitState(thread, ThreadBlockedOnRead, highest);
        CHECK_EQ(closeFd(highest), 0);
        crowdJoin(&crowd);
        CHECK_EQ(close(pair[1]), 0);
    }
    CHECK_EQ(threadWaitReadUntil(highest, 0), -EBADF);
    crowdStop(&crowd);
}

/* Goal: a number beyond what tables hold is refused, clearly. */
TEST(Numbers, beyondTheTable)
{
    Watcher watcher;
    openManager();
    CHECK_EQ(park(&watcher, FD_MAX, 0, FdRead), -EMFILE);
    CHECK_EQ(
        registerFd(&manager, (FdCallback *)(uintptr_t)1, NULL, FD_MAX, EventRead, OneShot, NULL),
        -EMFILE);
    eventManagerClose(&manager);
}
