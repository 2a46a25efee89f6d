/* EventManager.h -- one core's descriptors and deadlines: life cycle, and one step = poll,
 * dispatch, expire.
 *
 * Knows no threads: it fires WatchNodes and Timers, whose callbacks the upper floor wrote.  `sink`
 * is the upper floor's handle; it is passed through to every callback untouched.
 */
#ifndef IOMGR_EVENT_MANAGER_H
#define IOMGR_EVENT_MANAGER_H

#include "iomgr/Backend.h"
#include "iomgr/Clock.h"
#include "iomgr/FdTable.h"
#include "iomgr/TimerHeap.h"
#include "iomgr/Wakeup.h"

enum { EVENT_BATCH = 64 }; /* records one poll collects at most */

/* event_manager_verify -- debug, only with CAPRI_ASSERTIONS: every park on an adopted fd asks the
 * kernel whether the number still is the file it was, and stops the process if somebody closed it
 * behind our back.  Set while nobody waits (relaxed), or by CAPRI_VERIFY=1 in the environment. */
extern bool event_manager_verify;

typedef struct EventManagerStats {
    uint64_t polls;   /* owner: calls of the back-end's poll */
    uint64_t sleeps;  /* owner: those that were allowed to wait */
    uint64_t events;  /* anyone (relaxed add per batch): records dispatched, wakeups not counted */
    uint64_t fired;   /* anyone: waiters fired by events */
    uint64_t rescues; /* anyone: events and timers taken by somebody else than the owner */
    uint64_t changes; /* anyone: add + modify + remove, i.e. epoll_ctl on epoll */
    uint64_t wakeups; /* owner: times the Wakeup was drained */
    uint64_t stale;   /* anyone: events dropped for their generation */
} EventManagerStats;

typedef struct EventManager {
    const Backend *backend; /* constant */
    BackendState *state;    /* constant while open */
    const Clock *clock;     /* constant */
    const Allocator *allocator;
    FdTable table;
    Wakeup wakeup;
    uint32_t poll_count; /* owner adds 1 per poll (relaxed store); watchers see by it who is busy */
    uint32_t fds;        /* anyone, relaxed: fds registered now */
    int64_t now_ns;      /* owner: the clock as of the last step that had to read it */
    bool stepping;       /* owner: it is inside eventManagerStep */
    int64_t rebias_ns;   /* owner: when the timers' gate was last offered to go back to biased */
    EventRecord records[EVENT_BATCH]; /* owner's poll */
    CACHE_ALIGNED TimerHeap timers;
    CACHE_ALIGNED EventManagerStats stats;
} EventManager;

/* eventManagerOpen -- backend and clock NULL: the defaults.  0 or -EMFILE, -ENFILE,
 * -ENOMEM, -ENOSYS. */
int eventManagerOpen(EventManager *manager, const Backend *backend, const Clock *clock,
                     const Allocator *allocator);
void eventManagerClose(EventManager *manager);

/* ---- waiting for an fd --------------------------------------------------------------------- */

/* What a waiter knows of the past.  edges: fdEdges read before its failed system call, or 0: a bare
 * wait that only promises that its own last look said EAGAIN.  who: tells bare waiters apart, not
 * 0. */
typedef struct FdSeen {
    uint32_t edges;
    uint32_t who;
} FdSeen;

/* What waiters are fired with, beside 0 and -EBADF, when it is not known whose file the number is:
 * nothing is said about readiness, look again. */
#define FD_LOOK_AGAIN 1

/* eventManagerAwait -- publish `node` (fire and number filled in) as a waiter of fd's direction,
 * and see to it that the kernel will tell.  See Note [Fd slot states].
 *
 * Returns   0: published, the caller parks (its node may have been fired by now: once, as always);
 *           1: ready now, or it may be: not published, will not be fired;
 *           -EBADF not open, or closed meanwhile; -ENOMEM, -ENOSPC, -EMFILE: not published.
 * Cost      adopted and warm: no system call;  un-adopted: one change.
 * Context   any OS thread, any time.
 */
int eventManagerAwait(EventManager *manager, int fd, uint32_t kind, FdDirection direction,
                      FdSeen seen, WatchNode *node, void *sink);

/* eventManagerForget -- take a published node back.  True: it was still published (nobody will fire
 * it); false: it has been fired.  The node is the caller's again either way. */
bool eventManagerForget(EventManager *manager, int fd, FdDirection direction, WatchNode *node,
                        void *sink);

/* eventManagerWoken -- a bare waiter tells that it returns to its caller now. */
void eventManagerWoken(EventManager *manager, int fd, FdDirection direction, uint32_t who);

/* eventManagerEdges -- the edge counter to be passed in FdSeen; 0 if fd has no slot yet. */
static inline uint32_t eventManagerEdges(EventManager *manager, int fd, FdDirection direction)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    return slot == NULL ? 0 : SEQ_CST_LOAD(&slot->edges[direction]);
}

/* eventManagerGeneration -- changes whenever the number is closed or becomes another file's. */
static inline uint16_t eventManagerGeneration(EventManager *manager, int fd)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    return slot == NULL ? 0 : fdControlGeneration(ACQUIRE_LOAD(&slot->control));
}

/* eventManagerDrained -- after a short read that began at `edges`: nothing is left until the next
 * edge (ignored when urgent data or the peer's end was seen).  eventManagerIsDrained: reading at
 * `edges` would say EAGAIN for certain, so wait first. */
void eventManagerDrained(EventManager *manager, int fd, uint32_t edges);
bool eventManagerIsDrained(EventManager *manager, int fd, uint32_t edges);

/* eventManagerAdopt -- fd, which may have waiters, is adopted from now on (waiters stay). 0
 * or -E... */
int eventManagerAdopt(EventManager *manager, int fd, void *sink);

/* eventManagerFresh -- the number has just been given to a new file: whatever the slot
 * believed is over.*/
void eventManagerFresh(EventManager *manager, int fd, void *sink);

/* eventManagerCloseFd -- before close(2): new generation, remove, wake everyone with -EBADF.
 * eventManagerClosedFd -- after close(2): whoever came to wait for the closed file is told to look
 * again. */
void eventManagerCloseFd(EventManager *manager, int fd, void *sink);
void eventManagerClosedFd(EventManager *manager, int fd, void *sink);

/* eventManagerLeave -- fd lives with another manager from now on: new generation, remove, whoever
 * waits here is told to look again (FD_LOOK_AGAIN). */
void eventManagerLeave(EventManager *manager, int fd, void *sink);

/* ---- stepping ------------------------------------------------------------------------------ */

/* eventManagerStep -- owner: poll until deadline_ns (0: only look), dispatch, expire what is due.
 * The next timer's deadline is taken into account.  Returns how many waiters and timers
 * were fired. */
uint32_t eventManagerStep(EventManager *manager, int64_t deadline_ns, void *sink);

/* eventManagerStepOver -- owner: as above, but sleeps over other managers' pollable fds as well and
 * returns when one becomes readable; own events are dispatched, the others' are not touched.
 * *ready gets bit i when pollables[i] was readable; at most 64 of them, negative ones are passed
 * over. Where the back-end has no pollable fd of its own the others are not watched: this is
 * eventManagerStep. */
uint32_t eventManagerStepOver(EventManager *manager, int64_t deadline_ns, const int *pollables,
                              int count, uint64_t *ready, void *sink);

/* eventManagerRescue -- anybody but the owner: look without waiting, dispatch what there is, expire
 * due timers; never drains the Wakeup.  Returns how many were fired. */
uint32_t eventManagerRescue(EventManager *manager, void *sink);

/* eventManagerWake -- any OS thread, signal handlers too: end the owner's sleep. */
void eventManagerWake(EventManager *manager);

/* eventManagerPollable -- an fd that polls readable while events wait here, or -1. */
int eventManagerPollable(EventManager *manager);

#endif
