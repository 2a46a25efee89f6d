/* capri/allocator.h -- where the runtime's memory comes from. */
#ifndef CAPRI_ALLOCATOR_H
#define CAPRI_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Allocator -- a pair of functions and what they are called with.
 *
 * allocate   size > 0 bytes aligned to `alignment` (a power of two); NULL when there is none.
 * release    gives back what allocate returned, with the same size and alignment.
 * context    passed to both, untouched.
 * Context    both are called from any OS thread and from green threads (64 KiB of stack): they may
 *            lock, they must not park; of this library they may call threadCapabilityLast.  All
 *            zeroes means aligned_alloc and free.
 */
typedef struct Allocator {
    void *(*allocate)(void *context, size_t size, size_t alignment);
    void (*release)(void *context, void *memory, size_t size, size_t alignment);
    void *context;
} Allocator;

#ifdef __cplusplus
}
#endif

#endif
