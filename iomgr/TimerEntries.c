/* TimerEntries.c -- (deadline, Timer) in the order of deadlines: a 4-ary heap, a sorted run and the
 * young.
 *
 * Owns    TimerEntries' fields.
 * Before  iomgr/TimerHeap.c, inside its gate.
 * Tests   testsuite/unit/TimerEntriesTest.c, testsuite/unit/TimerRunTest.c
 *
 * See Note [Heap shape] and Note [Young timers].
 */
#include "iomgr/TimerEntries.h"

#include "iomgr/Memory.h"
#include "iomgr/TimerHeap.h"

#include <errno.h>
#include <sys/mman.h>

enum {
    ROOT = TIMER_ROOT,
    HUGE_PAGE = 2 << 20,
    FIRST_SLOTS = 64, /* array length to begin with, ROOT unused ones included */
    FETCH_BELOW = 24, /* index of the first entry of the third level below the root */
    BULK_SHARE = 8,   /* a heap of which so many young ones are one part is built anew */
    RUN_AHEAD = 8,    /* timers of the run to be fetched before it is their turn */
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS
};
#ifndef RUN_LEAST
#define RUN_LEAST 4096 /* so many young ones become a run; in a model two */
#endif

/* ---- memory -------------------------------------------------------------------------------- */

static size_t bytesOf(uint32_t capacity)
{
    return (size_t)(capacity + ROOT) * sizeof(TimerEntry);
}

static size_t alignmentOf(uint32_t capacity)
{
    return bytesOf(capacity) >= HUGE_PAGE ? HUGE_PAGE : CACHE_LINE;
}

static TimerEntry *allocateItems(const Allocator *allocator, uint32_t capacity)
{
    size_t bytes = bytesOf(capacity), alignment = alignmentOf(capacity);
    TimerEntry *items = memoryAllocate(allocator, bytes, alignment);
    if (items != NULL && alignment == HUGE_PAGE)
        madvise(items, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE); /* a wish */
    return items;
}

static void releaseItems(const Allocator *allocator, TimerEntry *items, uint32_t capacity)
{
    memoryRelease(allocator, items, bytesOf(capacity), alignmentOf(capacity));
}

static void releaseRun(TimerEntries *entries)
{
    releaseItems(entries->allocator, entries->run, entries->run_capacity);
    entries->run = NULL;
    entries->run_at = entries->run_end = entries->run_capacity = 0;
    entries->limit = entries->capacity;
}

int timerEntriesInit(TimerEntries *entries, const Allocator *allocator)
{
    memset(entries, 0, sizeof *entries);
    entries->capacity = entries->limit = FIRST_SLOTS - ROOT;
    entries->allocator = allocator;
    entries->items = allocateItems(allocator, entries->capacity);
    return entries->items == NULL ? -ENOMEM : 0;
}

void timerEntriesFree(TimerEntries *entries)
{
    releaseRun(entries);
    releaseItems(entries->allocator, entries->items, entries->capacity);
    entries->items = NULL;
    entries->size = entries->sorted = 0;
}

int timerEntriesGrow(TimerEntries *entries)
{
    if (entries->capacity > UINT32_MAX / 8)
        return -ENOMEM;
    uint32_t capacity = 2 * (entries->capacity + ROOT) - ROOT;
    TimerEntry *items = allocateItems(entries->allocator, capacity);
    if (items == NULL)
        return -ENOMEM;
    memcpy(items + ROOT, entries->items + ROOT, entries->size * sizeof *items);
    releaseItems(entries->allocator, entries->items, entries->capacity);
    entries->items = items;
    entries->limit += capacity - entries->capacity;
    entries->capacity = capacity;
    return 0;
}

/* ---- heap ---------------------------------------------------------------------------------- */

/* Its Timer is looked at soon. */
static void fetchTimer(TimerEntry entry)
{
    __builtin_prefetch(entry.timer, 1);
    __builtin_prefetch((const char *)(entry.timer + 1) - 1, 1);
}

bool timerEntriesInOrder(TimerEntry a, TimerEntry b)
{
    return RELAXED_LOAD(&a.timer->order) < RELAXED_LOAD(&b.timer->order);
}

/* The entry at i, below which there is nothing, finds its place. */
static void siftUp(TimerEntry *items, uint32_t i)
{
    TimerEntry entry = items[i];
    while (i > ROOT) {
        uint32_t parent = i / 4 + 2;
        if (!timerEntryIsBefore(entry, items[parent]))
            break;
        items[i] = items[parent];
        i = parent;
    }
    items[i] = entry;
}

/* The earliest of the children from `child` up to `end`, one at a time. */
static uint32_t pickChild(const TimerEntry *items, uint32_t child, uint32_t end)
{
    uint32_t best = child;
    for (uint32_t sibling = child + 1; sibling < child + 4 && sibling < end; sibling++) {
        if (timerEntryIsBefore(items[sibling], items[best]))
            best = sibling;
    }
    return best;
}

/* The earliest of four; equal keys are rare. */
static uint32_t pickOfFour(const TimerEntry *items, uint32_t child)
{
    const TimerEntry *four = &items[child];
    uint32_t low = four[1].key_ns < four[0].key_ns;
    uint32_t high = 2u + (four[3].key_ns < four[2].key_ns);
    int64_t low_ns = four[low].key_ns, high_ns = four[high].key_ns;
    bool tied = (four[0].key_ns == four[1].key_ns) | (four[2].key_ns == four[3].key_ns) |
                (low_ns == high_ns);
    if (UNLIKELY(tied))
        return pickChild(items, child, child + 4);
    uint32_t mask = 0u - (uint32_t)(high_ns < low_ns);
    return child + (low ^ ((low ^ high) & mask));
}

static void fetchLines(const TimerEntry *items, uint32_t first, uint32_t end)
{
    for (uint32_t line = 0; line < 4 && first + 4 * line < end; line++)
        __builtin_prefetch(&items[first + 4 * line], 1);
}

/* Put `entry` into the subtree of i; the heap ends before index `end`. */
static void siftDown(TimerEntry *items, uint32_t end, uint32_t i, TimerEntry entry)
{
    for (;;) {
        uint32_t child = 4 * (i - 2), best;
        if (LIKELY(child + 4 <= end)) {
            fetchLines(items, 4 * (child - 2), end);
            best = pickOfFour(items, child);
        } else if (child < end) {
            best = pickChild(items, child, end);
        } else {
            break;
        }
        if (!timerEntryIsBefore(items[best], entry))
            break;
        items[i] = items[best];
        if (i < FETCH_BELOW)
            fetchTimer(items[i]);
        i = best;
    }
    items[i] = entry;
}

static void buildHeap(TimerEntry *items, uint32_t count)
{
    if (count < 2)
        return;
    for (uint32_t i = (ROOT + count - 1) / 4 + 2; i >= ROOT; i--)
        siftDown(items, ROOT + count, i, items[i]);
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

void timerEntriesSort(TimerEntry *from, TimerEntry *to, uint32_t count)
{
    int64_t least_ns = INT64_MAX, most_ns = INT64_MIN;
    for (uint32_t i = 0; i < count; i++) {
        least_ns = from[i].key_ns < least_ns ? from[i].key_ns : least_ns;
        most_ns = from[i].key_ns > most_ns ? from[i].key_ns : most_ns;
    }
    uint64_t range = count == 0 ? 0 : (uint64_t)most_ns - (uint64_t)least_ns;
    TimerEntry *now = from, *next = to;
    for (uint32_t shift = 0; shift < 64 && range >> shift != 0; shift += DIGIT_BITS) {
        distribute(now, next, count, least_ns, shift);
        TimerEntry *sorted = next;
        next = now;
        now = sorted;
    }
    if (now != to)
        memcpy(to, from, count * sizeof *to);
}

/* ---- the young ----------------------------------------------------------------------------- */

/* They become the run.  False: no memory. */
static bool sortYoung(TimerEntries *entries)
{
    uint32_t young = timerEntriesYoung(entries);
    TimerEntry *run = allocateItems(entries->allocator, young);
    if (run == NULL)
        return false;
    timerEntriesSort(&entries->items[ROOT + entries->sorted], run, young);
    entries->run = run;
    entries->run_capacity = entries->run_end = young;
    entries->run_at = 0;
    entries->limit = entries->capacity - young;
    entries->size = entries->sorted;
    return true;
}

void timerEntriesRebuild(TimerEntries *entries)
{
    entries->sorted = entries->size;
    buildHeap(entries->items, entries->size);
}

void timerEntriesSift(TimerEntries *entries)
{
    siftUp(entries->items, ROOT + entries->sorted++);
}

void timerEntriesSettle(TimerEntries *entries, bool bulk)
{
    uint32_t young = timerEntriesYoung(entries);
    if (bulk && entries->run != NULL && entries->run_at == entries->run_end)
        releaseRun(entries);
    if (bulk && entries->run == NULL && young >= RUN_LEAST && sortYoung(entries))
        return;
    if (young > BULK_SHARE && young > entries->size / BULK_SHARE) {
        timerEntriesRebuild(entries);
        return;
    }
    while (entries->sorted < entries->size)
        timerEntriesSift(entries);
}

int64_t timerEntriesYoungest(const TimerEntries *entries)
{
    int64_t earliest_ns = DEADLINE_NEVER;
    for (uint32_t i = ROOT + entries->sorted; i < ROOT + entries->size; i++) {
        if (entries->items[i].key_ns < earliest_ns)
            earliest_ns = entries->items[i].key_ns;
    }
    return earliest_ns;
}

/* ---- front --------------------------------------------------------------------------------- */

static void dropRun(TimerEntries *entries)
{
    entries->run_at++;
    entries->limit++;
    if (entries->run_end - entries->run_at > RUN_AHEAD)
        fetchTimer(entries->run[entries->run_at + RUN_AHEAD]);
}

/* The young keep their order. */
static void dropRoot(TimerEntries *entries)
{
    ASSERT(entries->sorted > 0);
    TimerEntry *items = entries->items;
    uint32_t last = ROOT + --entries->sorted, young = --entries->size - entries->sorted;
    TimerEntry entry = items[last];
    if (UNLIKELY(young > 0))
        memmove(&items[last], &items[last + 1], young * sizeof entry);
    if (last > ROOT)
        siftDown(items, last, ROOT, entry);
}

void timerEntriesDropOne(TimerEntries *entries, TimerFront front)
{
    ASSERT(front != TimerFrontNone);
    if (front == TimerFrontRun)
        dropRun(entries);
    else
        dropRoot(entries);
}

void timerEntriesMove(TimerEntries *entries, TimerFront front, TimerEntry entry)
{
    TimerEntry *items = entries->items;
    if (front == TimerFrontRoot) {
        siftDown(items, ROOT + entries->sorted, ROOT, entry);
        return;
    }
    ASSERT(front == TimerFrontRun);
    dropRun(entries);
    uint32_t place = ROOT + entries->sorted, young = timerEntriesYoung(entries);
    memmove(&items[place + 1], &items[place], young * sizeof entry);
    items[place] = entry;
    entries->size++;
    entries->sorted++;
    siftUp(items, place);
}

int64_t timerEntriesEarliest(const TimerEntries *entries)
{
    TimerEntry front;
    timerEntriesFront(entries, &front);
    int64_t young_ns = timerEntriesYoungest(entries);
    return front.key_ns < young_ns ? front.key_ns : young_ns;
}

bool timerEntriesSane(const TimerEntries *entries)
{
    uint32_t length = entries->run_end - entries->run_at;
    if (entries->sorted > entries->size || entries->size > entries->limit ||
        entries->limit + length != entries->capacity || entries->run_end > entries->run_capacity)
        return false;
    for (uint32_t i = ROOT + 1; i < ROOT + entries->sorted; i++) {
        if (entries->items[i / 4 + 2].key_ns > entries->items[i].key_ns)
            return false;
    }
    for (uint32_t i = entries->run_at + 1; i < entries->run_end; i++) {
        if (entries->run[i - 1].key_ns > entries->run[i].key_ns)
            return false;
    }
    return true;
}
