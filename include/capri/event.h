/* capri/event.h -- callbacks for file descriptors, under capabilities or in a manager of your own.
 *
 * An EventManager watches fds and calls back.  There are two kinds:
 *   of a capability  capabilityManager (capri/rts.h); it is stepped by the runtime
 *   standalone       eventManagerNew; stepped by you, without any runtime (link Capri::iomgr alone,
 *                    or the whole library).  Any number of them may live in one process.
 * registerFd and unregisterFd work on both, from any OS thread and from green threads.
 *
 * Source: GHC.Event; differs: results instead of exceptions, reasons beside readiness, exact
 * answers of unregisterFd, callbacks that fail stop nothing.
 */
#ifndef CAPRI_EVENT_H
#define CAPRI_EVENT_H

#include <capri/allocator.h>
#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct EventManager EventManager;

/* Event bits.  EventRead and EventWrite are asked for; the others come with them. */
typedef enum EventBits {
    EventRead = 1,        /* reading will not block (be it that it fails) */
    EventWrite = 2,       /* writing will not block (likewise) */
    EventClose = 4,       /* the registration is over: see registerFd; never asked for */
    EventHangUp = 8,      /* both sides are done: wakes readers and writers */
    EventError = 16,      /* likewise */
    EventPeerClosed = 32, /* the peer will send no more */
    EventUrgent = 64      /* out-of-band data has arrived (seldom told: only of adopted fds) */
} EventBits;

/* Lifetime -- OneShot: for one call; MultiShot: until unregistered or closed. */
typedef enum Lifetime { OneShot = 0, MultiShot = 1 } Lifetime;

/* FdKey -- names one registration for ever: all zeroes name none. */
typedef struct FdKey {
    uint64_t unique; /* never given out again, by no manager of the process */
    int fd;
} FdKey;

/* FdCallback -- fd is ready for what `events` says.
 *
 * manager  where it was registered; it may register, unregister and close there, itself too
 * events   those of EventRead and EventWrite that were asked for and hold, and the reasons.  On
 *          io_uring: that held when the kernel looked, which may be before the step
 * Returns  >= 0; a negative result is counted (EventManagerStats.failures) and stops nothing
 * Context  whoever found the event: the thread in eventManagerStep; under capabilities a
 *          capability's OS thread, perhaps on a green thread's stack (a few KiB).  It delays all
 *          other fds of the manager and must not park or yield: what would have to wait returns
 *          -EPERM (stops the program in builds with assertions), calls on fds -EAGAIN.  Writing
 *          variables, forking threads and calls that need not wait are welcome: none switches
 *          threads there.  One registration is never called twice at once.
 */
typedef int FdCallback(EventManager *manager, FdKey key, uint32_t events, void *env);

/* registerFd -- call callback(manager, key, events, env) when fd is ready.
 *
 * events    EventRead, EventWrite or both
 * lifetime  OneShot: one call, then it is forgotten.  MultiShot: a call for as long as fd is ready
 *           (level-triggered), until unregisterFd or closing.
 * key       receives the registration's name, before anybody can be called; may be NULL
 * Returns   0        registered.  Several registrations of one fd are told each what it asked for.
 *           1        fd cannot be polled (a regular file, a directory): it is always ready, so the
 *                    callback was called at once, here, with `events`; nothing stays registered
 *           -EINVAL  no callback, other bits than those, no such lifetime
 *           -EBADF   not open;  -ENOMEM, -ENOSPC (the user's limit of watches), -EMFILE (fd is
 *                    beyond what tables hold): nothing is registered
 * The end   When fd is closed by closeFd or eventManagerCloseFd, each registration is called once
 *           more with the events it had asked for and EventClose; then its env is free.  So it is
 *           when the manager finds fd closed by plain close(2) -- which it finds late, or not at
 *           all: use closeFd, or unregister first.  With EventError beside it fd is open, and the
 *           kernel has refused to watch it any longer.
 * Cost      the first registration of an fd and each change of the union of what is asked for: one
 *           system call.  A call of a MultiShot registration: none in a standalone manager on epoll
 *           and poll; one under capabilities, where another core may look for events meanwhile.
 * Source    GHC.Event.registerFd; differs: bits that were not asked for are not told.
 */
CAPRI_EXPORT int registerFd(EventManager *manager, FdCallback *callback, void *env, int fd,
                            uint32_t events, Lifetime lifetime, FdKey *key) CAPRI_NAME(registerFd);

/* unregisterFd -- forget exactly the registration that `key` names.
 *
 * Returns   1  it was there and will not be called again (out of its own callback: after that has
 *              returned); env may be freed
 *           0  there is none: called for the last time, unregistered, closed, or another manager's.
 *              A call with EventClose may be under way on another thread
 *           -ESRCH  the key of a fork's parent: nothing of its is registered here
 *           -EINPROGRESS  another thread is inside the callback right now; it will not be called
 *              again after that.  Nothing tells when it has returned: let env be what outlives it,
 *              and let the callback compare keys
 * Source    GHC.Event.unregisterFd; differs: what was selected but not begun is not called, and a
 *           number that was closed behind our back is no error.
 */
CAPRI_EXPORT int unregisterFd(EventManager *manager, FdKey key) CAPRI_NAME(unregisterFd);

/* ---- fork(2) ----------------------------------------------------------------------------------
 *
 * The child of a process with a runtime has the managers of its capabilities, with nothing
 * registered: what the parent had registered is not watched there, its callbacks are never called
 * and their env is the child's to free; unregisterFd, unregisterTimeout and updateTimeout tell its
 * keys apart (-ESRCH).  An address that capabilityManager gave in the parent is some capability's
 * manager in the child as well, once that has as many as the parent had; until then, and for good
 * in a child whose runtime is broken (fork out of a callback, say), every call with it returns
 * -ENOTRECOVERABLE.
 * Source: GHC, whose child starts new managers; differs: old keys are told apart.
 */

/* ---- standalone managers ---------------------------------------------------------------------
 *
 * fork(2): a manager belongs to the process that made it.  In the child eventManagerFree gives its
 * memory and fds back, and the parent notices nothing; eventManagerWake and eventManagerStop do
 * nothing; every other call, of registerFd's and registerTimeout's kinds, too, returns
 * -ENOTRECOVERABLE.  (libuv would go on watching; here both would change one epoll set.)  The
 * child makes managers of its own.  One that was being stepped at that moment cannot be freed there
 * (-EBUSY).
 */

/* EventManagerConfig -- all zeroes are the defaults. */
typedef struct EventManagerConfig {
    const char *backend; /* "epoll", "poll", "uring"; NULL: CAPRI_BACKEND in the environment, else
                            epoll */
    Allocator allocator; /* all NULL: aligned_alloc and free */
} EventManagerConfig;

/* eventManagerNew -- a manager of its own.  config NULL: defaults.
 * Returns 0, -EINVAL (no such back-end), -EMFILE, -ENFILE, -ENOMEM, -ENOSYS, -ENOSPC (65535). */
CAPRI_EXPORT int eventManagerNew(const EventManagerConfig *config, EventManager **manager)
    CAPRI_NAME(eventManagerNew);

/* eventManagerFree -- give everything back.  What is still registered is forgotten without a call.
 * Returns 0, -EBUSY (it is being stepped: stop it first), -EPERM (it is not standalone).
 * Nobody else may be using it, or use it later. */
CAPRI_EXPORT int eventManagerFree(EventManager *manager) CAPRI_NAME(eventManagerFree);

/* eventManagerStep -- wait for events and deadlines at most timeout_ns (0: only look, < 0: for
 * ever), call back for what has come, return.
 * Returns how many callbacks were called (0: time is up, or woken), -EBUSY (it is being stepped, by
 * another thread or by the caller out of a callback), -EPERM (not standalone).
 * Signals  one that comes does not end the wait; its handler may (eventManagerWake). */
CAPRI_EXPORT int eventManagerStep(EventManager *manager, int64_t timeout_ns)
    CAPRI_NAME(eventManagerStep);

/* eventManagerRun -- step until eventManagerStop; a stop that comes before counts.  0, -EBUSY,
 * -EPERM. eventManagerStop -- any OS thread, callbacks and signal handlers: the present or next
 * eventManagerRun returns after the step it is in. */
CAPRI_EXPORT int eventManagerRun(EventManager *manager) CAPRI_NAME(eventManagerRun);
CAPRI_EXPORT void eventManagerStop(EventManager *manager) CAPRI_NAME(eventManagerStop);

/* eventManagerWake -- any OS thread, signal handlers: end the sleep of the present or next
 * eventManagerStep.  A step that does not sleep uses it up as well. */
CAPRI_EXPORT void eventManagerWake(EventManager *manager) CAPRI_NAME(eventManagerWake);

/* eventManagerFd -- an fd that polls readable when a step has something to do, be it a timer: for a
 * host with a loop of its own, which then calls eventManagerStep(manager, 0).  Watch it
 * level-triggered for reading; do not read, close or step over it.  The only nesting of epoll sets
 * that is meant to be.
 * Returns the fd (the manager's own), -ENOTSUP (the back-end has none: poll), -EPERM, -EMFILE,
 * -ENFILE, -ENOMEM, -EBUSY (call it before stepping, or out of no callback). */
CAPRI_EXPORT int eventManagerFd(EventManager *manager) CAPRI_NAME(eventManagerFd);

/* eventManagerCloseFd -- call everything registered for fd in this manager with EventClose, here;
 * then close(2).  A callback that is running is called with EventClose by its own thread when it
 * returns. Returns close's result or -errno; -EPERM (not standalone: use closeFd).
 * Context  any OS thread */
CAPRI_EXPORT int eventManagerCloseFd(EventManager *manager, int fd) CAPRI_NAME(eventManagerCloseFd);

/* eventManagerNow -- the manager's clock, CLOCK_MONOTONIC in nanoseconds, as of the present or last
 * step; read at the first call after events or a sleep.  It stands still meanwhile: what is
 * derived from it (timeoutRegisterAt) is early by as long as the caller has been at work.
 * Elsewhere than on the manager's own OS thread, the clock as it is. */
CAPRI_EXPORT int64_t eventManagerNow(EventManager *manager) CAPRI_NAME(eventManagerNow);

/* EventManagerStats -- counters since the manager was made; each is exact, together they are a
 * snapshot only. */
typedef struct EventManagerStats {
    uint64_t polls;     /* times the kernel was asked for events */
    uint64_t sleeps;    /* of these, times it was allowed to wait */
    uint64_t events;    /* records dispatched, wakeups not counted */
    uint64_t fired;     /* callbacks and waiters called for events */
    uint64_t rescues;   /* events and timers taken by somebody else than the owner */
    uint64_t changes;   /* system calls that changed the kernel's interest */
    uint64_t wakeups;   /* times a wakeup was taken */
    uint64_t stale;     /* events dropped because the number is another file now */
    uint64_t failures;  /* callbacks of fds and timeouts that returned a negative result */
    uint64_t visits;    /* times somebody else than the owner asked the kernel for events */
    uint64_t submitted; /* calls on files and streams given to the kernel (io_uring) */
} EventManagerStats;

/* eventManagerStats -- any OS thread; any manager. */
CAPRI_EXPORT void eventManagerStats(EventManager *manager, EventManagerStats *stats)
    CAPRI_NAME(eventManagerStats);

#ifdef __cplusplus
}
#endif

#endif
