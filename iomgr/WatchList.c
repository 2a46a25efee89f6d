/* WatchList.c -- one word that holds everybody who waits for one thing.              [path 2/6]
 *
 * Owns    the word and WatchNode.next, WatchNode.linked.
 * Before  iomgr/FdTable.c: an event names a slot.   After  rts/Wait.c: the watcher's claim.
 * Tests   testsuite/unit/WatchListTest.c, testsuite/model/WatchListModel.c (every interleaving)
 *
 * See Note [WatchList word], Note [WatchList states], Note [WatchList places] and Note [StoreLoad].
 */
#include "iomgr/WatchList.h"

#include "internal/Turn.h"

static uint64_t wordOf(uint16_t generation, WatchNode *node)
{
    uint64_t pointer = (uint64_t)(uintptr_t)node;
    ASSERT((pointer & ~WATCH_POINTER) == 0);
    return ((uint64_t)generation << 48) | pointer;
}

#if defined(SMP_MODEL)
enum { NEAR = 1 }; /* models have few nodes */
#else
enum { NEAR = 8 }; /* so many after the head are looked at before all are told */
#endif

#define PLACE_FAR (UINT32_C(1) << 31 | 1)

/* ---- under BUSY: See Note [WatchList places] ---- */

#ifdef WATCH_STEPS
uint64_t watch_list_steps;
#define COUNT_STEP() ADD_RELAXED(&watch_list_steps, 1)
#else
#define COUNT_STEP() ((void)0)
#endif

static bool isTold(const WatchNode *node)
{
    return RELAXED_LOAD(&node->linked) > 1;
}

static void forget(WatchNode *node)
{
    RELAXED_STORE(&node->linked, 1);
}

static void forgetAll(WatchNode *at)
{
    for (; at != NULL; at = RELAXED_LOAD(&at->next)) {
        if (isTold(at))
            forget(at);
    }
}

static void tell(WatchNode *node, const WatchNode *before)
{
    intptr_t steps = ((intptr_t)before - (intptr_t)node) / (intptr_t)sizeof *node;
    bool fits = steps > -(INT32_C(1) << 30) && steps < INT32_C(1) << 30;
    RELEASE_STORE(&node->linked, fits ? (uint32_t)(int32_t)steps << 1 | 1 : PLACE_FAR);
}

/* The node before, as told by `place`. */
static WatchNode *nodeBefore(WatchNode *node, uint32_t place)
{
    intptr_t half = (int32_t)(place & ~UINT32_C(1)); /* twice the distance in nodes */
    return (WatchNode *)(void *)((char *)node + half * (intptr_t)(sizeof *node / 2));
}

/* The node before, looking at `most` after the head; NULL: not found. */
static WatchNode *searchBefore(WatchNode *head, const WatchNode *node, uint32_t most)
{
    for (WatchNode *at = head; most > 0 && at != NULL; most--) {
        WatchNode *next = RELAXED_LOAD(&at->next);
        COUNT_STEP();
        if (next == node)
            return at;
        at = next;
    }
    return NULL;
}

/* All that do not know yet, but for the head.  Returns the one before node if node is among them,
 * else NULL. */
static WatchNode *tellFront(WatchNode *head, const WatchNode *node)
{
    WatchNode *found = NULL, *before = head, *at;
    while ((at = RELAXED_LOAD(&before->next)) != NULL && !isTold(at)) {
        COUNT_STEP();
        tell(at, before);
        if (at == node)
            found = before;
        before = at;
    }
    return found;
}

static void detach(WatchNode *before, WatchNode *node)
{
    WatchNode *next = RELAXED_LOAD(&node->next);
    ASSERT(RELAXED_LOAD(&before->next) == node);
    RELAXED_STORE(&before->next, next);
    if (next != NULL && isTold(next))
        tell(next, before);
    forget(node);
}

/* node is the head.  False: it is not any more, or FIRED came. */
static bool detachHead(WatchList *list, uint64_t *word, WatchNode *node)
{
    WatchNode *next = RELAXED_LOAD(&node->next);
    uint64_t rest = (*word & ~WATCH_POINTER) | (uint64_t)(uintptr_t)next;
    if (next == NULL)
        rest &= ~WATCH_INDEXED;
    if (!CAS_ACQUIRE(list, word, rest))
        return false;
    *word = rest;
    if (next != NULL && isTold(next))
        forget(next);
    return true;
}

/* Does `place` say where node is in this very list? */
static bool isKnown(uint32_t place, bool own, const WatchProof *proof)
{
    return place > 1 && (own || (proof != NULL && RELAXED_LOAD(proof->word) == proof->is));
}

/* Unlink node from the list that starts at the word's head.  False: not in it. */
static bool unlinkBusy(WatchList *list, uint64_t *word, WatchNode *node, bool own,
                       const WatchProof *proof)
{
    while (watchListHead(*word) == node) {
        if (detachHead(list, word, node))
            return true;
    }
    WatchNode *head = watchListHead(*word), *before;
    uint32_t place = ACQUIRE_LOAD(&node->linked);
    if (isKnown(place, own, proof)) {
        before =
            place == PLACE_FAR ? searchBefore(head, node, UINT32_MAX) : nodeBefore(node, place);
    } else if ((before = searchBefore(head, node, NEAR)) == NULL) {
        while ((*word & WATCH_INDEXED) == 0 && !CAS_RELAXED(list, word, *word | WATCH_INDEXED))
            continue;
        *word |= WATCH_INDEXED;
        before = tellFront(head, node);
        if (before == NULL && place > 1 && !own)
            before = searchBefore(head, node, UINT32_MAX);
    }
    if (before == NULL)
        return false;
    detach(before, node);
    return true;
}

/* Give BUSY back; if an event came meanwhile, everyone who is left is ours to fire. */
static WatchNode *releaseBusy(WatchList *list, uint64_t word)
{
    bool forgotten = false;
    for (;;) {
        uint64_t kept = word & ~(WATCH_BUSY | WATCH_FIRED);
        if (word & WATCH_FIRED) {
            if ((word & WATCH_INDEXED) && !forgotten) {
                word = ACQUIRE_LOAD(list); /* those who have come since stand before the others */
                forgetAll(watchListHead(word));
            }
            forgotten = true; /* who comes now knows nothing */
            if (CAS_ACQ_REL(list, &word, word & WATCH_GENERATION))
                return watchListHead(word);
        } else if (CAS_RELEASE(list, &word, kept)) {
            return NULL;
        }
    }
}

/* ---- the word ---- */

bool watchListAddSlow(WatchList *list, uint16_t generation, WatchNode *node, WatchList old)
{
    int spins = 0;
    RELAXED_STORE(&node->linked, 1);
    for (;;) {
        if (watchListGeneration(old) != generation) {
            RELAXED_STORE(&node->linked, 0);
            return false;
        }
        if (old & WATCH_LOCK) {
            turnWait(&spins);
            old = RELAXED_LOAD(list);
            continue;
        }
        RELAXED_STORE(&node->next, watchListHead(old));
        if (CAS_SEQ_CST(list, &old, wordOf(generation, node) | (old & WATCH_FLAGS))) /* W1 */
            return true;
    }
}

WatchNode *watchListTakeSlow(WatchList *list, uint16_t generation, WatchList old)
{
    for (;;) {
        if (watchListGeneration(old) != generation || (old & ~WATCH_GENERATION) == 0)
            return NULL;
        if (old & WATCH_BUSY) {
            if ((old & WATCH_FIRED) || CAS_RELEASE(list, &old, old | WATCH_FIRED)) /* W3 */
                return NULL;
        } else if (old & WATCH_INDEXED) {
            if (CAS_ACQUIRE(list, &old, old | WATCH_BUSY | WATCH_FIRED)) /* W6 */
                return releaseBusy(list, old | WATCH_BUSY | WATCH_FIRED);
        } else if (CAS_ACQUIRE(list, &old, wordOf(generation, NULL))) { /* W2 */
            return watchListHead(old);
        }
    }
}

/* Move to another generation; returns the word before. */
static uint64_t closeWord(WatchList *list, uint16_t generation)
{
    int spins = 0;
    bool ours = false; /* BUSY: others may only add, or say that it was fired */
    uint64_t old = RELAXED_LOAD(list);
    for (;;) {
        if ((old & (WATCH_BUSY | WATCH_LOCK)) != 0 && !ours) {
            turnWait(&spins);
            old = RELAXED_LOAD(list);
        } else if ((old & WATCH_INDEXED) != 0 && !ours) {
            if (CAS_ACQUIRE(list, &old, old | WATCH_BUSY)) {
                forgetAll(watchListHead(old));
                old |= WATCH_BUSY;
                ours = true;
            }
        } else if (CAS_SEQ_CST(list, &old, wordOf(generation, NULL))) {
            return old;
        }
    }
}

WatchNode *watchListClose(WatchList *list, uint16_t generation)
{
    return watchListHead(closeWord(list, generation));
}

bool watchListCloseMarkedSlow(WatchList *list, uint16_t generation, WatchNode **taken)
{
    uint64_t old = closeWord(list, generation);
    *taken = watchListHead(old);
    return (old & WATCH_MARK) != 0;
}

bool watchListMark(WatchList *list, uint16_t generation)
{
    uint64_t old = wordOf(generation, NULL); /* as good as always */
    while (!CAS_ACQ_REL(list, &old, old | WATCH_MARK)) {
        if (watchListGeneration(old) != generation)
            return false;
    }
    return true;
}

void watchListUnmark(WatchList *list)
{
    uint64_t old = RELAXED_LOAD(list);
    while (!CAS_RELAXED(list, &old, old & ~WATCH_MARK))
        continue;
}

void watchListLockSlow(WatchList *list)
{
    int spins = 0;
    uint64_t old = RELAXED_LOAD(list);
    for (;;) {
        if (old & (WATCH_BUSY | WATCH_LOCK)) {
            turnWait(&spins);
            old = RELAXED_LOAD(list);
        } else if (CAS_SEQ_CST(list, &old, old | WATCH_LOCK)) {
            return;
        }
    }
}

WatchNode *watchListTakenSlow(WatchList *list, WatchTaken taken)
{
    forgetAll(watchListHead(taken));
    WatchNode *more = releaseBusy(list, RELAXED_LOAD(list));
    ASSERT(more == NULL); /* such a list is not taken in other ways */
    (void)more;
    return watchListHead(taken);
}

WatchNode *watchListTurn(WatchNode *taken)
{
    WatchNode *oldest = NULL;
    while (taken != NULL) {
        WatchNode *next = RELAXED_LOAD(&taken->next);
        RELAXED_STORE(&taken->next, oldest);
        oldest = taken;
        taken = next;
    }
    return oldest;
}

uint32_t watchListFireMany(WatchNode *taken, int result, void *sink)
{
    WatchNode *oldest = watchListTurn(taken);
    uint32_t count = 0;
    while (oldest != NULL) {
        WatchNode *next = RELAXED_LOAD(&oldest->next);
        watchNodeFire(oldest, result, sink);
        oldest = next;
        count++;
    }
    return count;
}

/* Take node out.  own: its owner is the caller, so it cannot leave and come back meanwhile. */
static bool takeOut(WatchList *list, uint16_t generation, WatchNode *node, bool own,
                    const WatchProof *proof, void *sink)
{
    int spins = 0;
    uint64_t old = SEQ_CST_LOAD(list); /* who looks for an interrupt's sake: [StoreLoad] */
    for (;;) {
        if (watchListGeneration(old) != generation || watchListHead(old) == NULL)
            return false;
        if (old & (WATCH_BUSY | WATCH_LOCK)) {
            turnWait(&spins);
            old = RELAXED_LOAD(list);
        } else if (own && watchListHead(old) == node && RELAXED_LOAD(&node->next) == NULL) {
            if (CAS_ACQUIRE(list, &old, old & (WATCH_GENERATION | WATCH_MARK))) /* n alone */
                break;
        } else if (CAS_ACQUIRE(list, &old, old | WATCH_BUSY)) { /* W4 */
            uint64_t word = old | WATCH_BUSY;
            bool found = unlinkBusy(list, &word, node, own, proof);
            watchListFire(releaseBusy(list, word), 0, sink);
            if (!found)
                return false;
            break;
        }
    }
    return true;
}

bool watchListTakeOut(WatchList *list, uint16_t generation, WatchNode *node,
                      const WatchProof *proof, void *sink)
{
    return takeOut(list, generation, node, false, proof, sink);
}

bool watchListHold(WatchList *list, uint16_t generation)
{
    int spins = 0;
    uint64_t old = RELAXED_LOAD(list);
    while (watchListGeneration(old) == generation) {
        if (old & (WATCH_BUSY | WATCH_LOCK)) {
            turnWait(&spins);
            old = RELAXED_LOAD(list);
        } else if (CAS_ACQUIRE(list, &old, old | WATCH_BUSY)) {
            return true;
        }
    }
    return false;
}

void watchListLetGo(WatchList *list, void *sink)
{
    watchListFire(releaseBusy(list, RELAXED_LOAD(list)), 0, sink);
}

bool watchListRetract(WatchList *list, uint16_t generation, WatchNode *node,
                      const WatchProof *proof, int result, void *sink)
{
    if (!watchListTakeOut(list, generation, node, proof, sink))
        return false;
    RELAXED_STORE(&node->next, NULL);
    watchListFire(node, result, sink);
    return true;
}

bool watchListRemove(WatchList *list, uint16_t generation, WatchNode *node, void *sink)
{
    int spins = 0;
    if (takeOut(list, generation, node, true, NULL, sink)) {
        RELAXED_STORE(&node->linked, 0);
        return true;
    }
    while (ACQUIRE_LOAD(&node->linked) != 0) /* W5 */
        turnWait(&spins);
    return false;
}

/* What at knows is true, and it knows something if the one before does (told). */
static bool placeSane(WatchNode *before, WatchNode *at, bool told)
{
    if (at->linked <= 1)
        return at->linked == 1 && !told;
    return before != NULL && (at->linked == PLACE_FAR || nodeBefore(at, at->linked) == before);
}

bool watchListSane(WatchList *list)
{
    uint32_t bound = 1u << 24;
    uint64_t word = RELAXED_LOAD(list);
    WatchNode *before = NULL;
    bool told = false;
    for (WatchNode *at = watchListHead(word); at != NULL; before = at, at = at->next) {
        if (!placeSane(before, at, told) || --bound == 0)
            return false;
        told = at->linked > 1;
    }
    return !told || (word & WATCH_INDEXED) != 0;
}
