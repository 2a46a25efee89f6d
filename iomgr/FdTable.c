/* FdTable.c -- fd -> slot: a two-level array that only grows.                        [path 2/6]
 *
 * Owns    FdTable.chunks and the memory of all slots; a slot never moves and is never given back
 *         before the table, so a late event may always look at it.
 * Before  iomgr/EventManager.c: a record names an fd.   After  iomgr/FdSlot.c: fires its waiters.
 * Tests   testsuite/unit/FdTableTest.c
 */
#include "iomgr/FdTable.h"

#include "iomgr/Memory.h"

#include <errno.h>

int fdTableInit(FdTable *table, const Allocator *allocator)
{
    table->allocator = allocator;
    table->chunks = memoryAllocateZeroed(allocator, FD_CHUNKS * sizeof *table->chunks, CACHE_LINE);
    return table->chunks == NULL ? -ENOMEM : 0;
}

void fdTableFree(FdTable *table)
{
    if (table->chunks == NULL)
        return;
    for (int i = 0; i < FD_CHUNKS; i++)
        memoryRelease(table->allocator, RELAXED_LOAD(&table->chunks[i]), FD_CHUNK * sizeof(FdSlot),
                      CACHE_LINE);
    memoryRelease(table->allocator, table->chunks, FD_CHUNKS * sizeof *table->chunks, CACHE_LINE);
    table->chunks = NULL;
}

FdSlot *fdTableGet(FdTable *table, int fd)
{
    FdSlot *slot = fdTableFind(table, fd), *chunk, *none = NULL;
    if (slot != NULL || fd < 0 || fd >= FD_MAX)
        return slot;
    size_t bytes = FD_CHUNK * sizeof(FdSlot);
    chunk = memoryAllocateZeroed(table->allocator, bytes, CACHE_LINE);
    if (chunk == NULL)
        return NULL;
    for (int i = 0; i < FD_CHUNK; i++) {
        chunk[i].edges = UINT64_C(1) << 32 | 1; /* 0 stands for "none seen" in FdSeen */
    }
    /* Acquire too: whoever loses uses the winner's chunk. */
    if (!CAS_ACQ_REL(&table->chunks[fd >> FD_CHUNK_BITS], &none, chunk)) {
        memoryRelease(table->allocator, chunk, bytes, CACHE_LINE);
        chunk = none;
    }
    return &chunk[fd & (FD_CHUNK - 1)];
}
