/* FdCall.c -- what all calls on fds share: the loop of trying and waiting.
 *
 * Owns    nothing: the state is in the fd's slot and home.
 * Before  rts/FdRead.c and its sisters.   After  rts/ThreadWait.h, when the kernel says EAGAIN.
 * Tests   testsuite/unit/FdReadTest.c, testsuite/conformance/FdCallConformance.c
 *
 * See Note [Attempts], Note [Drained streams], Note [Strangers] and Note [Shut for reading].
 */
#include "rts/FdCall.h"

#include "capability/CapabilityTable.h"
#include "rts/Foreign.h"
#include "rts/Park.h"
#include "rts/Task.h"

#include <capri/thread.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BACK_OFF_STEPS = 4, BACK_OFF_NS = 1000 * 1000 }; /* the longest sleep is 2^4 ms */

ssize_t fdCall(int fd, FdDirection direction, size_t size, FdAttempt *attempt, void *request)
{
    return fdCallHere(fd, direction, size, attempt, request);
}

static bool isShut(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0 && (look.revents & POLLRDHUP) != 0;
}

/* FD_CALL_WAIT: it is not shut. */
static ssize_t attemptAtEnd(const FdVain *vain, FdAttempt *attempt, void *request)
{
    ssize_t n = -EINTR;
    if (!isShut(vain->fd))
        return FD_CALL_WAIT;
    while (n == -EINTR)
        n = attempt(vain->fd, vain->view->kind | FD_KIND_SHUT, request);
    fdCallDone();
    return n == -EAGAIN ? 0 : n;
}

/* Does a wait for it leave in the slot what it was woken by? */
static bool isToldBySlot(const FdVain *vain)
{
    return (vain->view->kind & FdAdopted) != 0 && scheduleSelf() != NULL;
}

ssize_t fdCallInVain(const FdVain *vain, FdAttempt *attempt, void *request)
{
    if (vain->direction == FdRead && (fdCallMeetsEnd(vain->view, FdRead) || !isToldBySlot(vain))) {
        ssize_t n = attemptAtEnd(vain, attempt, request);
        if (n != FD_CALL_WAIT)
            return n;
    }
    if (!vain->again)
        return FD_CALL_WAIT;
    Thread *self = scheduleEnterSelf();
    if (self != NULL && threadIsTask(self)) /* it may come again */
        return taskSawBusy(schedulerOf(scheduleHere())->step, vain->fd, vain->direction,
                           vain->view);
    int refused = self == NULL ? 0 : parkRefusal(self);
    if (refused != 0)
        return refused;
    if (vain->deadline_ns != DEADLINE_NEVER && clockRead(&clockMonotonic) >= vain->deadline_ns)
        return -ETIMEDOUT;
    fdCallDone();
    return FD_CALL_WAIT;
}

/* A last look where a drained stream was taken at its word. */
static ssize_t attemptLast(int fd, FdDirection direction, FdAttempt *attempt, void *request)
{
    ssize_t n = fdCallOnce(fd, direction, attempt, request);
    return n == -EAGAIN ? -ETIMEDOUT : n;
}

ssize_t fdCallUntil(int fd, FdDirection direction, size_t size, FdAttempt *attempt, void *request,
                    int64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NEVER)
        return fdCallHere(fd, direction, size, attempt, request);
    for (bool again = false;; again = true) {
        FdView view = threadWaitView(fd, direction);
        bool proves = size != 0 && (view.kind & FdStream) != 0 && view.edges != 0;
        bool skips = proves && fdSlotIsDrained(view.slot, view.edges);
        ssize_t n = skips ? -EAGAIN : attempt(fd, view.kind, request);
        if (n >= 0) {
            if (proves && n > 0 && (size_t)n < size)
                fdSlotDrained(view.slot, view.edges);
            fdCallDone();
            return n;
        }
        if (n == -EINTR)
            continue;
        if (n != -EAGAIN)
            return n;
        if (!skips && (again || fdCallMeetsEnd(&view, direction))) {
            FdVain vain = {&view, deadline_ns, fd, direction, again};
            n = fdCallInVain(&vain, attempt, request);
            if (n != FD_CALL_WAIT)
                return n;
        }
        int failed = threadWaitFd(fd, direction, &view, deadline_ns);
        if (failed == -ETIMEDOUT && skips)
            return attemptLast(fd, direction, attempt, request);
        if (failed < 0)
            return failed;
    }
}

ssize_t fdCallOnce(int fd, FdDirection direction, FdAttempt *attempt, void *request)
{
    ssize_t n;
    do {
        n = attempt(fd, threadWaitView(fd, direction).kind, request);
    } while (n == -EINTR);
    fdCallDone();
    return n;
}

int fdCallBackOff(uint32_t *step, int64_t deadline_ns)
{
    int64_t now_ns = clockRead(&clockMonotonic), pause_ns = (int64_t)BACK_OFF_NS << *step;
    if (now_ns >= deadline_ns)
        return -ETIMEDOUT;
    if (scheduleInStep(scheduleHere()))
        return -EAGAIN;
    int failed =
        threadDelayUntil(deadline_ns - now_ns < pause_ns ? deadline_ns : now_ns + pause_ns);
    if (*step < BACK_OFF_STEPS)
        ++*step;
    return failed;
}

int fdCallAwaitStranger(int fd, FdDirection direction, const FdView *view, int64_t deadline_ns)
{
    if (scheduleMayWait())
        return threadWaitFd(fd, direction, view, deadline_ns);
    int now = threadWaitLookLast(fd, direction);
    return now == -ETIMEDOUT ? -EAGAIN : now;
}

typedef struct PlainCall {
    FdAttempt *attempt;
    void *request;
    ssize_t result;
    int fd;
} PlainCall;

static void runPlainCall(void *env)
{
    PlainCall *call = env;
    do {
        call->result = call->attempt(call->fd, 0, call->request);
    } while (call->result == -EINTR);
}

ssize_t fdCallPlain(int fd, FdAttempt *attempt, void *request)
{
    PlainCall call = {.attempt = attempt, .request = request, .fd = fd};
    int flags = fcntl(fd, F_GETFL);
    bool may_block = flags >= 0 && (flags & O_NONBLOCK) == 0 && scheduleSelf() != NULL;
    if (!may_block || foreignRun(runPlainCall, &call) != 0)
        runPlainCall(&call);
    return call.result;
}

/* A stranger's number may be closed and opened again meanwhile: it is asked about on purpose, by a
 * system call of which ThreadSanitizer knows nothing. */
int fdCallSort(int fd)
{
    struct stat about;
    if (syscall(SYS_fstat, fd, &about) != 0)
        return -EBADF;
    if (S_ISSOCK(about.st_mode))
        return FdSortSocket;
    bool is_file = S_ISREG(about.st_mode) || S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode);
    return is_file ? FdSortFile : FdSortOther;
}

size_t fdCallSize(const struct iovec *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

int fdCallRegister(int fd, uint32_t kind)
{
    if (fd < 0 ||
        capabilityTableCount() == 0) /* before rtsInit nothing can be adopted, but it works */
        return fd;
    int failed = fdHomeFresh(fd, kind, scheduleHere());
    if (failed == 0)
        return fd;
    close(fd);
    return failed;
}
