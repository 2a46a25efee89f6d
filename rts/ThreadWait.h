/* ThreadWait.h -- waiting for an fd, for the calls of this floor that try first. */
#ifndef RTS_THREAD_WAIT_H
#define RTS_THREAD_WAIT_H

#include "capability/FdHome.h"
#include "rts/Schedule.h"

/* What a call knows of its fd before its system call. */
typedef struct FdView {
    uint32_t kind;         /* FdKind bits; 0: un-adopted */
    uint32_t edges;        /* edge counter of the direction; 0: unknown */
    EventManager *manager; /* NULL: no home yet */
} FdView;

/* threadWaitView -- look before the system call. */
FdView threadWaitView(int fd, FdDirection direction);

/* threadWaitFd -- the system call said EAGAIN after `edges` was read (0: a bare wait): park until
 * it is worth trying again, or until deadline_ns. On a plain OS thread: ppoll.
 * 0 try again; -EBADF, -ETIMEDOUT, -ECANCELED, -ENOMEM, -ENOSPC, -EMFILE. */
int threadWaitFd(int fd, FdDirection direction, uint32_t edges, int64_t deadline_ns);

#endif
