/* Errand.c -- a call that may block, on another OS thread, which its caller may give up.
 *
 * Owns    Errand.holders, Errand.done.
 * Before  rts/FileCall.c, rts/Address.c: waits with a deadline.
 * After   rts/BlockingPool.c: the OS thread.
 * Tests   testsuite/unit/ErrandTest.c, testsuite/model/ErrandModel.c,
 *         testsuite/stress/BlockingCalls.c
 *
 * See Note [Errands].
 */
#include "rts/Errand.h"

#include "rts/Park.h"
#include "rts/Startup.h"

#include <errno.h>

static void runErrand(BlockingJob *job)
{
    Errand *errand = (Errand *)(void *)job;
    if (RELAXED_LOAD(&errand->holders) == 2)
        errand->run(errand);
    watchListFire(watchListClose(&errand->done, 1), 0, NULL);
    errandRelease(errand);
}

void errandRelease(Errand *errand)
{
    if (ADD_ACQ_REL(&errand->holders, (uint32_t)-1) == 1)
        errand->free(errand);
}

static int submit(Errand *errand)
{
    bool outside = scheduleHere() == NULL;
    int result = outside ? startupEnter() : 0;
    if (result != 0)
        return result;
    result = blockingPoolSubmit(&errand->job);
    if (outside)
        startupLeave();
    return result;
}

int errandRun(Errand *errand, int64_t deadline_ns)
{
    errand->job.run = runErrand;
    errand->done = 0;
    RELAXED_STORE(&errand->holders, 2);
    int result = submit(errand);
    if (result != 0) {
        errand->free(errand);
        return result;
    }
    result = parkOnList(&errand->done, 0, NULL, NULL, ThreadBlockedOnCall, deadline_ns);
    if (result == 0 || result == -EALREADY)
        return 0;
    errandRelease(errand);
    return result;
}
