/* Backend.h -- what a kernel interface must define, and choosing one at run time.
 *
 * A back-end turns the kernel's words into (cookie, events) and knows nothing of slots, generations
 * or waiters.  All functions return 0 or a count, or -E....  `change` may be called by any OS
 * thread at any time, also while another one sleeps in `poll`; for one fd its calls are serialised
 * by FdTable's control bit.  `poll` may be called by the owner and by one or more rescuers at once.
 */
#ifndef IOMGR_BACKEND_H
#define IOMGR_BACKEND_H

#include "iomgr/Submission.h"

#include <capri/event.h>

#include <stdbool.h>
#include <stdint.h>

/* Beside the public EventBits (capri/event.h), from the back-end to the slot only. */
#define EventGone 128u /* alone: what was watched is not the number's file any more */

/* How an fd is watched. */
typedef enum WatchMode {
    WatchEdge,    /* every change is reported once, until removed; both directions */
    WatchOneShot, /* level; reported once, then silent until the next change() */
    WatchLevel    /* level; reported by every poll.  Only where one OS thread polls at a time */
} WatchMode;

typedef struct EventRecord {
    uint64_t cookie; /* what change() was given */
    uint32_t events; /* EventBits */
} EventRecord;

#define BACKEND_WAKE_COOKIE UINT64_MAX         /* the manager's Wakeup became readable */
#define BACKEND_TIMER_COOKIE (UINT64_MAX - 1)  /* its timerfd did */
#define BACKEND_SUBMISSION (UINT64_C(1) << 63) /* | Submission *: it is done; no fd's is as high */

typedef struct BackendState BackendState; /* each back-end's own */

typedef struct Backend {
    const char *name;
    bool edges;  /* WatchEdge works; without it FdTable asks for WatchOneShot each time */
    bool levels; /* WatchLevel works; without it WatchOneShot is armed again after each callback */
    bool pins;   /* what is watched stays open: who gives a one-shot wait up must remove it */
    const struct Backend *fallback; /* instead, where the kernel has none or refuses; or NULL */
    /* Make a state that watches wake_fd under BACKEND_WAKE_COOKIE (level-triggered). */
    int (*open)(BackendState **state, int wake_fd, const Allocator *allocator);
    /* Give everything back without a word to the kernel about fds that are watched: it is also
     * called in the child of a fork, where that would change what the parent watches. */
    void (*close)(BackendState *state);
    /* Start watching / change what is watched / stop.  interest: EventRead | EventWrite.
     * add:    -EEXIST it is watched already, -EPERM cannot be polled, -EBADF, -ENOMEM, -ENOSPC
     * modify: -ENOENT it is not watched (the number was closed and reused), -EBADF
     * Both report a condition that holds already: a change is also a look. */
    int (*add)(BackendState *state, int fd, WatchMode mode, uint32_t interest, uint64_t cookie);
    int (*modify)(BackendState *state, int fd, WatchMode mode, uint32_t interest, uint64_t cookie);
    int (*remove)(BackendState *state, int fd);
    /* Collect up to `most` records; wait at most timeout_ns (0: look only, -1: for ever), rounded
     * up. A signal ends the wait early with 0.  Rescuers pass 0. */
    int (*poll)(BackendState *state, int64_t timeout_ns, EventRecord *records, int most);
    /* Let the kernel make a call: See Note [Submissions].  0; not taken: -ENOMEM, -ECANCELED: it is
     * not wanted.  NULL: there is no such way. */
    int (*submit)(BackendState *state, Submission *submission);
    /* Let it end that call soon, if it has not yet.  0, or -ENOMEM: not heard, ask again. */
    int (*cancel)(BackendState *state, Submission *submission);
    /* What was taken before is the kernel's now.  fd: and what it has for that file shall end soon;
     * -1: no file. */
    void (*flush)(BackendState *state, int fd);
    /* An fd that polls readable while events are pending (for the guard), or -1.  Changes made
     * before are in effect; later ones may be at the next poll only, unless somebody dozes. */
    int (*pollable)(BackendState *state);
    /* Somebody begins or ends to sleep over pollable() elsewhere than in poll.  NULL: no matter. */
    void (*doze)(BackendState *state, bool asleep);
    /* System calls made so far.  NULL: one for each poll and each change. */
    uint64_t (*calls)(BackendState *state);
} Backend;

extern const Backend backendEPoll, backendPoll, backendIOUring;

/* backendByName -- "epoll", "poll", "uring" or NULL/"auto" (CAPRI_BACKEND in the environment, else
 * epoll).  NULL when there is no such back-end; where the library was built without liburing, the
 * fall-back of "uring". */
const Backend *backendByName(const char *name);

/* backendOpen -- open *backend, or its fall-back, which *backend is then: where the kernel has no
 * such interface, is too old for us, or refuses it to this process (a sandbox, a sysctl). */
int backendOpen(const Backend **backend, BackendState **state, int wake_fd,
                const Allocator *allocator);

#endif
