/* Cell.h -- small pieces of memory of one size, kept by capability.
 *
 * A pool's cells come from chunks that stay until the pool is closed.  A capability keeps some free
 * ones for itself; between the caches there is one list under a lock.
 */
#ifndef RTS_CELL_H
#define RTS_CELL_H

#include "internal/Assert.h"
#include "internal/SpinLock.h"

#include <capri/allocator.h>

#include <stddef.h>
#include <stdint.h>

enum { CELL_CACHE_MOST = 256, CELL_BATCH = 64 };

/* A free cell's first word. */
typedef struct Cell {
    struct Cell *next;
} Cell;

typedef struct CellChunk CellChunk;

typedef struct CellPool {
    SpinLock lock;
    const Allocator *allocator; /* constant while open */
    size_t size;                /* constant: of a cell, a multiple of 8 */
    Cell *free;                 /* under lock */
    CellChunk *chunks;          /* under lock */
} CellPool;

/* Its OS thread only.  All zero: empty. */
typedef struct CellCache {
    Cell *free;
    uint32_t count;
} CellCache;

void cellPoolOpen(CellPool *pool, const Allocator *allocator, size_t size);
void cellPoolClose(CellPool *pool);

/* cellPoolLock, cellPoolUnlock -- around a fork: none comes or goes.
 * cellPoolSurvive -- its child: the lock is free.  What was in caches is free when the pool is
 * closed. */
void cellPoolLock(CellPool *pool);
void cellPoolUnlock(CellPool *pool);
void cellPoolSurvive(CellPool *pool);

/* cellTake -- a cell, with whatever is in it; cache NULL: on a plain OS thread.  NULL: out of
 * memory.   cellGive -- give it back. */
void *cellTakeSlow(CellPool *pool, CellCache *cache);
void cellGiveSlow(CellPool *pool, CellCache *cache, void *cell);

/* cellCacheDrain -- give the whole cache back to the pool. */
void cellCacheDrain(CellPool *pool, CellCache *cache);

static inline void *cellTake(CellPool *pool, CellCache *cache)
{
    if (UNLIKELY(cache == NULL || cache->free == NULL))
        return cellTakeSlow(pool, cache);
    Cell *cell = cache->free;
    cache->free = cell->next;
    cache->count--;
    return cell;
}

static inline void cellGive(CellPool *pool, CellCache *cache, void *cell)
{
    if (UNLIKELY(cache == NULL || cache->count >= CELL_CACHE_MOST)) {
        cellGiveSlow(pool, cache, cell);
        return;
    }
    ((Cell *)cell)->next = cache->free;
    cache->free = cell;
    cache->count++;
}

#endif
