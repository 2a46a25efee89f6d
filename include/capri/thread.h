/* capri/thread.h -- green threads: fork, join, yield, delay, wait for an fd.
 *
 * A function here may be called from a green thread and from any plain OS thread, unless its
 * comment
 * says otherwise; a green thread parks, a plain OS thread blocks.  Not from signal handlers.
 * Every function returns 0 or a count, or a negative errno; errno itself is never used (a green
 * thread may wake up on another OS thread: see capri/errno.h).
 */
#ifndef CAPRI_THREAD_H
#define CAPRI_THREAD_H

#include <capri/api.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Thread Thread;

/* A green thread's body.  What it returns is its result. */
typedef void *ThreadFn(void *env);

/* Attributes of a new thread; all zeroes are the defaults. */
typedef struct ThreadAttributes {
    /* Bytes of address space; 0: RtsConfig.stack_size.  Rounded up to a power of two, at least 16
     * KiB, at most 64 MiB. */
    size_t stack_size;
    const char *label; /* copied, cut at 63 bytes; NULL: none */
    /* 0: runs anywhere; n > 0: only on capability (n - 1) % capabilityCount().  When there are
     * fewer later: See capabilitySetCount. */
    uint32_t pinned;
    bool bound; /* runs on an OS thread of its own: See threadForkOS */
} ThreadAttributes;

/* Why a thread does not run. */
typedef enum ThreadState {
    ThreadReady = 0, /* queued, or not yet started */
    ThreadRunning = 1,
    ThreadFinished = 2,      /* its body returned, or it never got a stack (join says -ENOMEM) */
    ThreadBlockedOnRead = 3, /* ThreadStatus.fd */
    ThreadBlockedOnWrite = 4,
    ThreadBlockedOnDelay = 5,
    ThreadBlockedOnTVar = 6,
    ThreadBlockedOnThread = 7, /* in threadJoin */
    ThreadBlockedOnStack = 8,  /* newborn, waits for memory */
    ThreadBlockedOnCall = 9,   /* a call that may block is made for it on another OS thread */
    ThreadBlockedOnMVar = 10,  /* or on a Chan */
    ThreadBlockedOnLock = 11   /* capri/lock.h, capri/qsem.h, capri/gather.h, capri/once.h */
} ThreadState;

typedef struct ThreadStatus {
    ThreadState state;
    int fd; /* for ThreadBlockedOnRead and ThreadBlockedOnWrite, else -1 */
} ThreadStatus;

/* threadFork -- run fn(env) in a new green thread.
 *
 * handle   receives a counted handle (threadRelease gives it back); NULL detaches the thread.
 * Returns  0, -ENOMEM (no descriptor), -EINVAL (fn NULL, bad attributes), -ENXIO (no runtime),
 *          -ESHUTDOWN (the runtime is shutting down).
 * Promise  queues, does not switch: the child starts when the caller next parks, yields or is
 *          stolen
 *          from.  It costs a descriptor; its stack is bound when it first runs.
 * Source   GHC.Conc.forkIO; differs: a result, joinable.
 */
CAPRI_EXPORT int threadFork(Thread **handle, ThreadFn *fn, void *env) CAPRI_NAME(threadFork);

/* threadForkOn -- as threadFork; the child runs on capability (capability % capabilityCount())
 * only. */
CAPRI_EXPORT int threadForkOn(Thread **handle, uint32_t capability, ThreadFn *fn, void *env)
    CAPRI_NAME(threadForkOn);

/* threadForkWith -- as threadFork, with attributes (NULL: defaults). */
CAPRI_EXPORT int threadForkWith(Thread **handle, const ThreadAttributes *attributes, ThreadFn *fn,
                                void *env) CAPRI_NAME(threadForkWith);

/* threadForkOS -- as threadFork; the child is bound: one OS thread of its own runs all of it, and
 * foreignCall in it, for what keeps its state in thread-local variables.
 *
 * Returns  as threadFork; -EAGAIN: no OS thread to be had.
 * Promise  the OS thread ends with the thread.  Each turn costs two changes of OS threads (some ten
 *          us), so bind what needs it and nothing else.
 * Source   Control.Concurrent.forkOS.
 */
CAPRI_EXPORT int threadForkOS(Thread **handle, ThreadFn *fn, void *env) CAPRI_NAME(threadForkOS);

/* threadIsBound -- does one OS thread run all of the caller?  True of plain OS threads. */
CAPRI_EXPORT bool threadIsBound(void) CAPRI_NAME(threadIsBound);

/* threadRunBound, threadRunUnbound -- fn(env) in a bound thread, in one that is not: here if this
 * is such a one, else in a new one, which is waited for.
 *
 * result   receives what fn returned; may be NULL.
 * Returns  0; -EINVAL (fn NULL); as threadForkOS and threadFork; -ENOMEM: it never got a stack.
 * Source   Control.Concurrent.runInBoundThread, runInUnboundThread.
 */
CAPRI_EXPORT int threadRunBound(ThreadFn *fn, void *env, void **result) CAPRI_NAME(threadRunBound);
CAPRI_EXPORT int threadRunUnbound(ThreadFn *fn, void *env, void **result)
    CAPRI_NAME(threadRunUnbound);

/* threadJoin -- wait until thread has ended.
 *
 * result   receives what its body returned; may be NULL.
 * Returns  0; -ENOMEM: the thread never ran for want of a stack; -ESRCH: it was lost in a fork,
 *          this is the child; -ECANCELED: the runtime is being cancelled; -EDEADLK: thread is the
 *          caller; -EINVAL.
 * Promise  any number of joiners; the handle stays valid until threadRelease.
 */
CAPRI_EXPORT int threadJoin(Thread *thread, void **result) CAPRI_NAME(threadJoin);

/* threadJoinUntil -- as threadJoin; -ETIMEDOUT when rtsNow() reaches deadline_ns first. */
CAPRI_EXPORT int threadJoinUntil(Thread *thread, void **result, int64_t deadline_ns)
    CAPRI_NAME(threadJoinUntil);

/* threadRelease -- give a handle back; NULL is ignored.  The thread itself goes on. */
CAPRI_EXPORT void threadRelease(Thread *thread) CAPRI_NAME(threadRelease);

/* threadRetain -- one more handle; returns thread. */
CAPRI_EXPORT Thread *threadRetain(Thread *thread) CAPRI_NAME(threadRetain);

/* threadYield -- let every other ready thread of this capability run first.
 * Returns 0; on a plain OS thread: sched_yield.  Source: GHC.Conc.yield (old end of the queue
 * next). */
CAPRI_EXPORT int threadYield(void) CAPRI_NAME(threadYield);

/* threadSafepoint -- for long computations: polls when a poll is due, yields when the time slice is
 * over.
 * Costs a load when nothing is due.  No-op on a plain OS thread. */
CAPRI_EXPORT void threadSafepoint(void) CAPRI_NAME(threadSafepoint);

/* threadSelf -- the calling green thread, NULL on a plain OS thread.  Borrowed: valid until it
 * ends. */
CAPRI_EXPORT Thread *threadSelf(void) CAPRI_NAME(threadSelf);

/* threadId -- a number > 0, never reused in this process. */
CAPRI_EXPORT uint64_t threadId(const Thread *thread) CAPRI_NAME(threadId);

/* threadLabel -- name a thread for dumps and messages (copied, cut at 63 bytes).  0 or -ENOMEM.
 * threadLabelOf -- copy the label into buffer (size bytes, always terminated); returns its
 * length. */
CAPRI_EXPORT int threadLabel(Thread *thread, const char *label) CAPRI_NAME(threadLabel);
CAPRI_EXPORT size_t threadLabelOf(const Thread *thread, char *buffer, size_t size)
    CAPRI_NAME(threadLabelOf);

/* threadStatus -- a snapshot; stale as soon as it is returned. */
CAPRI_EXPORT ThreadStatus threadStatus(const Thread *thread) CAPRI_NAME(threadStatus);

/* threadCapability -- index of the capability the caller runs on, or -EPERM on a plain OS
 * thread. */
CAPRI_EXPORT int threadCapability(void) CAPRI_NAME(threadCapability);

/* threadDelay -- park for at least delay_us microseconds of monotonic time.
 *
 * delay_us  <= 0 returns at once; huge values saturate.
 * Returns   0, or -ECANCELED if the runtime was cancelled meanwhile.
 * Promise   never early; late by a wake-up (about 25 us) when idle, more while its core is busy.
 * Source    GHC.Conc.threadDelay; differs: a result code instead of an exception.
 */
CAPRI_EXPORT int threadDelay(int64_t delay_us) CAPRI_NAME(threadDelay);

/* threadDelayUntil -- park until rtsNow() >= deadline_ns. */
CAPRI_EXPORT int threadDelayUntil(int64_t deadline_ns) CAPRI_NAME(threadDelayUntil);

/* threadWaitRead, threadWaitWrite -- park until fd is ready, or may be: try again, and wait again
 * on EAGAIN.
 *
 * fd        any fd.  One that was made by capri's calls or given to fdAdopt is waited for
 *           edge-triggered, at no system call per wait: wait only after the system call said
 *           EAGAIN, close it with closeFd. Any other works as well (one system call per wait), also
 *           when it was closed by plain close
 *           and its number reused.  Regular files and directories are ready at once.
 * Returns   0; -EBADF: not open, or closed by closeFd meanwhile; -ECANCELED; -ENOMEM, -ENOSPC (too
 *           many watches), -EMFILE (number above 2^20).
 * Promise   hang-up and errors wake both directions; several threads may wait for one direction:
 *           all wake.
 * Outside   a plain OS thread sits in ppoll: closeFd and a cancelled runtime do not end its wait.
 * Source    GHC.Conc.threadWaitRead; differs: an fd that cannot be polled is ready, not an error.
 */
CAPRI_EXPORT int threadWaitRead(int fd) CAPRI_NAME(threadWaitRead);
CAPRI_EXPORT int threadWaitWrite(int fd) CAPRI_NAME(threadWaitWrite);

/* The same, giving up with -ETIMEDOUT when rtsNow() reaches deadline_ns. */
CAPRI_EXPORT int threadWaitReadUntil(int fd, int64_t deadline_ns) CAPRI_NAME(threadWaitReadUntil);
CAPRI_EXPORT int threadWaitWriteUntil(int fd, int64_t deadline_ns) CAPRI_NAME(threadWaitWriteUntil);

#ifdef __cplusplus
}
#endif

#endif
