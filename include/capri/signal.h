/* capri/signal.h -- waiting for signals.
 *
 * A watch names signals; while it lives they do not do what they would do otherwise (ending the
 * process, calling the host's handler), but are told to every watch that names them, as Go's
 * signal.Notify does.  What comes while nobody waits is kept; what comes again before it was taken
 * is merged with it and counted, so that one signal never pushes another one out.
 * Nobody has to block anything, in whatever OS threads the host has: a handler installed for the
 * life of the watches hands each signal, with its siginfo, to an OS thread of the runtime where it
 * is blocked, and that one reads a signalfd.  When the last watch of a signal goes, the disposition
 * it had comes back, also for what was sent before and has not been delivered.  System calls of
 * other OS threads are restarted (SA_RESTART).
 */
#ifndef CAPRI_SIGNAL_H
#define CAPRI_SIGNAL_H

#include <capri/api.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SignalWatch SignalWatch;

/* What is known of a signal: as in siginfo_t, of the one that came last. */
typedef struct SignalInfo {
    int number;     /* SIGINT, ... */
    int code;       /* si_code */
    pid_t sender;   /* si_pid: of who sent it, or of the child (SIGCHLD) */
    uid_t user;     /* si_uid */
    int status;     /* SIGCHLD: si_status */
    int64_t value;  /* si_value, as a pointer-sized number */
    uint32_t count; /* how many came since it was last taken, at least 1 (the kernel merges, too) */
} SignalInfo;

/* signalWatch -- begin to watch `count` signals.
 *
 * Returns  0; -EINVAL: none, no such signal, SIGKILL, SIGSTOP or a fault (SIGSEGV, SIGBUS, SIGFPE,
 *          SIGILL), which cannot be waited for, or SIGURG, which the runtime itself uses
 *          (foreignCallInterruptible, RtsConfig.hand_over); -ENOMEM, -EMFILE, -EAGAIN (no OS
 *          thread); -ENXIO, -ESHUTDOWN: no runtime.
 * Source   Go's signal.Notify; differs: bounded by merging instead of by dropping.
 */
CAPRI_EXPORT int signalWatch(const int *numbers, size_t count, SignalWatch **watch)
    CAPRI_NAME(signalWatch);

/* signalWait -- the next signal of the watch, the lowest number first if several came.
 *
 * Returns  0 with *info filled (may be NULL), -EINVAL: the watch was released meanwhile;
 *          -ECANCELED.
 * Promise  each watch gets each signal; of several threads that wait on one watch one gets it.
 */
CAPRI_EXPORT int signalWait(SignalWatch *watch, SignalInfo *info) CAPRI_NAME(signalWait);

/* signalWaitUntil -- likewise; -ETIMEDOUT when rtsNow() reaches deadline_ns. */
CAPRI_EXPORT int signalWaitUntil(SignalWatch *watch, SignalInfo *info, int64_t deadline_ns)
    CAPRI_NAME(signalWaitUntil);

/* signalRelease -- end a watch: who waits on it gets -EINVAL, what was not taken is dropped.  NULL
 * is ignored.  Those that are left at rtsShutdown end with it. */
CAPRI_EXPORT void signalRelease(SignalWatch *watch) CAPRI_NAME(signalRelease);

#ifdef __cplusplus
}
#endif

#endif
