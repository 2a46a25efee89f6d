/* ThreadForkFinally.h -- a body and what follows it, until they begin. */
#ifndef RTS_THREAD_FORK_FINALLY_H
#define RTS_THREAD_FORK_FINALLY_H

#include "rts/Thread.h"

/* threadForkFinallyDrop -- `thread`, which may be one of these or not, will never begin. */
void threadForkFinallyDrop(Thread *thread);

#endif
