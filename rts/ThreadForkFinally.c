/* ThreadForkFinally.c -- a thread whose body is followed by a second one, whatever becomes of it.
 *
 * Owns    the block that carries both to the thread.
 * After   rts/Thread.c: the fork.
 * Tests   testsuite/unit/ThreadForkFinallyTest.c
 */
#include "rts/ThreadForkFinally.h"

#include "iomgr/Memory.h"
#include "rts/Interrupt.h"
#include "rts/Startup.h"

#include <errno.h>

typedef struct Bodies {
    ThreadFn *fn;
    void *env;
    ThreadFinally *finally;
    void *finally_env;
    MaskingState masking; /* of who forked it, and so of fn */
} Bodies;

static void freeBodies(Bodies *bodies)
{
    memoryRelease(startupAllocator(), bodies, sizeof *bodies, _Alignof(Bodies));
}

static void *runBoth(void *env)
{
    Bodies bodies = *(Bodies *)env;
    Thread *self = scheduleSelf();
    void *result = NULL;
    freeBodies(env);
    interruptMask(self, bodies.masking);
    if (interruptPoint(self) == 0)
        result = bodies.fn(bodies.env);
    interruptMask(self, MaskedInterruptible);
    return bodies.finally(result, bodies.finally_env);
}

void threadForkFinallyDrop(Thread *thread)
{
    if (thread->fn_or_result == (void *)runBoth)
        freeBodies(threadEnv(thread));
}

int threadForkFinally(Thread **handle, ThreadFn *fn, void *env, ThreadFinally *finally,
                      void *finally_env)
{
    if (fn == NULL || finally == NULL)
        return -EINVAL;
    scheduleEnter(); /* not between visit and end */
    int result = startupVisit();
    if (result != 0)
        return result;
    Bodies *bodies = memoryAllocate(startupAllocator(), sizeof *bodies, _Alignof(Bodies));
    if (bodies == NULL) {
        result = -ENOMEM;
    } else {
        ThreadAttributes masked = {.masking = MaskedInterruptible + 1}; /* so that it begins */
        *bodies = (Bodies){fn, env, finally, finally_env, threadMaskingState()};
        result = threadForkWith(handle, &masked, runBoth, bodies);
        if (result != 0)
            freeBodies(bodies);
    }
    startupVisitEnd();
    return result;
}
