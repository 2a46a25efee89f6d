/* Errand.h -- a call that may block, on another OS thread, which its caller may give up.
 *
 * Note [Errands]
 *   What an errand needs and what it brings is in memory of its own, with two holders: who waits,
 *   and the OS thread that runs it.  A waiter whose time is up lets go; the call then goes on by
 *   itself, and whoever lets go last frees everything (Errand.free).  So nothing of the caller's
 *   is touched after it has given up.
 *     holders 2 -> 1  either  acq_rel  what it wrote is visible to who frees
 *     holders 1 -> 0  either  acq_rel  frees
 *   An errand that has been given up before it began is not run.
 */
#ifndef RTS_ERRAND_H
#define RTS_ERRAND_H

#include "iomgr/WatchList.h"
#include "rts/BlockingPool.h"

typedef struct Errand Errand;

struct Errand {
    BlockingJob job;              /* first */
    void (*run)(Errand *errand);  /* on an OS thread of the pool */
    void (*free)(Errand *errand); /* the last holder */
    WatchList done;               /* closed (generation 1) when run has returned */
    uint32_t holders;             /* see Note [Errands] */
};

/* errandRun -- set run and free before; anybody but a signal handler may call.
 * 0: it has run; look at what it brought, then errandRelease.  -ETIMEDOUT, -ECANCELED, -ENOMEM: it
 * was given up; -EAGAIN: no OS thread to be had; -ENXIO, -ESHUTDOWN: no runtime: in all these
 * cases it is not the caller's any more. */
int errandRun(Errand *errand, int64_t deadline_ns);
void errandRelease(Errand *errand);

#endif
