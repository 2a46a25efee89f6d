/* RunQueue.c -- ready work of one core, and stealing from it.                         [path 4/6]
 *
 * Owns    RunQueue's fields, and Runnable.next of what is in the overflow list.
 * Before  rts/Wait.c: a claim was won; capability/Inbox.c: work from elsewhere.
 * After   rts/Schedule.c takes it.
 * Tests   testsuite/unit/RunQueueTest.c, testsuite/model/RunQueueModel.c (every interleaving)
 *
 * See Note [RunQueue order], Note [RunQueue access] and Note [OwnerGate states].
 */
#include "capability/RunQueue.h"

#include <stddef.h>

_Static_assert((RUN_QUEUE_CAPACITY & (RUN_QUEUE_CAPACITY - 1)) == 0 && RUN_QUEUE_CAPACITY >= 2,
               "ring indices are taken modulo a power of two");

static inline Runnable **slotAt(RunQueue *queue, uint32_t index)
{
    return &queue->ring[index & (RUN_QUEUE_CAPACITY - 1)];
}

void runQueueInit(RunQueue *queue)
{
    ownerGateInit(&queue->gate);
    RELAXED_STORE(&queue->head, 0);
    RELAXED_STORE(&queue->tail, 0);
    RELAXED_STORE(&queue->overflow, 0);
    RELAXED_STORE(&queue->overflow_oldest, NULL);
    RELAXED_STORE(&queue->overflow_newest, NULL);
    queue->seen_visits = 0;
}

/* ---- Inside the gate. ---- */

/* Full: the older half of the ring goes to the end of the overflow list. */
static __attribute__((cold, noinline)) void spillOlderHalf(RunQueue *queue)
{
    uint32_t head = RELAXED_LOAD(&queue->head);
    Runnable *newest = RELAXED_LOAD(&queue->overflow_newest);
    for (uint32_t i = 0; i < RUN_QUEUE_CAPACITY / 2; i++) {
        Runnable *spilt = RELAXED_LOAD(slotAt(queue, head + i));
        if (newest == NULL)
            RELAXED_STORE(&queue->overflow_oldest, spilt);
        else
            RELAXED_STORE(&newest->next, spilt);
        newest = spilt;
    }
    RELAXED_STORE(&newest->next, NULL);
    RELAXED_STORE(&queue->overflow_newest, newest);
    RELAXED_STORE(&queue->overflow, RELAXED_LOAD(&queue->overflow) + RUN_QUEUE_CAPACITY / 2);
    RELAXED_STORE(&queue->head, head + RUN_QUEUE_CAPACITY / 2);
}

/* The oldest of the overflow list, which is not empty. */
static __attribute__((noinline)) Runnable *takeOverflow(RunQueue *queue)
{
    Runnable *oldest = RELAXED_LOAD(&queue->overflow_oldest);
    ASSERT(oldest != NULL);
    Runnable *next = RELAXED_LOAD(&oldest->next);
    RELAXED_STORE(&queue->overflow_oldest, next);
    if (next == NULL)
        RELAXED_STORE(&queue->overflow_newest, NULL);
    RELAXED_STORE(&queue->overflow, RELAXED_LOAD(&queue->overflow) - 1);
    return oldest;
}

/* ---- The owner. ---- */

void runQueuePush(RunQueue *queue, Runnable *runnable)
{
    ASSERT(runnable != NULL);
    GateWay way = ownerGateEnter(&queue->gate);
    uint32_t tail = RELAXED_LOAD(&queue->tail);
    if (UNLIKELY(tail - RELAXED_LOAD(&queue->head) == RUN_QUEUE_CAPACITY))
        spillOlderHalf(queue);
    RELAXED_STORE(slotAt(queue, tail), runnable);
    RELAXED_STORE(&queue->tail, tail + 1);
    ownerGateLeave(&queue->gate, way);
}

Runnable *runQueuePopOld(RunQueue *queue)
{
    Runnable *popped = NULL;
    GateWay way = ownerGateEnter(&queue->gate);
    uint32_t head = RELAXED_LOAD(&queue->head);
    if (UNLIKELY(RELAXED_LOAD(&queue->overflow) != 0)) {
        popped = takeOverflow(queue);
    } else if (head != RELAXED_LOAD(&queue->tail)) {
        popped = RELAXED_LOAD(slotAt(queue, head));
        RELAXED_STORE(&queue->head, head + 1);
    }
    ownerGateLeave(&queue->gate, way);
    return popped;
}

Runnable *runQueuePopYoung(RunQueue *queue)
{
    Runnable *popped = NULL;
    GateWay way = ownerGateEnter(&queue->gate);
    uint32_t tail = RELAXED_LOAD(&queue->tail);
    if (LIKELY(tail != RELAXED_LOAD(&queue->head))) {
        popped = RELAXED_LOAD(slotAt(queue, tail - 1));
        RELAXED_STORE(&queue->tail, tail - 1);
    } else if (RELAXED_LOAD(&queue->overflow) != 0) {
        popped = takeOverflow(queue);
    }
    ownerGateLeave(&queue->gate, way);
    return popped;
}

void runQueueRebias(RunQueue *queue)
{
    ownerGateRebias(&queue->gate, &queue->seen_visits);
}

/* ---- A thief. ---- */

/* How many of `length` a thief takes. */
static uint32_t shareOf(uint32_t length, uint32_t leave)
{
    if (length <= leave)
        return 0;
    uint32_t most = length - leave, half = length / 2 + length % 2;
    uint32_t share = half < most ? half : most;
    return share < RUN_QUEUE_STEAL_MOST ? share : RUN_QUEUE_STEAL_MOST;
}

uint32_t runQueueSteal(RunQueue *victim, uint32_t leave, Runnable **out)
{
    if (runQueueLength(victim) <= leave || !ownerGateVisit(&victim->gate))
        return 0;
    uint32_t overflow = RELAXED_LOAD(&victim->overflow), head = RELAXED_LOAD(&victim->head);
    uint32_t share = shareOf(overflow + RELAXED_LOAD(&victim->tail) - head, leave), taken = 0;
    while (taken < share && taken < overflow)
        out[taken++] = takeOverflow(victim);
    for (; taken < share; taken++)
        out[taken] = RELAXED_LOAD(slotAt(victim, head++));
    RELAXED_STORE(&victim->head, head);
    ownerGateVisitEnd(&victim->gate);
    return share;
}

/* ---- Tests. ---- */

static bool isRingSane(RunQueue *queue)
{
    uint32_t head = RELAXED_LOAD(&queue->head), tail = RELAXED_LOAD(&queue->tail);
    if (tail - head > RUN_QUEUE_CAPACITY)
        return false;
    for (; head != tail; head++)
        if (RELAXED_LOAD(slotAt(queue, head)) == NULL)
            return false;
    return true;
}

static bool isOverflowSane(RunQueue *queue)
{
    uint32_t left = RELAXED_LOAD(&queue->overflow);
    Runnable *last = NULL, *at = RELAXED_LOAD(&queue->overflow_oldest);
    for (; at != NULL && left != 0; left--) {
        last = at;
        at = RELAXED_LOAD(&at->next);
    }
    return at == NULL && left == 0 && RELAXED_LOAD(&queue->overflow_newest) == last;
}

bool runQueueSane(RunQueue *queue)
{
    GateWay way = ownerGateEnter(&queue->gate);
    bool sane = isRingSane(queue) && isOverflowSane(queue);
    ownerGateLeave(&queue->gate, way);
    return sane;
}
