/* FdSlot.c -- one fd's waiters, edges and control word.                              [path 2/6]
 *
 * Owns    every field of FdSlot; the kernel's side of it is iomgr/FdAwait.c's.
 * Before  iomgr/EventManager.c: dispatch.   After  iomgr/WatchList.c: the waiters' callbacks.
 * Tests   testsuite/unit/FdSlotTest.c
 *
 * See Note [Fd slot], Note [Fd slot states] and Note [Fd slot generation].
 */
#include "iomgr/FdTable.h"

#include "internal/Turn.h"

#include <errno.h>
#include <stddef.h>

void fdSlotLock(FdSlot *slot)
{
    int spins = 0;
    uint32_t old = RELAXED_LOAD(&slot->control);
    for (;;) {
        if (old & SLOT_CONTROL) {
            turnWait(&spins);
            old = RELAXED_LOAD(&slot->control);
        } else if (CAS_ACQUIRE(&slot->control, &old, old | SLOT_CONTROL)) { /* pairs with unlock */
            return;
        }
    }
}

void fdSlotUnlock(FdSlot *slot)
{
    ASSERT(RELAXED_LOAD(&slot->control) & SLOT_CONTROL);
    AND_RELEASE(&slot->control, ~(uint32_t)SLOT_CONTROL);
}

#define READ_EDGE UINT64_C(1)
#define WRITE_EDGE (UINT64_C(1) << 32)

/* After UINT32_MAX comes 1: 0 is no count, not even for a moment. */
static uint64_t addEdges(uint64_t edges, uint64_t more)
{
    if (UNLIKELY((uint32_t)edges == UINT32_MAX) && (more & READ_EDGE))
        edges -= UINT32_MAX;
    if (UNLIKELY(edges >> 32 == UINT32_MAX) && (more & WRITE_EDGE))
        edges &= UINT32_MAX;
    return edges + more;
}

/* Count edges: seq_cst, before the lists are looked at. */
static inline void countEdges(FdSlot *slot, uint64_t more)
{
    uint64_t old = RELAXED_LOAD(&slot->edges);
    while (!CAS_SEQ_CST(&slot->edges, &old, addEdges(old, more)))
        continue;
}

/* Relaxed: the edge that is counted next releases the bits. */
bool fdSlotMark(FdSlot *slot, uint16_t generation, uint32_t bits)
{
    uint32_t old = RELAXED_LOAD(&slot->control);
    do {
        if (fdControlGeneration(old) != generation)
            return false;
        if ((old & bits) == bits)
            return true;
    } while (!CAS_RELAXED(&slot->control, &old, old | bits));
    return true;
}

/* An edge counted for the next file, should it come between, only makes somebody look twice. */
uint32_t fdSlotFire(FdSlot *slot, FdDirection direction, uint16_t generation, void *sink)
{
    WatchList *list = &slot->waiters[direction];
    if (watchListGeneration(RELAXED_LOAD(list)) != generation)
        return 0;
    countEdges(slot, direction == FdRead ? READ_EDGE : WRITE_EDGE);
    return watchListFire(watchListTake(list, generation), 0, sink);
}

uint32_t fdSlotFireBoth(FdSlot *slot, uint16_t generation, void *sink)
{
    WatchList *lists = slot->waiters;
    if (watchListGeneration(RELAXED_LOAD(&lists[FdRead])) != generation)
        return 0;
    countEdges(slot, READ_EDGE | WRITE_EDGE);
    uint32_t fired = watchListFire(watchListTake(&lists[FdRead], generation), 0, sink);
    return fired + watchListFire(watchListTake(&lists[FdWrite], generation), 0, sink);
}

int fdSlotRecheck(FdSlot *slot, FdDirection direction, uint16_t generation, uint32_t edges,
                  WatchNode *node, void *sink)
{
    if (LIKELY(fdSlotEdges(slot, direction) == edges)) /* after W1, See Note [StoreLoad] */
        return 0;
    /* The edge may have missed us.  If it has not, we were fired, and that is as good
     * as parking. */
    return watchListRemove(&slot->waiters[direction], generation, node, sink) ? 1 : 0;
}

int fdSlotPublish(FdSlot *slot, FdDirection direction, uint16_t generation, uint32_t edges,
                  WatchNode *node, void *sink)
{
    if (fdSlotEdges(slot, direction) != edges)
        return 1;
    if (!watchListAdd(&slot->waiters[direction], generation, node))
        return -EBADF;
    return fdSlotRecheck(slot, direction, generation, edges, node, sink);
}

void fdSlotAdvance(FdSlot *slot, WatchNode *older[2])
{
    uint32_t old = RELAXED_LOAD(&slot->control), next;
    ASSERT(old & SLOT_CONTROL);
    do {
        next = (uint32_t)(uint16_t)(fdControlGeneration(old) + 1) << SLOT_GENERATION_SHIFT;
    } while (!CAS_RELAXED(&slot->control, &old, next | SLOT_CONTROL)); /* the words release it */
    countEdges(slot, READ_EDGE | WRITE_EDGE); /* `last` and `drained` mean nothing from here on */
    for (int d = FdRead; d <= FdWrite; d++) {
        WatchNode *taken = watchListClose(&slot->waiters[d], fdControlGeneration(next));
        ASSERT(taken == NULL || older[d] == NULL);
        if (taken != NULL)
            older[d] = taken;
    }
}

bool fdSlotSane(FdSlot *slot)
{
    uint32_t control = RELAXED_LOAD(&slot->control);
    uint32_t modes = control & SLOT_MODES;
    if ((modes & (modes - 1)) != 0 || (uint32_t)slot->edges == 0 || slot->edges >> 32 == 0)
        return false;
    for (int d = FdRead; d <= FdWrite; d++) {
        uint64_t word = RELAXED_LOAD(&slot->waiters[d]);
        if (watchListGeneration(word) != fdControlGeneration(control) ||
            !watchListSane(&slot->waiters[d]))
            return false;
        /* Whoever waits, the kernel knows of it. */
        if (watchListHasWatchers(&slot->waiters[d]) && (modes == 0 || modes == SLOT_LEVEL))
            return false;
    }
    return true;
}
