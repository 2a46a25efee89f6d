/* capri/timeout.h -- callbacks after a time, under capabilities or in a standalone manager. */
#ifndef CAPRI_TIMEOUT_H
#define CAPRI_TIMEOUT_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct EventManager EventManager;

/* TimeoutKey -- names one registration, for as long as its manager lives; all zeroes is a dead key.
 * A key whose timeout has fired or was unregistered is dead too: it never touches a newer one,
 * unless it is kept for 2^37 more registrations.
 *
 * In the child of a fork nothing is registered with the managers of capabilities: the parent's
 * callbacks never run there, and their env is the child's to free.  Its keys are told from the
 * child's own: -ESRCH.  Standalone managers, and all of a child whose runtime is broken, say
 * -ENOTRECOVERABLE: see capri/event.h. */
typedef struct TimeoutKey {
    void *record;
    uint64_t generation;
} TimeoutKey;

/* TimeoutCallback -- the time is over.  The registration is gone already: `key` is dead.
 *
 * Returns  0 or more; a negative result is counted and stops nothing.
 * Context  whoever found the deadline passed: the OS thread that steps the manager, or under
 *          capabilities any capability.  It may register, update and unregister timeouts (its own
 *          manager's or another's), write variables and fork threads; it must not park or yield (as
 *          FdCallback) and should be short: it delays all others.
 */
typedef int TimeoutCallback(EventManager *manager, TimeoutKey key, void *env);

/* registerTimeout -- call callback(manager, key, env) once, delay_us microseconds from now.
 *
 * delay_us  microseconds of monotonic time; <= 0: called at once, by the caller, and the key is
 *           dead.  A delay beyond the clock's end never fires, until it is updated.
 * key       gets the key before the callback can run; NULL if nobody wants it.
 * Returns   0, -EINVAL (no manager, no callback), -ENOMEM (nothing is registered),
 *           -ENOTRECOVERABLE (the manager is a fork's parent's).
 * Promise   never early; late while the manager is busy.  What is due in one pass fires in order of
 *           deadlines, equal ones in order of registration.
 * Cost      one look at the clock.  On the manager's own OS thread, which is the one that stepped
 *           it last (be it in callbacks or between steps) or that carries the capability just now,
 *           no locked operation while nobody else works on its timers.  Elsewhere no lock of the
 *           manager's work, no system call; one wake-up if it sleeps for longer.
 * Context   any OS thread, any green thread, callbacks.  Not signal handlers.
 * Source    GHC.Event.registerTimeout; differs: order within a pass; any manager has timeouts.
 */
CAPRI_EXPORT int registerTimeout(EventManager *manager, int64_t delay_us, TimeoutCallback *callback,
                                 void *env, TimeoutKey *key) CAPRI_NAME(registerTimeout);

/* timeoutRegisterAt -- registerTimeout with a moment instead of a delay: the clock is not read.
 *
 * deadline_ns  nanoseconds of CLOCK_MONOTONIC, as rtsNow() and eventManagerNow() tell them.  What
 *           is past: when the manager looks next, never in the caller.  INT64_MAX: never, until it
 *           is updated.
 * Returns, promise, context   as registerTimeout.
 */
CAPRI_EXPORT int timeoutRegisterAt(EventManager *manager, int64_t deadline_ns,
                                   TimeoutCallback *callback, void *env, TimeoutKey *key)
    CAPRI_NAME(timeoutRegisterAt);

/* updateTimeout -- let it fire delay_us microseconds from now instead.
 *
 * delay_us  <= 0: when the manager looks next, never in the caller.
 * Returns   1: it will fire then (once, at the new deadline);
 *           0: too late, it has fired, is about to, or was unregistered; nothing is changed;
 *           -EINVAL: no manager, or not this manager's key;
 *           -ESRCH: a key of a fork's parent;  -ENOTRECOVERABLE: a manager of its.
 * Cost      on the manager's own OS thread as registerTimeout.  Elsewhere two compare-and-swaps,
 *           and what registering costs there.  The first time that anybody elsewhere updates or
 *           unregisters one of a manager's, a membarrier(2) as well, where the kernel has it: it
 *           interrupts all cores that run the process.
 * Context   as registerTimeout.
 * Source    GHC.Event.updateTimeout; differs: the answer.
 */
CAPRI_EXPORT int updateTimeout(EventManager *manager, TimeoutKey key, int64_t delay_us)
    CAPRI_NAME(updateTimeout);

/* timeoutUpdateAt -- updateTimeout with a moment, as timeoutRegisterAt takes it. */
CAPRI_EXPORT int timeoutUpdateAt(EventManager *manager, TimeoutKey key, int64_t deadline_ns)
    CAPRI_NAME(timeoutUpdateAt);

/* unregisterTimeout -- let it not fire.
 *
 * Returns   1: stopped, its callback will not run and env is the caller's again;
 *           0: too late, its callback has run, is running or is about to; or it was unregistered
 *              before, or the key is dead;
 *           -EINVAL: no manager, or not this manager's key;
 *           -ESRCH: a key of a fork's parent;  -ENOTRECOVERABLE: a manager of its.
 * Promise   what is left of it takes memory for a while: at most as much as the live ones and 64
 *           more, once the manager has looked.
 * Cost      a compare-and-swap, on the manager's own OS thread not even that for as long as nobody
 *           else has unregistered, updated or fired one of its (under rtsStep: or registered one);
 *           never a wake-up.  Elsewhere the first time also the membarrier of updateTimeout.  What
 *           was registered or updated elsewhere waits until the manager takes it in: when 64 of
 *           those have been unregistered, or as many as were live there at the last walk if that is
 *           more, that call walks over all that wait and takes the dead ones out.  That is a few
 *           steps for each of them, but all in one call.
 * Context   as registerTimeout.
 * Source    GHC.Event.unregisterTimeout; differs: the answer.
 */
CAPRI_EXPORT int unregisterTimeout(EventManager *manager, TimeoutKey key)
    CAPRI_NAME(unregisterTimeout);

#ifdef __cplusplus
}
#endif

#endif
