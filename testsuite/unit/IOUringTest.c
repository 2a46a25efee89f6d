/* IOUringTest.c -- what the io_uring back-end makes of the kernel's words.
 *
 * Where the kernel has no rings for us everything here is skipped: the back-end is not used either.
 * Valgrind takes io_uring_enter for a call that does not block: no signal gets through.
 *
 * not-under: valgrind
 */
#include "testsuite/support/IoFixture.h"

#ifdef CAPRI_URING

#include "iomgr/backend/IOUring.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

static BackendState *state;
static int wake_fd;
static EventRecord records[8];
static const uint32_t both = EventRead | EventWrite;

#define NEEDS_RINGS()                                                                              \
    if (ringsRefused())                                                                            \
    SKIP("no io_uring here")

static void openState(void)
{
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(backendIOUring.open(&state, wake_fd, NULL), 0);
}

static void closeState(void)
{
    backendIOUring.close(state);
    close(wake_fd);
}

static int look(void)
{
    return backendIOUring.poll(state, 0, records, 8);
}

static uint32_t lookOnce(uint64_t cookie)
{
    CHECK_EQ(look(), 1);
    CHECK_EQ(records[0].cookie, cookie);
    return records[0].events;
}

static int add(int fd, uint32_t interest, uint64_t cookie)
{
    return backendIOUring.add(state, fd, WatchOneShot, interest, cookie);
}

static int modify(int fd, uint32_t interest, uint64_t cookie)
{
    return backendIOUring.modify(state, fd, WatchOneShot, interest, cookie);
}

static int addEdge(int fd, uint64_t cookie)
{
    return backendIOUring.add(state, fd, WatchEdge, both, cookie);
}

static uint64_t calls(void)
{
    return backendIOUring.calls(state);
}

/* Nothing is under way but the wake fd's request. */
static bool isIdle(void)
{
    while (look() != 0)
        continue;
    return state->in_flight == 1;
}

TEST(IOUring, answersOfChanges)
{
    NEEDS_RINGS();
    int ends[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    openState();
    pipeOpen(ends);
    FILE *file = tmpfile();
    CHECK_EQ(backendIOUring.modify(state, ends[0], WatchEdge, both, 1), -ENOENT);
    CHECK_EQ(backendIOUring.remove(state, ends[0]), -ENOENT);
    CHECK_EQ(addEdge(ends[0], 1), 0);
    CHECK_EQ(addEdge(ends[0], 1), -EEXIST);
    CHECK_EQ(addEdge(fileno(file), 1), -EPERM);
    CHECK_EQ(addEdge(null, 1), -EPERM);
    CHECK_EQ(addEdge(999, 1), -EBADF);
    CHECK_EQ(addEdge(-1, 1), -EBADF);
    CHECK_EQ(addEdge(1 << REQUEST_FD_BITS, 1), -EMFILE);
    CHECK_EQ(backendIOUring.modify(state, 999, WatchEdge, both, 1), -EBADF);
    CHECK_EQ(backendIOUring.remove(state, 1 << REQUEST_FD_BITS), -ENOENT);
    CHECK_EQ(backendIOUring.remove(state, ends[0]), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    errno = 4711;
    CHECK_EQ(addEdge(999, 1), -EBADF);
    CHECK_EQ(backendIOUring.remove(state, ends[0]), -ENOENT);
    CHECK_EQ(errno, 4711);
    CHECK(isIdle());
    fclose(file);
    close(null);
    pairClose(ends);
    closeState();
}

TEST(IOUring, edgesAreReportedOnceAndLookedForAgain)
{
    NEEDS_RINGS();
    int ends[2];
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(addEdge(ends[0], 77), 0);
    CHECK_EQ(lookOnce(77), EventRead);
    CHECK_EQ(look(), 0);
    CHECK_EQ(backendIOUring.modify(state, ends[0], WatchEdge, both, 78), 0);
    CHECK_EQ(lookOnce(78), EventRead); /* a change is also a look */
    CHECK_EQ(state->in_flight, 2);     /* the older request is over */
    byteSend(ends[1]);
    CHECK_EQ(lookOnce(78), EventRead);
    CHECK_EQ(look(), 0);
    pairClose(ends);
    closeState();
}

TEST(IOUring, oneShotFallsSilent)
{
    NEEDS_RINGS();
    int ends[2];
    openState();
    socketPairOpen(ends);
    CHECK_EQ(add(ends[0], EventRead, 1), 0);
    CHECK_EQ(look(), 0); /* writable, but nobody asked */
    byteSend(ends[1]);
    CHECK_EQ(lookOnce(1) & both, EventRead);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    CHECK_EQ(modify(ends[0], EventWrite, 2), 0);
    CHECK_EQ(lookOnce(2), EventWrite);
    CHECK_EQ(look(), 0);
    close(ends[1]); /* not even a hang-up */
    CHECK_EQ(look(), 0);
    CHECK_EQ(modify(ends[0], EventRead, 3), 0);
    CHECK_EQ(lookOnce(3), both | EventPeerClosed | EventHangUp);
    CHECK(isIdle());
    close(ends[0]);
    closeState();
}

TEST(IOUring, namesOfEvents)
{
    NEEDS_RINGS();
    int ends[2];
    openState();
    socketPairOpen(ends);
    CHECK_EQ(addEdge(ends[0], 5), 0);
    CHECK_EQ(lookOnce(5), EventWrite);
    CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(lookOnce(5), both | EventPeerClosed);
    close(ends[1]);
    CHECK_EQ(lookOnce(5) & (both | EventHangUp), both | EventHangUp);
    close(ends[0]);
    pipeOpen(ends);
    CHECK_EQ(addEdge(ends[1], 6), 0);
    CHECK_EQ(lookOnce(6), EventWrite);
    close(ends[0]);
    CHECK_EQ(lookOnce(6), both | EventError);
    close(ends[1]);
    closeState();
}

/* The kernel tells such a writer of the peer's end, which he did not ask for, each time. */
TEST(IOUring, aHalfClosedWriterIsSilent)
{
    NEEDS_RINGS();
    int ends[2];
    openState();
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(add(ends[0], EventWrite, 1), 0);
    for (int i = 0; i < 4; i++) /* the one-shot's completion, the multishot's first, then peace */
        CHECK_EQ(look(), 0);
    uint64_t before = calls();
    for (int i = 0; i < 10; i++)
        CHECK_EQ(look(), 0);
    CHECK_EQ(calls(), before);
    fdEmpty(ends[1]);
    CHECK_EQ(lookOnce(1) & EventWrite, EventWrite);
    CHECK_EQ(look(), 0);
    CHECK(isIdle());
    pairClose(ends);
    closeState();
}

TEST(IOUring, aNumberThatIsAnotherFile)
{
    NEEDS_RINGS();
    int first[2], second[2];
    openState();
    pipeOpen(first);
    CHECK_EQ(add(first[0], EventRead, 1), 0);
    CHECK_EQ(look(), 0); /* in the kernel, which keeps the file open */
    pairClose(first);
    CHECK_EQ(modify(first[0], EventRead, 1), -EBADF);
    CHECK(isIdle());
    pipeOpen(second);
    CHECK_EQ(second[0], first[0]);
    CHECK_EQ(add(second[0], EventRead, 2), 0);
    CHECK_EQ(look(), 0);
    pairClose(second);
    pipeOpen(first);
    CHECK_EQ(modify(first[0], EventRead, 3), -ENOENT);
    CHECK_EQ(add(first[0], EventRead, 4), 0);
    CHECK_EQ(look(), 0);
    pairClose(first);
    pipeOpen(second);
    CHECK_EQ(add(second[0], EventRead, 5), 0);
    byteSend(second[1]);
    CHECK_EQ(lookOnce(5), EventRead);
    CHECK(isIdle());
    pairClose(second);
    closeState();
}

/* What is removed, or was watched by a state that is closed, does not stay open. */
TEST(IOUring, removingLetsGoOfTheFile)
{
    NEEDS_RINGS();
    int ends[2];
    openState();
    signal(SIGPIPE, SIG_IGN);
    for (int edge = 0; edge < 2; edge++) {
        pipeOpen(ends);
        CHECK_EQ(edge ? addEdge(ends[0], 1) : add(ends[0], EventRead, 1), 0);
        CHECK_EQ(look(), 0);
        CHECK_EQ(backendIOUring.remove(state, ends[0]), 0);
        close(ends[0]);
        CHECK_EQ(write(ends[1], "x", 1), -1);
        CHECK_EQ(errno, EPIPE);
        close(ends[1]);
        CHECK(isIdle());
    }
    pipeOpen(ends);
    CHECK_EQ(addEdge(ends[0], 1), 0);
    CHECK_EQ(look(), 0);
    closeState();
    close(ends[0]);
    CHECK_EQ(write(ends[1], "x", 1), -1);
    CHECK_EQ(errno, EPIPE);
    close(ends[1]);
}

TEST(IOUring, theWakeFdStaysReadable)
{
    NEEDS_RINGS();
    const uint64_t one = 1;
    uint64_t count;
    openState();
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(lookOnce(BACKEND_WAKE_COOKIE) & EventRead, EventRead);
        CHECK_EQ(read(wake_fd, &count, sizeof count), (ssize_t)sizeof count);
        CHECK_EQ(look(), 0);
    }
    closeState();
}

/* Somebody sleeps over the ring while another one looks and sees what is meant for the sleeper. */
TEST(IOUring, aLookLeavesTheWakeToTheSleeper)
{
    NEEDS_RINGS();
    const uint64_t one = 1;
    openState();
    struct pollfd ring = {.fd = backendIOUring.pollable(state), .events = POLLIN};
    backendIOUring.doze(state, true);
    CHECK_EQ(poll(&ring, 1, 0), 0);
    CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
    CHECK_EQ(poll(&ring, 1, 0), 1);
    CHECK_EQ(lookOnce(BACKEND_WAKE_COOKIE), EventRead);
    CHECK_EQ(poll(&ring, 1, 0), 1);
    backendIOUring.doze(state, false);
    CHECK_EQ(lookOnce(BACKEND_WAKE_COOKIE), EventRead);
    closeState();
}

TEST(IOUring, theRestStaysForTheNextPoll)
{
    NEEDS_RINGS();
    int ends[12][2];
    bool seen[12] = {false};
    openState();
    for (int i = 0; i < 12; i++) {
        pipeOpen(ends[i]);
        byteSend(ends[i][1]);
        CHECK_EQ(addEdge(ends[i][0], (uint64_t)i), 0);
    }
    for (int total = 0; total < 12;) {
        int count = look();
        CHECK_GT(count, 0);
        CHECK_LE(count, 8);
        for (int i = 0; i < count; i++) {
            CHECK(!seen[records[i].cookie]);
            seen[records[i].cookie] = true;
        }
        total += count;
    }
    CHECK_EQ(look(), 0);
    for (int i = 0; i < 12; i++)
        pairClose(ends[i]);
    closeState();
}

/* ---- time and signals ---------------------------------------------------------------------- */

TEST(IOUring, neverEarly)
{
    NEEDS_RINGS();
    const int64_t delays_ns[] = {1, 1000, 100000, 999999, 1000001};
    const uint64_t one = 1;
    openState();
    look();
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        int64_t before = clockRead(&clockMonotonic);
        CHECK_EQ(backendIOUring.poll(state, delays_ns[i], records, 8), 0);
        CHECK_GE(clockRead(&clockMonotonic), before + delays_ns[i]);
    }
    CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
    CHECK_EQ(backendIOUring.poll(state, INT64_MAX, records, 8), 1);
    closeState();
}

static void hearSignal(int number)
{
    (void)number;
}

TEST(IOUring, aSignalEndsTheWaitWithNothing)
{
    NEEDS_RINGS();
    struct sigaction action = {.sa_handler = hearSignal};
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    openState();
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    errno = 4711;
    CHECK_EQ(backendIOUring.poll(state, -1, records, 8), 0);
    CHECK_EQ(errno, 4711);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    closeState();
}

/* A signal every 100 us: nothing is lost. */
TEST(IOUring, aStormOfSignals)
{
    NEEDS_RINGS();
    enum { ROUNDS = 500 };
    struct sigaction action = {.sa_handler = hearSignal};
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    int ends[2];
    openState();
    pipeOpen(ends);
    CHECK_EQ(add(ends[0], EventRead, 0), 0);
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        int count = 0;
        byteSend(ends[1]);
        while (count == 0)
            count = backendIOUring.poll(state, -1, records, 8);
        CHECK_EQ(count, 1);
        CHECK_EQ(records[0].cookie, round);
        CHECK_EQ(fdEmpty(ends[0]), 1);
        CHECK_EQ(modify(ends[0], EventRead, round + 1), 0);
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    pairClose(ends);
    closeState();
}

TEST(IOUring, itsFdPollsReadable)
{
    NEEDS_RINGS();
    int ends[2];
    struct epoll_event event = {.events = EPOLLIN};
    openState();
    int fd = backendIOUring.pollable(state);
    CHECK_GE(fd, 0);
    CHECK_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    int outer = epoll_create1(EPOLL_CLOEXEC);
    CHECK_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_EQ(epoll_wait(outer, &event, 1, 0), 0);
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(addEdge(ends[0], 1), 0);
    CHECK_EQ(backendIOUring.pollable(state), fd); /* now the change is in effect */
    CHECK_EQ(epoll_wait(outer, &event, 1, 0), 1);
    CHECK_EQ(lookOnce(1), EventRead);
    CHECK_EQ(epoll_wait(outer, &event, 1, 0), 0);
    backendIOUring.doze(state, true); /* now they are at once */
    CHECK_EQ(backendIOUring.modify(state, ends[0], WatchEdge, both, 2), 0);
    CHECK_EQ(epoll_wait(outer, &event, 1, 0), 1);
    backendIOUring.doze(state, false);
    CHECK_EQ(lookOnce(2), EventRead);
    close(outer);
    pairClose(ends);
    closeState();
}

/* ---- system calls -------------------------------------------------------------------------- */

enum { PIPES = 40, ROUNDS = 25 };

/* A warm round on every pipe: written, seen by looks of 64 at most, emptied. */
static uint64_t countCalls(const Backend *backend)
{
    static EventManager manager;
    static Watcher watchers[PIPES];
    static int ends[PIPES][2];
    CHECK_EQ(eventManagerOpen(&manager, backend, NULL, NULL), 0);
    CHECK_EQ(manager.backend, backend);
    for (int i = 0; i < PIPES; i++) {
        pipeOpen(ends[i]);
        CHECK_EQ(watcherAwait(&manager, &watchers[i], ends[i][0], FdAdopted, FdRead, 0, 1), 0);
    }
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 0);
    uint64_t before = eventManagerCalls(&manager);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PIPES; i++)
            byteSend(ends[i][1]);
        CHECK_EQ(eventManagerPoll(&manager, 0, NULL), PIPES);
        for (int i = 0; i < PIPES; i++) {
            uint32_t edges = eventManagerEdges(&manager, ends[i][0], FdRead);
            CHECK_EQ(fdEmpty(ends[i][0]), 1);
            CHECK_EQ(watcherAwait(&manager, &watchers[i], ends[i][0], FdAdopted, FdRead, edges, 1),
                     0);
        }
        CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 0); /* looked, and found nothing */
    }
    uint64_t made = eventManagerCalls(&manager) - before;
    for (int i = 0; i < PIPES; i++)
        pairClose(ends[i]);
    eventManagerClose(&manager);
    return made;
}

TEST(IOUring, warmRoundsNeedNoSystemCall)
{
    NEEDS_RINGS();
    ownerGateStart();
    CHECK_EQ(countCalls(&backendEPoll), 2 * ROUNDS); /* an epoll_wait for each look */
    CHECK_EQ(countCalls(&backendIOUring), 0);
}

TEST(IOUring, changesAreBatched)
{
    NEEDS_RINGS();
    int ends[PIPES][2];
    openState();
    look();
    uint64_t enters = state->ring.enters, before = calls();
    for (int i = 0; i < PIPES; i++) {
        pipeOpen(ends[i]);
        CHECK_EQ(add(ends[i][0], EventRead, 1), 0);
    }
    CHECK_EQ(calls() - before, PIPES); /* whose number is it? */
    CHECK_EQ(look(), 0);
    CHECK_EQ(look(), 0);
    CHECK_EQ(state->ring.enters - enters, 1);
    for (int i = 0; i < PIPES; i++)
        CHECK_EQ(modify(ends[i][0], EventRead, 2), 0); /* two submissions each */
    CHECK_EQ(look(), 0);
    CHECK_EQ(state->ring.enters - enters, 2);
    CHECK_EQ(state->in_flight, PIPES + 1);
    for (int i = 0; i < PIPES; i++)
        pairClose(ends[i]);
    closeState();
}

#else

TEST(IOUring, isBuiltWithoutLiburing)
{
    SKIP("no liburing: its name stands for epoll");
}

#endif
