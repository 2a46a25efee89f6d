/* TimerEntries.h -- (deadline, Timer) in the order of deadlines: a 4-ary heap, a sorted run and the
 * young.
 *
 * Note [Heap shape]
 *   The root lies at index 3, the children of i at 4 * (i - 2): four siblings are one cache line of
 *   an aligned array.  The way down takes the earliest of four without a branch on their keys,
 *   which would be mispredicted twice a level, while their sixteen children are being fetched.
 *   Large arrays lie on huge pages where the kernel has some: the way down a large heap touches a
 *   page a level.  Who comes up to the second level is due soon: its Timer is fetched.
 *
 * Note [Young timers]
 *   New entries are appended behind the heap, unsorted: most time-outs are cancelled soon, the
 *   newest of the young then goes at once and the others before they ever enter the heap.  They are
 *   settled when one of them is due, before a sleep, and when there are more than 64 as something
 *   is due.  A few go up the heap one by one; many make a new heap of everything; thousands are
 *   sorted by digits into a run beside the heap (when there is none), which costs a third of what
 *   taking them out of a heap would.  Equal keys keep the order in which they were appended.
 */
#ifndef IOMGR_TIMER_ENTRIES_H
#define IOMGR_TIMER_ENTRIES_H

#include "internal/Assert.h"
#include "internal/SMP.h"
#include "iomgr/Clock.h"

#include <capri/allocator.h>

typedef struct Timer Timer;

typedef struct TimerEntry {
    int64_t key_ns;
    Timer *timer;
} TimerEntry;

enum {
    TIMER_ROOT = 3,  /* the heap's first index */
    TIMER_YOUNG = 64 /* more young ones are not looked through for the earliest */
};

/* All under the gate of the heap they belong to. */
typedef struct TimerEntries {
    TimerEntry *items; /* from TIMER_ROOT on: `sorted` that form the heap, then the young */
    uint32_t size;     /* heap and young */
    uint32_t sorted;   /* heap */
    uint32_t limit;    /* capacity less the run's length, so that the run fits in; size <= limit */
    uint32_t capacity; /* of items */
    TimerEntry *run;   /* NULL, or entries in the order of their keys ... */
    uint32_t run_at;   /* ... from here ... */
    uint32_t run_end;  /* ... up to here */
    uint32_t run_capacity;
    const Allocator *allocator;
} TimerEntries;

/* timerEntriesInit -- 0 or -ENOMEM. */
int timerEntriesInit(TimerEntries *entries, const Allocator *allocator);
void timerEntriesFree(TimerEntries *entries);

/* timerEntriesGrow -- double the room; 0 or -ENOMEM. */
int timerEntriesGrow(TimerEntries *entries);

/* timerEntriesSettle -- no young ones are left.  bulk: there is time to sort thousands. */
void timerEntriesSettle(TimerEntries *entries, bool bulk);

/* timerEntriesRebuild -- likewise, after items were changed in place. */
void timerEntriesRebuild(TimerEntries *entries);

/* Which of the settled entries comes next. */
typedef enum TimerFront { TimerFrontNone, TimerFrontRoot, TimerFrontRun } TimerFront;

/* timerEntriesSift -- the young entry behind the heap, which is not empty, goes in. */
void timerEntriesSift(TimerEntries *entries);

/* timerEntriesDropOne -- timerEntriesDrop: without it; not the last of the heap.
 * timerEntriesMove -- it finds its place anew, as `entry`. */
void timerEntriesDropOne(TimerEntries *entries, TimerFront front);
void timerEntriesMove(TimerEntries *entries, TimerFront front, TimerEntry entry);

/* timerEntriesYoungest -- the earliest key of the young, or never.  timerEntriesEarliest -- of
 * all. */
int64_t timerEntriesYoungest(const TimerEntries *entries);
int64_t timerEntriesEarliest(const TimerEntries *entries);

/* timerEntriesSort -- `count` entries by key, equal keys in their order, into `to`; what is at from
 * is lost. */
void timerEntriesSort(TimerEntry *from, TimerEntry *to, uint32_t count);

bool timerEntriesSane(const TimerEntries *entries);

static inline uint32_t timerEntriesCount(const TimerEntries *entries)
{
    return entries->size + (entries->run_end - entries->run_at);
}

static inline uint32_t timerEntriesYoung(const TimerEntries *entries)
{
    return entries->size - entries->sorted;
}

/* timerEntriesAppend -- there is room: size < limit. */
static inline void timerEntriesAppend(TimerEntries *entries, TimerEntry entry)
{
    ASSERT_CMP(entries->size, <, entries->limit);
    entries->items[TIMER_ROOT + entries->size++] = entry;
}

/* timerEntriesSettleOne -- timerEntriesSettle for at most one. */
static inline void timerEntriesSettleOne(TimerEntries *entries)
{
    if (entries->size == 1)
        entries->sorted = 1;
    else if (entries->sorted != entries->size)
        timerEntriesSift(entries);
}

/* timerEntryIsBefore -- by deadline; equal ones out of line, in order of arming. */
bool timerEntriesInOrder(TimerEntry a, TimerEntry b);

static inline bool timerEntryIsBefore(TimerEntry a, TimerEntry b)
{
    return LIKELY(a.key_ns != b.key_ns) ? a.key_ns < b.key_ns : timerEntriesInOrder(a, b);
}

/* timerEntriesFront -- which of the settled ones is next, and it; none: its key is never. */
static inline TimerFront timerEntriesFront(const TimerEntries *entries, TimerEntry *entry)
{
    TimerFront front = TimerFrontNone;
    *entry = (TimerEntry){DEADLINE_NEVER, NULL};
    if (entries->sorted != 0) {
        *entry = entries->items[TIMER_ROOT];
        front = TimerFrontRoot;
    }
    if (UNLIKELY(entries->run_at != entries->run_end) &&
        (front == TimerFrontNone || timerEntryIsBefore(entries->run[entries->run_at], *entry))) {
        *entry = entries->run[entries->run_at];
        front = TimerFrontRun;
    }
    return front;
}

static inline void timerEntriesDrop(TimerEntries *entries, TimerFront front)
{
    if (front == TimerFrontRoot && entries->size == 1)
        entries->size = entries->sorted = 0;
    else
        timerEntriesDropOne(entries, front);
}

#endif
