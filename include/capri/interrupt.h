/* capri/interrupt.h -- telling a green thread to give up what it does, and when it may be told.
 *
 * C unwinds no stack, so an interrupt is a result: the wait that it ends returns -ECANCELED, and
 * the thread undoes what it has begun and returns, as on any other error.  Every interrupt is
 * raised once, in the order in which they were thrown; what was raised last is told by
 * threadCaught.
 *
 * A thread is interrupted
 *   Unmasked                 where it waits; at threadYield, threadDelay, threadSafepoint and
 *                            threadAllowInterrupt; and before its body begins
 *   MaskedInterruptible      where it waits, and at threadAllowInterrupt
 *   MaskedUninterruptible    nowhere: the interrupt stays pending
 * in threadThrowTo, unless it is masked uninterruptibly, even where that need not wait.  Any other
 * call that can be done at once is done: taking from a full MVar, reading what has come.
 * Waits are: for an fd, a delay, an MVar, a lock, a semaphore, a TVar, a thread's end, a signal,
 * a process, a name, a call on another OS thread.  A call that an interrupt ends has done nothing,
 * unless its comment says otherwise.
 */
#ifndef CAPRI_INTERRUPT_H
#define CAPRI_INTERRUPT_H

#include <capri/api.h>
#include <capri/thread.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Codes of interrupts: 0 and above are the program's. */
enum {
    InterruptKill = -1,    /* threadKill */
    InterruptTimeout = -2, /* timeoutRun's time is up */
    InterruptScope = -3    /* another one in the scope has failed: scopeRun */
};

typedef enum MaskingState {
    Unmasked = 0,
    MaskedInterruptible = 1,
    MaskedUninterruptible = 2
} MaskingState;

/* threadThrowTo -- interrupt a green thread, and wait until that has happened.
 *
 * target   a thread to which the caller holds a handle, or itself.
 * code     >= 0, the program's own; InterruptKill: See threadKill.
 * payload  handed to the target's threadCaught.
 * Returns  0: it was raised in target, or target has ended; -ECANCELED: the caller itself was
 *          interrupted, or threw to itself; -EINVAL: target NULL, or a code below 0.
 * Promise  of two threads that throw to each other exactly one succeeds.  What ends with
 *          -ECANCELED or -ETIMEDOUT is withdrawn, unless it was raised at that very moment.
 *          Interrupts from one thread are raised in the order in which it threw them.  Thrown to
 *          itself it is raised at once, also masked.
 * Context  green threads and plain OS threads; the latter block, and are never interrupted.
 * Source   Control.Concurrent.throwTo; differs: a result instead of an exception.
 */
CAPRI_EXPORT int threadThrowTo(Thread *target, int code, void *payload) CAPRI_NAME(threadThrowTo);

/* threadThrowToUntil -- as threadThrowTo; -ETIMEDOUT when rtsNow() reaches deadline_ns first. */
CAPRI_EXPORT int threadThrowToUntil(Thread *target, int code, void *payload, int64_t deadline_ns)
    CAPRI_NAME(threadThrowToUntil);

/* threadKill -- threadThrowTo with InterruptKill: end.  A thread that dies of it is not reported as
 * one that died of an uncaught interrupt. */
CAPRI_EXPORT int threadKill(Thread *target) CAPRI_NAME(threadKill);

/* threadCaught -- which interrupt made the last call return -ECANCELED?
 *
 * code, payload  what was thrown; either may be NULL.
 * Returns  1: that one, and from now on it counts as caught; 0: there is none that has not been
 *          caught, so the runtime is being cancelled (rtsShutdown).
 * Promise  a thread whose body returns with an interrupt that it has not caught has died of it
 *          (ThreadDied).  InterruptTimeout and InterruptScope are caught by timeoutRun and scopeRun
 *          themselves, whether or not they were asked for here.
 * Context  green threads; elsewhere 0.
 */
CAPRI_EXPORT int threadCaught(int *code, void **payload) CAPRI_NAME(threadCaught);

/* threadMask -- from now on interrupts come only where the caller waits.  Returns the state before,
 * for threadRestore.  One that is masked uninterruptibly stays so.
 * threadMaskUninterruptible -- they come nowhere: for what must not be left half done.
 * Context  green threads; on a plain OS thread nothing, Unmasked.
 * Source   Control.Exception.mask, uninterruptibleMask. */
CAPRI_EXPORT MaskingState threadMask(void) CAPRI_NAME(threadMask);
CAPRI_EXPORT MaskingState threadMaskUninterruptible(void) CAPRI_NAME(threadMaskUninterruptible);

/* threadRestore -- back to a state that threadMask or threadMaskUninterruptible returned.
 * Returns 0; -ECANCELED: that was Unmasked, and an interrupt that was pending is raised now (the
 * state is restored all the same); -EINVAL. */
CAPRI_EXPORT int threadRestore(MaskingState state) CAPRI_NAME(threadRestore);

/* threadMaskingState -- of the caller.  A new thread has its parent's. */
CAPRI_EXPORT MaskingState threadMaskingState(void) CAPRI_NAME(threadMaskingState);

/* threadAllowInterrupt -- if one is pending, and the caller is not masked uninterruptibly, it is
 * raised here: -ECANCELED; else 0.  Source: Control.Exception.allowInterrupt. */
CAPRI_EXPORT int threadAllowInterrupt(void) CAPRI_NAME(threadAllowInterrupt);

/* threadInterruptible -- fn(env) as if unmasked, where the caller is MaskedInterruptible; else as
 * it is.  Returns what fn does.  Source: Control.Exception.interruptible. */
CAPRI_EXPORT void *threadInterruptible(ThreadFn *fn, void *env) CAPRI_NAME(threadInterruptible);

#ifdef __cplusplus
}
#endif

#endif
