/* capri/thread.h -- green threads: fork, join, yield, delay, wait for an fd.
 *
 * A function here may be called from a green thread and from any plain OS thread, unless its
 * comment says otherwise; a green thread parks, a plain OS thread blocks.  Not from signal
 * handlers.
 * Every function returns 0 or a count, or a negative errno; errno itself is never used (a green
 * thread may wake up on another OS thread: see capri/errno.h).
 * Where no OS thread but the runtime's own will ever call in, a wait without a deadline returns
 * -EDEADLK when nobody is left who could end it: RtsConfig.closed_world.
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
    /* Masking state it begins in: 0: its parent's; else 1 + the state (1 unmasked, 2 masked,
     * 3 masked and uninterruptible). */
    uint32_t masking;
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
    ThreadBlockedOnThread = 7,   /* in threadJoin */
    ThreadBlockedOnStack = 8,    /* newborn, waits for memory */
    ThreadBlockedOnCall = 9,     /* a call is made for it by another OS thread or the kernel */
    ThreadBlockedOnMVar = 10,    /* or on a Chan */
    ThreadBlockedOnLock = 11,    /* capri/lock.h, capri/qsem.h, capri/gather.h, capri/once.h */
    ThreadBlockedOnThrowTo = 12, /* in threadThrowTo */
    ThreadDied = 13 /* its body returned with an interrupt it had not caught, or never began */
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
 *          stolen from.  It costs a descriptor; its stack is bound when it first runs.
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

/* threadForkFinally -- as threadFork; when fn(env) has returned, finally(result, finally_env) runs
 * on the thread, masked, and what that returns is the thread's result.  fn runs in the caller's
 * masking state; interrupted before that, it is not called, and its result is NULL.
 *
 * Returns  as threadFork; -EINVAL also for finally NULL; -ENOMEM also for the 40 bytes it needs.
 * Promise  finally runs before destructors of thread-local values, and before joiners wake; neither
 *          runs in a thread that never got a stack (join says -ENOMEM) or is lost in a fork.
 * Source   Control.Concurrent.forkFinally; differs: the result code is in what fn returns. */
typedef void *ThreadFinally(void *result, void *env);
CAPRI_EXPORT int threadForkFinally(Thread **handle, ThreadFn *fn, void *env, ThreadFinally *finally,
                                   void *finally_env) CAPRI_NAME(threadForkFinally);

/* threadForkOS -- as threadFork; the child is bound: one OS thread of its own runs all of it, and
 * foreignCall in it, for what keeps its state in thread-local variables.
 *
 * Returns  as threadFork; -EAGAIN: no OS thread to be had; -ENOTSUP: RtsConfig.stepped.
 * Promise  the OS thread ends with the thread.  Each turn costs two changes of OS threads (some ten
 *          us), so bind what needs it and nothing else.
 * Source   Control.Concurrent.forkOS.
 */
CAPRI_EXPORT int threadForkOS(Thread **handle, ThreadFn *fn, void *env) CAPRI_NAME(threadForkOS);

/* threadIsBound -- does one OS thread run all of the caller?  True of plain OS threads, and of all
 * under RtsConfig.stepped. */
CAPRI_EXPORT bool threadIsBound(void) CAPRI_NAME(threadIsBound);

/* threadRunBound, threadRunUnbound -- fn(env) in a bound thread, in one that is not: here if this
 * is such a one, else in a new one, which is waited for.
 *
 * result   receives what fn returned; may be NULL.
 * Returns  0; -EINVAL (fn NULL); -EPERM (in a step of a task); as threadForkOS and threadFork;
 *          -ENOMEM: it never got a stack.  It is waited for whatever comes.
 * Source   Control.Concurrent.runInBoundThread, runInUnboundThread.
 */
CAPRI_EXPORT int threadRunBound(ThreadFn *fn, void *env, void **result) CAPRI_NAME(threadRunBound);
CAPRI_EXPORT int threadRunUnbound(ThreadFn *fn, void *env, void **result)
    CAPRI_NAME(threadRunUnbound);

/* threadJoin -- wait until thread has ended.
 *
 * result   receives what its body returned; may be NULL.
 * Returns  0; -ENOMEM: the thread never ran for want of a stack; -ESRCH: it was lost in a fork,
 *          this is the child; -EINTR: it was interrupted before it began; -EPROTO: a task
 *          that broke the contract; -ECANCELED: the caller was interrupted, or the runtime is being
 *          cancelled; -EDEADLK: thread is the caller; -EINVAL.
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
 * Returns 0; -ECANCELED: an interrupt was raised, see capri/interrupt.h.  On a plain OS thread:
 * sched_yield.  Source: GHC.Conc.yield (old end of the queue next). */
CAPRI_EXPORT int threadYield(void) CAPRI_NAME(threadYield);

/* threadSafepoint -- for long computations: polls when a poll is due, yields when the time slice is
 * over.
 * Costs a load when nothing is due.  No-op on a plain OS thread.  Returns 0; -ECANCELED: an
 * interrupt was raised. */
CAPRI_EXPORT int threadSafepoint(void) CAPRI_NAME(threadSafepoint);

/* threadSelf -- the calling green thread, NULL on a plain OS thread.  Borrowed: valid until it
 * ends. */
CAPRI_EXPORT Thread *threadSelf(void) CAPRI_NAME(threadSelf);

/* threadId -- a number > 0, never reused in this process. */
CAPRI_EXPORT uint64_t threadId(const Thread *thread) CAPRI_NAME(threadId);

/* threadCompare -- < 0, 0, > 0 as left's id is less than, equal to, or more than right's: a total
 * order, and who was forked later by one capability is more.  Source: Ord ThreadId. */
CAPRI_EXPORT int threadCompare(const Thread *left, const Thread *right) CAPRI_NAME(threadCompare);

/* A weak handle: a copy like any number, not counted, never given back. */
typedef struct ThreadWeak {
    Thread *thread; /* not to be used: threadWeakUpgrade */
    uint64_t id;
} ThreadWeak;

/* threadWeak -- a weak handle of a thread to which the caller has a handle, or which it is.
 * threadWeakUpgrade -- a counted handle to that thread; NULL: it has ended, or was lost in a fork,
 *          or its runtime has been shut down.  At any time, also when nobody has a handle.
 * Source  GHC.Conc.mkWeakThreadId; differs: a thread that has ended is gone, whoever holds it. */
CAPRI_EXPORT ThreadWeak threadWeak(const Thread *thread) CAPRI_NAME(threadWeak);
CAPRI_EXPORT Thread *threadWeakUpgrade(ThreadWeak weak) CAPRI_NAME(threadWeakUpgrade);

/* threadList -- counted handles to the threads that live, detached ones too.
 *
 * handles  room for `most`; what is stored is the caller's, to be released one by one
 * Returns  how many there are, which may be more than `most`: handles to some of them then; 0
 *          without a runtime.
 * Promise  each thread that lives during the whole call is there once; one that is forked or ends
 *          meanwhile may be; nobody is held up.  A thread lives from its fork until its result is
 *          there.  Takes some ns for every thread that ever lived at one time.
 * Source   GHC.Conc.listThreads */
CAPRI_EXPORT size_t threadList(Thread **handles, size_t most) CAPRI_NAME(threadList);

/* threadLabel -- name a thread for dumps and messages (copied, cut at 63 bytes).  0 or -ENOMEM.
 * threadLabelOf -- copy the label into buffer (size bytes, always terminated); returns its
 * length. */
CAPRI_EXPORT int threadLabel(Thread *thread, const char *label) CAPRI_NAME(threadLabel);
CAPRI_EXPORT size_t threadLabelOf(const Thread *thread, char *buffer, size_t size)
    CAPRI_NAME(threadLabelOf);

/* threadStatus -- a snapshot; stale as soon as it is returned. */
CAPRI_EXPORT ThreadStatus threadStatus(const Thread *thread) CAPRI_NAME(threadStatus);

/* threadDescribe -- the same in words, and what for: copied into buffer (size bytes, always
 * terminated); returns the length of the whole.  Any OS thread may ask, of any thread.
 *   "Ready", "Running", "Finished", "BlockedOnRead fd 7", "BlockedOnDelay until +1.5 ms",
 *   "BlockedOnThread 12 \"parser\"", "BlockedOnMVar 0x7f5c1c0a4080 until +20.0 ms"
 * A transaction waits for what it has read: fds and threads by name, one variable, ", more".  The
 * time is the first that it waits for.
 *   "BlockedOnTVar Read fd 7, Thread 12 \"parser\", 0x7f5c1c0a4080, more until +1.5 ms"
 * Promise  one moment's state, stale as soon as it is returned; who has been woken but does not run
 *          yet is Ready.  Addresses are those of the handles: what tvarNew, mvarNew, ...
 *          returned. */
CAPRI_EXPORT size_t threadDescribe(const Thread *thread, char *buffer, size_t size)
    CAPRI_NAME(threadDescribe);

/* threadCapability -- index of the capability the caller runs on, or -EPERM on a plain OS
 * thread.
 * threadCapabilityLast -- likewise, or that it ran on last: a thread that was handed over
 * (RtsConfig.hand_over) stays where it is, and others run there.  Never parks: for allocators. */
CAPRI_EXPORT int threadCapability(void) CAPRI_NAME(threadCapability);
CAPRI_EXPORT int threadCapabilityLast(void) CAPRI_NAME(threadCapabilityLast);

/* threadDelay -- park for at least delay_us microseconds of monotonic time.
 *
 * delay_us  <= 0 returns at once; huge values saturate.
 * Returns   0, or -ECANCELED if it was interrupted, or the runtime was cancelled, meanwhile.
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
