/* TimeoutPool.c -- the records of timeouts of one manager: type-stable, taken and given back.
 *
 * Owns    TimeoutPool's fields, the memory of every Timeout.
 * Before  iomgr/TimerManager.c.
 * After   nothing.
 * Tests   testsuite/unit/TimeoutPoolTest.c, testsuite/model/TimeoutModel.c
 *
 * See Note [Timeout magazines].
 */
#include "iomgr/TimeoutPool.h"

#include "iomgr/Memory.h"

#include <errno.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20,
    MOST_MAGAZINES = HUGE_PAGE / (TIMEOUT_MAGAZINE * (int)sizeof(Timeout)), /* of one chunk */
    GROW_SHARE = 4 /* a chunk is such a part of what there is */
};

struct TimeoutChunk {
    TimeoutChunk *next; /* the pool's lock */
    Timeout *records;
    size_t bytes; /* of records */
    TimeoutMagazine magazines[];
};

/* ---- lists of magazines, under the lock ------------------------------------------------------ */

static void pushMagazine(TimeoutMagazine **list, TimeoutMagazine *magazine)
{
    magazine->next = *list;
    *list = magazine;
}

static TimeoutMagazine *popMagazine(TimeoutMagazine **list)
{
    TimeoutMagazine *magazine = *list;
    ASSERT(magazine != NULL);
    *list = magazine->next;
    return magazine;
}

static void pushRecord(TimeoutPool *pool, Timeout *record)
{
    if (pool->open->count == TIMEOUT_MAGAZINE) {
        pushMagazine(&pool->full, pool->open);
        pool->open = popMagazine(&pool->empty);
        ASSERT_CMP(pool->open->count, ==, 0);
    }
    pool->open->items[pool->open->count++] = record;
}

/* ---- any OS thread --------------------------------------------------------------------------- */

Timeout *timeoutPoolTake(TimeoutPool *pool)
{
    Timeout *record = NULL;
    spinLock(&pool->lock);
    if (pool->open->count == 0 && pool->full != NULL) {
        pushMagazine(&pool->empty, pool->open);
        pool->open = popMagazine(&pool->full);
    }
    if (pool->open->count != 0)
        record = pool->open->items[--pool->open->count];
    spinUnlock(&pool->lock);
    return record;
}

void timeoutPoolGive(TimeoutPool *pool, Timeout *record)
{
    spinLock(&pool->lock);
    pushRecord(pool, record);
    spinUnlock(&pool->lock);
}

/* ---- the home thread ------------------------------------------------------------------------- */

static void swapHome(TimeoutPool *pool)
{
    TimeoutMagazine *home = pool->home;
    pool->home = pool->spare;
    pool->spare = home;
}

bool timeoutPoolLoad(TimeoutPool *pool)
{
    swapHome(pool);
    if (pool->home->count != 0)
        return true;
    spinLock(&pool->lock);
    if (pool->full != NULL) {
        pushMagazine(&pool->empty, pool->home);
        pool->home = popMagazine(&pool->full);
    } else {
        TimeoutMagazine *home = pool->home;
        pool->home = pool->open;
        pool->open = home;
    }
    spinUnlock(&pool->lock);
    uint32_t count = pool->home->count;
    for (uint32_t i = 1; i <= TIMEOUT_AHEAD && i <= count; i++)
        timeoutPoolFetch(pool->home->items[count - i]);
    return count != 0;
}

void timeoutPoolUnload(TimeoutPool *pool)
{
    swapHome(pool);
    if (pool->home->count == 0)
        return;
    ASSERT_CMP(pool->home->count, ==, TIMEOUT_MAGAZINE);
    spinLock(&pool->lock);
    pushMagazine(&pool->full, pool->home);
    pool->home = popMagazine(&pool->empty);
    spinUnlock(&pool->lock);
    ASSERT_CMP(pool->home->count, ==, 0);
}

/* ---- memory ---------------------------------------------------------------------------------- */

void timeoutPoolAdd(TimeoutPool *pool, Timeout *records, uint32_t count, EventManager *manager,
                    TimerFire *fire)
{
    for (uint32_t i = 0; i < count; i++) {
        records[i].timer.fire = fire;
        records[i].manager = manager;
    }
    spinLock(&pool->lock);
    pool->records += count;
    for (uint32_t i = count; i > 0; i--) /* taken in the order of their addresses */
        pushRecord(pool, &records[i - 1]);
    spinUnlock(&pool->lock);
}

static size_t alignmentOf(size_t bytes)
{
    return bytes >= HUGE_PAGE ? HUGE_PAGE : CACHE_LINE;
}

static size_t sizeOfChunk(size_t bytes)
{
    size_t magazines = bytes / (TIMEOUT_MAGAZINE * sizeof(Timeout));
    return sizeof(TimeoutChunk) + magazines * sizeof(TimeoutMagazine);
}

static void releaseChunk(TimeoutChunk *chunk, const Allocator *allocator)
{
    memoryRelease(allocator, chunk->records, chunk->bytes, alignmentOf(chunk->bytes));
    memoryRelease(allocator, chunk, sizeOfChunk(chunk->bytes), CACHE_LINE);
}

/* Records are taken in the order in which others fired: over many pages, which are to be large. */
static TimeoutChunk *allocateChunk(const Allocator *allocator, uint32_t magazines)
{
    size_t bytes = magazines * TIMEOUT_MAGAZINE * sizeof(Timeout);
    TimeoutChunk *chunk = memoryAllocateZeroed(allocator, sizeOfChunk(bytes), CACHE_LINE);
    if (chunk == NULL)
        return NULL;
    chunk->bytes = bytes;
    chunk->records = memoryAllocate(allocator, bytes, alignmentOf(bytes));
    if (chunk->records == NULL) {
        memoryRelease(allocator, chunk, sizeOfChunk(bytes), CACHE_LINE);
        return NULL;
    }
    if (alignmentOf(bytes) == HUGE_PAGE)
        madvise(chunk->records, bytes, MADV_HUGEPAGE); /* a wish */
    memset(chunk->records, 0, bytes);
    return chunk;
}

/* All of its magazines are full, each with its records in the order of their addresses. */
static void fillChunk(TimeoutChunk *chunk, uint32_t magazines, EventManager *manager,
                      TimerFire *fire)
{
    for (uint32_t i = 0; i < magazines; i++) {
        TimeoutMagazine *magazine = &chunk->magazines[i];
        magazine->next = i + 1 < magazines ? magazine + 1 : NULL;
        magazine->count = TIMEOUT_MAGAZINE;
        for (uint32_t j = 0; j < TIMEOUT_MAGAZINE; j++) {
            Timeout *record = &chunk->records[i * TIMEOUT_MAGAZINE + j];
            record->timer.fire = fire;
            record->manager = manager;
            magazine->items[TIMEOUT_MAGAZINE - 1 - j] = record;
        }
    }
}

int timeoutPoolGrow(TimeoutPool *pool, EventManager *manager, const Allocator *allocator,
                    TimerFire *fire)
{
    spinLock(&pool->lock);
    uint32_t magazines = pool->records / (TIMEOUT_MAGAZINE * GROW_SHARE);
    spinUnlock(&pool->lock);
    magazines = magazines < 1 ? 1 : magazines < MOST_MAGAZINES ? magazines : MOST_MAGAZINES;
    TimeoutChunk *chunk = allocateChunk(allocator, magazines);
    if (chunk == NULL && magazines > 1)
        chunk = allocateChunk(allocator, magazines = 1);
    if (chunk == NULL)
        return -ENOMEM;
    fillChunk(chunk, magazines, manager, fire);
    spinLock(&pool->lock);
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    chunk->magazines[magazines - 1].next = pool->full;
    pool->full = &chunk->magazines[0];
    pool->records += magazines * TIMEOUT_MAGAZINE;
    spinUnlock(&pool->lock);
    return 0;
}

void timeoutPoolOpen(TimeoutPool *pool)
{
    memset(pool, 0, sizeof *pool);
    pool->lock = (SpinLock)SPIN_LOCK_INIT;
    pool->home = &pool->first[0];
    pool->spare = &pool->first[1];
    pool->open = &pool->first[2];
}

void timeoutPoolClose(TimeoutPool *pool, const Allocator *allocator)
{
    TimeoutChunk *chunk = pool->chunks;
    pool->chunks = NULL;
    while (chunk != NULL) {
        TimeoutChunk *next = chunk->next;
        releaseChunk(chunk, allocator);
        chunk = next;
    }
}

uint32_t timeoutPoolFree(const TimeoutPool *pool)
{
    uint32_t count = pool->home->count + pool->spare->count + pool->open->count;
    for (const TimeoutMagazine *full = pool->full; full != NULL; full = full->next)
        count += full->count;
    return count;
}
