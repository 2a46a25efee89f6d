/* TimerHeap.c -- deadlines of one manager: a 4-ary heap with the deadlines inline.
 *
 * Owns    TimerHeap's fields, Timer.entry and Timer.order; the numbers that heaps are known by.
 * Before  rts/ThreadDelay.c and every wait with a deadline: arm, disarm.
 * After   the timers' callbacks.
 * Tests   testsuite/unit/TimerHeapTest.c
 *
 * See Note [Timer entries], Note [Timer order] and Note [OwnerGate states].
 */
#include "iomgr/TimerHeap.h"

#include "iomgr/Memory.h"

#include <errno.h>
#include <pthread.h>

enum {
    ROOT = 3,          /* the four children of i lie at 4 * (i - 2): one cache line */
    FIRST_SLOTS = 64,  /* array length to begin with, ROOT unused ones included */
    COMPACT_FROM = 64, /* smaller heaps are not worth it */
    EXPIRE_BATCH = 64, /* timers taken out in one stay inside the gate */
    HEAP_IDS = 65536,
    REMOTE_COUNTERS = 256
};

#define KEY_SHIFT 10
#define KEY_MASK UINT64_C(0x0000ffffffffffff)
#define HORIZON_NS (INT64_C(1) << 57)

/* ---- numbers of heaps ---------------------------------------------------------------------- */

typedef struct RemoteCount {
    uint32_t dead; /* anyone, relaxed */
} CACHE_ALIGNED RemoteCount;

/* Counters outside the heaps, so that a late disarm never touches a heap that is gone. */
static RemoteCount remote_counts[REMOTE_COUNTERS];
static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t ids_used[HEAP_IDS / 64] = {1}; /* ids_lock; 0 is nobody's */
static uint32_t ids_last;                      /* ids_lock */

static uint32_t takeId(void)
{
    uint32_t id = 0;
    pthread_mutex_lock(&ids_lock);
    for (uint32_t i = 0; i < HEAP_IDS && id == 0; i++) {
        ids_last = (ids_last + 1) % HEAP_IDS;
        if ((ids_used[ids_last / 64] >> (ids_last % 64) & 1) == 0)
            id = ids_last;
    }
    if (id != 0)
        ids_used[id / 64] |= UINT64_C(1) << (id % 64);
    pthread_mutex_unlock(&ids_lock);
    return id;
}

static void giveId(uint32_t id)
{
    pthread_mutex_lock(&ids_lock);
    ASSERT(ids_used[id / 64] >> (id % 64) & 1);
    ids_used[id / 64] &= ~(UINT64_C(1) << (id % 64));
    pthread_mutex_unlock(&ids_lock);
}

void timerHeapSurvive(void)
{
    ids_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static uint32_t *remoteCount(uint64_t id)
{
    return &remote_counts[id % REMOTE_COUNTERS].dead;
}

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

/* ---- the heap proper ----------------------------------------------------------------------- */

static bool isBefore(TimerEntry a, TimerEntry b)
{
    if (LIKELY(a.key_ns != b.key_ns))
        return a.key_ns < b.key_ns;
    return RELAXED_LOAD(&a.timer->order) < RELAXED_LOAD(&b.timer->order);
}

static void siftUp(TimerHeap *heap, uint32_t i, TimerEntry entry)
{
    while (i > ROOT) {
        uint32_t parent = i / 4 + 2;
        if (!isBefore(entry, heap->entries[parent]))
            break;
        heap->entries[i] = heap->entries[parent];
        i = parent;
    }
    heap->entries[i] = entry;
}

static void siftDown(TimerHeap *heap, uint32_t i, TimerEntry entry)
{
    uint32_t end = ROOT + heap->size;
    for (;;) {
        uint32_t child = 4 * (i - 2), best = child;
        if (child >= end)
            break;
        for (uint32_t sibling = child + 1; sibling < child + 4 && sibling < end; sibling++) {
            if (isBefore(heap->entries[sibling], heap->entries[best]))
                best = sibling;
        }
        if (!isBefore(heap->entries[best], entry))
            break;
        heap->entries[i] = heap->entries[best];
        i = best;
    }
    heap->entries[i] = entry;
}

static void publishEarliest(TimerHeap *heap)
{
    int64_t earliest = heap->size == 0 ? DEADLINE_NEVER : heap->entries[ROOT].key_ns;
    RELAXED_STORE(&heap->earliest_ns, earliest);
}

static void dropRoot(TimerHeap *heap)
{
    ASSERT(heap->size > 0);
    heap->size--;
    if (heap->size > 0)
        siftDown(heap, ROOT, heap->entries[ROOT + heap->size]);
}

static size_t bytesOf(uint32_t capacity)
{
    return (size_t)(capacity + ROOT) * sizeof(TimerEntry);
}

static int growEntries(TimerHeap *heap)
{
    if (heap->capacity > UINT32_MAX / 4)
        return -ENOMEM;
    uint32_t capacity = 2 * (heap->capacity + ROOT) - ROOT;
    TimerEntry *entries = memoryAllocate(heap->allocator, bytesOf(capacity), CACHE_LINE);
    if (entries == NULL)
        return -ENOMEM;
    memcpy(entries + ROOT, heap->entries + ROOT, heap->size * sizeof *entries);
    memoryRelease(heap->allocator, heap->entries, bytesOf(heap->capacity), CACHE_LINE);
    heap->entries = entries;
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

/* Under the gate: drop and move roots until a live one is on top.  False: the heap is empty. */
static bool settleRoot(TimerHeap *heap, int64_t until_ns, uint64_t *number)
{
    while (heap->size > 0 && heap->entries[ROOT].key_ns <= until_ns) {
        TimerEntry root = heap->entries[ROOT];
        switch (settleEntry(heap, &root, number)) {
        case EntryLive:
            return true;
        case EntryMoved:
            siftDown(heap, ROOT, root);
            break;
        case EntryGone:
            dropRoot(heap);
            if (heap->dead > 0)
                heap->dead--;
            break;
        }
    }
    return false;
}

/* Under the gate: throw out what is dead, if that is more than half. */
static void compactEntries(TimerHeap *heap)
{
    uint64_t dead = (uint64_t)heap->dead + RELAXED_LOAD(heap->dead_remote);
    if (heap->size <= COMPACT_FROM || dead <= heap->size / 2)
        return;
    uint32_t kept = 0;
    for (uint32_t i = ROOT; i < ROOT + heap->size; i++) {
        uint64_t number;
        TimerEntry entry = heap->entries[i];
        if (settleEntry(heap, &entry, &number) != EntryGone)
            heap->entries[ROOT + kept++] = entry;
    }
    heap->size = kept;
    heap->dead = 0;
    RELAXED_STORE(heap->dead_remote, 0);
    heap->compactions++;
    if (kept > 1) {
        for (uint32_t i = (ROOT + kept - 1) / 4 + 2; i >= ROOT; i--)
            siftDown(heap, i, heap->entries[i]);
    }
}

/* ---- arming -------------------------------------------------------------------------------- */

/* Under the gate: see to it that an entry surfaces for the timer no later than the deadline. */
static int placeTimer(TimerHeap *heap, Timer *timer, int64_t deadline_ns, bool was_armed)
{
    uint64_t old = RELAXED_LOAD(&timer->entry);
    RELAXED_STORE(&timer->order, ++heap->next_order);
    heap->armed++;
    if (isCovered(heap, old, deadline_ns)) {
        if (!was_armed && heap->dead > 0)
            heap->dead--;
        return 0;
    }
    if (heap->size == heap->capacity) {
        int result = growEntries(heap);
        if (result < 0)
            return result;
    }
    TimerEntry entry = {keyOf(heap, deadline_ns), timer};
    old = XCHG_RELAXED(&timer->entry, wordOf(heap, entry.key_ns));
    if (old >> 48 == heap->id && was_armed)
        heap->dead++;
    else if (old != 0 && old >> 48 != heap->id && was_armed)
        ADD_RELAXED(remoteCount(old >> 48), 1);
    heap->size++;
    siftUp(heap, ROOT + heap->size - 1, entry);
    compactEntries(heap);
    publishEarliest(heap);
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
    if (result < 0)
        RELAXED_STORE(&timer->number, 0);
    return result;
}

/* Under the gate: the timer's entry here is dead.  The newest entry goes at once. */
static void buryEntry(TimerHeap *heap, Timer *timer)
{
    uint64_t word = RELAXED_LOAD(&timer->entry);
    if (word >> 48 != heap->id)
        return;
    ASSERT(heap->size > 0);
    TimerEntry *newest = &heap->entries[ROOT + heap->size - 1];
    if (newest->timer == timer && wordOf(heap, newest->key_ns) == word) {
        if (CAS_RELAXED(&timer->entry, &word, 0))
            heap->size--;
    } else {
        heap->dead++;
    }
    compactEntries(heap);
    publishEarliest(heap);
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
        ADD_RELAXED(remoteCount(entry >> 48), 1);
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
static uint32_t takeDue(TimerHeap *heap, int64_t now_ns, DueTimer *due)
{
    uint32_t count = 0;
    uint64_t number;
    if (heap->seen_ns < now_ns)
        heap->seen_ns = now_ns;
    while (count < EXPIRE_BATCH && settleRoot(heap, now_ns, &number)) {
        TimerEntry root = heap->entries[ROOT];
        uint64_t expected = wordOf(heap, root.key_ns);
        uint64_t order = RELAXED_LOAD(&root.timer->order);
        dropRoot(heap);
        if (!CAS_RELAXED(&root.timer->entry, &expected, 0))
            continue; /* moved to another heap this moment */
        due[count] = (DueTimer){root.timer, root.timer->fire, number, order, root.key_ns};
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
            bound = heap->size; /* timers armed by what we fire wait for the next call */
        count = takeDue(heap, now_ns, due);
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
    if (RELAXED_LOAD(&heap->earliest_ns) == DEADLINE_NEVER)
        return DEADLINE_NEVER;
    GateWay way = ownerGateEnter(&heap->gate);
    settleRoot(heap, INT64_MAX, &number);
    publishEarliest(heap);
    ownerGateLeave(&heap->gate, way);
    return RELAXED_LOAD(&heap->earliest_ns);
}

/* ---- life cycle ---------------------------------------------------------------------------- */

int timerHeapInit(TimerHeap *heap, const Allocator *allocator)
{
    memset(heap, 0, sizeof *heap);
    heap->capacity = FIRST_SLOTS - ROOT;
    heap->allocator = allocator;
    heap->earliest_ns = DEADLINE_NEVER;
    heap->entries = memoryAllocate(allocator, bytesOf(heap->capacity), CACHE_LINE);
    if (heap->entries == NULL)
        return -ENOMEM;
    heap->id = takeId();
    if (heap->id == 0) {
        memoryRelease(allocator, heap->entries, bytesOf(heap->capacity), CACHE_LINE);
        heap->entries = NULL;
        return -ENOSPC;
    }
    heap->dead_remote = remoteCount(heap->id);
    ownerGateInit(&heap->gate);
    return 0;
}

void timerHeapFree(TimerHeap *heap)
{
    if (heap->entries == NULL)
        return;
    memoryRelease(heap->allocator, heap->entries, bytesOf(heap->capacity), CACHE_LINE);
    heap->entries = NULL;
    heap->size = 0;
    heap->earliest_ns = DEADLINE_NEVER;
    giveId(heap->id);
}

bool timerHeapSane(const TimerHeap *heap)
{
    int64_t earliest = heap->size == 0 ? DEADLINE_NEVER : heap->entries[ROOT].key_ns;
    if (heap->size > heap->capacity || heap->id == 0 ||
        RELAXED_LOAD(&heap->earliest_ns) != earliest)
        return false;
    for (uint32_t i = ROOT + 1; i < ROOT + heap->size; i++) {
        if (heap->entries[i / 4 + 2].key_ns > heap->entries[i].key_ns)
            return false;
    }
    return true;
}
