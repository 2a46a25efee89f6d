/* Heap.h -- objects, and the collector that moves them.
 *
 * Note [Addresses]
 *   What can be reached is copied into another space, one object after the other, and every word
 *   that leads to it is changed; then the old space is overwritten.  So an address is good until
 *   the next collection, but where the collector changes it:
 *     in a task that does not run   its env: rtsPausedThreads shows it
 *     in a step that runs           Area.root of its capability
 *     in an object                  the Values of all that is reached
 *   A collection happens in heapReserve, of whoever is the first to find no room.  By then every
 *   other step is over, or in heapReserve as well, where it waits for its turn.  So C code may keep
 *   addresses in its variables from one heapReserve to the next, and give them to system calls.
 */
#ifndef CAPRI_VM_HEAP_H
#define CAPRI_VM_HEAP_H

#include "Value.h"

/* Where the steps of one capability make objects, without a lock. */
typedef struct Area {
    char *next, *limit; /* free */
    Value root;         /* what its step works on */
    struct Area *after; /* the heap's list */
} Area;

typedef struct HeapStats {
    uint64_t collections, moved; /* objects, in all */
    size_t live;                 /* bytes, after the last one */
} HeapStats;

/* heapOpen -- two spaces of `bytes` each, of which only what is used costs memory.
 * shaken   collect at every heapReserve: who keeps an address for too long is found out
 * Returns  0 or -ENOMEM. */
int heapOpen(size_t bytes, bool shaken);

/* heapAttach -- a capability's area takes part from now on.   heapDetach -- not any more. */
void heapAttach(Area *area);
void heapDetach(Area *area);

/* heapReserve -- see to it that there is room for so many bytes.  Everything may move.
 * Returns 0; -ENOMEM; what rtsPause returns. */
int heapReserve(Area *area, size_t bytes);

/* heapNew -- an object of nothings, for which room was reserved. */
Object *heapNew(Area *area, Kind kind, uint32_t size);

/* heapCollect -- whether or not there is room: 0, or what rtsPause returns. */
int heapCollect(void);

HeapStats heapStats(void);

#endif
