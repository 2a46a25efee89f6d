/* TimerHeap.c -- deadlines of one manager: a 4-ary heap with the deadlines inline.
 *
 * Owns    TimerHeap's fields, Timer.entry and Timer.order.
 * Before  rts/ThreadDelay.c and every wait with a deadline: arm, disarm.
 * After   the timers' callbacks.
 * Tests   testsuite/unit/TimerHeapTest.c
 *
 * See Note [Timer entries], Note [Timer order], Note [Young timers] and Note [OwnerGate states].
 */
#include "iomgr/TimerHeap.h"

#include "iomgr/HeapId.h"
#include "iomgr/Memory.h"
#include "iomgr/TimerEntries.h"

#include <errno.h>

enum {
    ROOT = TIMER_ROOT,
    FIRST_SLOTS = 64,  /* array length to begin with, ROOT unused ones included */
    COMPACT_FROM = 64, /* smaller heaps are not worth it */
    EXPIRE_BATCH = 64, /* timers taken out in one stay inside the gate */
    YOUNG_MOST = 64,   /* more are not scanned for the earliest: they go in */
    BULK_SHARE = 8,    /* a heap of which so many young ones are one part is built anew */
    RUN_LEAST = 4096,  /* so many young ones become a run */
    RUN_AHEAD = 8      /* timers of the run to be fetched before it is their turn */
};

#define KEY_SHIFT 10
#define KEY_MASK UINT64_C(0x0000ffffffffffff)
#define HORIZON_NS (INT64_C(1) << 57)

/* ---- entry words --------------------------------------------------------------------------- */

static uint64_t keyBits(int64_t key_ns)
{
    return ((uint64_t)key_ns >> KEY_SHIFT) & KEY_MASK;
}

static uint64_t wordOf(const TimerHeap *heap, int64_t key_ns)
{
    return (uint64_t)heap->id << 48 | keyBits(key_ns);
}

/* The key a deadline goes in with. */
static int64_t keyOf(const TimerHeap *heap, int64_t deadline_ns)
{
    int64_t horizon =
        heap->seen_ns > INT64_MAX - HORIZON_NS ? INT64_MAX : heap->seen_ns + HORIZON_NS;
    return deadline_ns < horizon ? deadline_ns : horizon;
}

/* Does an entry of this heap surface before the deadline, so that it may stay? */
static bool isCovered(const TimerHeap *heap, uint64_t entry, int64_t deadline_ns)
{
    uint64_t later = (keyBits(keyOf(heap, deadline_ns)) - (entry & KEY_MASK)) & KEY_MASK;
    return entry >> 48 == heap->id && deadline_ns > heap->seen_ns && later > 0 &&
           later < (KEY_MASK >> 1);
}

/* ---- the front: the heap's root, the run's first, the young -------------------------------- */

static int64_t rootKey(const TimerHeap *heap)
{
    return heap->sorted == 0 ? DEADLINE_NEVER : heap->entries[ROOT].key_ns;
}

static int64_t runKey(const TimerHeap *heap)
{
    return heap->run_at == heap->run_end ? DEADLINE_NEVER : heap->run[heap->run_at].key_ns;
}

static int64_t youngKey(const TimerHeap *heap)
{
    int64_t earliest_ns = DEADLINE_NEVER;
    for (uint32_t i = ROOT + heap->sorted; i < ROOT + heap->size; i++) {
        if (heap->entries[i].key_ns < earliest_ns)
            earliest_ns = heap->entries[i].key_ns;
    }
    return earliest_ns;
}

static int64_t earlierOf(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static void publishEarliest(TimerHeap *heap)
{
    int64_t settled_ns = earlierOf(rootKey(heap), runKey(heap));
    RELAXED_STORE(&heap->earliest_ns, earlierOf(settled_ns, youngKey(heap)));
}

/* How many entries there are. */
static uint32_t countEntries(const TimerHeap *heap)
{
    return heap->size + (heap->run_end - heap->run_at);
}

typedef enum Front { FrontNone, FrontRoot, FrontRun } Front;

/* Which of the settled entries comes next. */
static Front frontOf(const TimerHeap *heap)
{
    if (heap->run_at == heap->run_end)
        return heap->sorted == 0 ? FrontNone : FrontRoot;
    if (heap->sorted == 0 || timerEntryIsBefore(heap->run[heap->run_at], heap->entries[ROOT]))
        return FrontRun;
    return FrontRoot;
}

static void dropRun(TimerHeap *heap)
{
    heap->run_at++;
    heap->limit++;
    if (heap->run_end - heap->run_at > RUN_AHEAD)
        timerEntryFetch(heap->run[heap->run_at + RUN_AHEAD]);
}

/* The young keep their order: it is that of equal deadlines, if they become a run. */
static void dropRoot(TimerHeap *heap)
{
    ASSERT(heap->sorted > 0);
    uint32_t last = ROOT + --heap->sorted, young = --heap->size - heap->sorted;
    TimerEntry entry = heap->entries[last];
    if (UNLIKELY(young > 0))
        memmove(&heap->entries[last], &heap->entries[last + 1], young * sizeof entry);
    if (last > ROOT)
        timerEntriesSiftDown(heap->entries, last, ROOT, entry);
}

static void dropFront(TimerHeap *heap, Front front)
{
    if (front == FrontRun)
        dropRun(heap);
    else
        dropRoot(heap);
}

static int growEntries(TimerHeap *heap)
{
    if (heap->capacity > UINT32_MAX / 8)
        return -ENOMEM;
    uint32_t capacity = 2 * (heap->capacity + ROOT) - ROOT;
    TimerEntry *entries = timerEntriesAllocate(heap->allocator, capacity);
    if (entries == NULL)
        return -ENOMEM;
    memcpy(entries + ROOT, heap->entries + ROOT, heap->size * sizeof *entries);
    timerEntriesRelease(heap->allocator, heap->entries, heap->capacity);
    heap->entries = entries;
    heap->limit += capacity - heap->capacity;
    heap->capacity = capacity;
    return 0;
}

/* ---- what an entry stands for -------------------------------------------------------------- */

typedef enum Verdict { EntryLive, EntryMoved, EntryGone } Verdict;

/* Under the gate: settle one entry.  Moved: its key is brought up to date; it must find its place.
 * Gone: to be dropped.  Live: *number is what would be fired. */
static Verdict settleEntry(TimerHeap *heap, TimerEntry *entry, uint64_t *number)
{
    Timer *timer = entry->timer;
    uint64_t word = wordOf(heap, entry->key_ns), expected = word;
    if (RELAXED_LOAD(&timer->entry) != word)
        return EntryGone;
    *number = ACQUIRE_LOAD(&timer->number); /* pairs with arm's release */
    int64_t deadline_ns = RELAXED_LOAD(&timer->deadline_ns);
    if (*number == 0 || deadline_ns == DEADLINE_NEVER) {
        CAS_RELAXED(&timer->entry, &expected, 0); /* failed: it is stale, which is as good */
        return EntryGone;
    }
    int64_t key_ns = keyOf(heap, deadline_ns);
    if (key_ns <= entry->key_ns)
        return EntryLive;
    if (!CAS_RELAXED(&timer->entry, &expected, wordOf(heap, key_ns)))
        return EntryGone;
    entry->key_ns = key_ns;
    return EntryMoved;
}

/* The same without moving it. */
static bool isGone(TimerHeap *heap, TimerEntry entry)
{
    uint64_t word = wordOf(heap, entry.key_ns);
    if (RELAXED_LOAD(&entry.timer->entry) != word)
        return true;
    if (RELAXED_LOAD(&entry.timer->number) != 0)
        return false;
    CAS_RELAXED(&entry.timer->entry, &word, 0);
    return true;
}

/* Under the gate: the front has been re-armed for later: it finds its place, as `entry`. */
static void moveFront(TimerHeap *heap, Front front, TimerEntry entry)
{
    if (front == FrontRoot) {
        timerEntriesSiftDown(heap->entries, ROOT + heap->sorted, ROOT, entry);
        return;
    }
    dropRun(heap);
    ASSERT_CMP(heap->size, <, heap->limit); /* there is room for the run's, too */
    uint32_t place = ROOT + heap->sorted++, young = heap->size++ - (heap->sorted - 1);
    memmove(&heap->entries[place + 1], &heap->entries[place], young * sizeof entry);
    heap->entries[place] = entry;
    timerEntriesSiftUp(heap->entries, place);
}

/* Under the gate: drop and move settled entries until a live one is in front, which is due at
 * until_ns.  None: there is no such. */
static Front settleFront(TimerHeap *heap, int64_t until_ns, TimerEntry *entry, uint64_t *number)
{
    for (;;) {
        Front front = frontOf(heap);
        if (front == FrontNone)
            return front;
        *entry = front == FrontRun ? heap->run[heap->run_at] : heap->entries[ROOT];
        if (entry->key_ns > until_ns)
            return FrontNone;
        switch (settleEntry(heap, entry, number)) {
        case EntryLive:
            return front;
        case EntryMoved:
            moveFront(heap, front, *entry);
            break;
        case EntryGone:
            dropFront(heap, front);
            if (heap->dead > 0)
                heap->dead--;
            break;
        }
    }
}

/* Under the gate: throw out what is dead of the heap's entries from number `first` on. */
static void sweepEntries(TimerHeap *heap, uint32_t first)
{
    uint32_t kept = first;
    for (uint32_t i = ROOT + first; i < ROOT + heap->size; i++) {
        uint64_t number;
        TimerEntry entry = heap->entries[i];
        if (settleEntry(heap, &entry, &number) != EntryGone)
            heap->entries[ROOT + kept++] = entry;
    }
    uint32_t gone = heap->size - kept;
    heap->dead = heap->dead > gone ? heap->dead - gone : 0;
    heap->size = kept;
}

/* Under the gate: throw out what is dead of the run.  What was re-armed stays where it is. */
static void sweepRun(TimerHeap *heap)
{
    uint32_t kept = heap->run_at;
    for (uint32_t i = heap->run_at; i < heap->run_end; i++) {
        TimerEntry entry = heap->run[i];
        if (!isGone(heap, entry))
            heap->run[kept++] = entry;
    }
    heap->limit += heap->run_end - kept;
    heap->run_end = kept;
}

/* Under the gate: throw out what is dead, if that is more than half. */
static void compactEntries(TimerHeap *heap)
{
    uint64_t dead = (uint64_t)heap->dead + RELAXED_LOAD(heap->dead_remote);
    uint32_t count = countEntries(heap);
    if (count <= COMPACT_FROM || dead <= count / 2)
        return;
    sweepEntries(heap, 0);
    sweepRun(heap);
    heap->dead = 0;
    RELAXED_STORE(heap->dead_remote, 0);
    heap->compactions++;
    heap->sorted = heap->size;
    timerEntriesBuild(heap->entries, heap->size);
    publishEarliest(heap);
}

/* ---- the young ----------------------------------------------------------------------------- */

/* Under the gate: many young ones, and there is no run: they become one.  False: no memory. */
static bool sortYoung(TimerHeap *heap)
{
    uint32_t first = ROOT + heap->sorted, young = heap->size - heap->sorted;
    TimerEntry *run = timerEntriesAllocate(heap->allocator, heap->capacity);
    if (run == NULL)
        return false;
    if (timerEntriesSort(&heap->entries[first], &run[first], young) != &run[first]) {
        TimerEntry *entries = run; /* the arrays change places */
        memcpy(entries + ROOT, heap->entries + ROOT, heap->sorted * sizeof *entries);
        run = heap->entries;
        heap->entries = entries;
    }
    heap->run = run;
    heap->run_capacity = heap->capacity;
    heap->run_at = first;
    heap->run_end = first + young;
    heap->limit = heap->capacity - young;
    heap->size = heap->sorted;
    return true;
}

static void releaseRun(TimerHeap *heap)
{
    timerEntriesRelease(heap->allocator, heap->run, heap->run_capacity);
    heap->run = NULL;
    heap->run_at = heap->run_end = heap->run_capacity = 0;
    heap->limit = heap->capacity;
}

/* Under the gate: bring the young into the heap, except for those known to be dead.  Only the owner
 * takes the time to sort. */
static void settleYoung(TimerHeap *heap, bool owner)
{
    uint32_t young = heap->size - heap->sorted;
    if (owner && heap->run != NULL && heap->run_at == heap->run_end)
        releaseRun(heap);
    if (young <= YOUNG_MOST && heap->dead + RELAXED_LOAD(heap->dead_remote) > 0)
        sweepEntries(heap, heap->sorted);
    if (owner && heap->run == NULL && young >= RUN_LEAST && sortYoung(heap))
        return;
    if (young > BULK_SHARE && young > heap->size / BULK_SHARE) {
        heap->sorted = heap->size;
        timerEntriesBuild(heap->entries, heap->size);
        return;
    }
    for (; heap->sorted < heap->size; heap->sorted++)
        timerEntriesSiftUp(heap->entries, ROOT + heap->sorted);
}

/* ---- arming -------------------------------------------------------------------------------- */

/* Under the gate: what becomes of the timer's old entry.  True: it stays and is good enough. */
static bool keepEntry(TimerHeap *heap, uint64_t old, int64_t deadline_ns, bool was_armed)
{
    if (isCovered(heap, old, deadline_ns)) {
        if (!was_armed && heap->dead > 0)
            heap->dead--;
        return true;
    }
    return false;
}

/* The old entry, here or elsewhere, has just become stale. */
static void countStale(TimerHeap *heap, uint64_t old, bool was_armed)
{
    if (!was_armed || old == 0)
        return; /* it was counted when it was disarmed */
    if (old >> 48 == heap->id)
        heap->dead++;
    else
        ADD_RELAXED(heapIdDead(old >> 48), 1);
}

/* Under the gate: see to it that an entry surfaces for the timer no later than the deadline. */
static int placeTimer(TimerHeap *heap, Timer *timer, int64_t deadline_ns, bool was_armed)
{
    uint64_t old = RELAXED_LOAD(&timer->entry);
    RELAXED_STORE(&timer->order, ++heap->next_order);
    if (old != 0 && keepEntry(heap, old, deadline_ns, was_armed))
        return 0;
    if (UNLIKELY(heap->size == heap->limit)) {
        compactEntries(heap);
        int result = heap->size == heap->limit ? growEntries(heap) : 0;
        if (result < 0)
            return result;
    }
    TimerEntry entry = {keyOf(heap, deadline_ns), timer};
    uint64_t word = wordOf(heap, entry.key_ns);
    if (LIKELY(old == 0 || old >> 48 == heap->id))
        RELAXED_STORE(&timer->entry, word); /* nobody else may change it now */
    else
        old = XCHG_RELAXED(&timer->entry, word);
    heap->entries[ROOT + heap->size++] = entry;
    if (entry.key_ns < RELAXED_LOAD(&heap->earliest_ns))
        RELAXED_STORE(&heap->earliest_ns, entry.key_ns);
    if (UNLIKELY(old != 0)) {
        countStale(heap, old, was_armed);
        compactEntries(heap);
    }
    return 0;
}

int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    ASSERT(number != 0 && timer->fire != NULL);
    bool was_armed = RELAXED_LOAD(&timer->number) != 0;
    RELAXED_STORE(&timer->deadline_ns, deadline_ns);
    RELEASE_STORE(&timer->number, number); /* pairs with settleEntry */
    if (deadline_ns == DEADLINE_NEVER)
        return 0;
    GateWay way = ownerGateEnter(&heap->gate);
    int result = placeTimer(heap, timer, deadline_ns, was_armed);
    ownerGateLeave(&heap->gate, way);
    if (UNLIKELY(result < 0))
        RELAXED_STORE(&timer->number, 0);
    return result;
}

/* Under the gate: the timer's entry here is dead.  The newest of the young goes at once. */
static void buryEntry(TimerHeap *heap, Timer *timer)
{
    uint64_t word = RELAXED_LOAD(&timer->entry);
    if (word >> 48 != heap->id)
        return;
    ASSERT(heap->size > 0);
    const TimerEntry *newest = &heap->entries[ROOT + heap->size - 1];
    if (heap->size > heap->sorted && newest->timer == timer &&
        wordOf(heap, newest->key_ns) == word) {
        RELAXED_STORE(&timer->entry, 0); /* ours: only who holds the gate changes it */
        heap->size--;
        return; /* earliest_ns may be its key still: who finds nothing there brings it up to date */
    }
    heap->dead++;
    compactEntries(heap);
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    if (RELAXED_LOAD(&timer->number) == 0)
        return;
    RELAXED_STORE(&timer->number, 0);
    uint64_t entry = RELAXED_LOAD(&timer->entry);
    if (entry == 0)
        return;
    if (heap == NULL || entry >> 48 != heap->id) {
        ADD_RELAXED(heapIdDead(entry >> 48), 1);
        return;
    }
    GateWay way = ownerGateEnter(&heap->gate);
    buryEntry(heap, timer);
    ownerGateLeave(&heap->gate, way);
}

/* ---- expiring ------------------------------------------------------------------------------ */

typedef struct DueTimer {
    Timer *timer;
    TimerFire *fire;
    uint64_t number;
    uint64_t order;
    int64_t key_ns;
} DueTimer;

/* Put the newest of due[0..count] where it belongs: nearly always where it is. */
static void sortNewest(DueTimer *due, uint32_t count)
{
    DueTimer newest = due[count];
    for (;
         count > 0 && due[count - 1].key_ns == newest.key_ns && due[count - 1].order > newest.order;
         count--)
        due[count] = due[count - 1];
    due[count] = newest;
}

/* Under the gate: take out what is due, at most EXPIRE_BATCH. */
static uint32_t takeDue(TimerHeap *heap, int64_t now_ns, bool owner, DueTimer *due)
{
    uint32_t count = 0;
    uint64_t number;
    TimerEntry entry;
    if (heap->seen_ns < now_ns)
        heap->seen_ns = now_ns;
    if (heap->size - heap->sorted > YOUNG_MOST || youngKey(heap) <= now_ns)
        settleYoung(heap, owner);
    while (count < EXPIRE_BATCH) {
        Front front = settleFront(heap, now_ns, &entry, &number);
        if (front == FrontNone)
            break;
        uint64_t expected = wordOf(heap, entry.key_ns);
        uint64_t order = RELAXED_LOAD(&entry.timer->order);
        dropFront(heap, front);
        if (!CAS_RELAXED(&entry.timer->entry, &expected, 0))
            continue; /* moved to another heap this moment */
        due[count] = (DueTimer){entry.timer, entry.timer->fire, number, order, entry.key_ns};
        sortNewest(due, count++);
    }
    heap->fired += count;
    publishEarliest(heap);
    return count;
}

uint32_t timerHeapExpire(TimerHeap *heap, int64_t now_ns, bool owner, void *sink)
{
    DueTimer due[EXPIRE_BATCH];
    uint32_t fired = 0, count, bound = 0;
    if (RELAXED_LOAD(&heap->earliest_ns) > now_ns)
        return 0;
    do {
        GateWay way = GateBusy;
        if (owner)
            way = ownerGateEnter(&heap->gate);
        else if (!ownerGateVisit(&heap->gate))
            return fired;
        if (fired == 0)
            bound = countEntries(heap); /* timers armed by what we fire wait for the next call */
        count = takeDue(heap, now_ns, owner, due);
        if (owner)
            ownerGateLeave(&heap->gate, way);
        else
            ownerGateVisitEnd(&heap->gate);
        for (uint32_t i = 0; i < count; i++)
            due[i].fire(due[i].timer, due[i].number, sink);
        fired += count;
    } while (count == EXPIRE_BATCH && fired < bound);
    return fired;
}

int64_t timerHeapEarliest(TimerHeap *heap)
{
    uint64_t number;
    TimerEntry entry;
    if (RELAXED_LOAD(&heap->earliest_ns) == DEADLINE_NEVER)
        return DEADLINE_NEVER;
    GateWay way = ownerGateEnter(&heap->gate);
    settleYoung(heap, true);
    settleFront(heap, INT64_MAX, &entry, &number);
    publishEarliest(heap);
    ownerGateLeave(&heap->gate, way);
    return RELAXED_LOAD(&heap->earliest_ns);
}

/* ---- life cycle ---------------------------------------------------------------------------- */

int timerHeapInit(TimerHeap *heap, const Allocator *allocator)
{
    memset(heap, 0, sizeof *heap);
    heap->capacity = heap->limit = FIRST_SLOTS - ROOT;
    heap->allocator = allocator;
    heap->earliest_ns = DEADLINE_NEVER;
    heap->entries = timerEntriesAllocate(allocator, heap->capacity);
    if (heap->entries == NULL)
        return -ENOMEM;
    heap->id = heapIdTake();
    if (heap->id == 0) {
        timerEntriesRelease(allocator, heap->entries, heap->capacity);
        heap->entries = NULL;
        return -ENOSPC;
    }
    heap->dead_remote = heapIdDead(heap->id);
    ownerGateInit(&heap->gate);
    return 0;
}

void timerHeapFree(TimerHeap *heap)
{
    if (heap->entries == NULL)
        return;
    timerEntriesRelease(heap->allocator, heap->entries, heap->capacity);
    releaseRun(heap);
    heap->entries = NULL;
    heap->size = 0;
    heap->sorted = 0;
    heap->earliest_ns = DEADLINE_NEVER;
    heapIdGive(heap->id);
}

bool timerHeapSane(const TimerHeap *heap)
{
    int64_t settled_ns = earlierOf(rootKey(heap), runKey(heap));
    if (heap->size > heap->limit ||
        countEntries(heap) - heap->size != heap->capacity - heap->limit ||
        heap->sorted > heap->size || heap->id == 0 ||
        RELAXED_LOAD(&heap->earliest_ns) > earlierOf(settled_ns, youngKey(heap)))
        return false;
    for (uint32_t i = heap->run_at + 1; i < heap->run_end; i++) {
        if (heap->run[i - 1].key_ns > heap->run[i].key_ns)
            return false;
    }
    for (uint32_t i = ROOT + 1; i < ROOT + heap->sorted; i++) {
        if (heap->entries[i / 4 + 2].key_ns > heap->entries[i].key_ns)
            return false;
    }
    return true;
}
