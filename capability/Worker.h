/* Worker.h -- an OS thread and the capability it carries. */
#ifndef CAPABILITY_WORKER_H
#define CAPABILITY_WORKER_H

#include "capability/Capability.h"

#include <pthread.h>

typedef struct Worker {
    Capability *capability; /* owner */
    pthread_t thread;
    const struct WorkerHooks *hooks;
} Worker;

/* What the upper floor does on each worker, in its OS thread. */
typedef struct WorkerHooks {
    int (*start)(Worker *worker); /* before the first run; -E... stops the start-up */
    void (*loop)(Worker *worker); /* the scheduler; returns once CapabilityStopped is seen */
    void (*end)(Worker *worker);
} WorkerHooks;

/* workerCapability -- what the calling OS thread carries, or NULL on a plain OS thread.  Never
 * cached by the compiler: a green thread may ask on one OS thread and be told of another one next
 * time.  See Note [Worker capability]. */
#if defined(__x86_64__) && !defined(SMP_MODEL)
static inline Capability *workerCapability(void)
{
    Capability *capability;
    __asm__ volatile("movq worker_capability@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(capability));
    return capability;
}
#else
Capability *workerCapability(void);
#endif

/* workerOutside, workerSetOutside -- a word of each plain OS thread, NULL at first. */
void *workerOutside(void);
void workerSetOutside(void *word);

/* workerStartAll -- one OS thread per capability; returns when all have run hooks->start.  0 or
 * -E... (then all are stopped again). */
int workerStartAll(const WorkerHooks *hooks);

/* workerAdd -- one more, for a capability that capabilityTableMake has made: when its OS thread has
 * run hooks->start the capability is published, then the loop begins.  0 or -E... (no OS thread is
 * left, nothing published).  One caller at a time, not while workers start or stop. */
int workerAdd(Capability *made, const WorkerHooks *hooks);

/* workerSurvive -- child of a fork: the calling OS thread carries `kept`, now capability 0, and is
 * the only worker; kept NULL: it is a plain OS thread, and there is none (workerStartAll may
 * follow). workerForget -- it is a plain OS thread from now on: the runtime cannot go on. */
void workerSurvive(Capability *kept);
void workerForget(void);

/* workerStopAll -- tell every capability to stop, wake it, join its OS thread. */
void workerStopAll(void);

#endif
