/* Drain.h -- how many threads live, and waiting until none does. */
#ifndef RTS_DRAIN_H
#define RTS_DRAIN_H

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <capri/rts.h>

/* Is rtsShutdown waiting for threads to end?  So often it looks by itself. */
enum { DRAIN_LOOK_NS = 2 * 1000 * 1000 };
extern uint32_t drain_on;

/* drainReset -- start, and the child of a fork: nobody waits, no plain OS thread has forked. */
void drainReset(void);

/* drainForked -- a plain OS thread forked one more.   drainEnded -- a thread has ended. */
void drainForked(void);
void drainEndedSlow(void);

static inline void drainEnded(void)
{
    if (UNLIKELY(RELAXED_LOAD(&drain_on) != 0))
        drainEndedSlow();
}

/* drainLiving -- threads that live, or more. */
uint64_t drainLiving(void);

/* drainBegin -- who shuts down: in this mode.   drainCancel -- anyone, while it does: cancel. */
void drainBegin(RtsShutdownMode mode);
void drainCancel(void);

/* drainThreads -- wait until deadline_ns for threads to end.  True: none lives. */
bool drainThreads(int64_t deadline_ns);

/* drainClose -- holder of the world's lock: from now on callbacks' forks are refused.  0; -EAGAIN:
 * one has forked meanwhile, it lives; -ETIMEDOUT: not all stood still by deadline_ns. */
int drainClose(int64_t deadline_ns);

#endif
