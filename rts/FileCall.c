/* FileCall.c -- calls on files: at once if the page cache has what is needed, else elsewhere.
 *
 * Owns    TimedFile: what a call with a deadline works on.
 * Before  rts/FdPread.c and its kin; rts/FdRead.c, rts/FdWrite.c for files.
 * After   rts/Foreign.c, rts/Errand.c: the kernel, or an OS thread of the pool.
 * Tests   testsuite/unit/FdPreadTest.c, testsuite/stress/BlockingCalls.c
 *
 * See Note [Files], and Note [Attempts] for the functions that are not inlined.
 */
#include "rts/FileCall.h"

#include "capability/FdHome.h"
#include "iomgr/Memory.h"
#include "rts/Errand.h"
#include "rts/FdAdopt.h"
#include "rts/FdCall.h"
#include "rts/Foreign.h"
#include "rts/Outside.h"
#include "rts/Startup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the system calls ---- */

static __attribute__((noinline)) ssize_t readNow(const FileRequest *request)
{
    ssize_t n = preadv2(request->fd, request->parts, request->count, request->offset, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

static __attribute__((noinline)) ssize_t writeNow(const FileRequest *request)
{
    ssize_t n = pwritev2(request->fd, request->parts, request->count, request->offset, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

static int openOnce(const FileRequest *request)
{
    return open(request->path, request->flags | O_CLOEXEC, request->mode);
}

static __attribute__((noinline)) ssize_t callOnce(const FileRequest *request)
{
    ssize_t n = -1;
    switch (request->operation) {
    case FileRead:
        n = request->offset == FILE_POSITION
                ? readv(request->fd, request->parts, request->count)
                : preadv(request->fd, request->parts, request->count, request->offset);
        break;
    case FileWrite:
        n = request->offset == FILE_POSITION
                ? writev(request->fd, request->parts, request->count)
                : pwritev(request->fd, request->parts, request->count, request->offset);
        break;
    case FileSync:
        n = fsync(request->fd);
        break;
    case FileStat:
        n = fstat(request->fd, request->about);
        break;
    case FileOpen:
        n = openOnce(request);
        break;
    case FileReceive:
    case FileSend:
        barf("a stream is no file");
    }
    return n < 0 ? -errno : n;
}

static ssize_t callPlainly(const FileRequest *request)
{
    ssize_t n;
    do {
        n = callOnce(request);
    } while (n == -EINTR);
    return n;
}

/* What the kernel wants to know of cachestat(2) (Linux 6.5), and what it says. */
typedef struct CacheRange {
    uint64_t offset, size;
} CacheRange;

typedef struct CacheState {
    uint64_t cached, dirty, written, evicted, recently_evicted; /* pages */
} CacheState;

bool fileCallCached(int fd, int64_t offset, size_t size)
{
    enum { CACHESTAT = 451 };
    CacheRange range = {(uint64_t)offset, size};
    CacheState state = {0};
    struct stat about;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (size == 0)
        return true;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || offset >= about.st_size)
        return false;
    if (size > (uint64_t)(about.st_size - offset))
        range.size = (uint64_t)(about.st_size - offset);
    if (syscall(CACHESTAT, fd, &range, &state, 0) != 0)
        return false;
    return state.cached * page >=
           (range.offset + range.size + page - 1) / page * page - range.offset / page * page;
}

/* ---- 1. at once ---- */

/* An adopted number is closed by closeFd only, which forgets what kind it was. */
static bool isAdoptedMemory(const FileRequest *request)
{
    return (fdHomeKind(fdHomeLook(request->fd)) & FD_KIND_MEMORY) != 0;
}

/* A count, -E..., or -EAGAIN: it may sleep. */
static ssize_t tryNow(const FileRequest *request)
{
    ssize_t n;
    if (isAdoptedMemory(request))
        return callPlainly(request);
    do {
        n = request->operation == FileRead ? readNow(request) : writeNow(request);
    } while (n == -EINTR);
    if (LIKELY(n >= 0) || (n != -EOPNOTSUPP && n != -ENOSYS))
        return n;
    bool is_known = (fdHomeKind(fdHomeLook(request->fd)) & FdAdopted) != 0;
    if (!is_known && fdAdoptInMemory(request->fd))
        return callPlainly(request);
    if (request->operation == FileRead && request->offset != FILE_POSITION &&
        fileCallCached(request->fd, request->offset, fdCallSize(request->parts, 1)))
        return callPlainly(request);
    return -EAGAIN;
}

/* As much as can be had at once of one part at an offset: moves *part and *offset.  A count, -E...
 * or -EAGAIN: some of it may sleep; *done: how much it is so far. */
static ssize_t tryAll(FileRequest *request, struct iovec *part, size_t *done)
{
    *done = 0;
    for (;;) {
        ssize_t n = tryNow(request);
        if (n > 0)
            *done += (size_t)n;
        if (n <= 0 || (size_t)n == part->iov_len)
            return n < 0 ? n : (ssize_t)*done;
        part->iov_base = (char *)part->iov_base + n;
        part->iov_len -= (size_t)n;
        request->offset += n;
    }
}

/* What came before an error counts more than the error, which will come again. */
static ssize_t addUp(size_t done, ssize_t rest)
{
    if (done == 0)
        return rest;
    return (ssize_t)done + (rest > 0 ? rest : 0);
}

/* ---- 2. elsewhere, without a deadline ---- */

typedef struct ForeignFile {
    const FileRequest *request;
    ssize_t result;
} ForeignFile;

static void runForeign(void *env)
{
    ForeignFile *call = env;
    call->result = callPlainly(call->request);
}

/* The ring does not hold a file's position while it moves it: See Note [Files]. */
static bool isAtPosition(const FileRequest *request)
{
    return (request->operation == FileRead || request->operation == FileWrite) &&
           request->offset == FILE_POSITION;
}

static ssize_t callElsewhere(const FileRequest *request)
{
    ForeignFile call = {request, 0};
    if (!isAtPosition(request) && foreignSubmit(request, &call.result) == 0)
        return call.result;
    if (foreignRun(runForeign, &call) != 0)
        runForeign(&call);
    return call.result;
}

/* One part at an offset, by as many calls as it takes: the kernel moves no more than 2 GiB in one.
 */
static ssize_t callInPieces(const FileRequest *request, ssize_t (*call)(const FileRequest *request))
{
    struct iovec part = request->parts[0];
    FileRequest piece = *request;
    size_t done = 0, size = part.iov_len;
    piece.parts = &part;
    for (;;) {
        part.iov_len = size - done < FILE_CALL_MOST ? size - done : FILE_CALL_MOST;
        ssize_t n = call(&piece);
        if (n > 0)
            done += (size_t)n;
        if (n < 0 || (size_t)n < part.iov_len || done == size)
            return addUp(done, n < 0 ? n : 0);
        part.iov_base = (char *)part.iov_base + n;
        piece.offset += n;
    }
}

/* A read or a write of one part at an offset. */
static bool isWhole(const FileRequest *request)
{
    return (request->operation == FileRead || request->operation == FileWrite) &&
           request->count == 1 && request->offset != FILE_POSITION;
}

ssize_t fileCall(const FileRequest *request)
{
    if (scheduleSelf() == NULL)
        return isWhole(request) ? callInPieces(request, callPlainly) : callPlainly(request);
    if (request->operation != FileRead && request->operation != FileWrite) {
        bool sleeps = request->operation == FileOpen || !isAdoptedMemory(request);
        return sleeps ? callElsewhere(request) : callPlainly(request);
    }
    ssize_t n;
    if (!isWhole(request)) {
        n = tryNow(request);
        if (n == -EAGAIN)
            return callElsewhere(request);
    } else {
        struct iovec part = request->parts[0];
        FileRequest rest = *request;
        size_t done;
        rest.parts = &part;
        n = tryAll(&rest, &part, &done);
        if (UNLIKELY(n < 0))
            n = addUp(done, n == -EAGAIN ? callInPieces(&rest, callElsewhere) : n);
    }
    fdCallDone();
    return n;
}

/* ---- 2. elsewhere, with a deadline ---- */

typedef struct TimedFile {
    Errand errand; /* first */
    FileRequest request;
    struct iovec part; /* of `bytes` */
    ssize_t result;
    size_t size; /* of all this */
    char bytes[] __attribute__((aligned(16)));
} TimedFile;

static void runTimed(Errand *errand)
{
    TimedFile *call = (TimedFile *)(void *)errand;
    call->result = callPlainly(&call->request);
}

/* What was opened for somebody who has given up is closed. */
static void freeTimed(Errand *errand)
{
    TimedFile *call = (TimedFile *)(void *)errand;
    if (call->request.operation == FileOpen && call->result >= 0)
        close((int)call->result);
    memoryRelease(startupAllocator(), call, call->size, CACHE_LINE);
}

/* How many bytes of the caller's the call works on. */
static size_t bytesOf(const FileRequest *request)
{
    switch (request->operation) {
    case FileOpen:
        return strlen(request->path) + 1;
    case FileStat:
        return sizeof *request->about;
    case FileSync:
        return 0;
    default:
        return request->parts->iov_len < FILE_COPY_MOST ? request->parts->iov_len : FILE_COPY_MOST;
    }
}

/* Let it work on memory of its own. */
static void ownBytes(TimedFile *call, size_t bytes)
{
    FileRequest *request = &call->request;
    if (request->operation == FileWrite)
        memcpy(call->bytes, request->parts->iov_base, bytes);
    else if (request->operation == FileOpen)
        memcpy(call->bytes, request->path, bytes);
    request->parts = &call->part;
    request->path = call->bytes;
    request->about = (struct stat *)(void *)call->bytes;
}

static ssize_t takeResult(TimedFile *call, const FileRequest *request)
{
    ssize_t n = call->result;
    if (n > 0 && request->operation == FileRead)
        memcpy(request->parts->iov_base, call->bytes, (size_t)n);
    else if (n == 0 && request->operation == FileStat)
        memcpy(request->about, call->bytes, sizeof *request->about);
    call->result = -EAGAIN; /* the fd, if it is one, is the caller's */
    errandRelease(&call->errand);
    return n;
}

static ssize_t sendErrand(const FileRequest *request, int64_t deadline_ns)
{
    if (capabilityCount() == 0)
        return -ENXIO;
    size_t bytes = bytesOf(request), size = offsetof(TimedFile, bytes) + bytes;
    TimedFile *call = memoryAllocate(startupAllocator(), size, CACHE_LINE);
    if (call == NULL)
        return -ENOMEM;
    *call = (TimedFile){.errand = {.run = runTimed, .free = freeTimed},
                        .request = *request,
                        .part = {call->bytes, bytes},
                        .result = -EAGAIN,
                        .size = size};
    ownBytes(call, bytes);
    int failed = errandRun(&call->errand, deadline_ns);
    return failed != 0 ? failed : takeResult(call, request);
}

static ssize_t callElsewhereUntil(const FileRequest *request, int64_t deadline_ns)
{
    bool outside = outsideStayHere(); /* it works on the errand before and after the wait */
    ssize_t n = sendErrand(request, deadline_ns);
    if (outside)
        outsideStayOver();
    return n;
}

ssize_t fileCallUntil(const FileRequest *request, int64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NEVER || scheduleInStep(scheduleHere()) || !scheduleMayWait())
        return fileCall(request); /* where nothing may wait it is made in place */
    if (request->operation != FileRead && request->operation != FileWrite)
        return callElsewhereUntil(request, deadline_ns);
    struct iovec part = request->parts[0];
    FileRequest rest = *request;
    size_t done;
    rest.parts = &part;
    ssize_t n = tryAll(&rest, &part, &done);
    if (n == -EAGAIN && done == 0)
        n = callElsewhereUntil(&rest, deadline_ns);
    else if (n < 0)
        n = addUp(done, n);
    if (n >= 0)
        fdCallDone();
    return n;
}
