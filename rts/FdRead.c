/* FdRead.c -- read(2) as if it blocked.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdReadTest.c, testsuite/conformance/FdCallConformance.c
 *
 * See Note [Attempts] for the functions that are not inlined, Note [Strangers] for un-adopted fds.
 */
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

static ssize_t readFile(int fd, const ReadRequest *request)
{
    FileRequest whole = {.operation = FileRead,
                         .fd = fd,
                         .parts = request->parts,
                         .count = request->count,
                         .offset = FILE_POSITION};
    return fileCall(&whole);
}

static __attribute__((noinline)) ssize_t readPlain(int fd, uint32_t kind, void *env)
{
    const ReadRequest *request = env;
    const struct iovec *part = request->parts;
    ssize_t n;
    if (LIKELY(request->count == 1 && (kind & FD_KIND_SOCKET) != 0))
        n = recv(fd, part->iov_base, part->iov_len, 0); /* a shorter way through the kernel */
    else if ((kind & FD_KIND_FILE) != 0)
        return readFile(fd, request);
    else if (request->count != 1)
        n = readv(fd, part, request->count);
    else
        n = read(fd, part->iov_base, part->iov_len);
    return n < 0 ? -errno : n;
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

static ssize_t readStranger(int fd, ReadRequest *request)
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
    int failed = threadWaitFd(fd, FdRead, 0, DEADLINE_NEVER);
    return failed < 0 ? failed : fdCallPlain(fd, readPlain, request);
}

static ssize_t attemptRead(int fd, uint32_t kind, void *request)
{
    return LIKELY((kind & FdAdopted) != 0) ? readPlain(fd, kind, request)
                                           : readStranger(fd, request);
}

ssize_t fdRead(int fd, void *buffer, size_t size)
{
    struct iovec part = {buffer, size};
    ReadRequest request = {&part, 1};
    return fdCall(fd, FdRead, size, attemptRead, &request);
}

ssize_t fdReadv(int fd, const struct iovec *parts, int count)
{
    ReadRequest request = {parts, count};
    if (count < 0)
        return -EINVAL;
    return fdCall(fd, FdRead, fdCallSize(parts, (size_t)count), attemptRead, &request);
}
