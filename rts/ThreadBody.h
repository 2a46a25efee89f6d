/* ThreadBody.h -- what a green thread runs: its body, then what its end needs of it. */
#ifndef RTS_THREAD_BODY_H
#define RTS_THREAD_BODY_H

#include "rts/Interrupt.h"
#include "rts/ThreadSlot.h"
#include "rts/context/Context.h"
#include "rts/context/Frames.h"

/* What a body leaves behind.  RtsConfig.uncaught is the thread's own code as well as destructors
 * are: it may set slots, and they all may be interrupted, which is nobody's any more. */
static __attribute__((noinline)) void threadBodyEnd(Thread *self)
{
    if (self->stack->slots != NULL)
        threadSlotEndAll(self->stack);
    interruptLast(self);
    if (self->stack->slots != NULL)
        threadSlotEndAll(self->stack);
    interruptForget(self, NULL);
}

/* threadBodyRun -- the newborn's body on its stack, unless an interrupt comes first; then its
 * slots' destructors.  Returns its result. */
static inline void *threadBodyRun(Thread *newborn)
{
    ThreadFn *fn = (ThreadFn *)RELAXED_LOAD(&newborn->fn_or_result);
    void *env = threadEnv(newborn);
    void *result = NULL;
    framesWipe();
    if (LIKELY(interruptPoint(newborn) == 0))
        result = contextBody(fn, env);
    else
        RELAXED_STORE(&newborn->node.tag, newborn->node.tag | TAG_NOT_BEGUN);
    if (UNLIKELY(newborn->stack->slots != NULL || RELAXED_LOAD(&newborn->interrupts) != 0))
        threadBodyEnd(newborn);
    return result;
}

#endif
