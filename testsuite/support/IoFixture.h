/* IoFixture.h -- what tests of iomgr/ share: a watcher that counts, a clock that is moved by hand.
 *
 * Tests  testsuite/unit, testsuite/conformance.
 */
#ifndef TESTSUITE_IO_FIXTURE_H
#define TESTSUITE_IO_FIXTURE_H

#include "internal/SMP.h"
#include "iomgr/EventManager.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A waiter that parks nobody: it counts how often it was fired. */
typedef struct Watcher {
    WatchNode node; /* first: the callback gets its address */
    uint32_t fired; /* firing thread, release */
    int result;     /* firing thread, before `fired` */
    uint64_t number;
    void *sink;
} Watcher;

static inline void watcherFire(WatchNode *node, uint64_t number, int result, void *sink)
{
    Watcher *watcher = (Watcher *)node;
    RELAXED_STORE(&watcher->result, result);
    RELAXED_STORE(&watcher->number, number);
    RELAXED_STORE(&watcher->sink, sink);
    ADD_RELEASE(&watcher->fired, 1);
}

static inline Watcher *watcherInit(Watcher *watcher)
{
    memset(watcher, 0, sizeof *watcher);
    watcher->node.fire = watcherFire;
    return watcher;
}

/* A bare waiter's wait (who > 0, its own look said EAGAIN), or one that has seen `edges`. */
static inline int watcherAwait(EventManager *manager, Watcher *watcher, int fd, uint32_t kind,
                               FdDirection direction, uint32_t edges, uint32_t who)
{
    watcherInit(watcher);
    return eventManagerAwait(manager, fd, kind, direction, (FdSeen){edges, who}, &watcher->node,
                             NULL);
}

typedef struct FakeClock {
    Clock clock;
    int64_t now_ns;
    uint64_t reads;
} FakeClock;

static inline int64_t fakeClockRead(void *context)
{
    FakeClock *fake = context;
    fake->reads++;
    return fake->now_ns;
}

static inline const Clock *fakeClockInit(FakeClock *fake, int64_t now_ns)
{
    fake->clock = (Clock){fakeClockRead, fake};
    fake->now_ns = now_ns;
    fake->reads = 0;
    return &fake->clock;
}

/* Has this kernel no io_uring, or none for us?  As it says itself. */
static inline bool ringsRefused(void)
{
    uint64_t params[15] = {0}; /* struct io_uring_params */
    int saved = errno, fd = (int)syscall(425 /* io_uring_setup */, 1, params);
    bool refused = fd < 0 && (errno == ENOSYS || errno == EPERM);
    if (fd >= 0)
        close(fd);
    errno = saved;
    return refused;
}

static inline void pipeOpen(int ends[2])
{
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}

static inline void socketPairOpen(int ends[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

static inline void pairClose(int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static inline void byteSend(int fd)
{
    CHECK_EQ(write(fd, "x", 1), 1);
}

/* Read until EAGAIN; returns how many bytes came. */
static inline size_t fdEmpty(int fd)
{
    char bytes[4096];
    size_t total = 0;
    ssize_t count;
    while ((count = read(fd, bytes, sizeof bytes)) > 0)
        total += (size_t)count;
    return total;
}

/* Write until EAGAIN. */
static inline void fdFill(int fd)
{
    char bytes[4096] = {0};
    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
    CHECK_EQ(errno, EAGAIN);
}

#endif
