/* Thread.h -- the green thread: a descriptor, apart from its stack.
 *
 * Note [Thread descriptor]
 *   160 bytes, type-stable: descriptors live in chunks that are freed only with the runtime,
 *   because late wake-up sources may still look at the claim word, and dead timer entries at the
 *   timer.  Who may touch a field is said beside it.  "thread" is the thread itself or, while it
 *   does not run, whoever holds it (the queue it is in, the scheduler that commits it).
 *
 * Note [Thread references]
 *   `handles` counts the handles; the word `ended` says whether the thread lives (generation 0) and
 *   whether the last handle has gone while it lived (MARK, set from the start by a fork without
 *   one).  The end closes an unmarked list, one locked operation; if it finds the mark, or the last
 *   handle goes when the list is closed, nobody else knows the descriptor: it goes back to a cache.
 *     handles 1 -> 0   last holder  acq_rel  before it marks; not needed once the thread has ended
 *     handles 0 -> 1   the thread   acquire  threadRetain on itself: it waits for the mark and
 *                      or a stranger         takes it back
 *
 * Note [Weak handles]
 *   A weak handle is the descriptor and the thread's id, a copy that nobody counts.  Descriptors
 *   are type-stable, so a stranger may always look at `ended`.  It holds that list (BUSY) if it is
 *   of generation 0: now some thread is there that cannot end.  Then it compares the id, and if it
 *   is the same, it counts one more handle and lets go; as far as all others can tell that is a
 *   retain by the thread itself.
 *     free      generation 1, id 0; begin stores handles, then ended = 0 (release), then the id
 *               (release): who can hold the list sees no earlier thread's id
 *     ends      waits while the list is held; whoever closed it may free: nobody can hold it now
 *   A thread pays nothing for it, but that a detached one closes its list when it ends.
 *   Ids grow over the process's life, and a runtime knows where its own begin: a weak handle of an
 *   earlier runtime, whose descriptors are gone, is found by its id.
 */
#ifndef RTS_THREAD_H
#define RTS_THREAD_H

#include "capability/Capability.h"
#include "iomgr/TimerHeap.h"
#include "iomgr/WatchList.h"
#include "rts/Wait.h"
#include "rts/context/Stack.h"

#include <capri/thread.h>

/* First of the pending interrupts, and flags: See Note [Interrupt words] in Interrupt.h. */
typedef uintptr_t Interrupts;

/* In the interrupts of a host's task, always: who asks whether anything is there, because the
 * thread is about to wait, finds out that it is one.  See Note [Tasks]. */
#define INTERRUPTS_TASK ((Interrupts)4)

typedef struct TaskBody TaskBody;

/* What a task waits for, beside its node and its timer; task: See rts/TaskWait.h. */
typedef struct TaskWait {
    uint32_t home;       /* of an fd; the status of a wait that is over; in a queue, as node and
                            fn_or_result: See Note [Waiters of tasks] */
    uint16_t generation; /* of an fd's slot */
    uint8_t kind, flags;
} TaskWait;

struct Thread {
    Runnable runnable; /* whatever queue holds it */
    Claim claim;       /* see Wait.h */
    union {
        void *sp;       /* thread: where to go on, once it has begun */
        TaskBody *task; /* a task's: constant while it lives */
    };
    void *fn_or_result;    /* thread: its body; threadSetAbout; its result (published by `ended`) */
    Interrupts interrupts; /* see Interrupt.h */
    WatchList ended;       /* joiners; see Note [Thread references] */
    uint32_t handles;      /* likewise */
    uint32_t status;       /* thread stores (release), anyone reads: ThreadState | fd << 8 */
    WatchNode node;        /* thread (and the list it is in); node.tag: see below; node.fire of a
                              newborn: its body's argument */
    union {
        Stack *stack;  /* thread: bound at the first run, NULL before and after */
        TaskWait wait; /* a task's */
    };
    uint64_t id; /* constant while it lives; 0: free descriptor (relaxed) */
    Timer timer; /* thread (and the heap that holds its entry) */
    char *label; /* under the label lock; NULL: none */
};

_Static_assert(sizeof(Thread) <= 160, "a queued newborn costs 160 bytes");

/* node.tag: bits 0..7 pinned capability + 1 (0: runs anywhere); 8..13 log2 of the stack size (0:
 * default; all set: it is a task, which has none); constant once it is queued.  14: it could not
 * get a stack; 15: it was lost in a fork.  16, 17: its MaskingState, which it changes itself while
 * it runs; 18: it died of an interrupt; 19: before it began, or it is a task that broke its
 * contract.  20..31 number of its worker + 1 (0: not bound); constant.  Changes are relaxed stores:
 * threadStatus looks. */
enum {
    TAG_PINNED = 0xff,
    TAG_STACK_SHIFT = 8,
    TAG_STACK = 0x3f << 8,
    TAG_TASK = TAG_STACK,
    TAG_NO_STACK = 1 << 14,
    TAG_LOST = 1 << 15,
    TAG_MASKING_SHIFT = 16,
    TAG_MASKING = 3 << TAG_MASKING_SHIFT,
    TAG_DIED = 1 << 18,
    TAG_NOT_BEGUN = 1 << 19,
    TAG_UNRUN = TAG_NO_STACK | TAG_LOST | TAG_NOT_BEGUN,
    TAG_BOUND_SHIFT = 20
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

/* threadPoolIsOld -- is this the id of an earlier runtime's thread? */
bool threadPoolIsOld(uint64_t id);

/* threadPoolEach -- call visit for every descriptor that holds a living thread at that moment. */
void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env);

/* threadPoolFind -- the first one of these that matches, or NULL. */
Thread *threadPoolFind(bool (*matches)(Thread *thread, void *env), void *env);

/* threadPoolSurvive -- child of a fork: `survivor` (or nobody) lives, all others are lost; what
 * nobody holds is free, whatever cache it was in. */
void threadPoolSurvive(Thread *survivor);

/* threadRetainLiving -- one more handle if this is thread `id`, and it has not ended; else NULL.
 * Anyone; thread: of this runtime, in any state.  See Note [Weak handles]. */
Thread *threadRetainLiving(Thread *thread, uint64_t id);

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

/* threadPoolClose, threadCacheClose -- shutdown, while all stand still and none lives: who takes
 * from now on gets NULL, be it what was just given.   threadPoolIsClosed -- is that why? */
void threadPoolClose(void);
void threadCacheClose(ThreadCache *cache);
bool threadPoolIsClosed(void);

static inline Thread *threadOfRunnable(Runnable *runnable)
{
    return (Thread *)(void *)((char *)runnable - offsetof(Thread, runnable));
}

/* threadFetch -- a hint: it will run soon. */
static inline void threadFetch(const Thread *thread)
{
    __builtin_prefetch(thread);
    __builtin_prefetch((const char *)thread + CACHE_LINE);
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

/* threadIsTask -- anyone who knows that the descriptor is not given back meanwhile. */
static inline bool threadIsTask(const Thread *thread)
{
    return (RELAXED_LOAD(&thread->node.tag) & TAG_STACK) == TAG_TASK;
}

/* threadBeginTask -- it will be a task (interruptSetTask, too); before anybody can find it by its
 * id. */
static inline void threadBeginTask(Thread *thread, TaskBody *task, uint32_t *tag)
{
    *tag |= TAG_TASK;
    thread->task = task;
    thread->wait = (TaskWait){0};
}

/* threadForkAs -- threadForkWith for any kind of runnable; task: NULL, or a task's. */
int threadForkAs(Thread **handle, const ThreadAttributes *attributes, RunnableRun *run,
                 TaskBody *task, ThreadFn *fn, void *env);

/* threadEnv -- of a newborn: its body's argument. */
static inline void *threadEnv(Thread *newborn)
{
    return (void *)(uintptr_t)RELAXED_LOAD(&newborn->node.fire);
}

/* threadIsDeaf -- CLAIM_DEAF if it is masked uninterruptibly, else 0; the thread itself. */
static inline Claim threadIsDeaf(const Thread *self)
{
    return self->node.tag >> (TAG_MASKING_SHIFT - 2) & CLAIM_DEAF;
}

static inline void threadSetStatus(Thread *thread, ThreadState state, int fd)
{
    RELEASE_STORE(&thread->status, (uint32_t)state | (uint32_t)fd << 8);
}

/* threadSetAbout -- the thread begins a wait that is not listed, for this list or queue: for
 * threadDescribe only. */
static inline void threadSetAbout(Thread *thread, const void *about)
{
    RELEASE_STORE(&thread->fn_or_result, (void *)(uintptr_t)about);
}

/* threadHasEnded -- its result is there.   threadOutcome -- then: threadJoin's result. */
static inline bool threadHasEnded(const Thread *thread)
{
    return watchListGeneration(ACQUIRE_LOAD(&thread->ended)) == 1;
}

int threadOutcome(const Thread *thread, void **result);

/* threadEnded -- publish the result; the descriptor may be gone afterwards.  Wakes the joiners, but
 * for one that is alone and may run anywhere: it is returned, for the caller to run or to queue. */
Thread *threadEnded(Thread *thread, void *result, Capability *capability);

#endif
