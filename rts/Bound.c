/* Bound.c -- bound threads: green threads that one particular OS thread runs, and nothing else.
 *
 * Owns    Worker.bound, over; the way of a capability to a bound worker and back.
 * Before  rts/Thread.c: a fork; rts/Schedule.c: the loop has met one.
 * After   capability/Worker.c: its OS thread; capability/Spare.c: the capability afterwards.
 * Tests   testsuite/unit/BoundTest.c, testsuite/conformance/StreamConformance.c
 *
 * See Note [Bound threads], Note [Looks] and Note [Carriers].
 */
#include "rts/Bound.h"

#include "capability/Spare.h"
#include "rts/Interrupt.h"
#include "rts/Loop.h"
#include "rts/Outside.h"
#include "rts/Step.h"
#include "rts/ThreadJoin.h"

#include <errno.h>

static Worker *workerOf(const Thread *thread)
{
    return workerOfNumber((thread->node.tag >> TAG_BOUND_SHIFT) - 1);
}

/* Runnable.run.  On the carrier's loop, which carries nothing when this returns. */
void boundRun(Runnable *runnable, Capability *capability)
{
    Thread *thread = threadOfRunnable(runnable);
    if (thread->stack == NULL && !scheduleBindStack(schedulerOf(capability), thread))
        return;
    runnable->run = boundRun; /* not to be switched to */
    workerCarry(NULL);
    workerGive(workerOf(thread), capability);
}

int boundMake(Thread *thread, uint32_t *tag)
{
    if (stepIsOn())
        return -ENOTSUP;
    Worker *worker = workerMakeBound(&loop_hooks, thread);
    if (worker == NULL)
        return -EAGAIN;
    *tag |= (workerNumber(worker) + 1) << TAG_BOUND_SHIFT;
    return 0;
}

void boundForget(const Thread *thread)
{
    workerGive(workerOf(thread), NULL);
}

void boundServe(Worker *worker, Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    RELAXED_STORE(&scheduler->look_at, 0); /* See Note [Looks] */
    RELAXED_STORE(&capability->swap_until, 0);
    if (!scheduleRunOnly(scheduler, worker->bound))
        return;
    worker->over = scheduler->after == AfterEnd && scheduler->left == worker->bound;
    workerCarry(NULL);
    spareOffer(capability);
}

bool threadIsBound(void)
{
    Thread *self = scheduleSelf();
    return self == NULL || stepIsOn() || boundIs(self);
}

int threadForkOS(Thread **handle, ThreadFn *fn, void *env)
{
    ThreadAttributes attributes = {.bound = true};
    return threadForkWith(handle, &attributes, fn, env);
}

/* What fn uses is the caller's: it is not interrupted, and if cancelled waits on. */
static int runElsewhere(bool bound, ThreadFn *fn, void *env, void **result)
{
    ThreadAttributes attributes = {.bound = bound};
    Thread *thread;
    if (scheduleInStep(scheduleHere()))
        return -EPERM;
    bool outside = outsideStayHere();
    int status = threadForkWith(&thread, &attributes, fn, env);
    if (status == 0) {
        MaskingState before = threadMaskUninterruptible();
        status = threadJoinWhole(thread, result);
        if (scheduleSelf() != NULL)
            interruptMask(scheduleSelf(), before);
        threadRelease(thread);
    }
    if (outside)
        outsideStayOver();
    return status;
}

static int runHere(ThreadFn *fn, void *env, void **result)
{
    void *returned;
    if (fn == NULL)
        return -EINVAL;
    returned = fn(env);
    if (result != NULL)
        *result = returned;
    return 0;
}

int threadRunBound(ThreadFn *fn, void *env, void **result)
{
    return threadIsBound() ? runHere(fn, env, result) : runElsewhere(true, fn, env, result);
}

int threadRunUnbound(ThreadFn *fn, void *env, void **result)
{
    return threadIsBound() ? runElsewhere(false, fn, env, result) : runHere(fn, env, result);
}
