/* ThreadJoin.c -- waiting for a thread's end.
 *
 * Owns    nothing.
 * Before  rts/Thread.c: the end.   After  rts/Park.c: a wait in the list Thread.ended.
 * Tests   testsuite/unit/ThreadTest.c, testsuite/unit/ScopeTest.c, testsuite/unit/DeadlockTest.c
 */
#include "rts/ThreadJoin.h"

#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Startup.h"

#include <errno.h>

/* A plain OS thread looks at `thread` after its wait. */
static __attribute__((noinline)) int joinOutside(Thread *thread, void **result, int64_t deadline_ns)
{
    int status = 0;
    outsideStay();
    while ((status == 0 || status == -EALREADY) && !threadHasEnded(thread))
        status = parkOnList(&thread->ended, 0, NULL, NULL, ThreadBlockedOnThread, deadline_ns);
    if (status == 0 || status == -EALREADY)
        status = threadOutcome(thread, result);
    outsideStayOver();
    return status;
}

int threadJoinUntil(Thread *thread, void **result, int64_t deadline_ns)
{
    Capability *here = scheduleEnter();
    if (thread == NULL)
        return -EINVAL;
    if (UNLIKELY(here == NULL))
        return joinOutside(thread, result, deadline_ns);
    if (thread == here->current)
        return -EDEADLK;
    if (!threadHasEnded(thread)) {
        int status;
        if (scheduleWaiter(here) != NULL && deadline_ns == DEADLINE_NEVER) {
            *scheduleWait(here) = (ListedWait){.list = &thread->ended};
            status = parkListed(here, ThreadBlockedOnThread, -1);
        } else {
            status = parkOnList(&thread->ended, 0, NULL, NULL, ThreadBlockedOnThread, deadline_ns);
        }
        if (status != 0 && status != -EALREADY)
            return status;
        if (UNLIKELY(!threadHasEnded(thread))) /* woken for nothing: See Note [Interrupted lists] */
            return threadJoinUntil(thread, result, deadline_ns);
    }
    return threadOutcome(thread, result);
}

int threadJoin(Thread *thread, void **result)
{
    if (LIKELY(thread != NULL && threadHasEnded(thread) && (thread->node.tag & TAG_UNRUN) == 0)) {
        if (result != NULL)
            *result = thread->fn_or_result;
        return 0;
    }
    return threadJoinUntil(thread, result, DEADLINE_NEVER);
}

int threadJoinWhole(Thread *thread, void **result)
{
    for (;;) {
        int status = threadJoin(thread, result);
        if (LIKELY(threadHasEnded(thread)))
            return threadOutcome(thread, result);
        if (startupIsBroken())
            return status;
        threadYield();
    }
}
