/* TimeoutPool.h -- the records of timeouts of one manager: type-stable, taken and given back.
 *
 * Note [Timeout magazines]
 *   Free records lie in magazines of 64.  The home thread (See Note [Timeout home]) has two of them
 *   to itself, `spare` being full or empty, so it comes to the lock once in 64 records at the most,
 *   whoever it is that gives back what it takes.  All others share `open`, under the lock.
 *   Giving a record back writes its address and leaves the record alone, and who takes one fetches
 *   those that are next: what was cancelled on another core comes over while other things are done.
 *   Each of C times 64 records bring a magazine, and there are three more.  So whoever has to
 *   put a full one away finds an empty one: with F in `full`, that one and the record in hand there
 *   are more than 64 (F + 1) records, so F < C - 1; and C + 3, less `home`, `spare`, `open` and
 *   those F, are empty.
 */
#ifndef IOMGR_TIMEOUT_POOL_H
#define IOMGR_TIMEOUT_POOL_H

#include "internal/SpinLock.h"
#include "iomgr/TimerHeap.h"

#include <capri/timeout.h>

typedef struct Timeout Timeout;
typedef struct TimeoutChunk TimeoutChunk;
typedef struct TimeoutMagazine TimeoutMagazine;

enum {
    TIMEOUT_MAGAZINE = 64,
    TIMEOUT_AHEAD = 16 /* who takes a record fetches the one so many further on */
};

/* The first line is what a canceller touches; the other one stays with who registers and fires. */
struct Timeout {
    CACHE_ALIGNED Timer timer; /* gate of the manager's heap; number also by cancel */
    uint64_t word;             /* see Note [Timeout word] */
    Timeout *next;             /* inbox: see Note [Timeout inbox] */
    EventManager *manager;     /* constant */
    int64_t deadline_ns; /* stored by registrar and BUSY's holder, read by the gate: relaxed */
    TimeoutCallback *callback; /* registrar, before it is posted or placed; who has won the word */
    void *env;                 /* likewise */
};

_Static_assert(offsetof(Timeout, deadline_ns) == CACHE_LINE, "a cancel would touch two lines");

struct TimeoutMagazine {
    TimeoutMagazine *next;
    uint32_t count;
    Timeout *items[TIMEOUT_MAGAZINE];
};

typedef struct TimeoutPool {
    CACHE_ALIGNED TimeoutMagazine *home; /* home thread: See Note [Timeout magazines] */
    TimeoutMagazine *spare;              /* likewise */
    CACHE_ALIGNED SpinLock lock;
    TimeoutMagazine *open;  /* lock */
    TimeoutMagazine *full;  /* lock: a list */
    TimeoutMagazine *empty; /* lock: a list */
    TimeoutChunk *chunks;   /* lock */
    uint32_t records;       /* lock: how many there are; they only become more */
    TimeoutMagazine first[3];
} TimeoutPool;

/* timeoutPoolOpen -- no records yet.  timeoutPoolClose -- they are given back to the allocator. */
void timeoutPoolOpen(TimeoutPool *pool);
void timeoutPoolClose(TimeoutPool *pool, const Allocator *allocator);

/* timeoutPoolAdd -- new records, at most 64 and all zeroes, whose timers call `fire`; they stay
 * where they are.  timeoutPoolGrow -- 64 more, or a quarter of what there is.  0 or -ENOMEM. */
void timeoutPoolAdd(TimeoutPool *pool, Timeout *records, uint32_t count, EventManager *manager,
                    TimerFire *fire);
int timeoutPoolGrow(TimeoutPool *pool, EventManager *manager, const Allocator *allocator,
                    TimerFire *fire);

/* timeoutPoolTake, timeoutPoolGive -- any OS thread.  NULL: none is left here. */
Timeout *timeoutPoolTake(TimeoutPool *pool);
void timeoutPoolGive(TimeoutPool *pool, Timeout *record);

/* Home thread: `home` was empty, was full.  False: there is nothing. */
bool timeoutPoolLoad(TimeoutPool *pool);
void timeoutPoolUnload(TimeoutPool *pool);

/* timeoutPoolFetch -- both lines of a record that is to be taken soon. */
static inline void timeoutPoolFetch(const Timeout *record)
{
    __builtin_prefetch(record, 1);
    __builtin_prefetch(&record->deadline_ns, 1);
}

/* timeoutPoolTakeHome, timeoutPoolGiveHome -- likewise, the home thread. */
static inline Timeout *timeoutPoolTakeHome(TimeoutPool *pool)
{
    if (UNLIKELY(pool->home->count == 0) && !timeoutPoolLoad(pool))
        return NULL;
    TimeoutMagazine *home = pool->home;
    uint32_t count = --home->count;
    if (LIKELY(count >= TIMEOUT_AHEAD))
        timeoutPoolFetch(home->items[count - TIMEOUT_AHEAD]);
    return home->items[count];
}

static inline void timeoutPoolGiveHome(TimeoutPool *pool, Timeout *record)
{
    if (UNLIKELY(pool->home->count == TIMEOUT_MAGAZINE))
        timeoutPoolUnload(pool);
    TimeoutMagazine *home = pool->home;
    home->items[home->count++] = record;
}

/* timeoutPoolFree -- walker for tests, alone: how many records are free. */
uint32_t timeoutPoolFree(const TimeoutPool *pool);

#endif
