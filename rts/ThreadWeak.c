/* ThreadWeak.c -- weak handles.
 *
 * Owns    nothing: they are copies.
 * After   rts/Thread.c: threadRetainLiving.
 * Tests   testsuite/unit/ThreadListTest.c, testsuite/model/ThreadModel.c,
 *         testsuite/stress/WeakStorm.c
 *
 * See Note [Weak handles].
 */
#include "rts/Schedule.h"
#include "rts/Startup.h"

ThreadWeak threadWeak(const Thread *thread)
{
    return (ThreadWeak){.thread = (Thread *)(uintptr_t)thread, .id = threadId(thread)};
}

Thread *threadWeakUpgrade(ThreadWeak weak)
{
    Thread *thread = NULL;
    if (startupVisit() != 0)
        return NULL;
    if (!threadPoolIsOld(weak.id))
        thread = threadRetainLiving(weak.thread, weak.id);
    startupVisitEnd();
    return thread;
}
