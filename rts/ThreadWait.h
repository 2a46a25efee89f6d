/* ThreadWait.h -- waiting for an fd, for the calls of this floor that try first. */
#ifndef RTS_THREAD_WAIT_H
#define RTS_THREAD_WAIT_H

#include "capability/FdHome.h"
#include "rts/Schedule.h"

/* What a call knows of its fd before its system call. */
typedef struct FdView {
    uint32_t kind;         /* FdKind bits; 0: un-adopted */
    uint32_t edges;        /* edge counter of the direction; 0: unknown */
    uint32_t home;         /* the home word they were read under */
    EventManager *manager; /* NULL: no home yet */
} FdView;

/* threadWaitView -- look before the system call. */
FdView threadWaitView(int fd, FdDirection direction);

/* threadWaitSeen -- what threadWaitFd wants to know of a view: home << 32 | edges. */
static inline uint64_t threadWaitSeen(FdView view)
{
    return (uint64_t)view.home << 32 | view.edges;
}

/* threadWaitFd -- the system call said EAGAIN after `seen` was looked at: park until it is worth
 * trying
 * again, or until deadline_ns.  On a plain OS thread: ppoll.
 * seen     threadWaitSeen, or 0: a bare wait.  Edges counted in another home count for nothing.
 * Returns  0 try again; -EBADF, -ETIMEDOUT, -ECANCELED, -ENOMEM, -ENOSPC, -EMFILE.
 */
int threadWaitFd(int fd, FdDirection direction, uint64_t seen, int64_t deadline_ns);

#endif
