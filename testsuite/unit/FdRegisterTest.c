/* FdRegisterTest.c -- what the kernel is told for registrations, and what happens when it refuses:
 * on Mock, races made by its hook. */
#include "iomgr/backend/Mock.h"
#include "testsuite/support/Caller.h"

#include <pthread.h>

static EventManager on;

static const uint32_t both = EventRead | EventWrite;

static void openOn(bool alone)
{
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&on, &backendMock, NULL, NULL), 0);
    on.exclusive = alone; /* as eventManagerNew makes it */
}

static uint32_t look(void)
{
    uint32_t fired = eventManagerPoll(&on, 0, NULL);
    CHECK(registrationsSane(&on, 5));
    return fired;
}

static int reg(Caller *caller, uint32_t events, Lifetime lifetime)
{
    int result = callerRegister(&on, caller, 5, events, lifetime);
    CHECK(registrationsSane(&on, 5));
    return result;
}

/* The kernel was asked for exactly this, last of all. */
static void checkLast(uint32_t count, MockOperation operation, WatchMode mode, uint32_t interest)
{
    CHECK_EQ(mockChangeCount(on.state), count);
    MockChange last = mockChange(on.state, count - 1);
    CHECK_EQ(last.operation, operation);
    CHECK_EQ(last.fd, 5);
    if (operation != MockRemove) {
        CHECK_EQ(last.mode, mode);
        CHECK_EQ(last.interest, interest);
    }
}

/* ---- the arming rule ------------------------------------------------------------------------- */

TEST(FdRegister, oneShotsAreArmedForTheirUnion)
{
    Caller reader = {0}, writer = {0}, second = {0};
    for (int alone = 0; alone <= 1; alone++) {
        openOn(alone != 0);
        memset(&reader, 0, sizeof reader);
        memset(&writer, 0, sizeof writer);
        CHECK_EQ(reg(&reader, EventRead, OneShot), 0);
        checkLast(1, MockAdd, WatchOneShot, EventRead);
        CHECK_EQ(reg(&writer, EventWrite, OneShot), 0);
        checkLast(2, MockModify, WatchOneShot, both);
        CHECK_EQ(reg(&second, EventRead, OneShot), 0);
        CHECK_EQ(mockChangeCount(on.state), 2);
        CHECK(mockDeliverFd(on.state, 5, EventWrite));
        CHECK_EQ(look(), 1);
        CHECK_EQ(writer.calls, 1);
        checkLast(3, MockModify, WatchOneShot, EventRead); /* for those it did not concern */
        CHECK_EQ(unregisterFd(&on, second.key), 1);
        CHECK_EQ(mockChangeCount(on.state), 3); /* the union is what it was */
        CHECK(mockDeliverFd(on.state, 5, EventRead));
        CHECK_EQ(look(), 1);
        CHECK_EQ(reader.calls, 1);
        CHECK_EQ(mockChangeCount(on.state), 3); /* used up, nobody left */
        eventManagerClose(&on);
    }
}

TEST(FdRegister, aloneAMultiShotIsLevel)
{
    Caller always = {0}, once = {0}, writer = {0};
    openOn(true);
    CHECK_EQ(reg(&once, EventRead, OneShot), 0);
    checkLast(1, MockAdd, WatchOneShot, EventRead);
    CHECK_EQ(reg(&always, EventRead, MultiShot), 0);
    checkLast(2, MockModify, WatchLevel, EventRead);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    CHECK_EQ(look(), 2);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    CHECK_EQ(mockChangeCount(on.state), 2);
    CHECK_EQ(reg(&writer, EventWrite, OneShot), 0);
    checkLast(3, MockModify, WatchLevel, both);
    CHECK(mockDeliverFd(on.state, 5, EventWrite));
    CHECK_EQ(look(), 1);
    checkLast(4, MockModify, WatchLevel, EventRead); /* or the write event would come for ever */
    CHECK_EQ(reg(&writer, EventWrite, OneShot), 0);
    CHECK_EQ(unregisterFd(&on, always.key), 1);
    checkLast(6, MockModify, WatchOneShot, EventWrite); /* all that is left is OneShot */
    CHECK_EQ(unregisterFd(&on, writer.key), 1);
    checkLast(7, MockRemove, WatchOneShot, 0);
    CHECK_EQ(on.fds, 0);
    CHECK_EQ(always.calls, 2);
    eventManagerClose(&on);
}

TEST(FdRegister, sharedAMultiShotIsArmedAgainAfterItsCall)
{
    Caller always = {0};
    openOn(false);
    CHECK_EQ(reg(&always, EventRead, MultiShot), 0);
    checkLast(1, MockAdd, WatchOneShot, EventRead);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    checkLast(2, MockModify, WatchOneShot, EventRead);
    CHECK_EQ(unregisterFd(&on, always.key), 1);
    checkLast(3, MockRemove, WatchOneShot, 0);
    eventManagerClose(&on);
}

/* ---- refusals -------------------------------------------------------------------------------- */

TEST(FdRegister, errorsOfAddAreReported)
{
    const int errors[] = {-EBADF, -ENOMEM, -ENOSPC, -ELOOP};
    Caller caller = {0};
    openOn(true);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        mockFail(on.state, 5, errors[i]);
        CHECK_EQ(reg(&caller, EventRead, MultiShot), errors[i]);
        CHECK_EQ(unregisterFd(&on, caller.key), 0);
        CHECK_EQ(on.registered, 0);
    }
    CHECK_EQ(caller.calls + caller.closes, 0);
    mockFail(on.state, 5, -EPERM);
    CHECK_EQ(reg(&caller, EventRead, MultiShot), 1);
    CHECK_EQ(caller.calls, 1);
    CHECK_EQ(on.registered, 0);
    CHECK_EQ(reg(&caller, EventRead, MultiShot), 0);
    CHECK_EQ(unregisterFd(&on, caller.key), 1);
    eventManagerClose(&on);
}

TEST(FdRegister, aRefusedSecondLeavesTheFirst)
{
    Caller first = {0}, second = {0};
    openOn(true);
    CHECK_EQ(reg(&first, EventRead, MultiShot), 0);
    mockFail(on.state, 5, -ENOMEM);
    CHECK_EQ(reg(&second, EventWrite, MultiShot), -ENOMEM);
    CHECK_EQ(on.registered, 1);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    CHECK_EQ(look(), 1);
    CHECK_EQ(first.calls, 1);
    CHECK_EQ(second.calls + second.closes + first.closes, 0);
    eventManagerClose(&on);
}

TEST(FdRegister, refusedToBeArmedAgain)
{
    Caller reader = {0}, writer = {0};
    Watcher waiter;
    openOn(false);
    CHECK_EQ(reg(&reader, EventRead, MultiShot), 0);
    CHECK_EQ(reg(&writer, EventWrite, OneShot), 0);
    CHECK_EQ(watcherAwait(&on, &waiter, 5, 0, FdWrite, 0, 1), 0);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    mockFail(on.state, 5, -ENOMEM); /* for whom the event does not concern */
    CHECK_EQ(look(), 3);
    CHECK_EQ(writer.close_events, EventWrite | EventClose | EventError);
    CHECK_EQ(waiter.fired, 1);
    CHECK_EQ(waiter.result, 0);
    CHECK_EQ(reader.calls, 0); /* it was only selected: it hears of the end instead */
    CHECK_EQ(reader.close_events, EventRead | EventClose | EventError);
    CHECK_EQ(on.registered, 0);
    CHECK_EQ(reg(&reader, EventRead, MultiShot), 0); /* closes is set: it would fail a check */
    CHECK_EQ(unregisterFd(&on, reader.key), 1);
    eventManagerClose(&on);
}

static void unregisterRefused(EventManager *manager, Caller *caller)
{
    Caller *other = caller->other;
    mockFail(manager->state, 5, -ENOMEM);
    caller->answer = unregisterFd(manager, other->key);
    caller->then = NULL;
}

/* Goal: who is running when the kernel refuses hears that, and not that fd was closed. */
TEST(FdRegister, refusedWhileItIsCalled)
{
    for (int alone = 0; alone <= 1; alone++) {
        Caller writer = {0}, reader = {.then = unregisterRefused, .other = &writer};
        openOn(alone != 0);
        CHECK_EQ(reg(&reader, EventRead, MultiShot), 0);
        CHECK_EQ(reg(&writer, EventWrite, MultiShot), 0);
        CHECK(mockDeliverFd(on.state, 5, EventRead));
        look();
        CHECK_EQ(reader.answer, 1);
        CHECK_EQ(reader.calls, 1);
        CHECK_EQ(reader.closes, 1);
        CHECK_EQ(reader.close_events, EventRead | EventClose | EventError);
        CHECK_EQ(writer.calls + writer.closes, 0);
        CHECK_EQ(on.registered, 0);
        eventManagerClose(&on);
    }
}

TEST(FdRegister, goneWhenItIsArmedAgain)
{
    const int errors[] = {-ENOENT, -EBADF, -EPERM};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        Caller always = {0};
        openOn(false);
        CHECK_EQ(reg(&always, EventRead, MultiShot), 0);
        CHECK(mockDeliverFd(on.state, 5, EventRead));
        mockFail(on.state, 5, errors[i]);
        CHECK_EQ(look(), 2);
        CHECK_EQ(always.calls, 1);
        CHECK_EQ(always.close_events, EventRead | EventClose);
        CHECK_EQ(on.registered, 0);
        CHECK_EQ(on.fds, 0);
        eventManagerClose(&on);
    }
}

TEST(FdRegister, reusedNumberEndsTheOlder)
{
    Caller older = {0}, newer = {0};
    openOn(true);
    CHECK_EQ(reg(&older, EventRead, MultiShot), 0);
    uint64_t cookie = mockCookie(on.state, 5);
    mockReplaceFile(on.state, 5);
    CHECK_EQ(reg(&newer, EventWrite, MultiShot), 0);
    checkLast(3, MockAdd, WatchLevel, EventWrite);
    CHECK_EQ(older.close_events, EventRead | EventClose);
    mockDeliver(on.state, cookie, both); /* an event of the older file */
    CHECK_EQ(look(), 0);
    CHECK_EQ(on.stats.stale, 1);
    CHECK_EQ(newer.calls + newer.closes + older.calls, 0);
    eventManagerClose(&on);
}

TEST(FdRegister, anEventFromBeforeUnregisteringConcernsNobody)
{
    Caller first = {0}, second = {0};
    openOn(true);
    CHECK_EQ(reg(&first, EventRead, MultiShot), 0);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    CHECK_EQ(unregisterFd(&on, first.key), 1);
    CHECK_EQ(reg(&second, EventRead, MultiShot), 0);
    CHECK_EQ(look(), 0);
    CHECK_EQ(first.calls + second.calls, 0);
    eventManagerClose(&on);
}

/* ---- an event between the kernel's look and the link ----------------------------------------- */

static pthread_t poller;

static void *lookOnce(void *fired)
{
    *(uint32_t *)fired = eventManagerPoll(&on, 0, NULL);
    return NULL;
}

static uint32_t fired_meanwhile;

static void deliverInside(void *context, const MockChange *change)
{
    (void)context;
    mockOnChange(on.state, NULL, NULL);
    CHECK_EQ(change->result, 0);
    CHECK(mockDeliverFd(on.state, 5, EventRead));
    CHECK_EQ(pthread_create(&poller, NULL, lookOnce, &fired_meanwhile), 0);
    while (RELAXED_LOAD(&on.stats.polls) == 0) /* until it has taken the record */
        usleep(100);
}

TEST(FdRegister, anEventBeforeTheLinkWaitsForIt)
{
    for (int lifetime = OneShot; lifetime <= MultiShot; lifetime++) {
        for (int alone = 0; alone <= 1; alone++) {
            Caller caller = {0};
            openOn(alone != 0);
            mockOnChange(on.state, deliverInside, NULL);
            CHECK_EQ(callerRegister(&on, &caller, 5, EventRead, (Lifetime)lifetime), 0);
            CHECK_EQ(pthread_join(poller, NULL), 0);
            CHECK_EQ(fired_meanwhile, 1);
            CHECK_EQ(caller.calls, 1);
            eventManagerClose(&on);
        }
    }
}
