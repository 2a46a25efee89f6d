/* ThreadForkFinally.c -- a thread whose body is followed by a second one, whatever becomes of it.
 *
 * Owns    the block that carries both to the thread.
 * After   rts/Thread.c: the fork.
 * Tests   testsuite/unit/ThreadForkFinallyTest.c
 */
#include "rts/ThreadForkFinally.h"

#include "iomgr/Memory.h"
#include "rts/Startup.h"

#include <errno.h>

typedef struct Bodies {
    ThreadFn *fn;
    void *env;
    ThreadFinally *finally;
    void *finally_env;
} Bodies;

static void freeBodies(Bodies *bodies)
{
    memoryRelease(startupAllocator(), bodies, sizeof *bodies, _Alignof(Bodies));
}

static void *runBoth(void *env)
{
    Bodies bodies = *(Bodies *)env;
    freeBodies(env);
    return bodies.finally(bodies.fn(bodies.env), bodies.finally_env);
}

void threadForkFinallyDrop(Thread *thread)
{
    if (thread->fn_or_result == (void *)runBoth)
        freeBodies(thread->env);
}

int threadForkFinally(Thread **handle, ThreadFn *fn, void *env, ThreadFinally *finally,
                      void *finally_env)
{
    if (fn == NULL || finally == NULL)
        return -EINVAL;
    int result = startupVisit();
    if (result != 0)
        return result;
    Bodies *bodies = memoryAllocate(startupAllocator(), sizeof *bodies, _Alignof(Bodies));
    if (bodies == NULL) {
        result = -ENOMEM;
    } else {
        *bodies = (Bodies){fn, env, finally, finally_env};
        result = threadForkWith(handle, NULL, runBoth, bodies);
        if (result != 0)
            freeBodies(bodies);
    }
    startupVisitEnd();
    return result;
}
