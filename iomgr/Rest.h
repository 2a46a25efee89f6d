/* Rest.h -- an owner says that it waits in the kernel, and touches nothing until it is let go.
 *
 * Note [Standing]
 *   Rest.standing says whether an owner may be relied on to touch nothing: no queue, no callback,
 *   nothing that callbacks reach.  It is told to stop by the bit `halted` of *mode.
 *     from     on     to       by     order    then
 *     Moving   rest   Resting  owner  seq_cst  (H1) about to wait in the kernel: it looks at its
 *                                              mode; halted: it rings, and waits all the same
 *     Resting  rise   Moving   owner  seq_cst  (H2) the kernel has returned: it looks at its mode
 *                                              before anything else; halted: it halts
 *     Moving   halt   Halted   owner  release  (H3) rings, and waits while its mode says so
 *     Halted   go     Moving   owner  seq_cst  (H4) looks at its mode again; halted: H3 again
 *     Moving   lend   Halted   owner  seq_cst  (H6) its OS thread leaves to a host's loop: it looks
 *                                              at its mode; halted: it rings.  It comes back by H4
 *   Who stops sets the bit (seq_cst), then looks at `standing` (H5, seq_cst).  It sees the owner
 *   stand, or the owner sees the bit at H1, H6, before H3, or at its next look at its mode, and
 *   rings; an owner that was seen to stand sees the bit at H2 or H4 and goes on standing.
 *   So whoever sleeps need not be woken to be stopped.  What it does on its way into the kernel
 *   (the back-end's own lists) is not waited for: who needs that too, as a fork does, wakes it and
 *   waits for Halted.
 */
#ifndef IOMGR_REST_H
#define IOMGR_REST_H

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <stddef.h>

typedef enum Standing { StandingMoving = 0, StandingResting = 1, StandingHalted = 2 } Standing;

typedef struct Rest Rest;

struct Rest {
    uint32_t standing;        /* owner stores, who stops looks */
    uint32_t halted;          /* constant, as all below: the bit */
    const uint32_t *mode;     /* the upper floor's; NULL: nobody stops this one */
    void (*ring)(Rest *rest); /* H1 */
    void (*halt)(Rest *rest); /* H2: returns when it may go on */
};

static inline void restBegin(Rest *rest)
{
    if (rest->mode == NULL)
        return;
    SEQ_CST_STORE(&rest->standing, StandingResting); /* H1 */
    if (UNLIKELY((SEQ_CST_LOAD(rest->mode) & rest->halted) != 0))
        rest->ring(rest);
}

static inline void restEnd(Rest *rest)
{
    if (rest->mode == NULL)
        return;
    SEQ_CST_STORE(&rest->standing, StandingMoving); /* H2 */
    if (UNLIKELY((SEQ_CST_LOAD(rest->mode) & rest->halted) != 0))
        rest->halt(rest);
}

#endif
