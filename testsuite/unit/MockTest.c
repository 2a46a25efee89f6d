/* MockTest.c -- the back-end that obeys a script does what the script says. */
#include "iomgr/backend/Mock.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sys/eventfd.h>

static BackendState *state;
static int wake_fd;
static EventRecord records[8];

static void openState(const Backend *backend)
{
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(backend->open(&state, wake_fd, NULL), 0);
}

static void closeState(void)
{
    backendMock.close(state);
    close(wake_fd);
}

TEST(Mock, remembersWhatWasAsked)
{
    openState(&backendMock);
    CHECK(backendMock.edges);
    CHECK(!backendMockOneShot.edges);
    CHECK_EQ(backendMock.modify(state, 5, WatchOneShot, EventRead, 1), -ENOENT);
    CHECK_EQ(backendMock.add(state, 5, WatchEdge, EventRead | EventWrite, 2), 0);
    CHECK_EQ(backendMock.add(state, 5, WatchEdge, EventRead, 3), -EEXIST);
    CHECK_EQ(backendMock.modify(state, 5, WatchOneShot, EventRead, 4), 0);
    CHECK_EQ(mockCookie(state, 5), 4);
    CHECK_EQ(backendMock.remove(state, 5), 0);
    CHECK_EQ(backendMock.remove(state, 5), -ENOENT);
    CHECK_EQ(mockCookie(state, 5), 0);
    CHECK_EQ(backendMock.add(state, -1, WatchEdge, EventRead, 3), -EBADF);
    CHECK_EQ(mockChangeCount(state), 7);
    MockChange third = mockChange(state, 2);
    CHECK_EQ(third.operation, MockAdd);
    CHECK_EQ(third.result, -EEXIST);
    CHECK_EQ(third.cookie, 3);
    mockForget(state);
    CHECK_EQ(mockChangeCount(state), 0);
    closeState();
}

TEST(Mock, failsInTheOrderOfTheScript)
{
    openState(&backendMock);
    mockFail(state, 5, -ENOMEM);
    mockFail(state, 6, -EPERM);
    mockFail(state, 5, -EBADF);
    CHECK_EQ(backendMock.add(state, 5, WatchEdge, EventRead, 1), -ENOMEM);
    CHECK_EQ(backendMock.add(state, 5, WatchEdge, EventRead, 1), -EBADF);
    CHECK_EQ(backendMock.add(state, 5, WatchEdge, EventRead, 1), 0);
    CHECK_EQ(backendMock.add(state, 6, WatchEdge, EventRead, 1), -EPERM);
    mockReplaceFile(state, 5);
    CHECK_EQ(backendMock.modify(state, 5, WatchEdge, EventRead, 1), -ENOENT);
    closeState();
}

TEST(Mock, deliversInOrderAndDisarmsOneShots)
{
    openState(&backendMock);
    CHECK_EQ(backendMock.add(state, 5, WatchOneShot, EventRead, 51), 0);
    CHECK_EQ(backendMock.add(state, 6, WatchEdge, EventRead | EventWrite, 61), 0);
    CHECK(!mockDeliverFd(state, 7, EventRead));
    CHECK(!mockDeliverFd(state, 5, EventWrite)); /* nobody asked for it */
    CHECK(mockDeliverFd(state, 5, EventRead));
    CHECK(mockDeliverFd(state, 6, EventWrite));
    mockDeliver(state, 99, EventError);
    CHECK_EQ(backendMock.poll(state, 0, records, 2), 2);
    CHECK_EQ(records[0].cookie, 51);
    CHECK_EQ(records[0].events, EventRead);
    CHECK_EQ(records[1].cookie, 61);
    CHECK_EQ(backendMock.poll(state, -1, records, 8), 1);
    CHECK_EQ(records[0].cookie, 99);
    CHECK(!mockIsArmed(state, 5, EventRead));
    CHECK(mockIsArmed(state, 6, EventRead));
    CHECK(!mockDeliverFd(state, 5, EventRead | EventHangUp));
    CHECK_EQ(backendMock.modify(state, 5, WatchOneShot, EventWrite, 52), 0);
    CHECK(mockDeliverFd(state, 5, EventHangUp));
    mockLimit(state, 1);
    CHECK(mockDeliverFd(state, 6, EventRead));
    CHECK_EQ(backendMock.poll(state, 0, records, 8), 1);
    CHECK_EQ(backendMock.poll(state, 0, records, 8), 1);
    CHECK_EQ(backendMock.poll(state, 0, records, 8), 0);
    closeState();
}

static int64_t slept_ns;

static void noteSleep(void *context, int64_t timeout_ns)
{
    slept_ns = timeout_ns;
    if (context != NULL)
        mockDeliver(state, 1, EventRead);
}

TEST(Mock, asksTheHookInsteadOfSleeping)
{
    openState(&backendMock);
    mockOnSleep(state, noteSleep, NULL);
    CHECK_EQ(backendMock.poll(state, INT64_C(3600000000000), records, 8), 0);
    CHECK_EQ(slept_ns, INT64_C(3600000000000));
    slept_ns = 0;
    CHECK_EQ(backendMock.poll(state, 0, records, 8), 0);
    CHECK_EQ(slept_ns, 0);
    mockOnSleep(state, noteSleep, state);
    CHECK_EQ(backendMock.poll(state, -1, records, 8), 1);
    CHECK_EQ(slept_ns, -1);
    closeState();
}

static void *deliverElsewhere(void *arg)
{
    const uint64_t one = 1;
    if (arg == NULL)
        mockDeliver(state, 7, EventRead);
    else
        CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
    return NULL;
}

TEST(Mock, sleepsForRealUntilDeliveryOrWake)
{
    pthread_t thread;
    openState(&backendMock);
    CHECK_EQ(pthread_create(&thread, NULL, deliverElsewhere, NULL), 0);
    CHECK_EQ(backendMock.poll(state, -1, records, 8), 1);
    CHECK_EQ(records[0].cookie, 7);
    pthread_join(thread, NULL);
    CHECK_EQ(pthread_create(&thread, NULL, deliverElsewhere, &wake_fd), 0);
    CHECK_EQ(backendMock.poll(state, -1, records, 8), 1);
    CHECK_EQ(records[0].cookie, BACKEND_WAKE_COOKIE);
    pthread_join(thread, NULL);
    closeState();
}
