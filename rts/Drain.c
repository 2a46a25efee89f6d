/* Drain.c -- how many threads live, and waiting until none does.
 *
 * Owns    drain_on; the counts of ends and of forks by plain OS threads.
 * Before  rts/Startup.c: a shutdown.   After  rts/Thread.c: a thread's end.
 * Tests   testsuite/unit/StartupTest.c
 */
#include "rts/Drain.h"

#include "capability/CapabilityTable.h"
#include "rts/Park.h"
#include "rts/Step.h"
#include "rts/World.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint32_t drain_on;

static struct {
    uint64_t forks;   /* by plain OS threads, relaxed add */
    uint32_t ends;    /* futex: ends of threads while draining */
    uint32_t cancels; /* seq_cst: stored by who shuts down, and by who calls as well */
} drain;

void drainReset(void)
{
    RELAXED_STORE(&drain.forks, 0);
    RELAXED_STORE(&drain_on, 0);
}

void drainForked(void)
{
    ADD_RELAXED(&drain.forks, 1);
}

void drainEndedSlow(void)
{
    ADD_SEQ_CST(&drain.ends, 1);
    syscall(SYS_futex, &drain.ends, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Ends are read before forks. */
uint64_t drainLiving(void)
{
    uint64_t ended = 0, forked = 0;
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        ended += ACQUIRE_LOAD(&schedulerOf(capabilities.items[i])->ended);
    forked = RELAXED_LOAD(&drain.forks);
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        forked += ACQUIRE_LOAD(&schedulerOf(capabilities.items[i])->forks);
    return forked - ended;
}

void drainBegin(RtsShutdownMode mode)
{
    SEQ_CST_STORE(&drain.cancels, mode == Cancel);
}

void drainCancel(void)
{
    SEQ_CST_STORE(&drain.cancels, 1);
}

static bool noneLives(void *env)
{
    (void)env;
    return drainLiving() == 0;
}

/* Until one ends, or some time has passed.  False: there is no way to. */
static bool awaitEnds(uint32_t ends)
{
    struct timespec look = {0, DRAIN_LOOK_NS};
    if (stepIsOn())
        return stepWait(noneLives, NULL, DEADLINE_NEVER) >= 0;
    syscall(SYS_futex, &drain.ends, FUTEX_WAIT_PRIVATE, ends, &look, NULL, 0);
    return true;
}

bool drainThreads(int64_t deadline_ns)
{
    SEQ_CST_STORE(&drain_on, 1);
    while (drainLiving() != 0) {
        uint32_t ends = SEQ_CST_LOAD(&drain.ends);
        if (SEQ_CST_LOAD(&drain.cancels) != 0)
            parkCancelAll(); /* again: who began to wait just before is found now */
        if (drainLiving() == 0)
            break;
        if (clockRead(&clockMonotonic) >= deadline_ns || !awaitEnds(ends))
            return false;
    }
    return true;
}

int drainClose(int64_t deadline_ns)
{
    bool stands = worldStop(NULL, StandingResting, deadline_ns), none = drainLiving() == 0;
    if (stands && none) {
        threadPoolClose();
        for (uint32_t i = 0; i < capabilityTableCount(); i++)
            threadCacheClose(&schedulerOf(capabilities.items[i])->threads);
    }
    worldGo(NULL);
    return !stands ? -ETIMEDOUT : none ? 0 : -EAGAIN;
}
