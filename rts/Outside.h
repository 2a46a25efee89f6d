/* Outside.h -- plain OS threads: the same waits, blocking the OS thread.
 *
 * A plain OS thread that waits borrows an Outsider: a claim word and a node in type-stable memory,
 * for the same reason a Thread is type-stable.  It sleeps on the claim word as a futex (See Note
 * [Claim states]).
 */
#ifndef RTS_OUTSIDE_H
#define RTS_OUTSIDE_H

#include "iomgr/FdTable.h"
#include "iomgr/WatchList.h"
#include "rts/Wait.h"

#include <capri/allocator.h>

int outsideStart(const Allocator *allocator);
void outsideEnd(void);

/* What would have to wait in a callback, or in a transaction's action, comes here as well, and is
 * refused: -EPERM (fds: -EAGAIN, or 0: it is ready); an assertion, but for fds.
 *
 * Waiting step by step: begin (NULL: *result says why not; its claim is Armed), publish the claim,
 * park (0, -E... it was claimed with, -ETIMEDOUT, -ECANCELED), and in any case done.
 * outsideWake -- who has won the claim; the Outsider may be somebody else's by then. */
typedef struct Outsider Outsider;
Outsider *outsideBegin(int *result);
Claim *outsideClaim(Outsider *outsider);
int outsidePark(Outsider *outsider, int64_t deadline_ns);
void outsideDone(Outsider *outsider);
void outsideWake(Claim *claim);

/* outsideStay -- inside of a call that touches what is the runtime's after a wait, or after the
 * host's code: shutdown will wait for outsideStayOver as for a wait.  They nest.
 * outsideStayHere -- likewise, if the caller is a plain OS thread: is it? */
void outsideStay(void);
bool outsideStayHere(void);
void outsideStayOver(void);

/* outsideWaitList -- parkOnList for a plain OS thread. */
int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns);

/* outsideWaitFd -- ppoll for one direction of fd.  0, -EBADF, -ETIMEDOUT. */
int outsideWaitFd(int fd, FdDirection direction, int64_t deadline_ns);

/* outsideWaitFdStaying -- likewise, of who stays; a shutdown ends it: -ECANCELED. */
int outsideWaitFdStaying(int fd, FdDirection direction, int64_t deadline_ns);

/* outsideSleep -- clock_nanosleep until deadline_ns. */
int outsideSleep(int64_t deadline_ns);

/* outsideSurvive -- child of a fork: no OS thread waits. */
void outsideSurvive(void);

/* outsideCancelAll -- every OS thread that waits on a list gets -ECANCELED. */
void outsideCancelAll(void);

/* outsideAwaitNobody -- shutdown: outsideCancelAll, until no OS thread is in a wait any more, nor
 * stays.  False: deadline_ns came first. */
bool outsideAwaitNobody(int64_t deadline_ns);

#endif
