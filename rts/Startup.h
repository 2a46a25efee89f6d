/* Startup.h -- start and stop in order; who may come in meanwhile.
 *
 * Note [Coming in]
 *   A plain OS thread that forks, or makes a TVar, holds the runtime up while it does so:
 *   startupEnter adds 1 to `inside` (seq_cst), then reads the state (seq_cst); shutdown stores the
 *   state (seq_cst), then waits until `inside` is 0 (seq_cst), or its deadline has come: who
 *   changes the world waits in there for another's pause.  See Note [StoreLoad].
 *
 * Note [After a fork]
 *   rts/Fork.c leaves the child with one capability and says so here:
 *     a plain OS thread forked  state = Forked: no worker, no Monitor.  The first call that needs a
 *                               worker (startupEnter, startupTouch) starts them: Up again
 *     a green thread forked     state = Up, its capability is Alone: it starts the others when it
 *                               next comes to its loop.  Nobody is left who could shut the runtime
 *                               down, so when no green thread lives any more the process ends with
 *                               exit(0)
 *     it could not be done      state = Broken, for good: -ENOTRECOVERABLE
 *   `wanted` is how many capabilities the parent had, until they have been started again.
 */
#ifndef RTS_STARTUP_H
#define RTS_STARTUP_H

#include "capability/Worker.h"
#include "internal/Assert.h"
#include "internal/SMP.h"

#include <capri/rts.h>

/* startupEnter -- plain OS threads, around a call that needs the runtime: 0, -ENXIO, -ESHUTDOWN,
 * -ENOTRECOVERABLE; in a fork's child -EAGAIN (no OS thread). */
int startupEnter(void);
void startupLeave(void);

/* startupVisit, startupVisitEnd -- likewise, from anywhere: a green thread is inside already. */
static inline int startupVisit(void)
{
    return workerCapability() != NULL ? 0 : startupEnter();
}

static inline void startupVisitEnd(void)
{
    if (workerCapability() == NULL)
        startupLeave();
}

/* startupAllocator -- the runtime's allocator. */
const Allocator *startupAllocator(void);

/* startupIsClosed -- is it promised that no plain OS thread calls in?
 * startupLog -- RtsConfig.log.   startupUncaught -- RtsConfig.uncaught. */
bool startupIsClosed(void);
void startupLog(const char *line);
void startupUncaught(Thread *thread, int code, void *payload);

/* startupKeepUp -- the Monitor's upkeep. */
void startupKeepUp(int64_t now_ns, bool quiet);

/* startupReviveRest -- holder of the world's lock: if this is a fork's child whose other workers
 * have not been started yet, start them and the Monitor. */
void startupReviveRest(void);

/* startupSurvive, startupBreak -- the last step of a fork's child: See Note [After a fork].  green:
 * a green thread forked.  wanted: capabilities the parent had. */
void startupSurvive(bool green, uint32_t wanted);
void startupBreak(void);
void startupStayDown(void);

/* Set in a child, cleared by the next rtsInit: relaxed looks suffice, the child began alone. */
enum { StartupForked = 1, StartupBroken = 2, StartupOrphan = 4 };
extern uint32_t startup_child;

static inline bool startupIsBroken(void)
{
    return UNLIKELY((RELAXED_LOAD(&startup_child) & StartupBroken) != 0);
}

/* startupTouch -- plain OS threads, before a wait that only a worker can end: 0, -ENOTRECOVERABLE,
 * -EAGAIN. */
int startupTouchSlow(void);

static inline int startupTouch(void)
{
    return LIKELY(RELAXED_LOAD(&startup_child) == 0) ? 0 : startupTouchSlow();
}

/* startupNothingReady -- worker's loop: nothing is ready here. */
void startupOrphanIdle(void);

static inline void startupNothingReady(void)
{
    if (UNLIKELY(RELAXED_LOAD(&startup_child) & StartupOrphan))
        startupOrphanIdle();
}

/* startupBrokenEnd -- a green thread's body has returned in a child where nothing can follow. */
void startupBrokenEnd(void) __attribute__((noreturn));

#endif
