/* TimerHeap.c -- deadlines of one manager: a 4-ary heap with the deadlines inline.
 *
 * Owns    TimerHeap's fields, Timer.entry and Timer.order.
 * Before  rts/ThreadDelay.c and every wait with a deadline: arm, disarm.
 * After   the timers' callbacks.
 * Tests   testsuite/unit/TimerHeapTest.c, testsuite/model/TimerModel.c
 *
 * See Note [Timer entries], Note [Timer order], Note [Young timers] and Note [OwnerGate states].
 */
#include "iomgr/TimerHeap.h"

#include "iomgr/HeapId.h"

#include <errno.h>
#include <string.h>

enum { EXPIRE_BATCH = 64 }; /* timers taken out in one stay inside the gate */
#ifndef COMPACT_FROM
#define COMPACT_FROM 64 /* smaller heaps are not worth it; a model's are */
#endif

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

static void publishEarliest(TimerHeap *heap)
{
    bool empty = timerEntriesCount(&heap->entries) == 0;
    RELAXED_STORE(&heap->earliest_ns,
                  empty ? DEADLINE_NEVER : timerEntriesEarliest(&heap->entries));
}

/* ---- what an entry stands for -------------------------------------------------------------- */

typedef enum Verdict { EntryLive, EntryMoved, EntryGone } Verdict;

/* Under the gate: settle one entry.  Moved: its key is brought up to date; it must find its place.
 * Gone: to be dropped.  Live: *number is what would be fired. */
static inline Verdict settleEntry(TimerHeap *heap, TimerEntry *entry, uint64_t *number)
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

/* Under the gate: the front is not live: it finds its place anew, or is dropped. */
static void passFront(TimerHeap *heap, TimerFront front, TimerEntry entry, Verdict verdict)
{
    if (verdict == EntryMoved) {
        timerEntriesMove(&heap->entries, front, entry);
    } else {
        timerEntriesDrop(&heap->entries, front);
        if (heap->dead > 0)
            heap->dead--;
    }
}

/* Under the gate: pass over settled entries until a live one is in front, which is due at until_ns.
 * None: there is no such; *entry is the front all the same. */
static inline TimerFront settleFront(TimerHeap *heap, int64_t until_ns, TimerEntry *entry,
                                     uint64_t *number)
{
    for (;;) {
        TimerFront front = timerEntriesFront(&heap->entries, entry);
        if (front == TimerFrontNone || entry->key_ns > until_ns)
            return TimerFrontNone;
        Verdict verdict = settleEntry(heap, entry, number);
        if (LIKELY(verdict == EntryLive))
            return front;
        passFront(heap, front, *entry, verdict);
    }
}

/* Under the gate: throw out what is dead from index `first` on; heap order is lost there. */
static void sweepItems(TimerHeap *heap, uint32_t first)
{
    TimerEntries *entries = &heap->entries;
    uint32_t end = TIMER_ROOT + entries->size, kept = first;
    for (uint32_t i = first; i < end; i++) {
        uint64_t number;
        TimerEntry entry = entries->items[i];
        if (settleEntry(heap, &entry, &number) != EntryGone)
            entries->items[kept++] = entry;
    }
    entries->size = kept - TIMER_ROOT;
    heap->dead = heap->dead > end - kept ? heap->dead - (end - kept) : 0;
}

/* Under the gate: throw out what is dead of the run.  What was re-armed stays where it is. */
static void sweepRun(TimerHeap *heap)
{
    TimerEntries *entries = &heap->entries;
    uint32_t kept = entries->run_at;
    for (uint32_t i = entries->run_at; i < entries->run_end; i++) {
        TimerEntry entry = entries->run[i];
        if (!isGone(heap, entry))
            entries->run[kept++] = entry;
    }
    entries->limit += entries->run_end - kept;
    entries->run_end = kept;
}

static uint64_t countDead(const TimerHeap *heap)
{
    return (uint64_t)heap->dead + RELAXED_LOAD(heap->dead_remote);
}

/* Under the gate: throw out what is dead, if that is more than half. */
static void compactEntries(TimerHeap *heap)
{
    uint32_t count = timerEntriesCount(&heap->entries);
    if (count <= COMPACT_FROM || countDead(heap) <= count / 2)
        return;
    sweepItems(heap, TIMER_ROOT);
    sweepRun(heap);
    timerEntriesRebuild(&heap->entries);
    heap->dead = 0;
    RELAXED_STORE(heap->dead_remote, 0);
    heap->compactions++;
    publishEarliest(heap);
}

/* Under the gate: what others have posted, and what they have cancelled. */
static void collectPosted(TimerHeap *heap)
{
    if (UNLIKELY(RELAXED_LOAD(&heap->posted_ns) != DEADLINE_NEVER) && heap->collect != NULL)
        heap->collect(heap);
    if (UNLIKELY(timerEntriesCount(&heap->entries) > COMPACT_FROM))
        compactEntries(heap);
}

/* Under the gate: bring the young into the heap, except for those known to be dead.  Only the owner
 * takes the time to sort. */
static void settleYoung(TimerHeap *heap, bool owner)
{
    uint32_t young = timerEntriesYoung(&heap->entries);
    if (young <= 1 && heap->entries.run == NULL) { /* most often */
        timerEntriesSettleOne(&heap->entries);
        return;
    }
    if (young <= TIMER_YOUNG && countDead(heap) > 0)
        sweepItems(heap, TIMER_ROOT + heap->entries.sorted);
    timerEntriesSettle(&heap->entries, owner);
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
    TimerEntries *entries = &heap->entries;
    uint64_t old = RELAXED_LOAD(&timer->entry);
    RELAXED_STORE(&timer->order, ++heap->next_order);
    if (old != 0 && keepEntry(heap, old, deadline_ns, was_armed))
        return 0;
    if (UNLIKELY(entries->size == entries->limit)) {
        compactEntries(heap);
        if (entries->size == entries->limit && timerEntriesGrow(entries) != 0) {
            RELAXED_STORE(&timer->number, 0);
            return -ENOMEM;
        }
    }
    TimerEntry entry = {keyOf(heap, deadline_ns), timer};
    uint64_t word = wordOf(heap, entry.key_ns);
    if (LIKELY(old == 0 || old >> 48 == heap->id))
        RELAXED_STORE(&timer->entry, word); /* nobody else may change it now */
    else
        old = XCHG_RELAXED(&timer->entry, word);
    timerEntriesAppend(entries, entry);
    if (entry.key_ns < RELAXED_LOAD(&heap->earliest_ns))
        RELAXED_STORE(&heap->earliest_ns, entry.key_ns);
    if (UNLIKELY(old != 0)) {
        countStale(heap, old, was_armed);
        compactEntries(heap);
    }
    return 0;
}

/* Outside the gate (arm) or inside (place).  True: it needs a place. */
static bool setDeadline(Timer *timer, uint64_t number, int64_t deadline_ns, bool *was_armed)
{
    ASSERT(number != 0 && timer->fire != NULL);
    *was_armed = RELAXED_LOAD(&timer->number) != 0;
    RELEASE_STORE(&timer->deadline_ns, deadline_ns); /* for who looks on: See Note [Describing] */
    RELEASE_STORE(&timer->number, number);           /* pairs with settleEntry */
    return deadline_ns != DEADLINE_NEVER;
}

int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    bool was_armed;
    if (!setDeadline(timer, number, deadline_ns, &was_armed))
        return 0;
    GateWay way = ownerGateEnter(&heap->gate);
    int result = placeTimer(heap, timer, deadline_ns, was_armed);
    ownerGateLeave(&heap->gate, way);
    return result;
}

int timerHeapPlace(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    bool was_armed;
    if (!setDeadline(timer, number, deadline_ns, &was_armed))
        return 0;
    return placeTimer(heap, timer, deadline_ns, was_armed);
}

/* Under the gate: the timer's entry here is dead.  The newest of the young goes at once. */
static inline void buryEntry(TimerHeap *heap, Timer *timer)
{
    uint64_t word = RELAXED_LOAD(&timer->entry);
    if (word >> 48 != heap->id)
        return;
    TimerEntries *entries = &heap->entries;
    if (timerEntriesYoung(entries) > 0) {
        TimerEntry newest = entries->items[TIMER_ROOT + entries->size - 1];
        if (newest.timer == timer && wordOf(heap, newest.key_ns) == word) {
            RELAXED_STORE(&timer->entry, 0); /* ours: only who holds the gate changes it */
            entries->size--;
            return; /* earliest_ns may be its key still; who finds nothing then corrects it */
        }
    }
    heap->dead++;
    compactEntries(heap);
}

/* Its wait is forgotten.  True: its entry, if it has one, is in this heap. */
static inline bool forgetWait(const TimerHeap *heap, Timer *timer)
{
    if (UNLIKELY(RELAXED_LOAD(&timer->number) == 0))
        return false;
    RELEASE_STORE(&timer->number, 0); /* for who looks on */
    uint64_t entry = RELAXED_LOAD(&timer->entry);
    if (entry == 0)
        return false;
    if (LIKELY(heap != NULL && entry >> 48 == heap->id))
        return true;
    ADD_RELAXED(heapIdDead(entry >> 48), 1);
    return false;
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    if (!forgetWait(heap, timer))
        return;
    GateWay way = ownerGateEnter(&heap->gate);
    buryEntry(heap, timer);
    ownerGateLeave(&heap->gate, way);
}

void timerHeapLift(TimerHeap *heap, Timer *timer)
{
    if (forgetWait(heap, timer))
        buryEntry(heap, timer);
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
    collectPosted(heap);
    if (timerEntriesYoung(&heap->entries) > TIMER_YOUNG ||
        timerEntriesYoungest(&heap->entries) <= now_ns)
        settleYoung(heap, owner);
    while (count < EXPIRE_BATCH) {
        TimerFront front = settleFront(heap, now_ns, &entry, &number);
        if (front == TimerFrontNone)
            break;
        uint64_t expected = wordOf(heap, entry.key_ns);
        uint64_t order = RELAXED_LOAD(&entry.timer->order);
        timerEntriesDrop(&heap->entries, front);
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
    if (timerHeapDue(heap) > now_ns)
        return 0;
    do {
        GateWay way = GateBusy;
        if (owner)
            way = ownerGateEnter(&heap->gate);
        else if (!ownerGateVisit(&heap->gate))
            return fired;
        count = takeDue(heap, now_ns, owner, due);
        if (fired == 0) /* timers armed by what we fire wait for the next call */
            bound = count + timerEntriesCount(&heap->entries);
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
    if (timerHeapDue(heap) == DEADLINE_NEVER)
        return DEADLINE_NEVER;
    GateWay way = ownerGateEnter(&heap->gate);
    collectPosted(heap);
    settleYoung(heap, true);
    settleFront(heap, INT64_MAX, &entry, &number);
    RELAXED_STORE(&heap->earliest_ns, entry.key_ns);
    ownerGateLeave(&heap->gate, way);
    return entry.key_ns;
}

/* ---- life cycle ---------------------------------------------------------------------------- */

int timerHeapInit(TimerHeap *heap, const Allocator *allocator)
{
    memset(heap, 0, sizeof *heap);
    heap->earliest_ns = heap->posted_ns = DEADLINE_NEVER;
    if (timerEntriesInit(&heap->entries, allocator) != 0)
        return -ENOMEM;
    heap->id = heapIdTake();
    if (heap->id == 0) {
        timerEntriesFree(&heap->entries);
        return -ENOSPC;
    }
    heap->dead_remote = heapIdDead(heap->id);
    ownerGateInit(&heap->gate);
    return 0;
}

void timerHeapFree(TimerHeap *heap)
{
    if (heap->entries.items == NULL)
        return;
    timerEntriesFree(&heap->entries);
    heap->earliest_ns = DEADLINE_NEVER;
    heapIdGive(heap->id);
}

bool timerHeapSane(const TimerHeap *heap)
{
    return heap->id != 0 && timerEntriesSane(&heap->entries) &&
           RELAXED_LOAD(&heap->earliest_ns) <= timerEntriesEarliest(&heap->entries);
}
