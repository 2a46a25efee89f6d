/* FdRead.c -- read(2) as if it blocked.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdReadTest.c, testsuite/conformance/FdCallConformance.c
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
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static __attribute__((noinline)) ssize_t readParts(int fd, const FdParts *request)
{
    ssize_t n = readv(fd, request->parts, request->count);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t readFile(int fd, const FdParts *request)
{
    FileRequest whole = {.operation = FileRead,
                         .fd = fd,
                         .parts = request->parts,
                         .count = request->count,
                         .offset = FILE_POSITION};
    return fileCall(&whole);
}

static inline ssize_t readPlain(int fd, uint32_t kind, void *env)
{
    const FdParts *request = env;
    const struct iovec *part = request->parts;
    if (LIKELY(request->count == 1 && (kind & FD_KIND_SOCKET) != 0)) /* a shorter way */
        return systemRecv(fd, part->iov_base, part->iov_len, 0);
    if (UNLIKELY((kind & FD_KIND_FILE) != 0))
        return readFile(fd, request);
    if (UNLIKELY(request->count != 1))
        return readParts(fd, request);
    return systemRead(fd, part->iov_base, part->iov_len);
}

static __attribute__((noinline)) ssize_t readNow(int fd, const FdParts *request)
{
    ssize_t n = preadv2(fd, request->parts, request->count, -1, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t receiveNow(int fd, const FdParts *request)
{
    struct msghdr message = {.msg_iov = (struct iovec *)request->parts,
                             .msg_iovlen = (size_t)request->count};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t readStranger(int fd, FdParts *request)
{
    int sort = fdCallSort(fd);
    if (sort < 0)
        return sort;
    if (sort == FdSortFile)
        return readFile(fd, request);
    if (sort == FdSortSocket)
        return receiveNow(fd, request);
    ssize_t n = readNow(fd, request);
    if (n != -EOPNOTSUPP && n != -ENOSYS)
        return n;
    int failed = fdCallAwaitStranger(fd, FdRead, NULL, fdPartsDeadline(request));
    return failed < 0 ? failed : fdCallPlain(fd, readPlain, request);
}

static inline ssize_t attemptRead(int fd, uint32_t kind, void *request)
{
    return LIKELY((kind & FdAdopted) != 0) ? readPlain(fd, kind, request)
                                           : readStranger(fd, request);
}

/* Where streams may be the back-end's. */
static __attribute__((noinline)) ssize_t readStream(int fd, void *buffer, size_t size,
                                                    int64_t deadline_ns)
{
    struct iovec part = {buffer, size};
    FdTimedParts request = {{&part, 1, deadline_ns != DEADLINE_NEVER}, deadline_ns};
    ssize_t n = streamCallReceive(fd, buffer, size, deadline_ns);
    return n != STREAM_PLAINLY ? n
                               : fdCallUntil(fd, FdRead, size, attemptRead, &request, deadline_ns);
}

ssize_t fdRead(int fd, void *buffer, size_t size)
{
    struct iovec part = {buffer, size};
    FdParts request = {&part, 1, 0};
    if (UNLIKELY(streamCallsWork()))
        return readStream(fd, buffer, size, DEADLINE_NEVER);
    return fdCallHere(fd, FdRead, size, attemptRead, &request);
}

ssize_t fdReadUntil(int fd, void *buffer, size_t size, int64_t deadline_ns)
{
    struct iovec part = {buffer, size};
    FdTimedParts request = {{&part, 1, 1}, deadline_ns};
    if (UNLIKELY(streamCallsWork()))
        return readStream(fd, buffer, size, deadline_ns);
    return fdCallUntil(fd, FdRead, size, attemptRead, &request, deadline_ns);
}

ssize_t fdReadvUntil(int fd, const struct iovec *parts, int count, int64_t deadline_ns)
{
    FdTimedParts request = {{parts, count, 1}, deadline_ns};
    if (count < 0)
        return -EINVAL;
    size_t size = fdCallSize(parts, (size_t)count);
    return fdCallUntil(fd, FdRead, size, attemptRead, &request, deadline_ns);
}

ssize_t fdReadv(int fd, const struct iovec *parts, int count)
{
    return fdReadvUntil(fd, parts, count, DEADLINE_NEVER);
}
