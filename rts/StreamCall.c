/* StreamCall.c -- receiving and sending through the back-end, where it can.
 *
 * Owns    stream_calls; SLOT_MORE.
 * Before  rts/FdRead.c, rts/FdWrite.c.   After  rts/KernelCall.c: the kernel's part.
 * Tests   testsuite/conformance/StreamConformance.c, testsuite/conformance/FdCallConformance.c
 *
 * See Note [Stream calls].
 */
#include "rts/StreamCall.h"

#include "internal/SystemCall.h"
#include "rts/FdCall.h"
#include "rts/Interrupt.h"
#include "rts/KernelCall.h"
#include "rts/Look.h"
#include "rts/Park.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    SEND_AMONG = 4,         /* threads that are ready here */
    CALL_MOST = 0x7ffff000, /* as of read(2) */
    STREAM_KIND = FdAdopted | FdStream | FD_KIND_SOCKET,
    SEND_FLAGS = MSG_NOSIGNAL | MSG_DONTWAIT
};

bool stream_calls;

void streamCallStart(bool works)
{
    RELAXED_STORE(&stream_calls, works);
}

/* One call, from its first wait to its last. */
typedef struct Stream {
    KernelCall call;
    FileRequest request;
    FdDirection direction;
    int64_t deadline_ns;
    uint32_t home;       /* the present wait's, as are */
    uint16_t generation; /* of its list, and */
    FdSlot *slot;        /* NULL: in no wait yet */
    bool submitted;
} Stream;

/* A home that it has just been given: what the slot believes may be of an older file. */
static FdSlot *doubt(FdSlot *slot)
{
    uint32_t control = RELAXED_LOAD(&slot->control);
    if ((control & SLOT_MODES) != 0)
        fdSlotMark(slot, fdControlGeneration(control), SLOT_SUSPECT);
    return slot;
}

/* Where fd lives now.  0; -ENOMEM; -ENOTSOCK: it is no stream any more. */
static int findSlot(Stream *stream)
{
    int fd = stream->request.fd;
    uint32_t word = fdHomeLook(fd);
    bool settled = fdHomeIsSettled(word);
    if (UNLIKELY(!settled))
        word = fdHomeSettleSlow(fd, scheduleHere());
    if (UNLIKELY((fdHomeKind(word) & STREAM_KIND) != STREAM_KIND))
        return word == 0 ? -ENOMEM : -ENOTSOCK;
    FdSlot *slot = fdTableGet(&fdHomeManager(word)->table, fd);
    if (slot == NULL)
        return -ENOMEM;
    stream->home = word;
    stream->slot = settled ? slot : doubt(slot);
    return 0;
}

static void forget(const Stream *stream, Thread *self)
{
    eventManagerForget(fdHomeManager(stream->home), stream->request.fd, stream->direction,
                       &self->node, scheduleHere());
}

/* Stand in the list.  0, or FD_LOOK_AGAIN: the number has moved or was closed meanwhile. */
static int stand(Stream *stream, Thread *self)
{
    WatchList *list = &stream->slot->waiters[stream->direction];
    stream->generation = watchListGeneration(ACQUIRE_LOAD(list));
    if (!watchListAdd(list, stream->generation, &self->node))
        return FD_LOOK_AGAIN;
    if (LIKELY(fdHomeLook(stream->request.fd) == stream->home))
        return 0;
    forget(stream, self);
    return FD_LOOK_AGAIN;
}

static bool isOver(Stream *stream)
{
    return stream->submitted && !kernelCallIsMade(&stream->call);
}

/* Was the number closed while it waited? */
static bool wasClosed(const Stream *stream)
{
    uint32_t control = ACQUIRE_LOAD(&stream->slot->control);
    return fdControlGeneration(control) != stream->generation &&
           !fdSlotHasMoved(stream->slot, stream->generation);
}

/* In a list, before it parks.  0; else it need not, or must not.  FD_LOOK_AGAIN: it was
 * fired, or the call is over. */
static int giveAway(Stream *stream, Thread *self)
{
    int refused = 0;
    if (stream->submitted)
        return kernelCallIsOver(&stream->call) ? FD_LOOK_AGAIN : 0;
    Capability *here = scheduleHere();
    refused = kernelCallSubmit(&stream->call, self, here);
    stream->submitted = refused == 0;
    lookSoon(schedulerOf(here));
    return refused == -ECANCELED ? FD_LOOK_AGAIN : refused;
}

/* One wait.  0: something has happened, be it that the call is over; else how it is to end. */
static int waitOnce(Stream *stream, Thread *self)
{
    ThreadState why = stream->direction == FdRead ? ThreadBlockedOnRead : ThreadBlockedOnWrite;
    parkBegin(self);
    int result = stand(stream, self);
    if (result == 0) {
        result = giveAway(stream, self);
        if (UNLIKELY(result != 0))
            forget(stream, self);
    }
    if (UNLIKELY(result != 0)) {
        int claimed = parkAbandon(self);
        return claimed != 0 ? claimed : result;
    }
    result = parkUntil(self, why, stream->request.fd, stream->deadline_ns);
    if (parkLinked(self))
        forget(stream, self);
    return result == 0 && UNLIKELY(!isOver(stream) && wasClosed(stream)) ? -EBADF : result;
}

/* Until the call is over by itself: 0; or has to end: why; or was not taken: -E... */
static int waitForIt(Stream *stream, Thread *self)
{
    for (;;) {
        int found = findSlot(stream);
        int result = found == 0 ? waitOnce(stream, self) : found;
        if (result < 0) /* also when it is over, be it by that */
            return result;
        if (isOver(stream))
            return 0;
        if (result != 0 && stream->submitted)
            return result;
    }
}

static bool hasMore(FdSlot *slot)
{
    return (RELAXED_LOAD(&slot->control) & SLOT_MORE) != 0;
}

/* A hint, for whoever reads next. */
static void noteMore(FdSlot *slot, bool more)
{
    if (LIKELY(hasMore(slot) == more))
        return;
    if (more)
        OR_RELAXED(&slot->control, SLOT_MORE);
    else
        AND_RELAXED(&slot->control, ~(uint32_t)SLOT_MORE);
}

/* What to say once the kernel is through; why: what ended the wait before, or 0.  -EAGAIN: once
 * more. */
static ssize_t conclude(Stream *stream, Thread *self, int why)
{
    int result = stream->call.submission.result;
    if (result >= 0 && stream->direction == FdRead)
        noteMore(stream->slot, stream->call.submission.more);
    if (!kernelCallRefused(result))
        return result == -ENOTSOCK ? STREAM_PLAINLY : result;
    if (why == -EINTR) /* unless it was withdrawn */
        return interruptRaise(self) ? -ECANCELED : -EAGAIN;
    if (why < 0)
        return why == -ENOTSOCK ? STREAM_PLAINLY : why;
    return result == -ECANCELED || result == -EINTR ? -EAGAIN : STREAM_PLAINLY; /* a refusal */
}

static ssize_t callOnce(Stream *stream, Thread *self)
{
    MaskingState before = threadMaskingState();
    if (before != MaskedUninterruptible)
        interruptMask(self, MaskedInCall);
    stream->submitted = false;
    int why = waitForIt(stream, self);
    if (stream->submitted && why != 0)
        kernelCallCancel(&stream->call);
    else if (stream->submitted)
        kernelCallLeave(&stream->call);
    interruptMask(self, before);
    if (stream->submitted)
        return conclude(stream, self, why);
    return why == -ENOMEM || why == -EOPNOTSUPP || why == -ENOTSOCK ? STREAM_PLAINLY : why;
}

void streamCallFlushSlow(int fd)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        eventManagerFlush(&capabilities.items[i]->manager, fd);
}

/* NULL: not by this way; here: the caller's capability. */
static Thread *selfOf(Capability *here, int fd, size_t size)
{
    if (here == NULL || size == 0 || (fdHomeKind(fdHomeLook(fd)) & STREAM_KIND) != STREAM_KIND)
        return NULL;
    Thread *self = here->current;
    /* What is tried first may be done, whatever is pending. */
    bool plain = self == NULL || RELAXED_LOAD(&self->interrupts) != 0 ||
                 RELAXED_LOAD(&park_cancelled) != 0 || !scheduleMayWait();
    return plain ? NULL : self;
}

static ssize_t call(Thread *self, FileOperation operation, int fd, const struct iovec *part,
                    int64_t deadline_ns)
{
    struct iovec whole = *part; /* what the kernel's word for a size can hold */
    if (whole.iov_len > CALL_MOST)
        whole.iov_len = CALL_MOST;
    Stream stream = {.request = {.operation = operation, .fd = fd, .parts = &whole, .count = 1},
                     .direction = operation == FileReceive ? FdRead : FdWrite,
                     .deadline_ns = deadline_ns};
    ssize_t result;
    stream.call.submission.request = &stream.request;
    stream.call.submission.wanted = kernelCallWanted;
    do {
        result = callOnce(&stream, self);
    } while (result == -EAGAIN);
    return result;
}

ssize_t streamCallReceive(int fd, void *bytes, size_t size, int64_t deadline_ns)
{
    Thread *self = selfOf(scheduleEnter(), fd, size);
    if (self == NULL)
        return STREAM_PLAINLY;
    FdSlot *slot = threadWaitView(fd, FdRead).slot;
    if (slot != NULL && hasMore(slot)) {
        ssize_t n = systemRecv(fd, bytes, size, MSG_DONTWAIT);
        if (n != -EAGAIN && n != -EINTR) {
            if (n < (ssize_t)size)
                noteMore(slot, false);
            fdCallDone();
            return n;
        }
    }
    return call(self, FileReceive, fd, &(struct iovec){bytes, size}, deadline_ns);
}

ssize_t streamCallSend(int fd, const void *bytes, size_t size, int64_t deadline_ns)
{
    Capability *here = scheduleEnter();
    Thread *self = selfOf(here, fd, size);
    if (self == NULL)
        return STREAM_PLAINLY;
    if (runQueueLength(&here->queue) < SEND_AMONG || lookIsSlow(schedulerOf(here))) {
        ssize_t n = systemSend(fd, bytes, size, SEND_FLAGS);
        if (n != -EAGAIN && n != -EINTR) {
            fdCallDone();
            return n;
        }
    }
    return call(self, FileSend, fd, &(struct iovec){(void *)(uintptr_t)bytes, size}, deadline_ns);
}
