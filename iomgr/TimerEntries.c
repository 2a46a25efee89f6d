/* TimerEntries.c -- arrays of (deadline, Timer): a 4-ary heap of them, and sorting them.
 *
 * Owns    nothing.
 * Before  iomgr/TimerHeap.c.
 * Tests   testsuite/unit/TimerHeapTest.c, testsuite/unit/TimerEntriesTest.c
 *
 * See Note [Heap shape].
 */
#include "iomgr/TimerEntries.h"

#include "iomgr/Memory.h"

#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20,
    FETCH_BELOW = 24, /* index of the first entry of the third level below the root */
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS
};

/* ---- memory -------------------------------------------------------------------------------- */

static size_t bytesOf(uint32_t capacity)
{
    return (size_t)(capacity + TIMER_ROOT) * sizeof(TimerEntry);
}

static size_t alignmentOf(uint32_t capacity)
{
    return bytesOf(capacity) >= HUGE_PAGE ? HUGE_PAGE : CACHE_LINE;
}

TimerEntry *timerEntriesAllocate(const Allocator *allocator, uint32_t capacity)
{
    size_t bytes = bytesOf(capacity), alignment = alignmentOf(capacity);
    TimerEntry *entries = memoryAllocate(allocator, bytes, alignment);
    if (entries != NULL && alignment == HUGE_PAGE)
        madvise(entries, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE); /* a wish */
    return entries;
}

void timerEntriesRelease(const Allocator *allocator, TimerEntry *entries, uint32_t capacity)
{
    memoryRelease(allocator, entries, bytesOf(capacity), alignmentOf(capacity));
}

/* ---- heap ---------------------------------------------------------------------------------- */

void timerEntriesSiftUp(TimerEntry *entries, uint32_t i)
{
    TimerEntry entry = entries[i];
    while (i > TIMER_ROOT) {
        uint32_t parent = i / 4 + 2;
        if (!timerEntryIsBefore(entry, entries[parent]))
            break;
        entries[i] = entries[parent];
        i = parent;
    }
    entries[i] = entry;
}

/* The earliest of the children from `child` up to `end`, one at a time. */
static uint32_t pickChild(const TimerEntry *entries, uint32_t child, uint32_t end)
{
    uint32_t best = child;
    for (uint32_t sibling = child + 1; sibling < child + 4 && sibling < end; sibling++) {
        if (timerEntryIsBefore(entries[sibling], entries[best]))
            best = sibling;
    }
    return best;
}

/* The earliest of four; equal keys are rare. */
static uint32_t pickOfFour(const TimerEntry *entries, uint32_t child)
{
    const TimerEntry *four = &entries[child];
    uint32_t low = four[1].key_ns < four[0].key_ns;
    uint32_t high = 2u + (four[3].key_ns < four[2].key_ns);
    int64_t low_ns = four[low].key_ns, high_ns = four[high].key_ns;
    bool tied = (four[0].key_ns == four[1].key_ns) | (four[2].key_ns == four[3].key_ns) |
                (low_ns == high_ns);
    if (UNLIKELY(tied))
        return pickChild(entries, child, child + 4);
    uint32_t mask = 0u - (uint32_t)(high_ns < low_ns);
    return child + (low ^ ((low ^ high) & mask));
}

static void fetchLines(const TimerEntry *entries, uint32_t first, uint32_t end)
{
    for (uint32_t line = 0; line < 4 && first + 4 * line < end; line++)
        __builtin_prefetch(&entries[first + 4 * line], 1);
}

void timerEntriesSiftDown(TimerEntry *entries, uint32_t end, uint32_t i, TimerEntry entry)
{
    for (;;) {
        uint32_t child = 4 * (i - 2), best;
        if (LIKELY(child + 4 <= end)) {
            fetchLines(entries, 4 * (child - 2), end);
            best = pickOfFour(entries, child);
        } else if (child < end) {
            best = pickChild(entries, child, end);
        } else {
            break;
        }
        if (!timerEntryIsBefore(entries[best], entry))
            break;
        entries[i] = entries[best];
        if (i < FETCH_BELOW)
            timerEntryFetch(entries[i]);
        i = best;
    }
    entries[i] = entry;
}

void timerEntriesBuild(TimerEntry *entries, uint32_t count)
{
    if (count < 2)
        return;
    for (uint32_t i = (TIMER_ROOT + count - 1) / 4 + 2; i >= TIMER_ROOT; i--)
        timerEntriesSiftDown(entries, TIMER_ROOT + count, i, entries[i]);
}

/* ---- sorting ------------------------------------------------------------------------------- */

static uint32_t digitOf(TimerEntry entry, int64_t least_ns, uint32_t shift)
{
    return (uint32_t)(((uint64_t)entry.key_ns - (uint64_t)least_ns) >> shift) & (DIGITS - 1);
}

/* By one digit, from the low end of the key on. */
static void distribute(const TimerEntry *from, TimerEntry *to, uint32_t count, int64_t least_ns,
                       uint32_t shift)
{
    uint32_t places[DIGITS] = {0}, place = 0;
    for (uint32_t i = 0; i < count; i++)
        places[digitOf(from[i], least_ns, shift)]++;
    for (uint32_t digit = 0; digit < DIGITS; digit++) {
        uint32_t here = places[digit];
        places[digit] = place;
        place += here;
    }
    for (uint32_t i = 0; i < count; i++)
        to[places[digitOf(from[i], least_ns, shift)]++] = from[i];
}

TimerEntry *timerEntriesSort(TimerEntry *from, TimerEntry *room, uint32_t count)
{
    int64_t least_ns = INT64_MAX, most_ns = INT64_MIN;
    for (uint32_t i = 0; i < count; i++) {
        least_ns = from[i].key_ns < least_ns ? from[i].key_ns : least_ns;
        most_ns = from[i].key_ns > most_ns ? from[i].key_ns : most_ns;
    }
    uint64_t range = count == 0 ? 0 : (uint64_t)most_ns - (uint64_t)least_ns;
    for (uint32_t shift = 0; shift < 64 && range >> shift != 0; shift += DIGIT_BITS) {
        distribute(from, room, count, least_ns, shift);
        TimerEntry *sorted = room;
        room = from;
        from = sorted;
    }
    return from;
}
