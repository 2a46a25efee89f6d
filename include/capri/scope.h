/* capri/scope.h -- bounds for what runs: a time, and a life.
 *
 * Both are built on interrupts (capri/interrupt.h): what is out of bounds is interrupted, and its
 * waits return -ECANCELED.
 */
#ifndef CAPRI_SCOPE_H
#define CAPRI_SCOPE_H

#include <capri/api.h>
#include <capri/thread.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* timeoutRun -- fn(env) on the calling thread, interrupted when its time is up.
 *
 * timeout_us  microseconds of monotonic time; < 0: no limit; 0: fn is not called.
 * result      receives what fn returned, whenever it was called; may be NULL.
 * Returns     0: fn returned in time, or had no interruptible wait after its time; -ETIMEDOUT: it
 *             was interrupted by this limit; -ECANCELED: by something else in fn, maybe as well,
 *             which has not been caught yet (threadCaught); -ENOMEM, -EINVAL (fn NULL): fn was not
 *             called; -EPERM: likewise, a limit on a plain OS thread, which cannot be interrupted.
 * Promise     nests: each limit interrupts once and knows its own interrupt; none arrives after
 *             timeoutRun has returned.  What fn ignores it is told only once.
 * Context     green threads.
 * Source      System.Timeout.timeout; differs: a result code instead of Maybe.
 */
CAPRI_EXPORT int timeoutRun(int64_t timeout_us, ThreadFn *fn, void *env, void **result)
    CAPRI_NAME(timeoutRun);

/* timeoutRunUntil -- likewise, until rtsNow() reaches deadline_ns; INT64_MAX: no limit. */
CAPRI_EXPORT int timeoutRunUntil(int64_t deadline_ns, ThreadFn *fn, void *env, void **result)
    CAPRI_NAME(timeoutRunUntil);

typedef struct Scope Scope;

/* Bodies: >= 0, or -E... for having failed. */
typedef int ScopeFn(Scope *scope, void *env);
typedef int ScopeChildFn(void *env);

/* scopeRun -- fn(scope, env), and all that it forks with scopeFork, and that they fork.
 *
 * Returns  when all of them have ended: the first failure there was, by time; -ECANCELED: the
 *          caller was interrupted, or nobody failed but scopeCancel was called; else what fn
 *          returned.  A child that never ran has failed: -ENOMEM (there was no stack for it),
 *          -ECANCELED (it was killed before it began, or lost in a fork).  -EINVAL (fn NULL),
 *          -EPERM (in a step of a task), -ENOMEM, and on plain OS threads -ENXIO, -ESHUTDOWN: fn
 *          was not called.
 * Promise  the first failure, or the caller being interrupted, interrupts all that still run with
 *          InterruptScope, each once; children never outlive the call.
 * Context  green threads and plain OS threads; the latter are never interrupted themselves.
 * Source   structured concurrency (Trio's nursery, Ki in Haskell); GHC has none of its own.
 */
CAPRI_EXPORT int scopeRun(ScopeFn *fn, void *env) CAPRI_NAME(scopeRun);

/* scopeFork -- run fn(env) in a new green thread of the scope; the body or a child may call it.
 * Returns 0; -ECANCELED: the scope is being ended, or its owner is not in this process (a child of
 * the scope has forked; it ends without telling anybody); -ENOMEM, -EINVAL, -ENXIO, -ESHUTDOWN as
 * threadFork.  attributes: as threadForkWith, or NULL. */
CAPRI_EXPORT int scopeFork(Scope *scope, const ThreadAttributes *attributes, ScopeChildFn *fn,
                           void *env) CAPRI_NAME(scopeFork);

/* scopeCancel -- interrupt all that run in it, the caller excepted. */
CAPRI_EXPORT void scopeCancel(Scope *scope) CAPRI_NAME(scopeCancel);

#ifdef __cplusplus
}
#endif

#endif
