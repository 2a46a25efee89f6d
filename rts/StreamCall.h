/* StreamCall.h -- receiving and sending through the back-end, where it can: the kernel moves the
 * bytes while the thread waits, and no system call is made for it alone.
 *
 * Note [Stream calls]
 *   On a back-end that takes submissions a read of an adopted stream socket is not tried first:
 *   it is given to the kernel, which completes it when bytes arrive; so it needs neither the call
 *   that would say EAGAIN, nor readiness, nor the read after it.  It goes along with the next poll,
 *   with whatever else has been asked for by then.  If the last receive has left bytes behind
 *   (SLOT_MORE, a hint) there is nothing to wait for, and recv(2) is shorter.
 *   A write goes that way when others are ready to run here (SEND_AMONG), who will want something
 *   of the kernel, too; else send(2) is shorter.  Where send(2) finds no room it does as well.
 *   The waiter stands in its slot's list as any other, so that closeFd finds it; nobody registers
 *   the fd for it.  An event that others asked for wakes it for nothing: it stands there again.
 *   Whoever is told to look again has the call cancelled, and makes another one.  A file stays open
 *   until the kernel has let go of the call: closeFd asks it to, which may take a moment longer.
 *   Where threads run for long the next poll may be far away: then it comes sooner, and what can be
 *   sent at once is.
 *   Its deadline and interrupts cancel the call: See Note [Interrupted calls].  Either the call is
 *   done, or it has done nothing.
 */
#ifndef RTS_STREAM_CALL_H
#define RTS_STREAM_CALL_H

#include "internal/SMP.h"
#include "iomgr/FdTable.h"

#include <sys/types.h>

/* STREAM_PLAINLY -- not done, and not to be done so: by system calls. */
#define STREAM_PLAINLY ((ssize_t)-4096)

/* stream_calls -- does the runtime's back-end take submissions?  Set by streamCallStart.
 * streamCallsWork -- likewise. */
extern bool stream_calls;

void streamCallStart(bool works);

static inline bool streamCallsWork(void)
{
    return RELAXED_LOAD(&stream_calls);
}

/* streamCallFlush -- who closes a number of that kind, once those who wait for it have been told,
 * and how many these were: what was given away, be it of a file, means what the number still is;
 * what those who were told gave away for a stream ends soon. */
void streamCallFlushSlow(int fd);

static inline void streamCallFlush(int fd, uint32_t kind, uint32_t told)
{
    if (UNLIKELY(streamCallsWork()))
        streamCallFlushSlow(told == 0 || (kind & FdStream) == 0 ? -1 : fd);
}

/* streamCallReceive, streamCallSend -- anybody, if they work: a count, -E..., or STREAM_PLAINLY. */
ssize_t streamCallReceive(int fd, void *bytes, size_t size, int64_t deadline_ns);
ssize_t streamCallSend(int fd, const void *bytes, size_t size, int64_t deadline_ns);

#endif
