/* WatchList.c -- one word that holds everybody who waits for one thing.              [path 2/6]
 *
 * Owns    the word and WatchNode.next, WatchNode.linked.
 * Before  iomgr/FdTable.c: an event names a slot.   After  rts/Wait.c: the watcher's claim.
 * Tests   testsuite/unit/WatchListTest.c, testsuite/model/WatchListModel.c (every interleaving)
 *
 * See Note [WatchList word], Note [WatchList states] and Note [StoreLoad].
 */
#include "iomgr/WatchList.h"

#include "internal/Turn.h"

static uint64_t wordOf(uint16_t generation, WatchNode *node)
{
    uint64_t pointer = (uint64_t)(uintptr_t)node;
    ASSERT((pointer & ~WATCH_POINTER) == 0);
    return ((uint64_t)generation << 48) | pointer;
}

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
        } else if (CAS_ACQUIRE(list, &old, wordOf(generation, NULL))) { /* W2 */
            return watchListHead(old);
        }
    }
}

/* Move to another generation; returns the word before. */
static uint64_t closeWord(WatchList *list, uint16_t generation)
{
    int spins = 0;
    for (;;) {
        uint64_t old = RELAXED_LOAD(list);
        if (old & (WATCH_BUSY | WATCH_LOCK))
            turnWait(&spins);
        else if (CAS_SEQ_CST(list, &old, wordOf(generation, NULL)))
            return old;
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

WatchNode *watchListLockSlow(WatchList *list)
{
    int spins = 0;
    uint64_t old = RELAXED_LOAD(list);
    for (;;) {
        if (old & (WATCH_BUSY | WATCH_LOCK)) {
            turnWait(&spins);
            old = RELAXED_LOAD(list);
        } else if (CAS_ACQUIRE(list, &old, old | WATCH_LOCK)) {
            return watchListHead(old);
        }
    }
}

uint32_t watchListFireMany(WatchNode *taken, int result, void *sink)
{
    WatchNode *oldest = NULL;
    uint32_t count = 0;
    while (taken != NULL) { /* the list is newest first: turn it round */
        WatchNode *next = RELAXED_LOAD(&taken->next);
        RELAXED_STORE(&taken->next, oldest);
        oldest = taken;
        taken = next;
    }
    while (oldest != NULL) {
        WatchNode *next = RELAXED_LOAD(&oldest->next);
        watchNodeFire(oldest, result, sink);
        oldest = next;
        count++;
    }
    return count;
}

/* Under BUSY: unlink node from the list that starts at the word's head.  False: not in it. */
static bool unlinkBusy(WatchList *list, uint64_t *word, WatchNode *node)
{
    for (;;) {
        WatchNode *at = watchListHead(*word);
        if (at == node) {
            WatchNode *next = RELAXED_LOAD(&node->next);
            uint64_t rest = (*word & (WATCH_GENERATION | WATCH_FLAGS)) | (uint64_t)(uintptr_t)next;
            if (CAS_ACQUIRE(list, word, rest)) {
                *word = rest;
                return true;
            }
            continue; /* somebody pushed: node is not the head any more, or FIRED came */
        }
        while (at != NULL) {
            WatchNode *next = RELAXED_LOAD(&at->next);
            if (next == node) {
                RELAXED_STORE(&at->next, RELAXED_LOAD(&node->next));
                return true;
            }
            at = next;
        }
        return false;
    }
}

/* Give BUSY back; if an event came meanwhile, everyone who is left is ours to fire. */
static WatchNode *releaseBusy(WatchList *list, uint64_t word)
{
    for (;;) {
        uint64_t kept = word & ~(WATCH_BUSY | WATCH_FIRED);
        if (word & WATCH_FIRED) {
            if (CAS_ACQUIRE(list, &word, word & WATCH_GENERATION))
                return watchListHead(word);
        } else if (CAS_RELEASE(list, &word, kept)) {
            return NULL;
        }
    }
}

/* Take node out.  own: its owner is the caller, so it cannot leave and come back meanwhile. */
static bool takeOut(WatchList *list, uint16_t generation, WatchNode *node, bool own, void *sink)
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
            if (CAS_ACQUIRE(list, &old, wordOf(generation, NULL))) /* n alone */
                break;
        } else if (CAS_ACQUIRE(list, &old, old | WATCH_BUSY)) { /* W4 */
            uint64_t word = old | WATCH_BUSY;
            bool found = unlinkBusy(list, &word, node);
            watchListFire(releaseBusy(list, word), 0, sink);
            if (!found)
                return false;
            break;
        }
    }
    return true;
}

bool watchListTakeOut(WatchList *list, uint16_t generation, WatchNode *node, void *sink)
{
    return takeOut(list, generation, node, false, sink);
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

bool watchListRetract(WatchList *list, uint16_t generation, WatchNode *node, int result, void *sink)
{
    if (!watchListTakeOut(list, generation, node, sink))
        return false;
    RELAXED_STORE(&node->next, NULL);
    watchListFire(node, result, sink);
    return true;
}

bool watchListRemove(WatchList *list, uint16_t generation, WatchNode *node, void *sink)
{
    int spins = 0;
    if (takeOut(list, generation, node, true, sink)) {
        RELAXED_STORE(&node->linked, 0);
        return true;
    }
    while (ACQUIRE_LOAD(&node->linked) != 0) /* W5 */
        turnWait(&spins);
    return false;
}

bool watchListSane(WatchList *list)
{
    uint32_t bound = 1u << 24;
    for (WatchNode *at = watchListHead(RELAXED_LOAD(list)); at != NULL; at = at->next) {
        if (at->linked != 1 || --bound == 0)
            return false;
    }
    return true;
}
