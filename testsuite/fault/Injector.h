/* Injector.h -- runs a body in a child of whose system calls one kind can be made to fail.
 *
 * Owns   the children, and what their kernel asks about them (seccomp(2), user notification).
 * Tests  testsuite/fault/SystemCallFault.c, testsuite/fault/InjectorFault.c
 *
 * The library is the one that everybody links: nothing in it knows of this.  The child asks its
 * kernel to stop at each call of one number, in whatever OS thread, and to ask the parent, who lets
 * it go on or answers for the kernel; a call that fails is not made at all.  Calls are counted over
 * all OS threads of the child, in the order in which they came.
 */
#ifndef TESTSUITE_FAULT_INJECTOR_H
#define TESTSUITE_FAULT_INJECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A call about to be made. */
typedef struct FaultCall {
    pid_t thread;
    const uint64_t *arguments; /* six */
} FaultCall;

enum { FAULT_FOR_EVER = -1 };

typedef struct Fault {
    long call;                               /* SYS_... */
    bool (*concerns)(const FaultCall *call); /* NULL: each of that number */
    int error;                               /* > 0; 0: only count */
    uint32_t first;                          /* from the first-th that it concerns on, from 1, */
    uint32_t count;                          /* so many in a row; FAULT_FOR_EVER: all */
} Fault;

/* What the child tells. */
typedef struct FaultReport {
    int result;     /* 0: all was well, else a negative errno that some call has returned */
    char where[40]; /* which */
} FaultReport;

typedef struct FaultRun {
    int status;        /* waitpid's */
    bool hung;         /* it was killed when FAULT_HANG_S were over */
    bool told;         /* `report` has come */
    uint32_t seen;     /* calls the fault concerns */
    uint32_t injected; /* of these, how many failed */
    FaultReport report;
    char output[2048]; /* of stdout and stderr, the start */
} FaultRun;

/* So far above any honest run that it is a verdict. */
enum { FAULT_HANG_S = 30 };

/* faultRun -- body(env) in a child.  faultPossible -- may this process do that?  (Not under
 * qemu-user, nor in a sandbox that forbids seccomp.) */
FaultRun faultRun(const Fault *fault, void (*body)(void *env), void *env);
bool faultPossible(void);

/* In the child, on its only OS thread: from now on calls are counted and fail; and from now on they
 * do not. */
void faultBegin(void);
void faultEnd(void);

/* In the child, after faultEnd: the report, and the end of the process. */
_Noreturn void faultReport(const FaultReport *report);

#endif
