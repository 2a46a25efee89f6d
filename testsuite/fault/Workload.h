/* Workload.h -- what a child does while system calls fail: a little of everything, on a runtime.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#ifndef TESTSUITE_FAULT_WORKLOAD_H
#define TESTSUITE_FAULT_WORKLOAD_H

#include <stdbool.h>

enum { ACCEPTED_MOST = 4 };

typedef struct Workload {
    const char *backend;         /* of RtsConfig */
    int accepted[ACCEPTED_MOST]; /* negative results that may come; any other fails the run */
    bool cold;                   /* do not run it once without faults before */
} Workload;

/* workloadRun -- faultRun's body; env: a Workload.  Start the runtime, do a little of everything
 * with it, stop it, look whether anything was left behind: descriptors, OS threads, memory of the
 * allocator, mappings.  It reports the first result that was neither expected nor 0. */
void workloadRun(void *env);

#endif
