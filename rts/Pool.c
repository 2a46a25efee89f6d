/* Pool.c -- type-stable memory: items of one kind that are reused.
 *
 * Owns    the chunks, the free list and each item's link.
 * Before  rts/stm/TVar.c, rts/stm/Delay.c.
 * Tests   testsuite/unit/PoolTest.c
 */
#include "rts/Pool.h"

#include "internal/Assert.h"
#include "internal/SMP.h"
#include "iomgr/Memory.h"

#include <string.h>

enum { CHUNK_ITEMS = 63 };

struct PoolChunk {
    PoolChunk *next;
    char pad[CACHE_LINE - sizeof(PoolChunk *)]; /* items start on a cache line */
};

static void **linkOf(const Pool *pool, void *item)
{
    return (void **)(void *)((char *)item + pool->link_offset);
}

/* Under the lock: it is free.  A stranger may still look at the link, and follow it. */
static void setLink(Pool *pool, void *item)
{
    RELEASE_STORE(linkOf(pool, item), pool->free);
    pool->free = item;
}

static size_t chunkSize(const Pool *pool)
{
    return sizeof(PoolChunk) + CHUNK_ITEMS * pool->item_size;
}

void poolOpen(Pool *pool, const Allocator *allocator, size_t item_size, size_t link_offset)
{
    ASSERT_CMP(item_size % CACHE_LINE, ==, 0);
    *pool = (Pool){.lock = SPIN_LOCK_INIT,
                   .allocator = allocator,
                   .item_size = item_size,
                   .link_offset = link_offset};
}

void poolClose(Pool *pool)
{
    while (pool->chunks != NULL) {
        PoolChunk *next = pool->chunks->next;
        memoryRelease(pool->allocator, pool->chunks, chunkSize(pool), CACHE_LINE);
        pool->chunks = next;
    }
    pool->free = NULL;
}

/* A new chunk: its first item is the caller's, the others are free. */
static void *growPool(Pool *pool)
{
    PoolChunk *chunk = memoryAllocate(pool->allocator, chunkSize(pool), CACHE_LINE);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, chunkSize(pool));
    char *first = (char *)(chunk + 1);
    spinLock(&pool->lock);
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (size_t i = 1; i < CHUNK_ITEMS; i++) {
        char *item = first + i * pool->item_size;
        setLink(pool, item);
    }
    spinUnlock(&pool->lock);
    return first;
}

void *poolTake(Pool *pool)
{
    spinLock(&pool->lock);
    void *item = pool->free;
    if (item != NULL)
        pool->free = *linkOf(pool, item);
    spinUnlock(&pool->lock);
    return item != NULL ? item : growPool(pool);
}

void poolGive(Pool *pool, void *item)
{
    spinLock(&pool->lock);
    setLink(pool, item);
    spinUnlock(&pool->lock);
}

void poolLock(Pool *pool)
{
    spinLock(&pool->lock);
}

void poolUnlock(Pool *pool)
{
    spinUnlock(&pool->lock);
}

void poolSurvive(Pool *pool)
{
    pool->lock = (SpinLock)SPIN_LOCK_INIT;
}

void poolReclaim(Pool *pool)
{
    poolSurvive(pool);
    pool->free = NULL;
}

void poolEach(Pool *pool, void (*visit)(void *item))
{
    for (PoolChunk *chunk = pool->chunks; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < CHUNK_ITEMS; i++)
            visit((char *)(chunk + 1) + i * pool->item_size);
    }
}
