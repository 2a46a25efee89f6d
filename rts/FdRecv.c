/* FdRecv.c -- recv(2) and its kin as if they blocked.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdReadTest.c, testsuite/conformance/FdCallConformance.c
 *
 * Every system call here bears MSG_DONTWAIT, so adopted and other sockets are alike.  MSG_OOB and
 * MSG_ERRQUEUE never wait in the kernel either: -EAGAIN is their answer.
 *
 * See Note [Attempts] and Note [Shut for reading].
 */
#include "rts/FdCall.h"

#include <capri/fd.h>

#include <errno.h>

enum {
    FLAGS_ONCE = MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE, /* the call does not wait */
    FLAGS_UNPROVEN =
        MSG_PEEK | MSG_WAITALL | MSG_TRUNC | FLAGS_ONCE /* a short read proves nothing */
};

typedef struct RecvRequest {
    char *buffer;
    size_t size;
    int flags;
    struct sockaddr *from;
    socklen_t *from_size;
    socklen_t from_room; /* what *from_size was: a failed attempt may have changed it */
} RecvRequest;

typedef struct RecvMsgRequest {
    struct msghdr *message;
    int flags;
} RecvMsgRequest;

static __attribute__((noinline)) ssize_t attemptRecv(int fd, uint32_t kind, void *env)
{
    RecvRequest *request = env;
    if (request->from_size != NULL)
        *request->from_size = request->from_room;
    ssize_t n = recvfrom(fd, request->buffer, request->size, request->flags | MSG_DONTWAIT,
                         request->from, request->from_size);
    if (n >= 0)
        return n;
    if (errno != EAGAIN || (kind & FD_KIND_SHUT) == 0)
        return -errno;
    if (request->from_size != NULL) /* as a call that blocks leaves it */
        *request->from_size = 0;
    return 0;
}

static __attribute__((noinline)) ssize_t attemptRecvMsg(int fd, uint32_t kind, void *env)
{
    RecvMsgRequest *request = env;
    ssize_t n = recvmsg(fd, request->message, request->flags | MSG_DONTWAIT);
    if (n >= 0)
        return n;
    if (errno != EAGAIN || (kind & FD_KIND_SHUT) == 0)
        return -errno;
    request->message->msg_namelen = 0; /* as a call that blocks leaves them */
    request->message->msg_controllen = 0;
    request->message->msg_flags = 0;
    return 0;
}

static bool isByteStream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* MSG_WAITALL on a stream: go on until the buffer is full, the stream ends or fails. */
static ssize_t receiveRest(int fd, RecvRequest *request, size_t size, int64_t deadline_ns)
{
    while (request->size > 0) {
        ssize_t n = fdCallUntil(fd, FdRead, 0, attemptRecv, request, deadline_ns);
        if (n <= 0)
            break; /* what came before is the answer; the error comes again with the next call */
        request->buffer += n;
        request->size -= (size_t)n;
    }
    return (ssize_t)(size - request->size);
}

ssize_t fdRecvFromUntil(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                        socklen_t *from_size, int64_t deadline_ns)
{
    RecvRequest request = {buffer, size, flags, from, from_size, from_size ? *from_size : 0};
    if ((flags & FLAGS_ONCE) != 0)
        return fdCallOnce(fd, FdRead, attemptRecv, &request);
    size_t proves = (flags & FLAGS_UNPROVEN) != 0 ? 0 : size;
    ssize_t n = fdCallUntil(fd, FdRead, proves, attemptRecv, &request, deadline_ns);
    bool short_of_all = (flags & MSG_WAITALL) != 0 && n > 0 && (size_t)n < size;
    if (LIKELY(!short_of_all) || (flags & MSG_PEEK) != 0 || !isByteStream(fd))
        return n;
    request.buffer += n;
    request.size -= (size_t)n;
    return receiveRest(fd, &request, size, deadline_ns);
}

ssize_t fdRecvFrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                   socklen_t *from_size)
{
    return fdRecvFromUntil(fd, buffer, size, flags, from, from_size, DEADLINE_NEVER);
}

ssize_t fdRecv(int fd, void *buffer, size_t size, int flags)
{
    return fdRecvFrom(fd, buffer, size, flags, NULL, NULL);
}

ssize_t fdRecvUntil(int fd, void *buffer, size_t size, int flags, int64_t deadline_ns)
{
    return fdRecvFromUntil(fd, buffer, size, flags, NULL, NULL, deadline_ns);
}

ssize_t fdRecvMsgUntil(int fd, struct msghdr *message, int flags, int64_t deadline_ns)
{
    RecvMsgRequest request = {message, flags};
    if ((flags & FLAGS_ONCE) != 0)
        return fdCallOnce(fd, FdRead, attemptRecvMsg, &request);
    bool plain = (flags & FLAGS_UNPROVEN) == 0 && message->msg_controllen == 0;
    size_t proves = plain ? fdCallSize(message->msg_iov, message->msg_iovlen) : 0;
    return fdCallUntil(fd, FdRead, proves, attemptRecvMsg, &request, deadline_ns);
}

ssize_t fdRecvMsg(int fd, struct msghdr *message, int flags)
{
    return fdRecvMsgUntil(fd, message, flags, DEADLINE_NEVER);
}
