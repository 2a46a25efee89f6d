/* ThreadWait.h -- waiting for an fd, for the calls of this floor that try first. */
#ifndef RTS_THREAD_WAIT_H
#define RTS_THREAD_WAIT_H

#include "capability/FdHome.h"
#include "rts/Schedule.h"

/* What a call knows of its fd before its system call. */
typedef struct FdView {
    uint32_t kind;  /* FdKind bits; 0: un-adopted */
    uint32_t edges; /* edge counter of the direction; 0: unknown */
    uint32_t home;  /* the home word they were read under */
    FdSlot *slot;   /* at home; NULL: no home yet */
} FdView;

/* threadWaitView -- look before the system call. */
static inline FdView threadWaitView(int fd, FdDirection direction)
{
    uint32_t word = fdHomeLook(fd);
    FdView view = {.kind = fdHomeKind(word), .home = word};
    EventManager *manager = fdHomeManager(word);
    if (LIKELY(manager != NULL))
        view.slot = fdTableFind(&manager->table, fd);
    if (LIKELY(view.slot != NULL))
        view.edges = fdSlotEdges(view.slot, direction);
    return view;
}

/* threadWaitHomeless -- why a number has no home. */
int threadWaitHomeless(int fd);

/* threadWaitFd -- the system call said EAGAIN after `seen` was looked at: park until it is worth
 * trying again, or until deadline_ns.  On a plain OS thread: ppoll.
 * seen     NULL: a bare wait.  Edges counted in another home count for nothing.
 * Returns  -EAGAIN in a step of a task; 0 try again; -EBADF, -ETIMEDOUT, -ECANCELED, -ENOMEM,
 * -ENOSPC, -EMFILE.
 */
int threadWaitFd(int fd, FdDirection direction, const FdView *seen, int64_t deadline_ns);

/* threadWaitLookLast -- a bare wait timed out; the deadline may have come first though the event is
 * there: it is found at another capability.  0: it is; -ETIMEDOUT, -EBADF. */
int threadWaitLookLast(int fd, FdDirection direction);

#endif
