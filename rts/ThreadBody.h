/* ThreadBody.h -- what a green thread runs: its body, then what its end needs of it. */
#ifndef RTS_THREAD_BODY_H
#define RTS_THREAD_BODY_H

#include "rts/Interrupt.h"
#include "rts/ThreadSlot.h"
#include "rts/context/Context.h"
#include "rts/context/Frames.h"

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
    if (UNLIKELY(newborn->stack->slots != NULL))
        threadSlotEndAll(newborn->stack);
    if (UNLIKELY(RELAXED_LOAD(&newborn->interrupts) != 0))
        interruptLast(newborn);
    return result;
}

#endif
