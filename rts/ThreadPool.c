/* ThreadPool.c -- thread descriptors: chunks that stay, caches per capability, one list between
 * them.
 *
 * Owns    the chunks; free descriptors.
 * Before  rts/Thread.c: fork and the last reference.
 * Tests   testsuite/unit/ThreadPoolTest.c
 *
 * See Note [Thread descriptor].
 */
#include "rts/Thread.h"

#include "iomgr/Memory.h"
#include "rts/Park.h"

#include "internal/SpinLock.h"
#include <string.h>

enum { CHUNK_THREADS = 400, CACHE_BATCH = 64 };

typedef struct Chunk {
    struct Chunk *next; /* constant once published */
    Thread threads[CHUNK_THREADS];
} Chunk;

static struct {
    SpinLock lock;
    const Allocator *allocator;
    Thread *free;      /* under lock */
    Chunk *chunks;     /* pushed under lock (release), walked by anyone (acquire) */
    uint32_t closed;   /* relaxed: stored while all stand still, read by who runs on */
    uint64_t next_id;  /* taken in blocks, relaxed add */
    uint64_t first_id; /* constant while up: of this runtime's threads */
} pool = {.next_id = 1};

int threadPoolStart(const Allocator *allocator)
{
    pool.lock = (SpinLock)SPIN_LOCK_INIT;
    pool.allocator = allocator;
    pool.free = NULL;
    pool.chunks = NULL;
    RELAXED_STORE(&pool.closed, 0);
    pool.first_id = pool.next_id;
    return 0;
}

bool threadPoolIsOld(uint64_t id)
{
    return id < pool.first_id;
}

void threadPoolEnd(void)
{
    while (pool.chunks != NULL) {
        Chunk *chunk = pool.chunks;
        pool.chunks = chunk->next;
        memoryRelease(pool.allocator, chunk, sizeof *chunk, CACHE_LINE);
    }
    pool.free = NULL;
}

/* A new chunk; its descriptors are linked and returned, the chunk is published. */
static Thread *makeChunk(void)
{
    Chunk *chunk = memoryAllocate(pool.allocator, sizeof *chunk, CACHE_LINE);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, sizeof *chunk);
    for (uint32_t i = 0; i < CHUNK_THREADS; i++) {
        Thread *thread = &chunk->threads[i];
        thread->timer.fire = parkTimerFired;
        thread->runnable.run = scheduleRunThread;
        thread->runnable.next = i + 1 < CHUNK_THREADS ? &chunk->threads[i + 1].runnable : NULL;
    }
    spinLock(&pool.lock);
    chunk->next = pool.chunks;
    RELEASE_STORE(&pool.chunks, chunk);
    spinUnlock(&pool.lock);
    return &chunk->threads[0];
}

/* Cut off the first `most` descriptors of *from into a list of their own; counts them. */
static Thread *cut(Thread **from, uint32_t most, uint32_t *count)
{
    Thread *first = *from, *last = NULL, *at = first;
    uint32_t n = 0;
    while (at != NULL && n < most) {
        last = at;
        at = threadAfter(at);
        n++;
    }
    if (last != NULL)
        last->runnable.next = NULL;
    *from = at;
    *count = n;
    return first;
}

static void giveList(Thread *list)
{
    Thread *last = list;
    if (list == NULL)
        return;
    while (threadAfter(last) != NULL)
        last = threadAfter(last);
    spinLock(&pool.lock);
    last->runnable.next = pool.free == NULL ? NULL : &pool.free->runnable;
    pool.free = list;
    spinUnlock(&pool.lock);
}

static bool refill(ThreadCache *cache)
{
    spinLock(&pool.lock);
    cache->free = cut(&pool.free, CACHE_BATCH, &cache->count);
    spinUnlock(&pool.lock);
    if (cache->free == NULL) {
        Thread *fresh = makeChunk();
        cache->free = cut(&fresh, CACHE_BATCH, &cache->count);
        giveList(fresh);
    }
    return cache->free != NULL;
}

bool threadPoolIsClosed(void)
{
    return RELAXED_LOAD(&pool.closed) != 0;
}

Thread *threadCacheTakeSlow(ThreadCache *cache)
{
    return !threadPoolIsClosed() && refill(cache) ? threadCacheTake(cache) : NULL;
}

uint64_t threadCacheIdSlow(ThreadCache *cache)
{
    enum { BLOCK = 1024 };
    cache->next_id = ADD_RELAXED(&pool.next_id, BLOCK);
    cache->last_id = cache->next_id + BLOCK;
    return cache->next_id++;
}

void threadCacheDrain(ThreadCache *cache)
{
    giveList(cache->free);
    cache->free = NULL;
    cache->count = 0;
}

void threadCacheClose(ThreadCache *cache)
{
    threadCacheDrain(cache);
    cache->count = THREAD_CACHE_MOST; /* whatever is given shrinks it */
}

void threadPoolClose(void)
{
    RELAXED_STORE(&pool.closed, 1);
}

void threadCacheShrink(ThreadCache *cache)
{
    uint32_t moved;
    if (threadPoolIsClosed()) {
        threadCacheClose(cache);
        return;
    }
    Thread *list = cut(&cache->free, THREAD_CACHE_MOST / 2, &moved);
    cache->count -= moved;
    giveList(list);
}

void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    for (Chunk *chunk = ACQUIRE_LOAD(&pool.chunks); chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < CHUNK_THREADS; i++) {
            if (ACQUIRE_LOAD(&chunk->threads[i].id) != 0)
                visit(&chunk->threads[i], env);
        }
    }
}

Thread *threadPoolFind(bool (*matches)(Thread *thread, void *env), void *env)
{
    for (Chunk *chunk = ACQUIRE_LOAD(&pool.chunks); chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < CHUNK_THREADS; i++) {
            Thread *thread = &chunk->threads[i];
            if (ACQUIRE_LOAD(&thread->id) != 0 && matches(thread, env))
                return thread;
        }
    }
    return NULL;
}

void threadPoolSurvive(Thread *survivor)
{
    pool.lock = (SpinLock)SPIN_LOCK_INIT;
    pool.free = NULL;
    for (Chunk *chunk = pool.chunks; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < CHUNK_THREADS; i++) {
            Thread *thread = &chunk->threads[i];
            if (thread == survivor) {
                threadSurvived(thread);
                continue;
            }
            timerForget(&thread->timer);
            if (RELAXED_LOAD(&thread->id) != 0 && !threadLost(thread))
                continue;
            thread->runnable.next = pool.free == NULL ? NULL : &pool.free->runnable;
            pool.free = thread;
        }
    }
}
