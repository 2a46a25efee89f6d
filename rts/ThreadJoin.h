/* ThreadJoin.h -- waiting for a thread's end. */
#ifndef RTS_THREAD_JOIN_H
#define RTS_THREAD_JOIN_H

#include "rts/Thread.h"

/* threadJoinWhole -- threadJoin, but until it has ended, whatever ends the wait before (the runtime
 * is being cancelled, a deadlock is reported, no memory): what it works on is the caller's, who is
 * masked and in no step. */
int threadJoinWhole(Thread *thread, void **result);

#endif
