/* WakeupTest.c -- sent once or often, from a thread or a handler: readable until it is drained. */
#include "testsuite/support/IoFixture.h"

#include <poll.h>
#include <signal.h>

static bool isReadable(const Wakeup *wakeup)
{
    struct pollfd fd = {.fd = wakeup->fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

TEST(Wakeup, readableFromSendToDrain)
{
    Wakeup wakeup;
    CHECK_EQ(wakeupOpen(&wakeup), 0);
    CHECK_NE(fcntl(wakeup.fd, F_GETFD) & FD_CLOEXEC, 0);
    CHECK(!isReadable(&wakeup));
    wakeupSend(&wakeup);
    wakeupSend(&wakeup);
    CHECK(isReadable(&wakeup));
    CHECK(isReadable(&wakeup)); /* a look does not use it up */
    wakeupDrain(&wakeup);
    CHECK(!isReadable(&wakeup)); /* one drain for any number of sends */
    wakeupClose(&wakeup);
    CHECK_EQ(wakeup.fd, -1);
    wakeupClose(&wakeup);
}

TEST(Wakeup, keepsErrnoAndNeverBlocks)
{
    Wakeup wakeup;
    uint64_t almost = UINT64_MAX - 1; /* the counter is full: a write would block */
    CHECK_EQ(wakeupOpen(&wakeup), 0);
    CHECK_EQ(write(wakeup.fd, &almost, sizeof almost), (ssize_t)sizeof almost);
    errno = 4711;
    wakeupSend(&wakeup);
    CHECK_EQ(errno, 4711);
    CHECK(isReadable(&wakeup));
    wakeupDrain(&wakeup);
    wakeupDrain(&wakeup); /* empty: returns */
    CHECK_EQ(errno, 4711);
    CHECK(!isReadable(&wakeup));
    wakeupClose(&wakeup);
}

static Wakeup signalled;

static void sendInHandler(int number)
{
    (void)number;
    wakeupSend(&signalled);
}

TEST(Wakeup, fromASignalHandler)
{
    struct sigaction action = {.sa_handler = sendInHandler};
    CHECK_EQ(wakeupOpen(&signalled), 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK(isReadable(&signalled));
    wakeupClose(&signalled);
}
