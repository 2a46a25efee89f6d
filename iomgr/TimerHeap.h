/* TimerHeap.h -- deadlines of one manager: a 4-ary heap with the deadlines inline.
 *
 * Who waits owns a Timer (embedded in type-stable memory, reused for every wait); the heap holds
 * small entries (deadline, Timer *).  The owner works under the heap's OwnerGate without a locked
 * operation, a rescuer comes in as its visitor.  Cancelling is one store; the entry stays and is
 * dropped when it surfaces, at once if it is the newest of the young, or by a compaction once more
 * than half of the entries are dead.  Re-arming for later re-uses the entry: two stores, no heap
 * operation.
 *
 * Note [Timer entries]
 *   number       0 = disarmed, else the wait it stands for.  Written by the user; n by release.
 *   deadline_ns  written before number; who reads number = n (acquire) reads n's deadline or a
 *                later wait's, and then fire(n) loses its claim.  So nothing ever fires early.
 *   entry        heap id << 48 | (key >> 10 & 48 bits): which heap entry stands for this timer; 0
 *                none.  Changed by the gate's holder of that heap: by CAS, or for the timer's user
 *                (arm, disarm) by a store; and by exchange, when its user arms it in another heap
 *                meanwhile.  Relaxed: only one of them wins it, and nothing rides on it.
 *   An entry (key, timer) that surfaces in heap H:
 *     timer.entry != (H, key)   stale: drop it
 *     number = 0, or "never"    dead: CAS entry -> 0, drop it
 *     deadline_ns > key         re-armed later: CAS entry -> (H, deadline), push it again, even if
 *                               it is due already: so that deadlines, not old keys, give the order
 *     else                      due once key <= now: CAS entry -> 0, drop it, fire(number)
 *   Two entries of equal (H, key) both match; the first to surface changes timer.entry, the second
 *   is then stale.  A disarmed-and-re-armed timer keeps its entry when heap matches and
 *   key < deadline, which only the gate holder of H decides: arm takes H's gate, so an entry cannot
 *   be dropped between.
 *   The 48 bits wrap after nine years.  They are compared for order in arm only, and both sides are
 *   less than 4.5 years above seen_ns then: farther deadlines go in with a nearer key (HORIZON) and
 *   are pushed again when that surfaces, as if re-armed.
 *
 * Note [Timer order]
 *   Equal deadlines fire in order of arming.  Timer.order breaks ties inside the heap, but it
 *   changes when a timer is re-armed while an older entry of it still lies there, so the heap's own
 *   order of equal keys is not exact; what is due is sorted again, batch by batch, before it fires.
 */
#ifndef IOMGR_TIMER_HEAP_H
#define IOMGR_TIMER_HEAP_H

#include "iomgr/Clock.h"
#include "iomgr/OwnerGate.h"
#include "iomgr/TimerEntries.h"

/* fire -- the deadline of wait `number` has passed.  timer: its address only, see WatchFire.
 * It may come twice for one number, or late: who is fired claims that wait. */
typedef void TimerFire(Timer *timer, uint64_t number, void *sink);

struct Timer {
    uint64_t number;     /* see Note [Timer entries] */
    int64_t deadline_ns; /* likewise */
    uint64_t entry;      /* likewise */
    TimerFire *fire;     /* constant */
    uint64_t order;      /* set by arm: equal deadlines fire in this order */
};

typedef struct TimerHeap TimerHeap;

/* collect -- inside the gate, before something is looked for: place what others have posted. */
typedef void TimerCollect(TimerHeap *heap);

struct TimerHeap {
    OwnerGate gate;
    TimerEntries entries;  /* gate */
    uint64_t next_order;   /* gate */
    uint32_t dead;         /* gate: entries here known to be dead or stale (a hint) */
    uint32_t *dead_remote; /* anyone, relaxed: cancelled or moved away elsewhere (a hint, shared by
                              heaps whose ids agree in their low bits) */
    int64_t seen_ns;     /* gate: the latest `now` heard of; keys lie less than HORIZON above it */
    int64_t earliest_ns; /* stored under the gate, read by anyone: no entry's key is earlier */
    TimerCollect *collect;           /* constant, may be NULL */
    uint32_t id;                     /* constant: this heap's number in Timer.entry, > 0 */
    uint32_t seen_visits;            /* owner: for ownerGateRebias */
    uint64_t fired;                  /* gate: statistics */
    uint64_t compactions;            /* gate: statistics */
    CACHE_ALIGNED int64_t posted_ns; /* anyone, relaxed: by then collect has something; or never */
};

/* timerHeapInit -- 0, -ENOMEM, -ENOSPC (65535 heaps).
 * timerHeapFree -- its entries are forgotten; timers that were armed in it may be armed elsewhere
 * (an id is given out again only after all others). */
int timerHeapInit(TimerHeap *heap, const Allocator *allocator);
void timerHeapFree(TimerHeap *heap);

/* timerForget -- nobody looks at the timer or at any heap: it is armed nowhere. */
static inline void timerForget(Timer *timer)
{
    RELAXED_STORE(&timer->number, 0);
    RELAXED_STORE(&timer->entry, 0);
}

/* timerHeapArm -- owner: fire wait `number` (> 0) of timer at deadline_ns (DEADLINE_NEVER: just
 * set). 0 or -ENOMEM (then nothing is armed). */
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns);

/* timerHeapPlace -- the same, for who is inside the gate (collect). */
int timerHeapPlace(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns);

/* timerHeapDisarm -- the timer's user: forget its wait.  `heap`: the heap that the calling OS
 * thread owns (or NULL); the entry may be in another one.  A fire already under way still comes. */
void timerHeapDisarm(TimerHeap *heap, Timer *timer);

/* timerHeapLift -- the same, for who is inside the gate of `heap`. */
void timerHeapLift(TimerHeap *heap, Timer *timer);

/* timerHeapExpire -- fire everything due at now_ns, in deadline order, equal ones in order of
 * arming. fire() runs outside the gate.  owner: true for the owner, false for a rescuer (which may
 * find the gate taken and do nothing).  Returns how many were fired. */
uint32_t timerHeapExpire(TimerHeap *heap, int64_t now_ns, bool owner, void *sink);

/* timerHeapEarliest -- owner, before sleeping: drop dead roots, return the next true deadline. */
int64_t timerHeapEarliest(TimerHeap *heap);

/* timerHeapDue -- anyone: no deadline is earlier (but for those that others tell this moment). */
static inline int64_t timerHeapDue(const TimerHeap *heap)
{
    int64_t earliest_ns = RELAXED_LOAD(&heap->earliest_ns);
    int64_t posted_ns = RELAXED_LOAD(&heap->posted_ns);
    return earliest_ns < posted_ns ? earliest_ns : posted_ns;
}

/* timerHeapSane -- walker for tests: heap order, size <= capacity, earliest_ns matches the root. */
bool timerHeapSane(const TimerHeap *heap);

#endif
