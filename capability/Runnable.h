/* Runnable.h -- anything a capability can run: a green thread, a host's own task. */
#ifndef CAPABILITY_RUNNABLE_H
#define CAPABILITY_RUNNABLE_H

typedef struct Runnable Runnable;
typedef struct Capability Capability;

typedef void RunnableRun(Runnable *runnable, Capability *capability);

struct Runnable {
    Runnable *next; /* of whichever queue, inbox or list holds it */
    /* Called by the scheduler on the worker's own stack; returns when the runnable has parked,
     * yielded or ended.  (Green threads are also switched to directly when one gives way to the
     * next: the scheduler knows them by this.) */
    RunnableRun *run;
};

#endif
