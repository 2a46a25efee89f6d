/* FdCall.h -- what all calls on fds share: try first, wait only on EAGAIN, never touch errno late.
 *
 * Note [Attempts]
 *   errno belongs to the OS thread, and the compiler keeps its address once it has fetched it,
 *   while a green thread may wake up on another OS thread.  So every call of the C library stands
 *   in a function of its own, never inlined, that cannot park between the call and the look at
 *   errno and returns -errno.  The frequent ones do without: See Note [No errno on the way].
 *
 * Note [Drained streams]
 *   A short read of a byte stream proves it empty until the next edge, so the next read waits first
 *   and saves the system call that would say EAGAIN.  Only where FdStream is known, an edge counter
 *   was read before the call, and the read asked for everything there is: no MSG_PEEK, MSG_OOB,
 *   MSG_WAITALL, no control data, not 0 bytes.  The event manager ignores it once urgent data or
 *   the peer's end was seen.
 *
 * Note [Strangers]
 *   An un-adopted fd may be in blocking mode and shared with other processes, so O_NONBLOCK is left
 *   as it is.  Sockets are called with MSG_DONTWAIT; pipes and devices with RWF_NOWAIT, and where
 *   the kernel refuses that (ttys; pipes before Linux 6.4) the call waits for readiness first and
 *   then makes the plain system call, of at most PIPE_BUF bytes when it writes, which a ready pipe
 *   takes at once.  Another process may have emptied the pipe in between, so a green thread has
 *   that call made by the blocking pool if the fd is in blocking mode: adopt what you can.
 *   Files: See Note [Files].
 *
 * Note [Shut for reading]
 *   SLOT_PEER_CLOSED says that reading blocks no more.  shutdown(2) makes that true of calls that
 *   may block; but on datagram sockets and AF_UNIX listeners, which only their own shutdown marks
 *   so, those that do not block go on saying EAGAIN.  So whoever hears EAGAIN there, or again after
 *   a wait that no slot knows of, asks poll(2): POLLRDHUP is that mark.  Then the attempt is made
 *   once more, with FD_KIND_SHUT, since something may have come before the end; if it says EAGAIN
 *   the answer is that of a call that blocks: 0, and -EINVAL for accept.
 *   Where the mark is gone (a TCP socket that was connected anew) the kernel is asked to look
 *   again: eventManagerWarm.  Whoever was told in vain that it is ready meets in any case what a
 *   wait would have met: interrupts, the deadline, others who want to run.
 */
#ifndef RTS_FD_CALL_H
#define RTS_FD_CALL_H

#include "rts/ThreadWait.h"

#include <errno.h>
#include <sys/types.h>
#include <sys/uio.h>

/* More bits of an fd's kind, beside iomgr's FdKind; only the calls of this floor look at it. */
#define FD_KIND_SOCKET UINT32_C(4)  /* a socket: send, not write, so that SIGPIPE stays away */
#define FD_KIND_FILE UINT32_C(16)   /* a file, directory or disk: See Note [Files] */
#define FD_KIND_MEMORY UINT32_C(32) /* and a file of tmpfs or the like */
#define FD_KIND_SHUT UINT32_C(64)   /* of one attempt: See Note [Shut for reading] */

/* FdAttempt -- one try: a count, or -errno.  kind: of the fd, 0 for strangers. */
typedef ssize_t FdAttempt(int fd, uint32_t kind, void *request);

/* What reads and writes bring along.  The deadline is for a stranger's bare wait. */
typedef struct FdParts {
    const struct iovec *parts;
    int count;
    int is_timed; /* it is the first of FdTimedParts */
} FdParts;

typedef struct FdTimedParts {
    FdParts parts; /* first */
    int64_t deadline_ns;
} FdTimedParts;

static inline int64_t fdPartsDeadline(const FdParts *parts)
{
    return parts->is_timed ? ((const FdTimedParts *)(const void *)parts)->deadline_ns
                           : DEADLINE_NEVER;
}

/* fdCallDone -- a call that never meets EAGAIN honours polls and time slices here. */
static inline void fdCallDone(void)
{
    Capability *here = scheduleHere();
    if (UNLIKELY(here == NULL))
        handOverReturn();
    else
        scheduleSafepoint(here);
}

/* fdCall -- attempt until it says something else than -EAGAIN and -EINTR, waiting in between.
 * size: how many bytes a read asks for, if a short one proves a stream empty; 0: proves nothing. */
ssize_t fdCall(int fd, FdDirection direction, size_t size, FdAttempt *attempt, void *request);

/* fdCallUntil -- likewise; -ETIMEDOUT at deadline_ns: by then it has been attempted once at
 * least. */
ssize_t fdCallUntil(int fd, FdDirection direction, size_t size, FdAttempt *attempt, void *request,
                    int64_t deadline_ns);

/* fdCallMeetsEnd -- EAGAIN, though the slot says that reading blocks no more. */
static inline bool fdCallMeetsEnd(const FdView *view, FdDirection direction)
{
    return direction == FdRead && view->slot != NULL &&
           (RELAXED_LOAD(&view->slot->control) & SLOT_PEER_CLOSED) != 0;
}

/* What an attempt said EAGAIN to; again: after a wait. */
typedef struct FdVain {
    const FdView *view;
    int64_t deadline_ns;
    int fd;
    FdDirection direction;
    bool again;
} FdVain;

/* fdCallInVain -- the answer after all, or FD_CALL_WAIT: See Note [Shut for reading]. */
#define FD_CALL_WAIT ((ssize_t)-4096)

ssize_t fdCallInVain(const FdVain *vain, FdAttempt *attempt, void *request);

/* fdCallHere -- fdCall for the frequent ones: it and `attempt` become part of the caller. */
static inline __attribute__((always_inline)) ssize_t fdCallHere(int fd, FdDirection direction,
                                                                size_t size, FdAttempt *attempt,
                                                                void *request)
{
    for (bool again = false;; again = true) {
        FdView view = threadWaitView(fd, direction);
        bool proves = size != 0 && (view.kind & FdStream) != 0 && view.edges != 0;
        ssize_t n = -EAGAIN;
        if (!proves || !fdSlotIsDrained(view.slot, view.edges))
            n = attempt(fd, view.kind, request);
        if (LIKELY(n >= 0)) {
            if (proves && n > 0 && (size_t)n < size)
                fdSlotDrained(view.slot, view.edges);
            fdCallDone();
            return n;
        }
        if (n == -EINTR)
            continue;
        if (n != -EAGAIN)
            return n;
        if (UNLIKELY(again || fdCallMeetsEnd(&view, direction))) {
            FdVain vain = {&view, DEADLINE_NEVER, fd, direction, again};
            n = fdCallInVain(&vain, attempt, request);
            if (n != FD_CALL_WAIT)
                return n;
        }
        int failed = threadWaitFd(fd, direction, &view, DEADLINE_NEVER);
        if (failed < 0)
            return failed;
    }
}

/* fdCallOnce -- attempt until it says something else than -EINTR: -EAGAIN is an answer. */
ssize_t fdCallOnce(int fd, FdDirection direction, FdAttempt *attempt, void *request);

/* fdCallBackOff -- where the kernel tells no readiness: sleep 1, 2, 4, 8, 16, 16 ... ms.
 * *step: 0 at first.  0, -ECANCELED, or -ETIMEDOUT: deadline_ns has passed; not slept beyond it. */
int fdCallBackOff(uint32_t *step, int64_t deadline_ns);

/* fdCallAwaitStranger -- before the plain call: threadWaitFd; where nothing may wait a look, and
 * -EAGAIN: it is not ready.  See Note [Strangers]. */
int fdCallAwaitStranger(int fd, FdDirection direction, const FdView *view, int64_t deadline_ns);

/* fdCallPlain -- See Note [Strangers]: attempt after a wait, elsewhere if it may block. */
ssize_t fdCallPlain(int fd, FdAttempt *attempt, void *request);

/* What fstat says of a stranger. */
typedef enum FdSort { FdSortFile, FdSortSocket, FdSortOther } FdSort;

/* fdCallSort -- an FdSort, or -EBADF. */
int fdCallSort(int fd);

/* fdCallSize -- bytes in all parts together. */
size_t fdCallSize(const struct iovec *parts, size_t count);

/* fdCallRegister -- fd was just made by a system call (negative: that call's error, passed on): set
 * its kind.  The fd, or -E... with the fd closed. */
int fdCallRegister(int fd, uint32_t kind);

#endif
