/* Pool.h -- type-stable memory: items of one kind, reused, given back only with the runtime.
 *
 * For what late wake-up sources may still look at after its user has let go: TVars and delays.
 * A new item is zero; one that comes back keeps what it held.
 */
#ifndef RTS_POOL_H
#define RTS_POOL_H

#include "internal/SpinLock.h"

#include <capri/allocator.h>

typedef struct PoolChunk PoolChunk;

typedef struct Pool {
    SpinLock lock;
    const Allocator *allocator; /* constant while open */
    size_t item_size;           /* constant: a multiple of the cache line */
    size_t link_offset; /* constant: where an item keeps a void * of the pool's, while it is free */
    void *free;         /* under lock */
    PoolChunk *chunks;  /* under lock */
} Pool;

void poolOpen(Pool *pool, const Allocator *allocator, size_t item_size, size_t link_offset);
void poolClose(Pool *pool);

/* poolTake -- NULL: out of memory. */
void *poolTake(Pool *pool);
void poolGive(Pool *pool, void *item);

/* poolLock, poolUnlock -- around a fork: no item comes or goes.
 * poolSurvive -- its child: the lock is free.   poolEach -- every item, used and free ones.
 * poolReclaim -- likewise, and none is free: whoever goes over them gives back those that are. */
void poolLock(Pool *pool);
void poolUnlock(Pool *pool);
void poolSurvive(Pool *pool);
void poolReclaim(Pool *pool);
void poolEach(Pool *pool, void (*visit)(void *item));

#endif
