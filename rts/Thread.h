/* Thread.h -- the green thread: a descriptor, apart from its stack.
 *
 * Note [Thread descriptor]
 *   160 bytes, type-stable: descriptors live in chunks that are freed only with the runtime,
 *   because late
 *   wake-up sources may still look at the claim word, and dead timer entries at the timer.  Who may
 *   touch
 *   a field is said beside it.  "thread" is the thread itself or, while it does not run, whoever
 *   holds it (the queue it is in, the scheduler that commits it).
 *
 * Note [Thread references]
 *   `handles` counts the handles; the word `ended` says whether the thread lives (generation 0) and
 *   whether the last handle has gone while it lived (MARK, set from the start by a fork without
 *   one).  The end closes an unmarked list, one locked operation; if it finds the mark, or the last
 *   handle goes when the list is closed, nobody else knows the descriptor: it goes back to a cache.
 *     handles 1 -> 0   last holder  acq_rel  before it marks; not needed once the thread has ended
 *     handles 0 -> 1   the thread   relaxed  threadRetain on itself: it waits for the mark and
 *                                            takes it back
 */
#ifndef RTS_THREAD_H
#define RTS_THREAD_H

#include "capability/Capability.h"
#include "iomgr/TimerHeap.h"
#include "iomgr/WatchList.h"
#include "rts/Wait.h"
#include "rts/context/Stack.h"

#include <capri/thread.h>

struct Thread {
    Runnable runnable;  /* whatever queue holds it */
    Claim claim;        /* see Wait.h */
    void *sp;           /* thread: where to go on, once it has begun */
    void *fn_or_result; /* thread: its body, then its result (published by `ended`) */
    void *env;          /* thread: its body's argument until it starts */
    WatchList ended;    /* joiners; see Note [Thread references] */
    uint32_t handles;   /* likewise */
    uint32_t status;    /* thread stores (relaxed), anyone reads: ThreadState | fd << 8 */
    WatchNode node;     /* thread (and the list it is in); node.tag: see below */
    Stack *stack;       /* thread: bound at the first run, NULL before and after */
    uint64_t id;        /* constant while it lives; 0: free descriptor (relaxed) */
    Timer timer;        /* thread (and the heap that holds its entry) */
    char *label;        /* under the label lock; NULL: none */
};

_Static_assert(sizeof(Thread) <= 160, "a queued newborn costs 160 bytes");

/* node.tag: bits 0..7 pinned capability + 1 (0: runs anywhere); 8..13 log2 of the stack size (0:
 * default);
 * 14: it could not get a stack; 15: it was lost in a fork; 18..31 number of its worker + 1 (0: not
 * bound).  Constant once it is queued, but for 14 and 15. */
enum {
    TAG_PINNED = 0xff,
    TAG_STACK_SHIFT = 8,
    TAG_STACK = 0x3f << 8,
    TAG_NO_STACK = 1 << 14,
    TAG_LOST = 1 << 15,
    TAG_BOUND_SHIFT = 18
};

enum { THREAD_CACHE_MOST = 2048 }; /* descriptors a capability keeps */

/* The capability's share of the thread pool and other per-capability data of this floor. */
typedef struct ThreadCache {
    Thread *free; /* owner; linked by runnable.next */
    uint32_t count;
    uint64_t next_id, last_id; /* owner: ids not used yet */
} ThreadCache;

int threadPoolStart(const Allocator *allocator);
void threadPoolEnd(void);

/* threadPoolEach -- call visit for every descriptor that holds a living thread at that moment. */
void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env);

/* threadPoolSurvive -- child of a fork: `survivor` (or nobody) lives, all others are lost; what
 * nobody holds is free, whatever cache it was in. */
void threadPoolSurvive(Thread *survivor);

/* threadSurvive -- likewise: the locks are free, the cache for plain OS threads is empty.
 * threadLost -- one that does not survive.  True: nobody holds it, the descriptor is free.
 * threadSurvived -- the one that does. */
void threadSurvive(void);
bool threadLost(Thread *thread);
void threadSurvived(Thread *thread);

/* threadOutsideDrain -- shutdown: the descriptors cached for plain OS threads go back to the
 * pool. */
void threadOutsideDrain(void);

/* threadCacheDrain -- give the cache back to the pool. */
void threadCacheDrain(ThreadCache *cache);

static inline Thread *threadOfRunnable(Runnable *runnable)
{
    return (Thread *)(void *)((char *)runnable - offsetof(Thread, runnable));
}

/* threadAfter -- the next in a list linked by runnable.next, or NULL. */
static inline Thread *threadAfter(Thread *thread)
{
    Runnable *next = thread->runnable.next;
    return next == NULL ? NULL : threadOfRunnable(next);
}

/* threadCacheTake, threadCacheGive -- a descriptor (NULL: out of memory); its owner's OS thread
 * only.  threadCacheId -- the next id. */
Thread *threadCacheTakeSlow(ThreadCache *cache);
uint64_t threadCacheIdSlow(ThreadCache *cache);
void threadCacheShrink(ThreadCache *cache);

static inline Thread *threadCacheTake(ThreadCache *cache)
{
    Thread *thread = cache->free;
    if (UNLIKELY(thread == NULL))
        return threadCacheTakeSlow(cache);
    cache->free = threadAfter(thread);
    cache->count--;
    return thread;
}

static inline void threadCacheGive(ThreadCache *cache, Thread *thread)
{
    thread->runnable.next = cache->free == NULL ? NULL : &cache->free->runnable;
    cache->free = thread;
    if (UNLIKELY(++cache->count > THREAD_CACHE_MOST))
        threadCacheShrink(cache);
}

static inline uint64_t threadCacheId(ThreadCache *cache)
{
    if (UNLIKELY(cache->next_id == cache->last_id))
        return threadCacheIdSlow(cache);
    return cache->next_id++;
}

static inline Thread *threadOfNode(WatchNode *node)
{
    return (Thread *)(void *)((char *)node - offsetof(Thread, node));
}

static inline Thread *threadOfTimer(Timer *timer)
{
    return (Thread *)(void *)((char *)timer - offsetof(Thread, timer));
}

static inline void threadSetStatus(Thread *thread, ThreadState state, int fd)
{
    RELAXED_STORE(&thread->status, (uint32_t)state | (uint32_t)fd << 8);
}

/* threadEnded -- publish the result; the descriptor may be gone afterwards.  Wakes the joiners, but
 * for one that is alone and may run anywhere: it is returned, for the caller to run or to queue. */
Thread *threadEnded(Thread *thread, void *result, Capability *capability);

#endif
