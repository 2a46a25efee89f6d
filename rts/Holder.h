/* Holder.h -- who holds a lock: a green thread or a plain OS thread, as one number. */
#ifndef RTS_HOLDER_H
#define RTS_HOLDER_H

#include "rts/Schedule.h"

#include <pthread.h>

typedef uint64_t Holder; /* 0: nobody; odd: a green thread's id; even: an OS thread's pthread_t */

static inline Holder holderSelf(void)
{
    Thread *self = scheduleSelf();
    return self != NULL ? RELAXED_LOAD(&self->id) << 1 | 1 : (Holder)pthread_self();
}

#endif
