/* FdSend.c -- send(2) and its kin as if they blocked, without SIGPIPE.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdWriteTest.c, testsuite/conformance/FdCallConformance.c
 *
 * Note [Unix datagrams to a named peer]
 *   A local datagram socket that is not connected always polls writable, even while the queue of
 *   the peer that is named in the call is full and sendto says EAGAIN.  There is no event to wait
 *   for: such a send backs off by sleeping.
 *
 * See Note [Attempts].
 */
#include "rts/FdCall.h"

#include <capri/fd.h>

#include <errno.h>

enum { FLAGS_ALWAYS = MSG_NOSIGNAL | MSG_DONTWAIT };

typedef struct SendRequest {
    const void *buffer;
    size_t size;
    int flags;
    const struct sockaddr *to;
    socklen_t to_size;
} SendRequest;

typedef struct SendMsgRequest {
    const struct msghdr *message;
    int flags;
} SendMsgRequest;

static __attribute__((noinline)) ssize_t attemptSend(int fd, uint32_t kind, void *env)
{
    SendRequest *request = env;
    (void)kind;
    ssize_t n = sendto(fd, request->buffer, request->size, request->flags | FLAGS_ALWAYS,
                       request->to, request->to_size);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t attemptSendMsg(int fd, uint32_t kind, void *env)
{
    SendMsgRequest *request = env;
    (void)kind;
    ssize_t n = sendmsg(fd, request->message, request->flags | FLAGS_ALWAYS);
    return n < 0 ? -errno : n;
}

/* See Note [Unix datagrams to a named peer]. */
static ssize_t sendBackingOff(int fd, FdAttempt *attempt, void *request, int64_t deadline_ns)
{
    uint32_t step = 0;
    for (;;) {
        ssize_t n = fdCallOnce(fd, FdWrite, attempt, request);
        if (n != -EAGAIN)
            return n;
        int failed = fdCallBackOff(&step, deadline_ns);
        if (failed < 0)
            return failed;
    }
}

static ssize_t sendWaiting(int fd, int flags, const struct sockaddr *to, FdAttempt *attempt,
                           void *request, int64_t deadline_ns)
{
    if ((flags & MSG_DONTWAIT) != 0)
        return fdCallOnce(fd, FdWrite, attempt, request);
    if (to != NULL && to->sa_family == AF_UNIX)
        return sendBackingOff(fd, attempt, request, deadline_ns);
    return fdCallUntil(fd, FdWrite, 0, attempt, request, deadline_ns);
}

ssize_t fdSendToUntil(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *to,
                      socklen_t to_size, int64_t deadline_ns)
{
    SendRequest request = {buffer, size, flags, to, to_size};
    return sendWaiting(fd, flags, to, attemptSend, &request, deadline_ns);
}

ssize_t fdSendTo(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *to,
                 socklen_t to_size)
{
    return fdSendToUntil(fd, buffer, size, flags, to, to_size, DEADLINE_NEVER);
}

ssize_t fdSend(int fd, const void *buffer, size_t size, int flags)
{
    return fdSendTo(fd, buffer, size, flags, NULL, 0);
}

ssize_t fdSendUntil(int fd, const void *buffer, size_t size, int flags, int64_t deadline_ns)
{
    return fdSendToUntil(fd, buffer, size, flags, NULL, 0, deadline_ns);
}

ssize_t fdSendMsgUntil(int fd, const struct msghdr *message, int flags, int64_t deadline_ns)
{
    SendMsgRequest request = {message, flags};
    return sendWaiting(fd, flags, message->msg_name, attemptSendMsg, &request, deadline_ns);
}

ssize_t fdSendMsg(int fd, const struct msghdr *message, int flags)
{
    return fdSendMsgUntil(fd, message, flags, DEADLINE_NEVER);
}
