/* Threads.h -- what the paths of HotPaths.c fork and join with. */
#ifndef TESTSUITE_THREADS_H
#define TESTSUITE_THREADS_H

#include "testsuite/bench/paths/Steady.h"

#include <capri/thread.h>

static Thread *forkThread(ThreadFn *fn, void *env)
{
    Thread *thread = NULL;
    require(threadFork(&thread, fn, env) == 0, "threadFork failed");
    return thread;
}

static void joinThread(Thread *thread)
{
    require(threadJoin(thread, NULL) == 0, "threadJoin failed");
    threadRelease(thread);
}

#endif
