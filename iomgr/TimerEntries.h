/* TimerEntries.h -- arrays of (deadline, Timer): a 4-ary heap of them, and sorting them.
 *
 * Note [Heap shape]
 *   The root lies at index 3, the children of i at 4 * (i - 2): four siblings are one cache line of
 *   an aligned array.  The way down takes the earliest of four without a branch on their keys,
 *   which would be mispredicted twice a level, while their sixteen children are being fetched.
 *   Large arrays lie on huge pages where the kernel has some: the way down a large heap touches a
 *   page a level.  Who comes up to the second level is due soon: its Timer is fetched.
 */
#ifndef IOMGR_TIMER_ENTRIES_H
#define IOMGR_TIMER_ENTRIES_H

#include "iomgr/TimerHeap.h"

enum { TIMER_ROOT = 3 };

/* timerEntriesAllocate -- room for `capacity` entries from TIMER_ROOT on, or NULL. */
TimerEntry *timerEntriesAllocate(const Allocator *allocator, uint32_t capacity);
void timerEntriesRelease(const Allocator *allocator, TimerEntry *entries, uint32_t capacity);

/* timerEntriesSiftUp -- the entry at i, below which there is nothing, finds its place. */
void timerEntriesSiftUp(TimerEntry *entries, uint32_t i);

/* timerEntriesSiftDown -- put `entry` into the subtree of i; the heap ends before index `end`. */
void timerEntriesSiftDown(TimerEntry *entries, uint32_t end, uint32_t i, TimerEntry entry);

/* timerEntriesBuild -- make a heap of the first `count` entries. */
void timerEntriesBuild(TimerEntry *entries, uint32_t count);

/* timerEntriesSort -- sort the `count` entries at `from` by key, equal keys stay in order; there is
 * room for as many at `room`.  Returns which of the two holds them then. */
TimerEntry *timerEntriesSort(TimerEntry *from, TimerEntry *room, uint32_t count);

/* timerEntryFetch -- its Timer is looked at soon. */
static inline void timerEntryFetch(TimerEntry entry)
{
    __builtin_prefetch(entry.timer, 1);
    __builtin_prefetch((const char *)(entry.timer + 1) - 1, 1);
}

/* Equal keys: in order of arming. */
static inline bool timerEntryIsBefore(TimerEntry a, TimerEntry b)
{
    if (LIKELY(a.key_ns != b.key_ns))
        return a.key_ns < b.key_ns;
    return RELAXED_LOAD(&a.timer->order) < RELAXED_LOAD(&b.timer->order);
}

#endif
