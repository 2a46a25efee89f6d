/* HeapId.h -- the numbers that timer heaps are known by, and what others tell a heap by number. */
#ifndef IOMGR_HEAP_ID_H
#define IOMGR_HEAP_ID_H

#include <stdint.h>

/* heapIdTake -- a number in 1..65535 that no heap has now, 0 when there is none.  heapIdGive -- its
 * heap is gone; it is given out again only after all others. */
uint32_t heapIdTake(void);
void heapIdGive(uint32_t id);

/* heapIdDead -- how many entries were cancelled or left behind by others than the heap's owner:
 * anyone adds, relaxed; a hint, shared by heaps whose numbers agree in their low eight bits.  It
 * lies outside the heaps, so that a late disarm never touches a heap that is gone. */
uint32_t *heapIdDead(uint64_t id);

/* heapIdSurvive -- child of a fork, before any other call: whoever held the lock is gone. */
void heapIdSurvive(void);

#endif
