/* Memory.h -- asking an Allocator: all zeroes (or NULL) means the C library's. */
#ifndef IOMGR_MEMORY_H
#define IOMGR_MEMORY_H

#include <capri/allocator.h>

#include "internal/Assert.h"

#include <stdlib.h>
#include <string.h>

/* memoryAllocate -- `size` bytes aligned to `alignment` (a power of two), or NULL. */
static inline void *memoryAllocate(const Allocator *allocator, size_t size, size_t alignment)
{
    ASSERT(size > 0 && alignment > 0 && (alignment & (alignment - 1)) == 0);
    if (allocator != NULL && allocator->allocate != NULL)
        return allocator->allocate(allocator->context, size, alignment);
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    /* C11 wants the size to be a multiple of the alignment. */
    return aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

/* memoryAllocateZeroed -- the same, filled with zeroes. */
static inline void *memoryAllocateZeroed(const Allocator *allocator, size_t size, size_t alignment)
{
    void *memory = memoryAllocate(allocator, size, alignment);
    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

/* memoryRelease -- with the size and alignment it was asked for; NULL is let through. */
static inline void memoryRelease(const Allocator *allocator, void *memory, size_t size,
                                 size_t alignment)
{
    if (memory == NULL)
        return;
    if (allocator != NULL && allocator->allocate != NULL)
        allocator->release(allocator->context, memory, size, alignment);
    else
        free(memory);
}

#endif
