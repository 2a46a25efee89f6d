/* Startup.h -- start and stop in order; who may come in meanwhile.
 *
 * Note [Coming in]
 *   A plain OS thread that forks, or makes a TVar, holds the runtime up while it does so:
 *   startupEnter adds 1 to `inside` (seq_cst), then reads the state (seq_cst); shutdown stores the
 *   state (seq_cst), then
 *   waits until `inside` is 0 (seq_cst).  See Note [StoreLoad].
 */
#ifndef RTS_STARTUP_H
#define RTS_STARTUP_H

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <capri/rts.h>

/* startupEnter -- plain OS threads, around a call that needs the runtime: 0, -ENXIO, -ESHUTDOWN. */
int startupEnter(void);
void startupLeave(void);

/* startupAllocator -- the runtime's allocator. */
const Allocator *startupAllocator(void);

/* startupForkedOutside -- a plain OS thread forked one more. */
void startupForkedOutside(void);

/* Is rtsShutdown waiting for threads to end? */
extern uint32_t startup_draining;
void startupThreadEndedSlow(void);

static inline void startupThreadEnded(void)
{
    if (UNLIKELY(RELAXED_LOAD(&startup_draining) != 0))
        startupThreadEndedSlow();
}

#endif
