/* FdConnect.c -- connect(2) as if it blocked.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdSocketTest.c, testsuite/conformance/FdCallConformance.c
 *
 * Note [Connected or not]
 *   A stream socket polls writable and hung up before connect has been called at all, and that edge
 *   may be counted late.  So an event proves nothing: after each one SO_ERROR tells a failure and
 *   getpeername a success, and if neither does, the wait goes on.  A socket that polls hung up, has
 *   no peer and no error does not connect any more: somebody else has fetched its error,
 *   -ECONNABORTED.  EINTR leaves the attempt running, as EINPROGRESS does.
 *
 * Note [Full backlog]
 *   A local socket whose peer's backlog is full says EAGAIN, and no event tells when there is room
 *   (a blocking connect sleeps on the listener itself).  Then connect is tried again after 1, 2, 4,
 *   ... 16 ms until it says something else, the fd is closed or the runtime is cancelled.
 *
 * Note [Connecting a stranger]
 *   connect has no MSG_DONTWAIT, and an un-adopted socket may be in blocking mode.  A send time-out
 *   of one tick, set for the call, makes the kernel say EINPROGRESS after at most that time; then
 *   the old time-out is put back.
 */
#include "rts/FdCall.h"

#include <capri/fd.h>

#include <errno.h>
#include <poll.h>
#include <sys/time.h>

typedef struct ConnectRequest {
    const struct sockaddr *address;
    socklen_t size;
} ConnectRequest;

static __attribute__((noinline)) int connectOnce(int fd, const ConnectRequest *request)
{
    return connect(fd, request->address, request->size) == 0 ? 0 : -errno;
}

/* See Note [Connecting a stranger]. */
static int connectStranger(int fd, const ConnectRequest *request)
{
    struct timeval old = {0}, tick = {.tv_usec = 1};
    socklen_t size = sizeof old;
    bool known = getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &old, &size) == 0 &&
                 setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof tick) == 0;
    int result = connectOnce(fd, request);
    if (known)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &old, sizeof old);
    return result;
}

static __attribute__((noinline)) int findPeer(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0 ? 0 : -errno;
}

static __attribute__((noinline)) int findError(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? -error : -errno;
}

static bool isHungUp(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    return poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

/* See Note [Connected or not]. */
static ssize_t attemptConfirm(int fd, uint32_t kind, void *env)
{
    (void)kind;
    (void)env;
    int result = findPeer(fd);
    if (result != -ENOTCONN)
        return result;
    result = findError(fd);
    if (result != 0 || !isHungUp(fd))
        return result != 0 ? result : -EAGAIN;
    result = findError(fd);
    return result != 0 ? result : -ECONNABORTED;
}

static bool isUnderWay(int result)
{
    return result == -EINPROGRESS || result == -EALREADY || result == -EINTR;
}

int fdConnectUntil(int fd, const struct sockaddr *address, socklen_t size, int64_t deadline_ns)
{
    ConnectRequest request = {address, size};
    uint32_t step = 0;
    for (;;) {
        bool adopted = (threadWaitView(fd, FdWrite).kind & FdAdopted) != 0;
        int result = adopted ? connectOnce(fd, &request) : connectStranger(fd, &request);
        if (isUnderWay(result))
            return (int)fdCallUntil(fd, FdWrite, 0, attemptConfirm, NULL, deadline_ns);
        if (result == -EAGAIN && size >= sizeof address->sa_family &&
            address->sa_family == AF_UNIX) { /* See Note [Full backlog] */
            result = fdCallBackOff(&step, deadline_ns);
            if (result == 0)
                continue;
        }
        if (result == 0)
            fdCallDone();
        return result;
    }
}

int fdConnect(int fd, const struct sockaddr *address, socklen_t size)
{
    return fdConnectUntil(fd, address, size, DEADLINE_NEVER);
}
