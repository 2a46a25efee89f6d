/* capri/process.h -- starting other programs and waiting for their end.
 *
 * A child is known by a pidfd: its number is not mistaken for another's, and waiting for its end is
 * waiting for an fd.  It is reaped here; a host that reaps every child itself (wait(2) with -1, or
 * SIGCHLD ignored) takes away its status (-ECHILD).
 */
#ifndef CAPRI_PROCESS_H
#define CAPRI_PROCESS_H

#include <capri/api.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Process Process;

/* How a child is to start; all zeroes are the defaults. */
typedef struct ProcessAttributes {
    const char *directory;    /* where it starts; NULL: where the caller is */
    char *const *environment; /* ends with NULL; NULL: the caller's */
    const int *fds;           /* the child's fd i is fds[i], -1: closed; NULL: 0, 1, 2 as here */
    size_t fd_count;          /* of fds; the child has no others */
    bool search;              /* look for a program without a slash in PATH */
    bool new_group;           /* it leads a process group of its own */
} ProcessAttributes;

/* How a child ended. */
typedef struct ProcessStatus {
    bool exited; /* true: by exit or return, false: by a signal */
    int code;    /* its exit status, or the signal's number */
    bool dumped; /* by a signal, and a core was dumped */
} ProcessStatus;

/* processSpawn -- start a program.
 *
 * arguments  arguments[0] is its name; ends with NULL
 * process    receives a counted handle (processRelease gives it back)
 * Returns    0, or why the program could not be started: -ENOENT, -EACCES, -ENOEXEC, -EMFILE,
 *            -ENOMEM, -EAGAIN (too many processes), -EBADF (fds), -EINVAL; -ENOSYS (no pidfd:
 *            before Linux 5.4); -ENXIO, -ESHUTDOWN: no runtime.
 * Promise    an OS thread of the pool does it, the core goes on.  The child starts with no signal
 *            blocked.  An adopted fd is O_NONBLOCK for the child, too: a pipe's end for the child
 *            is best made by pipe2(2).
 */
CAPRI_EXPORT int processSpawn(const char *program, char *const *arguments,
                              const ProcessAttributes *attributes, Process **process)
    CAPRI_NAME(processSpawn);

/* processWait -- until the child has ended; any number of waiters, now or later, get its status.
 * Returns 0 with *status filled (may be NULL), -ECANCELED, -ECHILD (somebody else reaped it).
 * processWaitUntil -- likewise; -ETIMEDOUT when rtsNow() reaches deadline_ns. */
CAPRI_EXPORT int processWait(Process *process, ProcessStatus *status) CAPRI_NAME(processWait);
CAPRI_EXPORT int processWaitUntil(Process *process, ProcessStatus *status, int64_t deadline_ns)
    CAPRI_NAME(processWaitUntil);

/* processKill -- send it a signal: 0, -ESRCH (it has been reaped), -EINVAL, -EPERM. */
CAPRI_EXPORT int processKill(Process *process, int number) CAPRI_NAME(processKill);

/* processId -- its number; another process may bear it once it has been waited for. */
CAPRI_EXPORT pid_t processId(const Process *process) CAPRI_NAME(processId);

/* processRetain -- one more handle; returns process.  processRelease -- give one back; NULL is
 * ignored.  A child that still runs goes on; it is reaped by a later processSpawn or
 * processRelease.  Handles are gone with the runtime. */
CAPRI_EXPORT Process *processRetain(Process *process) CAPRI_NAME(processRetain);
CAPRI_EXPORT void processRelease(Process *process) CAPRI_NAME(processRelease);

#ifdef __cplusplus
}
#endif

#endif
