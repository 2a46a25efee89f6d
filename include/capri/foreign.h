/* capri/foreign.h -- calling C functions that may block, or that want the OS thread's own stack.
 *
 * A green thread that calls a function which blocks holds up its capability.  Told of the call, the
 * runtime lets another OS thread carry the capability on if the call lasts and something waits
 * there; a short call costs some ns and no system call.  Meanwhile the caller is a plain OS thread:
 * library functions block that OS thread, threadSelf() is NULL, threads it forks are from outside.
 * With RtsConfig.stepped foreignCall runs fn on an OS thread of the blocking pool instead, be it
 * short or not, and threadBlockingEnter says -EAGAIN.
 * errno is not kept: what fn wants to say of it is part of its result.
 * Not in a callback of the runtime, where the call is just made.
 */
#ifndef CAPRI_FOREIGN_H
#define CAPRI_FOREIGN_H

#include <capri/api.h>
#include <capri/thread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void *ForeignFn(void *arg);

/* foreignCall -- fn(arg) on the big stack of the OS thread that carries the caller.
 *
 * result   receives what fn returned; may be NULL.
 * Returns  0; -EINVAL (fn NULL); -EAGAIN: as many calls hold OS threads as
 *          RtsConfig.foreign_threads allows, and this one might hold up its capability: fn was not
 *          called.
 * Promise  fn runs on one OS thread from its begin to its end, and is not cut short.  After 20 us
 *          its capability is carried on elsewhere if anything is ready there; then the caller goes
 *          on when it gets a capability again, perhaps on another OS thread.  A pinned caller comes
 *          back to its own.
 * Nested   fn may call the library, as any plain OS thread may; foreignCall there just calls.  A
 *          process that fn forks has no runtime (-ENOTRECOVERABLE); it may exec or exit, and ends
 *          with exit(1) if fn returns there.
 *          rtsShutdown for the first rtsInit says -EPERM there.
 * Outside  a plain OS thread just calls fn.
 * Source   a safe foreign import; differs: also told of short calls, and no upcall machinery.
 */
CAPRI_EXPORT int foreignCall(ForeignFn *fn, void *arg, void **result) CAPRI_NAME(foreignCall);

/* foreignCallInterruptible -- as foreignCall; an interrupt of the caller ends the system call that
 * fn is in, with EINTR, which fn returns from.
 *
 * Returns  as foreignCall; -ECANCELED: the caller was interrupted (threadCaught), in fn, which has
 *          returned and *result is there, or before it was called, and *result is NULL; -EINTR: an
 *          interrupt was withdrawn as the call began, fn was not called.
 * Promise  the OS thread gets SIGURG, whose handler does nothing, again and again until fn has
 *          returned: so fn must give up at EINTR.  The handler is installed by the first such call,
 *          before a host's own, which is called as well; RtsConfig.no_signals: calls are not
 *          interrupted.
 * Outside  a plain OS thread just calls fn.
 * Source   foreign import ccall interruptible.
 */
CAPRI_EXPORT int foreignCallInterruptible(ForeignFn *fn, void *arg, void **result)
    CAPRI_NAME(foreignCallInterruptible);

/* What threadBlockingEnter keeps; the caller's until threadBlockingLeave. */
typedef struct BlockingRegion {
    void *inside[16];
} BlockingRegion;

/* threadBlockingEnter, threadBlockingLeave -- the same for a region on the thread's own stack: from
 * Enter to Leave the caller stays on its OS thread, as a plain OS thread.
 *
 * region   of the caller's, for both; regions nest, and the outermost counts.  Enter leaves there
 *          what the callers keep in registers: on the caller's stack rtsPausedThreads shows it.
 * Returns  Enter: 0; -EAGAIN as foreignCall, then there is no region and no Leave.
 * Promise  Leave returns with a capability, perhaps on another OS thread.
 * Outside  both do nothing.
 */
CAPRI_EXPORT int threadBlockingEnter(BlockingRegion *region) CAPRI_NAME(threadBlockingEnter);
CAPRI_EXPORT void threadBlockingLeave(BlockingRegion *region) CAPRI_NAME(threadBlockingLeave);

#ifdef __cplusplus
}
#endif

#endif
