/* capri/rts.h -- start and stop, how many cores, and seeing inside.
 *
 * fork(2): the child of a process with a runtime has a working one, with the caller alone: a green
 * thread, or a plain OS thread and then no green thread at all.  All others are gone, without
 * notice: their stacks are released, joining one says -ESRCH.  Adopted fds stay adopted, variables
 * keep their values, registerDelay's still fire, and the parent notices nothing.  The other OS
 * threads are started again when the child first needs them, so exec is cheap.  A child that a
 * green thread has forked ends with exit(0) when no green thread is left; exit(n) works at any
 * time.  To that end fork stops all capabilities between two green threads; if one does not come to
 * that within 100 ms, or fork is called by a callback of the runtime, every call that needs the
 * runtime returns -ENOTRECOVERABLE in the child, which can still exec or exit.  The parent never
 * suffers.  RtsConfig.allocator must itself survive a fork, as malloc does.  posix_spawn costs none
 * of this.
 */
#ifndef CAPRI_RTS_H
#define CAPRI_RTS_H

#include <capri/allocator.h>
#include <capri/api.h>
#include <capri/event.h>
#include <capri/hooks.h>
#include <capri/thread.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RtsConfig -- all zeroes are the defaults. */
typedef struct RtsConfig {
    /* How many cores to use at first, at most 64; 0: CAPRI_CAPABILITIES in the environment (more
     * than 64 mean 64), else the processors this process may run on (affinity) or has a CPU quota
     * for (control groups, rounded up), whichever is less.  capabilitySetCount changes it. */
    uint32_t capabilities;
    const char *backend; /* "epoll", "poll", "uring" (epoll where the kernel refuses); NULL: what
                          * CAPRI_BACKEND in the environment says, else epoll */
    Allocator allocator; /* all NULL: aligned_alloc and free */
    size_t stack_size;   /* default stack of a thread; 0: 64 KiB */
    bool no_signals;     /* do not install the SIGSEGV handler that names overflowed stacks */
    /* OS threads that make calls which may block (files that are not in memory, names, closes that
     * linger): at most so many at a time (0: 64; at most 1024), further calls queue; one that has
     * been idle for so long ends (0: 10 s). */
    uint32_t blocking_threads;
    uint32_t blocking_idle_ms;
    /* Told a thread that ends by an interrupt which nobody caught, and what was thrown (but for
     * InterruptKill); on that thread, before its joiners wake.  NULL: nobody is. */
    void (*uncaught)(Thread *thread, int code, void *payload);
    /* Told a line of text, without its end of line, that the runtime has for a human.  That threads
     * are blocked for ever: on an OS thread of its own (under `stepped`: the owner's, at the end of
     * a step), and nothing else of the runtime's upkeep is done meanwhile.  That a task broke its
     * contract: as part of its last step, so it must not wait.  NULL: standard error gets it. */
    void (*log)(const char *line);
    /* Only under rtsMain: no OS thread but those of the runtime will call into it.  So threads that
     * are blocked for ever (rtsHold) can be told: their waits return -EDEADLK. */
    bool closed_world;
    /* OS threads beyond one a capability, which carry capabilities on while foreignCall and
     * threadBlockingEnter keep theirs: at most so many (0: 512; at most 1024); one that has been
     * idle for so long ends (0: 1 s). */
    uint32_t foreign_threads;
    uint32_t foreign_idle_ms;
    /* A thread that runs for more than 10 ms without a call of this library, while others wait that
     * no other capability has time for, loses its capability to them and goes on beside them, on an
     * OS thread of its own (foreign_threads), until its next call of this library, where it may
     * park for a capability.  So more threads than there are capabilities run at once.  Not while a
     * callback of this library, or a function that it calls on the thread (stmAtomically,
     * timeoutRun, onceGet ...), is under way; nor on stacks of the host's own; nor in a build with
     * a sanitizer.  It is told by SIGURG, to which the host's code is exposed then: system calls
     * are made again (SA_RESTART), but for those that never are (nanosleep, poll, ...) and once
     * foreignCallInterruptible was called.  rtsPause waits until it has come back.  If it forks
     * before it has come back, the child may have no runtime. */
    bool hand_over;
    /* No OS thread of the runtime runs green threads: the host's loop does, by rtsStep
     * (capri/step.h).  One capability; not with hand_over. */
    bool stepped;
    uint32_t step_us; /* rtsStep returns after so many microseconds, more be ready; 0: 10 ms */
    RtsHooks hooks;   /* what the host wants to be told of (capri/hooks.h) */
} RtsConfig;

/* How rtsShutdown treats the threads that still live. */
typedef enum RtsShutdownMode {
    Drain = 0, /* wait until they have ended */
    Cancel = 1 /* every wait, present and future, returns -ECANCELED; then as Drain */
} RtsShutdownMode;

/* rtsInit -- start the runtime.  Counted: each successful rtsInit wants one rtsShutdown; only the
 * first one's config counts.  config NULL: defaults.
 * Returns 0, -EINVAL (bad field), -ENOMEM, -EMFILE, -EAGAIN (no OS thread), -ESHUTDOWN (a shutdown
 * has timed out). */
CAPRI_EXPORT int rtsInit(const RtsConfig *config) CAPRI_NAME(rtsInit);

/* rtsShutdown -- stop the runtime: refuse new threads from outside, let the living end (mode), join
 * the OS threads, free everything.
 *
 * deadline_ns  give up then (INT64_MAX: never)
 * Returns      0: gone, rtsInit may follow; -ETIMEDOUT: threads still live, or a plain OS thread is
 *              in a call or has paused the world: the runtime is still up (call again); -EPERM:
 *              for the first rtsInit, called on a green thread or in its foreign call, or with
 *              RtsConfig.stepped by another OS thread than the owner; -ENXIO: not running.
 * Meanwhile    another call waits for this one, to its own deadline; if it is to cancel, this one
 *              cancels from then on.
 */
CAPRI_EXPORT int rtsShutdown(RtsShutdownMode mode, int64_t deadline_ns) CAPRI_NAME(rtsShutdown);

/* rtsMain -- rtsInit, run fn(env) as the first green thread, when it returns cancel the others and
 * shut down.
 * Returns 0 with fn's result in *result (may be NULL), or what rtsInit or threadFork said. */
CAPRI_EXPORT int rtsMain(const RtsConfig *config, ThreadFn *fn, void *env, void **result)
    CAPRI_NAME(rtsMain);

/* rtsHold -- somebody outside will still call in, and wake threads.   rtsRelease -- as often: no
 * longer.
 *
 * Blocked for ever are the threads of a runtime when each of them waits for a variable, an MVar or
 * its like, a lock or its like, or another thread's end, without a deadline, and nobody else can
 * wake them: no call is under way on another OS thread, no timer armed, nothing registered with an
 * event manager, no signal watched, no hold.  When that has been so for about 100 ms, it is told
 * once (RtsConfig.log), with each thread and what it waits for; it need not be wrong, for a plain
 * OS thread may call in later: rtsHold says so.  In a closed world (RtsConfig.closed_world) it
 * cannot be wrong, and each of those waits returns -EDEADLK, whenever that happens.
 * Not told is a group of threads that wait for each other while some other thread waits for an fd
 * or a deadline, or can run: without a garbage collector nobody knows what that one can reach.
 *
 * Returns  0; -ENXIO, -ESHUTDOWN, -ENOTRECOVERABLE: no runtime.
 * Context  anywhere but in signal handlers; nothing is held up, and nobody woken.
 * Source   GHC's BlockedIndefinitelyOnMVar; differs: quiescence instead of reachability. */
CAPRI_EXPORT int rtsHold(void) CAPRI_NAME(rtsHold);
CAPRI_EXPORT void rtsRelease(void) CAPRI_NAME(rtsRelease);

/* rtsNow -- monotonic nanoseconds: what every deadline is compared with. */
CAPRI_EXPORT int64_t rtsNow(void) CAPRI_NAME(rtsNow);

/* capabilityCount -- how many capabilities run green threads; 0: no runtime.
 * Source  GHC.Conc.getNumCapabilities. */
CAPRI_EXPORT uint32_t capabilityCount(void) CAPRI_NAME(capabilityCount);

/* capabilitySetCount -- from now on `count` capabilities run green threads.
 *
 * count    1 to 64; more than there are cores is allowed.
 * Returns  0; -EINVAL (count); -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (no OS thread): as many run as
 *          before; -EPERM: RtsConfig.stepped, where there is one; -ENXIO, -ESHUTDOWN (plain OS
 *          threads), -ENOTRECOVERABLE.
 * Promise  calls are carried out one at a time.  Fewer: what is ready on the surplus capabilities
 *          moves to the others, what runs there at its next switch or safepoint, so for a moment
 *          after the return some may still run there; the caller does not.  A thread pinned to
 *          capability i runs on i % count from then on, and on i again when that is back; around a
 *          change two threads of one pin may for a moment run at once.  Timers and fds that are
 *          being waited for fire as before; an fd moves when it is next waited for.  More: the new
 *          ones help at once.
 * Context  green threads (may park) and plain OS threads; any load.
 * Source   GHC.Conc.setNumCapabilities; differs: a result, 64 at most, the world is not stopped.
 */
CAPRI_EXPORT int capabilitySetCount(uint32_t count) CAPRI_NAME(capabilitySetCount);

/* capabilityManager -- the event manager of the capability that the calling thread runs on now, for
 * registerFd (capri/event.h).  It lives as long as the runtime; its callbacks may run on any
 * capability's OS thread, and closeFd ends them.  In the child of a fork nothing is registered with
 * it any more: see capri/event.h.
 * Returns NULL on a plain OS thread and without a runtime.
 * Source  GHC.Event.getSystemEventManager */
CAPRI_EXPORT EventManager *capabilityManager(void) CAPRI_NAME(capabilityManager);

/* RtsStats -- counters of one capability since rtsInit; each is exact, together they are a snapshot
 * only. */
typedef struct RtsStats {
    uint64_t switches;   /* threads resumed */
    uint64_t forks;      /* threads forked here */
    uint64_t ended;      /* threads ended here */
    uint64_t parks;      /* waits that really parked */
    uint64_t stolen;     /* threads taken from other capabilities */
    uint64_t polls;      /* times the kernel was asked for events */
    uint64_t sleeps;     /* of these, times the capability lay down */
    uint64_t events;     /* events the kernel gave */
    uint64_t changes;    /* changes of the kernel's interest: epoll_ctl, or batched in a ring */
    uint64_t calls;      /* system calls for events: epoll_wait, epoll_ctl, io_uring_enter, ... */
    uint64_t rescues;    /* events and timers that others took for this capability */
    uint64_t wakes_sent; /* sleepers woken by this one */
    uint64_t woken;      /* times it was woken by another */
    uint64_t timers_fired;
    uint64_t failures;    /* callbacks of fds and timeouts that returned a negative result */
    uint64_t stacks_live; /* stacks bound to threads now, whole process (same in each) */
    uint64_t handed_over; /* threads that it was taken from (RtsConfig.hand_over) */
} RtsStats;

/* rtsStats -- fill *stats for one capability, be it enabled or not any more: 0, -EINVAL (no such),
 * -ENXIO (no runtime). */
CAPRI_EXPORT int rtsStats(uint32_t capability, RtsStats *stats) CAPRI_NAME(rtsStats);

#ifdef __cplusplus
}
#endif

#endif
