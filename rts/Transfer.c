/* Transfer.c -- bytes that go from one fd to another inside the kernel: sendfile(2), splice(2).
 *
 * Owns    nothing.
 * Before  rts/FdSendFile.c, rts/FdSplice.c.
 * After   rts/ThreadWait.c: an end that is not ready; rts/Foreign.c: a call that may sleep.
 * Tests   testsuite/unit/FdSpliceTest.c, testsuite/conformance/FileConformance.c
 *
 * See Note [Transfers], and Note [Attempts] for the functions that are not inlined.
 */
#include "rts/Transfer.h"

#include "rts/FdCall.h"
#include "rts/FileCall.h"
#include "rts/Foreign.h"

#include <capri/rts.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS = 4 }; /* so often in a row both ends may be ready, before we sleep a little */

/* One end as it was before the call. */
typedef struct End {
    int fd;
    FdDirection direction;
    bool is_file;
    bool may_sleep; /* in blocking mode, and not a file */
    FdView view;
} End;

static int lookAtEnd(End *end, int fd, FdDirection direction)
{
    *end = (End){.fd = fd, .direction = direction, .view = threadWaitView(fd, direction)};
    if ((end->view.kind & FdAdopted) != 0) {
        end->is_file = (end->view.kind & FD_KIND_FILE) != 0;
        return 0;
    }
    int sort = fdCallSort(fd), flags = fcntl(fd, F_GETFL);
    if (sort < 0 || flags < 0)
        return -EBADF;
    end->is_file = sort == FdSortFile;
    end->may_sleep = !end->is_file && (flags & O_NONBLOCK) == 0;
    return 0;
}

static ssize_t callKernel(const Transfer *transfer)
{
    if (transfer->is_sendfile)
        return sendfile(transfer->out, transfer->in, transfer->in_offset, transfer->size);
    return splice(transfer->in, transfer->in_offset, transfer->out, transfer->out_offset,
                  transfer->size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/* See Note [Transfers] about SIGPIPE. */
static __attribute__((noinline)) ssize_t moveOnce(const Transfer *transfer)
{
    sigset_t pipe_signal, before, pending;
    struct timespec at_once = {0, 0};
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    sigpending(&pending);
    ssize_t n = callKernel(transfer);
    if (n < 0)
        n = -errno;
    bool all = n == (ssize_t)transfer->size;
    if (!all && n != -EAGAIN && sigismember(&pending, SIGPIPE) == 0)
        sigtimedwait(&pipe_signal, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

typedef struct ForeignTransfer {
    const Transfer *transfer;
    ssize_t result;
} ForeignTransfer;

static void runForeign(void *env)
{
    ForeignTransfer *call = env;
    call->result = moveOnce(call->transfer);
}

static ssize_t moveElsewhere(const Transfer *transfer)
{
    ForeignTransfer call = {transfer, 0};
    if (foreignRun(runForeign, &call) != 0)
        runForeign(&call);
    return call.result;
}

static bool isInMemory(const Transfer *transfer)
{
    int64_t offset = transfer->in_offset != NULL ? *transfer->in_offset
                                                 : (int64_t)lseek(transfer->in, 0, SEEK_CUR);
    return offset >= 0 && fileCallCached(transfer->in, offset, transfer->size);
}

static bool maySleep(const Transfer *transfer, const End *in, const End *out)
{
    return in->may_sleep || out->may_sleep || out->is_file ||
           (in->is_file && !isInMemory(transfer));
}

static bool isReady(const End *end)
{
    struct pollfd look = {.fd = end->fd, .events = end->direction == FdRead ? POLLIN : POLLOUT};
    return end->is_file || poll(&look, 1, 0) != 0;
}

static int waitForEnd(const End *end, int64_t deadline_ns)
{
    return fdCallAwaitStranger(end->fd, end->direction, &end->view, deadline_ns);
}

/* The call said EAGAIN.  0: worth another try. */
static int waitForOne(const End *in, const End *out, uint32_t *looks, uint32_t *step,
                      int64_t deadline_ns)
{
    if (!isReady(in))
        return waitForEnd(in, deadline_ns);
    if (!isReady(out))
        return waitForEnd(out, deadline_ns);
    if (rtsNow() >= deadline_ns)
        return -ETIMEDOUT;
    return ++*looks < LOOKS ? 0 : fdCallBackOff(step, deadline_ns);
}

/* Strangers in blocking mode: the call would not say EAGAIN. */
static int waitForStrangers(const End *in, const End *out, int64_t deadline_ns)
{
    int failed = in->may_sleep ? waitForEnd(in, deadline_ns) : 0;
    return failed == 0 && out->may_sleep ? waitForEnd(out, deadline_ns) : failed;
}

ssize_t transferRun(const Transfer *transfer, int64_t deadline_ns)
{
    uint32_t looks = 0, step = 0;
    for (;;) {
        End in, out;
        int failed = lookAtEnd(&in, transfer->in, FdRead);
        if (failed == 0)
            failed = lookAtEnd(&out, transfer->out, FdWrite);
        if (failed == 0)
            failed = waitForStrangers(&in, &out, deadline_ns);
        if (failed != 0)
            return failed;
        bool elsewhere = scheduleSelf() != NULL && maySleep(transfer, &in, &out);
        ssize_t n = elsewhere ? moveElsewhere(transfer) : moveOnce(transfer);
        if (n >= 0)
            fdCallDone();
        if (n != -EAGAIN && n != -EINTR)
            return n;
        failed = n == -EINTR ? 0 : waitForOne(&in, &out, &looks, &step, deadline_ns);
        if (failed != 0)
            return failed;
    }
}
