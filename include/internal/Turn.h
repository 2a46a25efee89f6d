/* Turn.h -- waiting a moment for another OS thread that is inside a short section. */
#ifndef INTERNAL_TURN_H
#define INTERNAL_TURN_H

#include "internal/SMP.h"

#ifndef SMP_MODEL
#include <sched.h>
#endif

enum { TURN_SPINS = 100 }; /* a section lasts some ns: after this its OS thread needs the core */

/* turnWait -- one more round; *spins starts at 0. */
static inline void turnWait(int *spins)
{
    SMP_PAUSE();
#ifdef SMP_MODEL
    (void)spins;
#else
    if (++*spins >= TURN_SPINS) {
        *spins = 0;
        sched_yield();
    }
#endif
}

#endif
