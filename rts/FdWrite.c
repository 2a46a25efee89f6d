/* FdWrite.c -- write(2) as if it blocked; sockets raise no SIGPIPE.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdWriteTest.c, testsuite/conformance/FdCallConformance.c
 *
 * See Note [Attempts], Note [No errno on the way] and Note [Stream calls]; Note [Strangers] for
 * un-adopted fds.
 */
#include "internal/SystemCall.h"
#include "rts/FdCall.h"
#include "rts/FileCall.h"
#include "rts/StreamCall.h"

#include <capri/fd.h>

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

static __attribute__((noinline)) ssize_t writeParts(int fd, const FdParts *request)
{
    ssize_t n = writev(fd, request->parts, request->count);
    return n < 0 ? -errno : n;
}

static inline ssize_t writePlain(int fd, uint32_t kind, void *env)
{
    const FdParts *request = env;
    (void)kind;
    return LIKELY(request->count == 1)
               ? systemWrite(fd, request->parts[0].iov_base, request->parts[0].iov_len)
               : writeParts(fd, request);
}

static __attribute__((noinline)) ssize_t writeFile(int fd, const FdParts *request)
{
    FileRequest whole = {.operation = FileWrite,
                         .fd = fd,
                         .parts = request->parts,
                         .count = request->count,
                         .offset = FILE_POSITION};
    return fileCall(&whole);
}

static __attribute__((noinline)) ssize_t writeNow(int fd, const FdParts *request)
{
    ssize_t n = pwritev2(fd, request->parts, request->count, -1, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

enum { SEND_FLAGS = MSG_NOSIGNAL | MSG_DONTWAIT };

static __attribute__((noinline)) ssize_t sendParts(int fd, const FdParts *request)
{
    struct msghdr message = {.msg_iov = (struct iovec *)request->parts,
                             .msg_iovlen = (size_t)request->count};
    ssize_t n = sendmsg(fd, &message, SEND_FLAGS);
    return n < 0 ? -errno : n;
}

static inline ssize_t sendPlain(int fd, const FdParts *request)
{
    const struct iovec *part = request->parts;
    return LIKELY(request->count == 1) ? systemSend(fd, part->iov_base, part->iov_len, SEND_FLAGS)
                                       : sendParts(fd, request);
}

/* The first non-empty part, cut to what a pipe that is ready takes at once. */
static ssize_t writeLittle(int fd, const FdParts *request)
{
    int first = 0;
    while (first + 1 < request->count && request->parts[first].iov_len == 0)
        first++;
    if (request->count == 0)
        return 0;
    struct iovec little = request->parts[first];
    if (little.iov_len > PIPE_BUF)
        little.iov_len = PIPE_BUF;
    return fdCallPlain(fd, writePlain, &(FdParts){&little, 1, 0});
}

static __attribute__((noinline)) ssize_t writeStranger(int fd, FdParts *request)
{
    int sort = fdCallSort(fd);
    if (sort < 0)
        return sort;
    if (sort == FdSortFile)
        return writeFile(fd, request);
    if (sort == FdSortSocket)
        return sendPlain(fd, request);
    ssize_t n = writeNow(fd, request);
    if (n != -EOPNOTSUPP && n != -ENOSYS)
        return n;
    int failed = fdCallAwaitStranger(fd, FdWrite, NULL, fdPartsDeadline(request));
    return failed < 0 ? failed : writeLittle(fd, request);
}

static inline ssize_t attemptWrite(int fd, uint32_t kind, void *request)
{
    ssize_t n = -ENOTSOCK;
    if (UNLIKELY((kind & FdAdopted) == 0))
        return writeStranger(fd, request);
    if (LIKELY((kind & FD_KIND_SOCKET) != 0))
        n = sendPlain(fd, request);
    else if (UNLIKELY((kind & FD_KIND_FILE) != 0))
        return writeFile(fd, request);
    return n == -ENOTSOCK ? writePlain(fd, 0, request) : n;
}

/* Where streams may be the back-end's. */
static __attribute__((noinline)) ssize_t writeStream(int fd, const void *buffer, size_t size,
                                                     int64_t deadline_ns)
{
    struct iovec part = {(void *)buffer, size};
    FdTimedParts request = {{&part, 1, deadline_ns != DEADLINE_NEVER}, deadline_ns};
    ssize_t n = streamCallSend(fd, buffer, size, deadline_ns);
    return n != STREAM_PLAINLY ? n
                               : fdCallUntil(fd, FdWrite, 0, attemptWrite, &request, deadline_ns);
}

ssize_t fdWrite(int fd, const void *buffer, size_t size)
{
    struct iovec part = {(void *)buffer, size};
    FdParts request = {&part, 1, 0};
    if (UNLIKELY(streamCallsWork()))
        return writeStream(fd, buffer, size, DEADLINE_NEVER);
    return fdCallHere(fd, FdWrite, 0, attemptWrite, &request);
}

ssize_t fdWriteUntil(int fd, const void *buffer, size_t size, int64_t deadline_ns)
{
    struct iovec part = {(void *)buffer, size};
    FdTimedParts request = {{&part, 1, 1}, deadline_ns};
    if (UNLIKELY(streamCallsWork()))
        return writeStream(fd, buffer, size, deadline_ns);
    return fdCallUntil(fd, FdWrite, 0, attemptWrite, &request, deadline_ns);
}

ssize_t fdWriteAllUntil(int fd, const void *buffer, size_t size, int64_t deadline_ns)
{
    size_t done = 0;
    do {
        ssize_t n = fdWriteUntil(fd, (const char *)buffer + done, size - done, deadline_ns);
        if (n == -ETIMEDOUT && done != 0)
            return (ssize_t)done;
        if (n < 0)
            return n;
        if (n == 0 && done < size)
            return -EIO; /* a device that takes nothing and does not say why */
        done += (size_t)n;
    } while (done < size);
    return (ssize_t)done;
}

ssize_t fdWriteAll(int fd, const void *buffer, size_t size)
{
    return fdWriteAllUntil(fd, buffer, size, DEADLINE_NEVER);
}

ssize_t fdWritevUntil(int fd, const struct iovec *parts, int count, int64_t deadline_ns)
{
    FdTimedParts request = {{parts, count, 1}, deadline_ns};
    if (count < 0)
        return -EINVAL;
    return fdCallUntil(fd, FdWrite, 0, attemptWrite, &request, deadline_ns);
}

ssize_t fdWritev(int fd, const struct iovec *parts, int count)
{
    return fdWritevUntil(fd, parts, count, DEADLINE_NEVER);
}
