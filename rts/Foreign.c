/* Foreign.c -- a call that may block, on another OS thread.
 *
 * Owns    nothing: the call is on the parked thread's stack.
 * Before  rts/FdClose.c: a close that lingers; rts/FileCall.c: a file that is not in memory.
 * After   rts/BlockingPool.c: the OS thread.
 * Tests   testsuite/unit/ForeignTest.c
 *
 * The wait cannot be interrupted: the call's arguments live on the parked thread's stack.  It is
 * masked, and where the runtime is cancelled it waits again, on `ended`, which the OS thread stores
 * last.
 */
#include "rts/Foreign.h"

#include "rts/BlockingPool.h"
#include "rts/Park.h"

#include <errno.h>

typedef struct ForeignCall {
    BlockingJob job; /* first */
    void (*fn)(void *env);
    void *env;
    WatchList done; /* closed (generation 1) when fn has returned */
    uint32_t ended; /* stored last by the OS thread (release) */
} ForeignCall;

static void runCall(BlockingJob *job)
{
    ForeignCall *call = (ForeignCall *)(void *)job;
    call->fn(call->env);
    WatchNode *waiter = watchListClose(&call->done, 1);
    watchListFire(waiter, 0, NULL);
    RELEASE_STORE(&call->ended, 1);
}

int foreignRun(void (*fn)(void *env), void *env)
{
    ForeignCall call = {.job = {.run = runCall}, .fn = fn, .env = env};
    ASSERT(scheduleSelf() != NULL);
    if (scheduleInStep(scheduleHere()))
        return -EPERM;
    if (blockingPoolSubmit(&call.job) != 0)
        return -EAGAIN;
    Thread *self = scheduleSelf();
    MaskingState before = interruptMask(self, MaskedUninterruptible);
    while (parkOnList(&call.done, 0, NULL, NULL, ThreadBlockedOnCall, DEADLINE_NEVER) == -ECANCELED)
        threadYield();
    while (ACQUIRE_LOAD(&call.ended) == 0)
        threadYield();
    interruptMask(self, before);
    return 0;
}
