/* FdRead.c -- read(2) as if it blocked.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdReadTest.c, testsuite/conformance/FdCallConformance.c
 *
 * See Note [Attempts] and Note [No errno on the way], Note [Strangers] for un-adopted fds.
 */
#include "internal/SystemCall.h"
#include "rts/FdCall.h"
#include "rts/FileCall.h"

#include <capri/fd.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct ReadRequest {
    const struct iovec *parts;
    int count;
} ReadRequest;

static __attribute__((noinline)) ssize_t readParts(int fd, const ReadRequest *request)
{
    ssize_t n = readv(fd, request->parts, request->count);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t readFile(int fd, const ReadRequest *request)
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
    const ReadRequest *request = env;
    const struct iovec *part = request->parts;
    if (LIKELY(request->count == 1 && (kind & FD_KIND_SOCKET) != 0)) /* a shorter way */
        return systemRecv(fd, part->iov_base, part->iov_len, 0);
    if (UNLIKELY((kind & FD_KIND_FILE) != 0))
        return readFile(fd, request);
    if (UNLIKELY(request->count != 1))
        return readParts(fd, request);
    return systemRead(fd, part->iov_base, part->iov_len);
}

static __attribute__((noinline)) ssize_t readNow(int fd, const ReadRequest *request)
{
    ssize_t n = preadv2(fd, request->parts, request->count, -1, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t receiveNow(int fd, const ReadRequest *request)
{
    struct msghdr message = {.msg_iov = (struct iovec *)request->parts,
                             .msg_iovlen = (size_t)request->count};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t readStranger(int fd, ReadRequest *request)
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
    int failed = threadWaitFd(fd, FdRead, NULL, DEADLINE_NEVER);
    return failed < 0 ? failed : fdCallPlain(fd, readPlain, request);
}

static inline ssize_t attemptRead(int fd, uint32_t kind, void *request)
{
    return LIKELY((kind & FdAdopted) != 0) ? readPlain(fd, kind, request)
                                           : readStranger(fd, request);
}

ssize_t fdRead(int fd, void *buffer, size_t size)
{
    struct iovec part = {buffer, size};
    ReadRequest request = {&part, 1};
    return fdCallHere(fd, FdRead, size, attemptRead, &request);
}

ssize_t fdReadv(int fd, const struct iovec *parts, int count)
{
    ReadRequest request = {parts, count};
    if (count < 0)
        return -EINVAL;
    return fdCall(fd, FdRead, fdCallSize(parts, (size_t)count), attemptRead, &request);
}
