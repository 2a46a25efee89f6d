/* WatchList.h -- one word that holds everybody who waits for one thing.
 *
 * An fd's direction, a TVar and a thread's end each own one such word.  Watchers push themselves,
 * whoever makes the thing happen takes the whole list, and a watcher that gives up takes itself
 * out. Pushing and taking are lock-free; only two removals from one list wait for each other.
 *
 * Note [WatchList word]
 *   63..48 generation   47..5 head of a list of WatchNode (32-byte aligned)
 *   4 INDEXED   3 LOCK   2 MARK   1 FIRED   0 BUSY
 *
 * Note [WatchList states]   (g = generation, L = list)
 *   from          on       to             by        order    meaning
 *   g,L           add n    g,n->L         waiter    seq_cst  (W1) publish, flags kept; re-check
 *   g,L           take     g,empty        event     acquire  (W2) after a seq_cst load; owns L
 *   g,L,BUSY      take     g,L,BUSY,FIRED event     release  (W3) likewise; the remover will fire L
 *   g,L           remove   g,L,BUSY       remover   acquire  (W4) L below its head is the remover's
 *   g,n           remove   g,empty        remover   acquire  n alone: no BUSY needed (n->next is
 *                                                            NULL for good, so the CAS cannot meet
 *                                                            ABA)
 *   g,L,BUSY      release  g,L-n          remover   release  pairs with the next W2/W4
 *   g,L,BUSY,FIRED release g,empty        remover   acq_rel  and the remover fires L-n (result 0)
 *   g,L           close    g',empty       closer    seq_cst  waits while BUSY or LOCK; then add and
 *                                                            take of g fail
 *   g,L           lock     g,L,LOCK       writer    seq_cst  waits while BUSY or LOCK; L is its own
 *   g,L,LOCK      unlock   g,empty        writer    release  a store; the others wait for it
 *   g,L           try lock g,L,LOCK       writer    seq_cst  fails where lock waits
 *   g,L,LOCK      keep     g,L            writer    release  unlock, and everybody stays
 *   g,L           mark     g,L,MARK       owner     acq_rel  a bit of the owner's that close tells
 *   g,L,MARK      unmark   g,L            owner     relaxed
 *   g,L           hold     g,L,BUSY       anyone    acquire  as W4, to keep it from being closed
 *   L,BUSY        tell     INDEXED        remover   relaxed  See Note [WatchList places]
 *   L,INDEXED     take     L,BUSY,FIRED   event     acquire  (W6) nodes forget; then as release
 *   L,INDEXED     close    L,BUSY         closer    acquire  likewise; then g',empty
 *   L,INDEXED,LOCK unlock  empty,BUSY     writer    release  likewise; then empty
 *   node->linked  1        before W1      waiter    relaxed
 *   node->linked  0        fire           event     release  (W5) the last touch of the node;
 *                                                            relaxed if its owner goes on only
 *                                                            through what publishes it
 * Invariant: a node that was added leaves exactly once: by take, close, lock or remove.
 * LOCK is for lists whose owner changes something together with taking everybody (a TVar its
 * value); such a list is never taken by watchListTake.  Who has added a node after an unlock sees
 * what was changed before it; who has not is in the list that the next lock takes.
 * A remover that does not find itself waits for W5; after that the node is its own again.
 *
 * Note [WatchList places]
 *   A node may know who stands before it, on the side of the head: then it is taken out without a
 *   walk.  `linked` is 1 (it does not know), or 1 and the distance to that node in its upper bits,
 *   or PLACE_FAR: it has been told, but no number says how far.
 *     told    by a remover that did not find its node among the first few: all nodes but the head,
 *             up to one that knows already                                   (BUSY, release)
 *     forgot  when it becomes the head, is taken out, or is taken with the list (BUSY, relaxed)
 *   Whenever nobody is BUSY, the head does not know; who comes after one that knows, knows; and if
 *   any knows, INDEXED is set.  So those who do not know stand at the front, and only these are
 *   walked over: each once, as they know afterwards.  A removal is O(1), taken together.
 *   Who knows is in a list: takers make their nodes forget before they give BUSY back.  Its owner
 *   can say in which one.  Anybody else needs a WatchProof: a word that has had one value since
 *   the node's owner began to wait for this list, and has another one before the owner waits again.
 *   The node's distance (acquire) is read before that word: one told in a later list would show
 *   that the word has changed.  Without a proof the list is walked to its end.
 * Tests  testsuite/unit/WatchListTest.c, testsuite/model/WatchListModel.c
 */
#ifndef IOMGR_WATCH_LIST_H
#define IOMGR_WATCH_LIST_H

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <stddef.h>

typedef struct WatchNode WatchNode;

/* fire -- tell a watcher.
 * node    only its address means anything (the struct around it); it may already wait for something
 *         else, so its fields are not to be read.  The memory around a node is type-stable.
 * number  what the watcher had put into its node
 * result  0: it happened; -E...: it never will (-EBADF: closed)
 * sink    the firing side's own handle (a Capability) or NULL; what watchListFire was given */
typedef void WatchFire(WatchNode *node, uint64_t number, int result, void *sink);

struct WatchNode {
    WatchNode *next; /* the list's: adder before W1, remover under BUSY, taker after W2 */
    WatchFire *fire; /* written by the watcher while unlinked, read by the taker */
    uint64_t number; /* likewise */
    uint32_t linked; /* see the table and Note [WatchList places] */
    uint32_t tag;    /* not ours: whoever embeds the node may use it */
} __attribute__((aligned(32)));

typedef uint64_t WatchList; /* the word; 0 = generation 0, nobody */

#define WATCH_BUSY 1ull
#define WATCH_FIRED 2ull
#define WATCH_MARK 4ull
#define WATCH_LOCK 8ull
#define WATCH_INDEXED 16ull
#define WATCH_FLAGS 31ull
#define WATCH_POINTER 0x0000ffffffffffe0ull
#define WATCH_GENERATION 0xffff000000000000ull

static inline WatchNode *watchListHead(WatchList word)
{
    return (WatchNode *)(uintptr_t)(word & WATCH_POINTER);
}

static inline uint16_t watchListGeneration(WatchList word)
{
    return (uint16_t)(word >> 48);
}

/* watchListHasWatchers -- seq_cst look: is anybody (or a remover at work) there? */
static inline bool watchListHasWatchers(WatchList *list)
{
    return (SEQ_CST_LOAD(list) & ~WATCH_GENERATION) != 0;
}

/* watchListFetch -- a hint: the list will be fired soon; brings the newest node and the line before
 * it nearer, where the struct around it begins. */
static inline void watchListFetch(WatchList *list)
{
    uintptr_t node = (uintptr_t)watchListHead(RELAXED_LOAD(list));
    __builtin_prefetch((const void *)node); /* any address will do, NULL too */
    __builtin_prefetch((const void *)(node - CACHE_LINE));
}

/* watchListAdd -- publish a filled node (fire, number).  False: the generation has passed. */
bool watchListAddSlow(WatchList *list, uint16_t generation, WatchNode *node, WatchList old);

static inline bool watchListAdd(WatchList *list, uint16_t generation, WatchNode *node)
{
    uint64_t old = ACQUIRE_LOAD(list); /* who finds it closed sees what came before */
    if (LIKELY(old == (uint64_t)generation << 48)) {
        RELAXED_STORE(&node->linked, 1);
        RELAXED_STORE(&node->next, NULL);
        if (LIKELY(CAS_SEQ_CST(list, &old, old | (uint64_t)(uintptr_t)node))) /* W1 */
            return true;
    }
    return watchListAddSlow(list, generation, node, old);
}

/* watchListTake -- everyone who waits, newest first, or NULL: nobody, other generation, or a
 * remover is at work and will fire them (result 0) itself. */
WatchNode *watchListTakeSlow(WatchList *list, uint16_t generation, WatchList old);

static inline WatchNode *watchListTake(WatchList *list, uint16_t generation)
{
    uint64_t old = SEQ_CST_LOAD(list), empty = (uint64_t)generation << 48;
    if (old == empty)
        return NULL;
    if (LIKELY((old & ~WATCH_POINTER) == empty && CAS_ACQUIRE(list, &old, empty))) /* W2 */
        return watchListHead(old);
    return watchListTakeSlow(list, generation, old);
}

/* watchListClose -- move to another generation and return everyone of the old one. */
WatchNode *watchListClose(WatchList *list, uint16_t generation);

/* watchListCloseMarked -- likewise; true: it was marked. */
bool watchListCloseMarkedSlow(WatchList *list, uint16_t generation, WatchNode **taken);

static inline bool watchListCloseMarked(WatchList *list, uint16_t generation, WatchNode **taken)
{
    uint64_t old = RELAXED_LOAD(list);
    if (LIKELY((old & (WATCH_BUSY | WATCH_LOCK | WATCH_INDEXED)) == 0 &&
               CAS_SEQ_CST(list, &old, (uint64_t)generation << 48))) {
        *taken = watchListHead(old);
        return (old & WATCH_MARK) != 0;
    }
    return watchListCloseMarkedSlow(list, generation, taken);
}

/* watchListMark -- mark a list of `generation`.  False: it is of another one.
 * watchListUnmark -- the owner, who knows that it is marked. */
bool watchListMark(WatchList *list, uint16_t generation);
void watchListUnmark(WatchList *list);

/* watchListHold -- a list of `generation` is not closed until watchListLetGo; for a few loads and
 * stores.  False: it is of another generation.  sink: as for watchListRemove. */
bool watchListHold(WatchList *list, uint16_t generation);
void watchListLetGo(WatchList *list, void *sink);

/* watchListLock -- keep others out until watchListUnlock.  Seq_cst: See Note [TVar versions]. */
void watchListLockSlow(WatchList *list);

static inline void watchListLock(WatchList *list)
{
    uint64_t old = RELAXED_LOAD(list);
    if (UNLIKELY((old & (WATCH_BUSY | WATCH_LOCK)) != 0 ||
                 !CAS_SEQ_CST(list, &old, old | WATCH_LOCK)))
        watchListLockSlow(list);
}

/* watchListTryLock -- likewise, without waiting: false: locked, or a remover is at work.  Seq_cst:
 * See Note [Commit].
 * watchListUnlockKeep -- everybody stays. */
static inline bool watchListTryLock(WatchList *list)
{
    uint64_t old = RELAXED_LOAD(list);
    while ((old & (WATCH_BUSY | WATCH_LOCK)) == 0) {
        if (LIKELY(CAS_SEQ_CST(list, &old, old | WATCH_LOCK)))
            return true;
    }
    return false;
}

static inline void watchListUnlockKeep(WatchList *list)
{
    RELEASE_STORE(list, RELAXED_LOAD(list) & ~WATCH_LOCK);
}

/* watchListUnlock -- everybody is taken.  If not 0, what is returned is to be given to
 * watchListTaken, once nothing is locked any more, which returns them, newest first. */
typedef uint64_t WatchTaken;

WatchNode *watchListTakenSlow(WatchList *list, WatchTaken taken);

static inline WatchTaken watchListUnlock(WatchList *list)
{
    uint64_t word = RELAXED_LOAD(list);
    uint64_t left = word & WATCH_GENERATION;
    if (UNLIKELY((word & WATCH_INDEXED) != 0))
        left |= WATCH_BUSY;
    RELEASE_STORE(list, left);
    return word & (WATCH_POINTER | WATCH_INDEXED);
}

static inline WatchNode *watchListTaken(WatchList *list, WatchTaken taken)
{
    if (LIKELY((taken & WATCH_INDEXED) == 0))
        return watchListHead(taken);
    return watchListTakenSlow(list, taken);
}

/* watchListTurn -- a taken list, newest first, becomes one whose first is the oldest. */
WatchNode *watchListTurn(WatchNode *taken);

/* watchListFire -- fire a taken list, oldest first. Returns how many. */
uint32_t watchListFireMany(WatchNode *taken, int result, void *sink);

static inline void watchNodeFire(WatchNode *node, int result, void *sink)
{
    WatchFire *fire = RELAXED_LOAD(&node->fire);
    uint64_t number = RELAXED_LOAD(&node->number);
    RELEASE_STORE(&node->linked, 0); /* W5: from here the node may be reused */
    fire(node, number, result, sink);
}

static inline uint32_t watchListFire(WatchNode *taken, int result, void *sink)
{
    if (taken == NULL)
        return 0;
    if (UNLIKELY(RELAXED_LOAD(&taken->next) != NULL))
        return watchListFireMany(taken, result, sink);
    watchNodeFire(taken, result, sink);
    return 1;
}

/* watchListRemove -- take `node` out.  True: it was still there.  False: it had been taken, and its
 * taker has let go of it by the time this returns.  Either way the node is the caller's again.
 * sink: for watchers fired on behalf of an event that came meanwhile. */
bool watchListRemove(WatchList *list, uint16_t generation, WatchNode *node, void *sink);

/* What a stranger knows of a node: it waits for the list for as long as *word is `is`.  See Note
 * [WatchList places]. */
typedef struct WatchProof {
    const uint64_t *word;
    uint64_t is;
} WatchProof;

/* watchListRetract -- a stranger takes `node` out and fires it with `result`.  It may have been
 * fired meanwhile and be in the list anew, for a later wait: then that one is fired.  False: it was
 * not there.  proof: NULL: there is none, and more may have to be walked over. */
bool watchListRetract(WatchList *list, uint16_t generation, WatchNode *node,
                      const WatchProof *proof, int result, void *sink);

/* watchListTakeOut -- likewise, but who has taken it out fires it, or what it stands for, as it
 * sees fit. */
bool watchListTakeOut(WatchList *list, uint16_t generation, WatchNode *node,
                      const WatchProof *proof, void *sink);

/* watchListSane -- walker for tests: list is finite, every node says it is linked and knows nothing
 * false. */
bool watchListSane(WatchList *list);

#if defined(CAPRI_ASSERTIONS) && !defined(SMP_MODEL)
#define WATCH_STEPS
extern uint64_t watch_list_steps; /* for tests, relaxed: nodes that removers have looked at */
#endif

#endif
