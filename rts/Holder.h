/* Holder.h -- who holds a lock: a green thread or a plain OS thread, as one number, which nobody
 * else ever has: neither in this process nor in a fork's child. */
#ifndef RTS_HOLDER_H
#define RTS_HOLDER_H

#include "rts/Schedule.h"

typedef uint64_t Holder; /* 0: nobody; odd: a green thread's id; even: an OS thread's number */

/* holderHere -- the OS thread. */
static inline Holder holderHere(void)
{
    return workerOsThread() << 1;
}

/* holderSelf -- the green thread, if one runs here, else the OS thread. */
static inline Holder holderSelf(void)
{
    Thread *self = scheduleSelf();
    return self != NULL ? RELAXED_LOAD(&self->id) << 1 | 1 : holderHere();
}

#endif
