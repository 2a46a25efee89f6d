/* FdAwaitTest.c -- each row of the slot's state table on Mock, races made by its hook. */
#include "internal/Assert.h"
#include "iomgr/backend/Mock.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static EventManager manager;
static FakeClock fake;

static void openOn(const Backend *backend)
{
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, backend, fakeClockInit(&fake, 1000), NULL), 0);
}

static int park(Watcher *watcher, int fd, uint32_t kind, FdDirection direction)
{
    return watcherAwait(&manager, watcher, fd, kind, direction, 0, 1);
}

static uint32_t look(void)
{
    return eventManagerPoll(&manager, 0, NULL);
}

static bool sane(int fd)
{
    return fdSlotSane(fdTableFind(&manager.table, fd));
}

/* The kernel was asked for exactly this, last of all. */
static void checkLast(uint32_t count, MockOperation operation, WatchMode mode, uint32_t interest,
                      int result)
{
    CHECK_EQ(mockChangeCount(manager.state), count);
    CHECK_EQ(manager.stats.changes, count);
    MockChange last = mockChange(manager.state, count - 1);
    CHECK_EQ(last.operation, operation);
    CHECK_EQ(last.result, result);
    if (operation != MockRemove) {
        CHECK_EQ(last.mode, mode);
        CHECK_EQ(last.interest, interest);
    }
}

static const uint32_t both = EventRead | EventWrite;

TEST(FdAwait, adoptedIsAddedOnceForBothDirections)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    checkLast(1, MockAdd, WatchEdge, both, 0);
    uint32_t edges = eventManagerEdges(&manager, 5, FdWrite);
    CHECK_EQ(watcherAwait(&manager, &writer, 5, FdAdopted, FdWrite, edges, 1), 0);
    checkLast(1, MockAdd, WatchEdge, both, 0);
    CHECK(mockDeliverFd(manager.state, 5, EventWrite));
    CHECK_EQ(look(), 1);
    CHECK_EQ(writer.fired, 1);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 1);
    CHECK(sane(5));
    eventManagerClose(&manager);
}

TEST(FdAwait, adoptedWithoutEdgesIsOneShot)
{
    Watcher reader;
    openOn(&backendMockOneShot);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    checkLast(1, MockAdd, WatchOneShot, EventRead, 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead | EventPeerClosed));
    CHECK_EQ(look(), 1);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0); /* no sticky bit counts here */
    checkLast(2, MockModify, WatchOneShot, EventRead, 0);
    eventManagerClose(&manager);
}

TEST(FdAwait, oneShotCarriesTheOtherDirection)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, 0, FdRead), 0);
    checkLast(1, MockAdd, WatchOneShot, EventRead, 0);
    CHECK_EQ(park(&writer, 5, 0, FdWrite), 0);
    checkLast(2, MockModify, WatchOneShot, both, 0);
    CHECK(mockDeliverFd(manager.state, 5, EventWrite));
    CHECK_EQ(look(), 1);
    checkLast(3, MockModify, WatchOneShot, EventRead, 0);
    CHECK(mockIsArmed(manager.state, 5, EventRead));
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    CHECK_EQ(mockChangeCount(manager.state), 3);
    CHECK(!mockDeliverFd(manager.state, 5, EventRead)); /* silent until the next wait */
    CHECK_EQ(park(&reader, 5, 0, FdRead), 0);
    CHECK(eventManagerForget(&manager, 5, FdRead, &reader.node, NULL));
    CHECK_EQ(park(&writer, 5, 0, FdWrite), 0);
    checkLast(5, MockModify, WatchOneShot, EventWrite, 0); /* who gave up is not asked for */
    eventManagerClose(&manager);
}

TEST(FdAwait, rearmFindsTheFileGone)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, 0, FdRead), 0);
    CHECK_EQ(park(&writer, 5, 0, FdWrite), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventWrite));
    mockFail(manager.state, 5, -EBADF);
    CHECK_EQ(look(), 2);
    CHECK_EQ(writer.result, 0);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(reader.result, -EBADF);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    CHECK(sane(5));
    eventManagerClose(&manager);
}

TEST(FdAwait, rearmRefusedForAnotherReasonLosesNobody)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, 0, FdRead), 0);
    CHECK_EQ(park(&writer, 5, 0, FdWrite), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventWrite));
    mockFail(manager.state, 5, -ENOMEM);
    CHECK_EQ(look(), 2);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(reader.result, 0); /* it looks, and waits again */
    CHECK(sane(5));
    eventManagerClose(&manager);
}

TEST(FdAwait, errorsOfAddAreErrors)
{
    const int errors[] = {-EBADF, -ENOMEM, -ENOSPC, -ELOOP};
    Watcher waiter;
    openOn(&backendMock);
    for (int i = 0; i < 4; i++) {
        for (uint32_t kind = 0; kind <= FdAdopted; kind++) {
            mockFail(manager.state, 5, errors[i]);
            CHECK_EQ(park(&waiter, 5, kind, FdRead), errors[i]);
            CHECK(sane(5));
        }
    }
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    mockFail(manager.state, 5, -EPERM);
    CHECK_EQ(park(&waiter, 5, 0, FdRead), 1);
    CHECK_EQ(park(&waiter, 5, 0, FdRead), 0); /* not cached: the number may be a pipe by now */
    CHECK_EQ(waiter.fired, 0);
    eventManagerClose(&manager);
}

TEST(FdAwait, readyForEverUntilTheNumberIsFresh)
{
    Watcher waiter;
    openOn(&backendMock);
    mockFail(manager.state, 5, -EPERM);
    CHECK_EQ(park(&waiter, 5, FdAdopted, FdRead), 1);
    CHECK_EQ(park(&waiter, 5, FdAdopted, FdWrite), 1);
    CHECK_EQ(mockChangeCount(manager.state), 1);
    eventManagerFresh(&manager, 5, NULL);
    mockFail(manager.state, 5, -EPERM);
    CHECK_EQ(park(&waiter, 5, FdAdopted, FdWrite), 1);
    CHECK_EQ(eventManagerAdopt(&manager, 5, NULL), 0); /* whoever adopts it may have reopened it */
    CHECK_EQ(park(&waiter, 5, FdAdopted, FdWrite), 0);
    eventManagerClose(&manager);
}

TEST(FdAwait, aBareWaitThatWasReadyIsRemembered)
{
    Watcher reader;
    openOn(&backendMock);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, 0, 7), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    eventManagerWoken(&manager, 5, FdRead, 7);
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK_EQ(look(), 0);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, 0, 7), 1);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, 0, 7), 0); /* EAGAIN since */
    CHECK_EQ(mockChangeCount(manager.state), 1);
    eventManagerClose(&manager);
}

TEST(FdAwait, knownToTheKernelThoughNotToUs)
{
    Watcher reader, newer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    uint64_t cookie = mockCookie(manager.state, 5);
    eventManagerFresh(&manager, 5, NULL); /* no remove: it may be another file, or the same */
    CHECK_EQ(reader.result, -EBADF);
    CHECK_EQ(mockChangeCount(manager.state), 1);
    CHECK_EQ(park(&newer, 5, FdAdopted, FdRead), 0);
    checkLast(3, MockModify, WatchEdge, both, 0);
    CHECK_EQ(mockChange(manager.state, 1).result, -EEXIST);
    CHECK_EQ(mockCookie(manager.state, 5), cookie + (UINT64_C(1) << 32)); /* next generation */
    mockDeliver(manager.state, cookie, EventRead | EventHangUp | EventPeerClosed);
    CHECK_EQ(look(), 0);
    CHECK_EQ(newer.fired, 0);
    CHECK_EQ(manager.stats.stale, 1);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 1);
    uint32_t edges = eventManagerEdges(&manager, 5, FdRead);
    Watcher third;
    CHECK_EQ(watcherAwait(&manager, &third, 5, FdAdopted, FdRead, edges, 2), 0); /* no bit stuck */
    CHECK_EQ(mockChangeCount(manager.state), 3);
    eventManagerClose(&manager);
}

TEST(FdAwait, reusedNumberTellsOlderWaiters)
{
    Watcher reader, writer, newer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, 0, FdRead), 0);
    CHECK_EQ(park(&writer, 5, 0, FdWrite), 0);
    mockReplaceFile(manager.state, 5);
    CHECK_EQ(park(&newer, 5, 0, FdRead), 0);
    checkLast(4, MockAdd, WatchOneShot, EventRead, 0); /* the older writer is not asked for */
    CHECK_EQ(reader.result, -EBADF);
    CHECK_EQ(writer.result, -EBADF);
    CHECK_EQ(newer.fired, 0);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 1);
    CHECK(sane(5));
    eventManagerClose(&manager);
}

TEST(FdAwait, modifyRefusedByARegularFile)
{
    Watcher older, newer;
    openOn(&backendMock);
    CHECK_EQ(park(&older, 5, 0, FdRead), 0);
    mockFail(manager.state, 5, -EPERM); /* the number is a regular file now */
    CHECK_EQ(park(&newer, 5, 0, FdRead), 1);
    CHECK_EQ(older.result, -EBADF);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    eventManagerClose(&manager);
}

/* ---- races made by the hook: what happens between the kernel's look and the publication ---- */

static pthread_t rescuer;

static void *rescueOnce(void *arg)
{
    (void)arg;
    eventManagerRescue(&manager, NULL);
    return NULL;
}

/*
 * The event is taken at once, by another OS thread; it has counted the edge when this returns.
 * Once only: the taker arms a one-shot anew if it sees the waiter before he is refused.
 */
static void eventInside(void *context, const MockChange *change)
{
    mockOnChange(manager.state, NULL, NULL);
    uint32_t edges = eventManagerEdges(&manager, change->fd, FdRead);
    mockDeliver(manager.state, change->cookie, *(uint32_t *)context);
    CHECK_EQ(pthread_create(&rescuer, NULL, rescueOnce, NULL), 0);
    while (eventManagerEdges(&manager, change->fd, FdRead) == edges)
        sched_yield();
}

TEST(FdAwait, anEventBeforeThePublicationIsNotLost)
{
    uint32_t events = EventRead;
    for (uint32_t kind = 0; kind <= FdAdopted; kind++) {
        Watcher reader;
        openOn(&backendMock);
        mockOnChange(manager.state, eventInside, &events);
        CHECK_EQ(park(&reader, 5, kind, FdRead), 1);
        CHECK_EQ(pthread_join(rescuer, NULL), 0);
        CHECK_EQ(reader.fired, 0);
        CHECK(!watchListHasWatchers(&fdTableFind(&manager.table, 5)->waiters[FdRead]));
        eventManagerClose(&manager);
    }
}

TEST(FdAwait, thePeersEndInsideTheAddIsRemembered)
{
    uint32_t events = EventRead | EventPeerClosed;
    Watcher reader;
    openOn(&backendMock);
    mockOnChange(manager.state, eventInside, &events);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 1);
    CHECK_EQ(pthread_join(rescuer, NULL), 0);
    mockOnChange(manager.state, NULL, NULL);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, 0, 2), 1);
    CHECK_EQ(mockChangeCount(manager.state), 1);
    eventManagerClose(&manager);
}

/* Goal: who has tried in vain is not told of the end: See Note [Fd slot's end]. */
TEST(FdAwait, thePeersEndIsDoubted)
{
    Watcher reader;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead | EventPeerClosed));
    CHECK_EQ(look(), 1);
    uint32_t edges = eventManagerEdges(&manager, 5, FdRead);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, edges, 1), 0);
    checkLast(2, MockModify, WatchEdge, both, 0); /* the kernel looks again, and finds no end */
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    CHECK_EQ(eventManagerEdges(&manager, 5, FdRead), edges + 1);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, edges + 1, 1), 0);
    CHECK_EQ(mockChangeCount(manager.state), 2); /* no bit stuck */
    eventManagerClose(&manager);
}

static struct {
    Watcher reader;
    bool begun;
} flux;

static void readerFiresInside(void *context, const MockChange *change)
{
    (void)context;
    if (flux.begun || change->operation != MockModify)
        return;
    flux.begun = true;
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK_EQ(pthread_create(&rescuer, NULL, rescueOnce, NULL), 0);
    while (ACQUIRE_LOAD(&flux.reader.fired) == 0)
        sched_yield();
    for (int i = 0; i < 100; i++) /* let it look for a writer before there is one */
        sched_yield();
}

/* See Note [One-shot in flux]. */
TEST(FdAwait, aWriterArmsWhileTheReadersEventIsTaken)
{
    for (int round = 0; round < 50; round++) {
        Watcher writer;
        openOn(&backendMock);
        flux.begun = false;
        mockOnChange(manager.state, readerFiresInside, NULL);
        CHECK_EQ(park(&flux.reader, 5, round % 2 ? FdAdopted : 0, FdRead), 0);
        CHECK_EQ(park(&writer, 5, 0, FdWrite), 0);
        CHECK_EQ(pthread_join(rescuer, NULL), 0);
        CHECK(mockIsArmed(manager.state, 5, EventWrite));
        CHECK(mockDeliverFd(manager.state, 5, EventWrite));
        CHECK_EQ(look(), 1);
        eventManagerClose(&manager);
    }
}

/* ---- adopted ---- */

TEST(FdAwait, suspectAsksOncePerHangUp)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead | EventWrite | EventHangUp));
    CHECK_EQ(look(), 1);
    uint32_t edges = eventManagerEdges(&manager, 5, FdRead);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, edges - 1, 1), 1);
    CHECK_EQ(mockChangeCount(manager.state), 1);
    CHECK_EQ(watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, edges, 1), 0);
    checkLast(2, MockModify, WatchEdge, both, 0); /* does it still hold?  The mock says no */
    edges = eventManagerEdges(&manager, 5, FdWrite);
    CHECK_EQ(watcherAwait(&manager, &writer, 5, FdAdopted, FdWrite, edges, 1), 0);
    CHECK_EQ(mockChangeCount(manager.state), 2);
    eventManagerClose(&manager);
}

TEST(FdAwait, adoptingAFdWithWaiters)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(eventManagerAdopt(&manager, 5, NULL), 0);
    CHECK_EQ(mockChangeCount(manager.state), 0); /* only a mark */
    CHECK_EQ(park(&reader, 5, 0, FdRead), 0);
    CHECK_EQ(eventManagerAdopt(&manager, 5, NULL), 0);
    checkLast(2, MockModify, WatchEdge, both, 0);
    CHECK_EQ(park(&writer, 5, FdAdopted, FdWrite), 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK(mockDeliverFd(manager.state, 5, EventWrite));
    CHECK_EQ(look(), 2);
    CHECK_EQ(reader.fired + writer.fired, 2);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 1);
    CHECK(sane(5));
    eventManagerClose(&manager);
}

TEST(FdAwait, backToUnadopted)
{
    Watcher reader, writer;
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    CHECK_EQ(park(&writer, 5, 0, FdWrite), 0); /* a mark was lost above: still nobody is lost */
    checkLast(2, MockModify, WatchOneShot, both, 0);
    CHECK(mockDeliverFd(manager.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    CHECK(mockDeliverFd(manager.state, 5, EventWrite));
    CHECK_EQ(look(), 1);
    CHECK(sane(5));
    eventManagerClose(&manager);
}

TEST(FdAwait, closingRemovesAndTells)
{
    Watcher reader, writer;
    openOn(&backendMock);
    eventManagerClosingFd(&manager, 5, NULL);
    CHECK_EQ(mockChangeCount(manager.state), 0); /* never heard of */
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    uint32_t edges = eventManagerEdges(&manager, 5, FdRead);
    CHECK(mockDeliverFd(manager.state, 5, EventRead)); /* on its way while we close */
    eventManagerClosingFd(&manager, 5, NULL);
    checkLast(2, MockRemove, WatchEdge, 0, 0);
    CHECK_EQ(reader.result, -EBADF);
    CHECK_EQ(look(), 0);
    CHECK_EQ(manager.stats.stale, 1);
    eventManagerClosedFd(&manager, 5, NULL); /* nobody waits: nothing to ask */
    CHECK_EQ(mockChangeCount(manager.state), 2);
    CHECK(!eventManagerForget(&manager, 5, FdRead, &reader.node, NULL));
    CHECK_EQ(park(&writer, 5, FdAdopted, FdWrite), 0);
    CHECK_NE(eventManagerEdges(&manager, 5, FdRead), edges);
    mockFail(manager.state, 5, -EBADF);
    eventManagerClosedFd(&manager, 5, NULL);
    CHECK_EQ(writer.fired, 1);
    CHECK_EQ(writer.result, FD_LOOK_AGAIN);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    eventManagerClose(&manager);
}

#ifdef CAPRI_ASSERTIONS
static void closeAdoptedBehindOurBack(void *arg)
{
    Watcher reader;
    (void)arg;
    RELAXED_STORE(&event_manager_verify, true);
    openOn(&backendMock);
    CHECK_EQ(park(&reader, 5, FdAdopted, FdRead), 0);
    mockReplaceFile(manager.state, 5);
    uint32_t edges = eventManagerEdges(&manager, 5, FdRead);
    watcherAwait(&manager, &reader, 5, FdAdopted, FdRead, edges, 1);
}

TEST(FdAwait, verifyStopsOnAnAdoptedFdClosedByPlainClose)
{
    char output[1000];
    int status = testChild(closeAdoptedBehindOurBack, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK(strstr(output, "fd 5 was adopted") != NULL);
}
#endif
