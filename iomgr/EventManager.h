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
#include "iomgr/Rest.h"
#include "iomgr/TimerManager.h"
#include "iomgr/Wakeup.h"

#include <capri/event.h>

enum { EVENT_BATCH = 256 }; /* records one poll collects at most */

/* event_manager_verify -- debug, only with CAPRI_ASSERTIONS: every park on an adopted fd asks the
 * kernel whether the number still is the file it was, and stops the process if somebody closed it
 * behind our back.  Set while nobody waits (relaxed), or by CAPRI_VERIFY=1 in the environment. */
extern bool event_manager_verify;

/* EventManagerStats: owner: polls, sleeps, wakeups; anyone (relaxed add): the others. */

/* EventManagerOwns -- does the calling OS thread own the manager, until it says otherwise? */
typedef bool EventManagerOwns(const EventManager *manager);

struct EventManager {
    const Backend *backend; /* constant; what was asked for or its fall-back */
    BackendState *state;    /* constant while open */
    const Clock *clock;     /* constant */
    const Allocator *allocator;
    EventManagerOwns *owns; /* constant: of a capability's; NULL: See Note [Timeout home] */
    FdTable table;
    Wakeup wakeup;
    uint32_t poll_count; /* owner adds 1 per poll (relaxed store); watchers see by it who is busy */
    uint32_t fds;        /* anyone, relaxed: fds registered now, and calls the kernel has */
    int64_t now_ns;      /* owner: the clock as of the last step that had to read it */
    bool now_fresh;      /* owner: now_ns was read after the last poll */
    bool polling;        /* owner: it calls back: from a poll, even another manager's, or a close */
    int64_t rebias_ns;   /* owner: when the timers' gate was last offered to go back to biased */
    EventRecord records[EVENT_BATCH]; /* owner's poll */
    Rest rest;                        /* around each wait in the kernel: See Note [Standing] */
    bool exclusive;      /* constant: standalone, so one OS thread polls and dispatches at a time */
    bool lost;           /* set in a fork's child: the capability is not there, or not usable */
    uint32_t process;    /* constant: event_manager_process when it was made */
    uint64_t uniques;    /* anyone, relaxed CAS: the last FdKey.unique; its high bits stay as they
                            were at first: See Note [Keys over a fork] */
    uint32_t registered; /* anyone, seq_cst: registrations now */
    uint32_t stepping;   /* standalone: 1 while somebody steps; See Note [Stepping] */
    uint32_t stopping;   /* standalone: eventManagerStop was called; by store and exchange */
    int timer_fd;        /* stepper, owner: the timerfd of eventManagerLoopFd, or -1 */
    int64_t timer_ns;    /* likewise: what it is set to, or DEADLINE_NEVER */
    CACHE_ALIGNED TimerHeap timers;
    CACHE_ALIGNED TimerManager timeouts;
    CACHE_ALIGNED EventManagerStats stats;
};

/* event_manager_process -- how many forks away from the first process this one is, as far as anyone
 * has told (relaxed): See Note [Inherited managers] and Note [Keys over a fork].
 * eventManagerBecomeChild -- tells, in the child, on its only OS thread; once or several times. */
extern uint32_t event_manager_process;
void eventManagerBecomeChild(void);

/* eventManagerIsInherited -- a standalone manager of the parent's, or a capability's that is not
 * there (any more). */
static inline bool eventManagerIsInherited(const EventManager *manager)
{
    return UNLIKELY(manager->lost) ||
           (manager->exclusive &&
            UNLIKELY(manager->process != RELAXED_LOAD(&event_manager_process)));
}

/* eventManagerIsHome -- does the caller own the gate of the timers?  Of a standalone manager
 * another OS thread may take that away at any moment: See Note [Timeout home]. */
static inline bool eventManagerIsHome(const EventManager *manager)
{
    if (manager->owns != NULL)
        return manager->owns(manager);
    return RELAXED_LOAD(&manager->timeouts.home) == osThreadSelf();
}

/* eventManagerIsOldKey -- of fds: a registration of the parent's, before a fork. */
static inline bool eventManagerIsOldKey(const EventManager *manager, FdKey key)
{
    uint64_t other = manager->timeouts.epoch ^ key.unique;
    return UNLIKELY(other >> TIMEOUT_EPOCH_SHIFT != 0) && key.unique != 0;
}

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

/* eventManagerWarm -- can an adopted fd be waited for without asking the kernel?
 * 0             yes: publish under *generation in waiters[direction], and only then compare the
 *               count of edges with *edges
 * 1             ready now, or it may be
 * FD_ASK_KERNEL cannot tell: eventManagerAwait
 * The word is read before `control`: See Note [Fd slot generation]. */
#define FD_ASK_KERNEL 2

static inline int eventManagerWarm(const FdSlot *slot, FdDirection direction, FdSeen seen,
                                   uint16_t *generation, uint32_t *edges)
{
    *generation = watchListGeneration(ACQUIRE_LOAD(&slot->waiters[direction]));
    uint32_t control = ACQUIRE_LOAD(&slot->control);
    if (UNLIKELY(fdControlGeneration(control) != *generation))
        return FD_ASK_KERNEL;
    if (UNLIKELY((control & SLOT_READY) != 0))
        return 1;
    if (UNLIKELY((control & SLOT_EDGE) == 0))
        return FD_ASK_KERNEL;
    if (direction == FdRead && (control & SLOT_PEER_CLOSED) && seen.edges == 0)
        return 1;
    *edges = fdSlotEdges(slot, direction);
    if (LIKELY(seen.edges != 0)) {
        if (*edges != seen.edges)
            return 1;
    } else {
        uint64_t last = RELAXED_LOAD(&slot->last[direction]);
        if (last >> 32 != seen.who)
            return FD_ASK_KERNEL; /* what somebody else saw says nothing of this one's last look */
        if ((uint32_t)last != *edges)
            return 1;
    }
    if (UNLIKELY((control & (SLOT_SUSPECT | (direction == FdRead ? SLOT_PEER_CLOSED : 0))) != 0))
        return FD_ASK_KERNEL; /* the peer's end, and yet EAGAIN: See Note [Fd slot's end] */
#ifdef CAPRI_ASSERTIONS
    if (RELAXED_LOAD(&event_manager_verify))
        return FD_ASK_KERNEL;
#endif
    return 0;
}

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
    return slot == NULL ? 0 : fdSlotEdges(slot, direction);
}

/* eventManagerGeneration -- changes whenever the number is closed or becomes another file's. */
static inline uint16_t eventManagerGeneration(EventManager *manager, int fd)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    return slot == NULL ? 0 : fdControlGeneration(ACQUIRE_LOAD(&slot->control));
}

/* eventManagerAdopt -- fd, which may have waiters, is adopted from now on (waiters stay). 0
 * or -E... */
int eventManagerAdopt(EventManager *manager, int fd, void *sink);

/* eventManagerFresh -- the number has just been given to a new file: whatever the slot
 * believed is over.*/
void eventManagerFresh(EventManager *manager, int fd, void *sink);

/* eventManagerClosingFd -- before close(2): new generation, remove, wake everyone with -EBADF.
 * eventManagerClosedFd -- after close(2): whoever came to wait for the closed file is told to look
 * again.  Both: how many were told. */
uint32_t eventManagerClosingFd(EventManager *manager, int fd, void *sink);
uint32_t eventManagerClosedFd(EventManager *manager, int fd, void *sink);

/* eventManagerLeave -- fd lives with another manager from now on: new generation, remove, whoever
 * waits here is told to look again (FD_LOOK_AGAIN). */
void eventManagerLeave(EventManager *manager, int fd, void *sink);

/* eventManagerSubmit -- let the kernel make a call; submission->done tells.  0, or it was not
 * taken: -EOPNOTSUPP, this back-end cannot; -ENOMEM.  Any OS thread.  See Note [Submissions]. */
int eventManagerSubmit(EventManager *manager, Submission *submission);

/* eventManagerFlush -- what was taken before is in the kernel's hands, and means the files that its
 * numbers mean now.  fd: calls for that file shall be done soon; -1: none.
 * eventManagerCancel -- of one that was taken and is not done, as far as the caller knows: it shall
 * be done soon.  0, or -ENOMEM: ask again. */
void eventManagerFlush(EventManager *manager, int fd);
int eventManagerCancel(EventManager *manager, Submission *submission);

/* ---- stepping ------------------------------------------------------------------------------ */

/* eventManagerPoll -- owner: poll until deadline_ns (0: only look), dispatch, expire what is due.
 * The next timer's deadline is taken into account.  Returns how many waiters and timers
 * were fired. */
uint32_t eventManagerPoll(EventManager *manager, int64_t deadline_ns, void *sink);

/* eventManagerPollOver -- owner: as above, but sleeps over other managers' pollable fds as well and
 * returns when one becomes readable; own events are dispatched, the others' are not touched.
 * *ready gets bit i when pollables[i] was readable; at most 64 of them, negative ones are passed
 * over. Where the back-end has no pollable fd of its own the others are not watched: this is
 * eventManagerPoll. */
uint32_t eventManagerPollOver(EventManager *manager, int64_t deadline_ns, const int *pollables,
                              int count, uint64_t *ready, void *sink);

/* eventManagerRescue -- anybody but the owner: look without waiting, dispatch what there is, expire
 * due timers; never drains the Wakeup.  Returns how many were fired. */
uint32_t eventManagerRescue(EventManager *manager, void *sink);

/* eventManagerWake (capri/event.h) ends the owner's sleep. */

/* eventManagerLoopFd -- owner: an fd that is readable while something waits here or is due, once
 * this is lent: the pollable one.  -ENOTSUP: there is none; -EMFILE and its like.
 * eventManagerLend -- owner: a foreign loop may sleep over that fd from now on, which is readable
 * at also_ns in any case (DEADLINE_NEVER: no such time).   eventManagerReclaim -- it is awake. */
int eventManagerLoopFd(EventManager *manager);
void eventManagerLend(EventManager *manager, int64_t also_ns);
void eventManagerReclaim(EventManager *manager);

/* eventManagerDoze -- somebody begins or ends to sleep over the pollable fd elsewhere. */
void eventManagerDoze(EventManager *manager, bool asleep);

/* eventManagerPollable -- an fd that polls readable while events wait here, or -1. */
int eventManagerPollable(EventManager *manager);

/* eventManagerCalls -- system calls made for events so far (a guard's ppoll is not among them). */
uint64_t eventManagerCalls(EventManager *manager);

#endif
