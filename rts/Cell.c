/* Cell.c -- small pieces of memory of one size: chunks, a list, caches.
 *
 * Owns    the chunks and the free cells.
 * Before  rts/Task.c, rts/TaskWait.c.
 * Tests   testsuite/unit/CellTest.c
 */
#include "rts/Cell.h"

#include "iomgr/Memory.h"

enum { CHUNK_BYTES = 32 * 1024 };

struct CellChunk {
    CellChunk *next;
    uint64_t pad; /* cells begin at a multiple of 16 */
};

void cellPoolOpen(CellPool *pool, const Allocator *allocator, size_t size)
{
    ASSERT_CMP(size % sizeof(uint64_t), ==, 0);
    *pool = (CellPool){.lock = SPIN_LOCK_INIT, .allocator = allocator, .size = size};
}

void cellPoolClose(CellPool *pool)
{
    while (pool->chunks != NULL) {
        CellChunk *next = pool->chunks->next;
        memoryRelease(pool->allocator, pool->chunks, CHUNK_BYTES, 16);
        pool->chunks = next;
    }
    pool->free = NULL;
}

void cellPoolLock(CellPool *pool)
{
    spinLock(&pool->lock);
}

void cellPoolUnlock(CellPool *pool)
{
    spinUnlock(&pool->lock);
}

void cellPoolSurvive(CellPool *pool)
{
    pool->lock = (SpinLock)SPIN_LOCK_INIT;
}

/* With the lock: a list goes back. */
static void giveList(CellPool *pool, Cell *first, Cell *last)
{
    last->next = pool->free;
    pool->free = first;
}

static bool growPool(CellPool *pool)
{
    CellChunk *chunk = memoryAllocate(pool->allocator, CHUNK_BYTES, 16);
    if (chunk == NULL)
        return false;
    char *at = (char *)(chunk + 1), *end = (char *)chunk + CHUNK_BYTES;
    Cell *first = (Cell *)(void *)at, *last = first;
    for (at += pool->size; at + pool->size <= end; at += pool->size) {
        last->next = (Cell *)(void *)at;
        last = last->next;
    }
    spinLock(&pool->lock);
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    giveList(pool, first, last);
    spinUnlock(&pool->lock);
    return true;
}

/* One for the caller, some more for the cache. */
static Cell *takeSome(CellPool *pool, CellCache *cache)
{
    spinLock(&pool->lock);
    Cell *taken = pool->free;
    if (taken != NULL)
        pool->free = taken->next;
    for (int i = 1; taken != NULL && cache != NULL && pool->free != NULL && i < CELL_BATCH; i++) {
        Cell *more = pool->free;
        pool->free = more->next;
        more->next = cache->free;
        cache->free = more;
        cache->count++;
    }
    spinUnlock(&pool->lock);
    return taken;
}

void *cellTakeSlow(CellPool *pool, CellCache *cache)
{
    Cell *taken;
    while ((taken = takeSome(pool, cache)) == NULL) {
        if (!growPool(pool))
            return NULL;
    }
    return taken;
}

static void drainTo(CellPool *pool, CellCache *cache, uint32_t kept)
{
    spinLock(&pool->lock);
    while (cache->count > kept) {
        Cell *cell = cache->free;
        cache->free = cell->next;
        cache->count--;
        giveList(pool, cell, cell);
    }
    spinUnlock(&pool->lock);
}

void cellGiveSlow(CellPool *pool, CellCache *cache, void *given)
{
    Cell *cell = given;
    if (cache != NULL) {
        drainTo(pool, cache, CELL_CACHE_MOST / 2);
        cellGive(pool, cache, cell);
        return;
    }
    spinLock(&pool->lock);
    giveList(pool, cell, cell);
    spinUnlock(&pool->lock);
}

void cellCacheDrain(CellPool *pool, CellCache *cache)
{
    if (cache->count != 0)
        drainTo(pool, cache, 0);
}
