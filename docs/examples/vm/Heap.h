/* Heap.h -- values, objects, and the collector that moves them.
 *
 *     0        nothing
 *     ......1  a number of 63 bits
 *     ......0  the address of an Object
 *
 * What can be reached is copied into another space, every word that leads to it is changed, and the
 * old space is overwritten: an address is good until the next heapNew, but where the collector
 * finds it: in objects, in a task's env while it does not run, in heap_roots while it does.
 */
#ifndef CAPRI_VM_HEAP_H
#define CAPRI_VM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uintptr_t Value;

typedef struct Object {
    uint32_t values, bytes; /* how many there are */
    Value at[];             /* the bytes follow */
} Object;

enum { HEAP_ROOTS = 64 };

/* Of each capability: what its step works on. */
extern Value heap_roots[HEAP_ROOTS];

/* Since heapOpen: how many there were, and how many objects they have moved. */
extern uint64_t heap_collections, heap_moved;

/* heapOpen -- two spaces of `size` bytes, of which only what is used costs memory.
 * shaken   collect at every heapNew: who keeps an address for too long is found out
 * Returns  0 or -ENOMEM. */
int heapOpen(size_t size, bool shaken);

/* heapNew -- in a step: an object of nothings and zeros.  All others may move.
 * Returns  NULL: there is no room, or no pausing any more. */
Object *heapNew(uint32_t values, size_t bytes);

/* heapCollect -- now: 0, or what rtsPause returns. */
int heapCollect(void);

static inline char *objectBytes(Object *object)
{
    return (char *)(object->at + object->values);
}

static inline Value valueOfNumber(int64_t number)
{
    return (Value)number << 1 | 1;
}

static inline int64_t valueNumber(Value value)
{
    return (int64_t)value >> 1;
}

static inline bool valueIsNumber(Value value)
{
    return (value & 1) != 0;
}

#endif
