/* RingFault.c -- the kernel takes no submissions of a ring for a while: nothing of it is lost.
 *
 * not-under: qemu valgrind tsan
 */
#include "testsuite/fault/Injector.h"
#include "testsuite/support/IoFixture.h"

#ifdef CAPRI_URING

#include "iomgr/backend/IOUring.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

enum { REFUSALS = 40 };

static BackendState *state;
static int wake_fd;

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

static void wake(void)
{
    const uint64_t one = 1;
    CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
}

static bool isReadable(int fd)
{
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    CHECK_GE(poll(&asked, 1, 0), 0);
    return asked.revents != 0;
}

static void expectAfterRefusals(void (*body)(void *env))
{
    const Fault fault = {
        .call = SYS_io_uring_enter, .error = EAGAIN, .first = 1, .count = REFUSALS};
    if (ringsRefused())
        SKIP("no io_uring here");
    if (!faultPossible())
        SKIP("no user notification of seccomp here");
    FaultRun run = faultRun(&fault, body, NULL);
    if (run.status != 0)
        printf("%s\n", run.output);
    CHECK(!run.hung);
    CHECK_EQ(run.status, 0);
    CHECK_EQ(run.injected, REFUSALS);
}

/* Somebody else has seen the wake that is meant for who sleeps over the ring's fd. */
static void takeTheWake(void *env)
{
    EventRecord record;
    (void)env;
    openState();
    int fd = backendIOUring.pollable(state);
    backendIOUring.doze(state, true);
    wake();
    CHECK(isReadable(fd));
    faultBegin();
    CHECK_EQ(backendIOUring.poll(state, 0, &record, 1), 1);
    CHECK_EQ(record.cookie, BACKEND_WAKE_COOKIE);
    CHECK(isReadable(fd));
    faultEnd();
    backendIOUring.doze(state, false);
    closeState();
}

TEST(Ring, theWakeReachesTheSleeper)
{
    expectAfterRefusals(takeTheWake);
}

static void changeBesideSleeper(void *env)
{
    EventRecord record;
    int ends[2];
    (void)env;
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    int fd = backendIOUring.pollable(state);
    backendIOUring.doze(state, true);
    faultBegin();
    CHECK_EQ(backendIOUring.add(state, ends[0], WatchOneShot, EventRead, 7), 0);
    CHECK(isReadable(fd));
    faultEnd();
    backendIOUring.doze(state, false);
    CHECK_EQ(backendIOUring.poll(state, 0, &record, 1), 1);
    CHECK_EQ(record.cookie, 7);
    pairClose(ends);
    closeState();
}

TEST(Ring, aChangeReachesTheSleeper)
{
    expectAfterRefusals(changeBesideSleeper);
}

static void removeOne(void *env)
{
    EventRecord record;
    int ends[2];
    (void)env;
    signal(SIGPIPE, SIG_IGN);
    openState();
    pipeOpen(ends);
    CHECK_EQ(backendIOUring.add(state, ends[0], WatchOneShot, EventRead, 7), 0);
    CHECK_EQ(backendIOUring.poll(state, 0, &record, 1), 0);
    faultBegin();
    CHECK_EQ(backendIOUring.remove(state, ends[0]), 0);
    while (backendIOUring.poll(state, 1, &record, 1) != 0) /* nobody sleeps: at the next poll */
        continue;
    faultEnd();
    close(ends[0]);
    CHECK_EQ(write(ends[1], "x", 1), -1); /* nobody keeps it open */
    CHECK_EQ(errno, EPIPE);
    close(ends[1]);
    closeState();
}

TEST(Ring, whatIsRemovedIsLetGo)
{
    expectAfterRefusals(removeOne);
}

/* More changes than there are places, none of which the kernel takes: who changes is told. */
static void fillTheQueue(void *env)
{
    EventRecord record;
    int ends[2], result = 0;
    (void)env;
    openState();
    pipeOpen(ends);
    CHECK_EQ(backendIOUring.poll(state, 0, &record, 1), 0);
    CHECK_EQ(backendIOUring.add(state, ends[0], WatchOneShot, EventRead, 0), 0);
    faultBegin();
    for (uint64_t i = 1; result == 0 && i < RING_ENTRIES; i++)
        result = backendIOUring.modify(state, ends[0], WatchOneShot, EventRead, i);
    CHECK_EQ(result, -ENOMEM);
    while (backendIOUring.poll(state, 1, &record, 1) != 0) /* it does not sleep over them */
        continue;
    faultEnd();
    CHECK_EQ(backendIOUring.modify(state, ends[0], WatchOneShot, EventRead, 4711), 0);
    byteSend(ends[1]);
    CHECK_EQ(backendIOUring.poll(state, -1, &record, 1), 1);
    CHECK_EQ(record.cookie, 4711);
    pairClose(ends);
    closeState();
}

TEST(Ring, aFullQueueIsTold)
{
    expectAfterRefusals(fillTheQueue);
}

/* The same, and then another fd is removed, for which there is no place. */
static void removeFromFullQueue(void *env)
{
    EventRecord record;
    int ends[2], other[2], result = 0;
    (void)env;
    signal(SIGPIPE, SIG_IGN);
    openState();
    pipeOpen(ends);
    pipeOpen(other);
    CHECK_EQ(backendIOUring.add(state, ends[0], WatchOneShot, EventRead, 1), 0);
    CHECK_EQ(backendIOUring.add(state, other[0], WatchOneShot, EventRead, 2), 0);
    CHECK_EQ(backendIOUring.poll(state, 0, &record, 1), 0);
    faultBegin();
    while (result == 0)
        result = backendIOUring.modify(state, ends[0], WatchOneShot, EventRead, 3);
    CHECK_EQ(result, -ENOMEM);
    CHECK_EQ(ringFree(&state->ring), 0);
    CHECK_EQ(backendIOUring.remove(state, other[0]), 0);
    CHECK_EQ(state->owed, 1);
    while (backendIOUring.poll(state, 1, &record, 1) != 0)
        continue;
    faultEnd();
    close(other[0]);
    CHECK_EQ(backendIOUring.poll(state, 0, &record, 1), 0);
    CHECK_EQ(state->owed, 0);
    CHECK_EQ(write(other[1], "x", 1), -1); /* nobody keeps it open */
    CHECK_EQ(errno, EPIPE);
    close(other[1]);
    pairClose(ends);
    closeState();
}

TEST(Ring, aRemovalIsOwed)
{
    expectAfterRefusals(removeFromFullQueue);
}

#else

TEST(Ring, isBuiltWithoutLiburing)
{
    SKIP("no liburing");
}

#endif
