/* RunQueue.h -- ready work of one core, and stealing from it.
 *
 * A ring of 1024 with an overflow list at its old end.  The owner pushes at the young end and pops
 * at either end without a locked operation while nobody steals (OwnerGate); a thief takes half of
 * what there is from the old end.  Nothing here allocates or fails.
 *
 * Note [RunQueue order]
 *   old end ... overflow list (oldest first) | ring[head] ... ring[tail - 1] ... young end
 *   A push into a full ring first moves the older half of the ring to the end of the overflow list,
 *   so the order old -> young is kept.  popOld takes from the overflow list first.  popYoung takes
 *   ring [tail - 1]; only when the ring is empty it takes the oldest of the overflow list.
 *
 * Note [RunQueue access]
 *   All fields change only inside the gate (See Note [OwnerGate states]).  `head`, `tail` and
 *   `overflow` are also read outside it, relaxed, as hints: runQueueLength may be stale by the
 *   time it returns.
 */
#ifndef CAPABILITY_RUN_QUEUE_H
#define CAPABILITY_RUN_QUEUE_H

#include "capability/Runnable.h"
#include "iomgr/OwnerGate.h"

#include <stddef.h>

#ifndef RUN_QUEUE_CAPACITY
#define RUN_QUEUE_CAPACITY 1024 /* a power of two; models use a small one */
#endif
#define RUN_QUEUE_STEAL_MOST (RUN_QUEUE_CAPACITY / 2)

typedef struct RunQueue {
    OwnerGate gate;
    uint32_t head, tail;       /* ring indices, free-running; see Note [RunQueue access] */
    uint32_t overflow;         /* length of the overflow list */
    uint32_t seen_visits;      /* owner: for ownerGateRebias */
    Runnable *overflow_oldest; /* linked by Runnable.next */
    Runnable *overflow_newest;
    Runnable *ring[RUN_QUEUE_CAPACITY];
} RunQueue;

void runQueueInit(RunQueue *queue);

static inline Runnable **runQueueAt(RunQueue *queue, uint32_t index)
{
    return &queue->ring[index & (RUN_QUEUE_CAPACITY - 1)];
}

/* Inside the gate: the older half of a full ring to the overflow list; the oldest of that. */
void runQueueSpill(RunQueue *queue);
Runnable *runQueueTakeOverflow(RunQueue *queue);

/* runQueuePush -- owner: at the young end. */
static inline void runQueuePush(RunQueue *queue, Runnable *runnable)
{
    ASSERT(runnable != NULL);
    GateWay way = ownerGateEnter(&queue->gate);
    uint32_t tail = RELAXED_LOAD(&queue->tail);
    if (UNLIKELY(tail - RELAXED_LOAD(&queue->head) == RUN_QUEUE_CAPACITY))
        runQueueSpill(queue);
    RELAXED_STORE(runQueueAt(queue, tail), runnable);
    RELAXED_STORE(&queue->tail, tail + 1);
    ownerGateLeave(&queue->gate, way);
}

/* runQueuePopOld -- owner: the oldest, NULL: empty. */
static inline Runnable *runQueuePopOld(RunQueue *queue)
{
    Runnable *popped = NULL;
    GateWay way = ownerGateEnter(&queue->gate);
    uint32_t head = RELAXED_LOAD(&queue->head);
    if (UNLIKELY(RELAXED_LOAD(&queue->overflow) != 0)) {
        popped = runQueueTakeOverflow(queue);
    } else if (head != RELAXED_LOAD(&queue->tail)) {
        popped = RELAXED_LOAD(runQueueAt(queue, head));
        RELAXED_STORE(&queue->head, head + 1);
    }
    ownerGateLeave(&queue->gate, way);
    return popped;
}

/* runQueuePopYoung -- owner: the youngest, NULL: empty. */
static inline Runnable *runQueuePopYoung(RunQueue *queue)
{
    Runnable *popped = NULL;
    GateWay way = ownerGateEnter(&queue->gate);
    uint32_t tail = RELAXED_LOAD(&queue->tail);
    if (LIKELY(tail != RELAXED_LOAD(&queue->head))) {
        popped = RELAXED_LOAD(runQueueAt(queue, tail - 1));
        RELAXED_STORE(&queue->tail, tail - 1);
    } else if (RELAXED_LOAD(&queue->overflow) != 0) {
        popped = runQueueTakeOverflow(queue);
    }
    ownerGateLeave(&queue->gate, way);
    return popped;
}

/* runQueueSwapBegin -- owner, on the way from one runnable to the oldest one: come in and look at
 * it (it is at `head`).  The owner stays inside the gate until runQueueSwapEnd, and may switch
 * stacks meanwhile.  False: nothing there, or not the quick way (visitors, overflow); it is outside
 * again.
 * runQueueSwap -- the oldest one leaves, `runnable` is the youngest: from SwapEnd on anyone may
 * take it. */
static inline bool runQueueSwapBegin(RunQueue *queue, uint32_t *head, Runnable **oldest)
{
    if (UNLIKELY(!ownerGateEnterBiased(&queue->gate)))
        return false;
    *head = RELAXED_LOAD(&queue->head);
    if (LIKELY(*head != RELAXED_LOAD(&queue->tail) && RELAXED_LOAD(&queue->overflow) == 0)) {
        *oldest = RELAXED_LOAD(runQueueAt(queue, *head));
        return true;
    }
    ownerGateLeave(&queue->gate, GateBusy);
    return false;
}

static inline void runQueueSwap(RunQueue *queue, uint32_t head, Runnable *runnable)
{
    uint32_t tail = RELAXED_LOAD(&queue->tail);
    RELAXED_STORE(&queue->head, head + 1);
    RELAXED_STORE(runQueueAt(queue, tail), runnable);
    RELAXED_STORE(&queue->tail, tail + 1);
}

static inline void runQueueSwapEnd(RunQueue *queue)
{
    ownerGateLeave(&queue->gate, GateBusy);
}

/* runQueueNext -- owner: a hint: of a queue with an overflow list, what popYoung (or popOld) would
 * take, and *later what would come then; NULL: nobody knows.  A thief may have taken them: what
 * they point to is to be looked at as a hint only, too. */
static inline Runnable *runQueueNext(RunQueue *queue, bool old, Runnable **later)
{
    uint32_t tail = RELAXED_LOAD(&queue->tail), length = tail - RELAXED_LOAD(&queue->head);
    Runnable *oldest = RELAXED_LOAD(&queue->overflow_oldest);
    if (old || length == 0) {
        *later = oldest == NULL ? NULL : RELAXED_LOAD(&oldest->next);
        return oldest;
    }
    *later = length == 1 ? oldest : RELAXED_LOAD(runQueueAt(queue, tail - 2));
    return RELAXED_LOAD(runQueueAt(queue, tail - 1));
}

/* runQueueSteal -- a thief takes half (rounded up; at most RUN_QUEUE_STEAL_MOST) of victim's old
 * end into `out`, oldest first.  leave: how many of the youngest to leave in any case (1: the fresh
 * one). Returns how many; 0 also when the gate is taken. */
uint32_t runQueueSteal(RunQueue *victim, uint32_t leave, Runnable **out);

/* runQueueLength -- a hint, from anywhere. */
static inline uint32_t runQueueLength(RunQueue *queue)
{
    return RELAXED_LOAD(&queue->tail) - RELAXED_LOAD(&queue->head) + RELAXED_LOAD(&queue->overflow);
}

/* runQueueRebias -- owner, now and then (about once a millisecond). */
void runQueueRebias(RunQueue *queue);

/* runQueueSane -- walker for tests: lengths agree with the lists, nothing is NULL. */
bool runQueueSane(RunQueue *queue);

#endif
