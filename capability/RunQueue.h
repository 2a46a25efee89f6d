/* RunQueue.h -- ready work of one core, and stealing from it.
 *
 * A ring of 256 with an overflow list at its old end.  The owner pushes at the young end and pops
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

#ifndef RUN_QUEUE_CAPACITY
#define RUN_QUEUE_CAPACITY 256 /* a power of two; models use a small one */
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

/* Owner only. */
void runQueuePush(RunQueue *queue, Runnable *runnable); /* at the young end */
Runnable *runQueuePopOld(RunQueue *queue);              /* NULL: empty */
Runnable *runQueuePopYoung(RunQueue *queue);            /* NULL: empty */

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
