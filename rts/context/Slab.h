/* Slab.h -- where stacks come from: one mapping, many equal regions, a guard at the bottom of
 * each. */
#ifndef RTS_SLAB_H
#define RTS_SLAB_H

#include "rts/context/Stack.h"

int slabStart(size_t default_size);
void slabEnd(void);

/* slabSurvive -- child of a fork: every stack but `kept` (or NULL) is cold. */
void slabSurvive(const Stack *kept);

/* slabTake -- a fresh or cold stack (size 0: default), header written; NULL: none. */
Stack *slabTake(size_t size);

/* slabGive -- give the pages back to the kernel and remember the region as cold. */
void slabGive(Stack *stack);

#endif
