/* ThreadDescribe.h -- what a thread waits for. */
#ifndef RTS_THREAD_DESCRIBE_H
#define RTS_THREAD_DESCRIBE_H

#include "rts/Thread.h"

/* A thread's state at one moment. */
typedef struct ThreadWaiting {
    ThreadState state;
    int fd;              /* BlockedOnRead, BlockedOnWrite */
    const void *about;   /* BlockedOnTVar, BlockedOnThread: the list; MVar, Lock: the queue */
    int64_t deadline_ns; /* DEADLINE_NEVER: no timer is armed for this wait */
    Claim claim;         /* of this wait */
} ThreadWaiting;

/* threadDescribeWait -- anyone, of any descriptor.
 *
 * Note [Describing]
 *   A claim word changes with every wait, so what is read between two looks at it that agree is of
 *   one wait; after some tries that do not, the thread is taken to be on the move: Ready.  For that
 *   the claim of a new wait, and all that is read, are stored with release and read with acquire:
 *   who finds anything of a later wait finds its claim. */
ThreadWaiting threadDescribeWait(const Thread *thread);

#endif
