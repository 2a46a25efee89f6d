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

_Static_assert((RUN_QUEUE_CAPACITY & (RUN_QUEUE_CAPACITY - 1)) == 0 && RUN_QUEUE_CAPACITY >= 2,
               "ring indices are taken modulo a power of two");

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
__attribute__((cold)) void runQueueSpill(RunQueue *queue)
{
    uint32_t head = RELAXED_LOAD(&queue->head);
    Runnable *newest = RELAXED_LOAD(&queue->overflow_newest);
    for (uint32_t i = 0; i < RUN_QUEUE_CAPACITY / 2; i++) {
        Runnable *spilt = RELAXED_LOAD(runQueueAt(queue, head + i));
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
Runnable *runQueueTakeOverflow(RunQueue *queue)
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
        out[taken++] = runQueueTakeOverflow(victim);
    for (; taken < share; taken++)
        out[taken] = RELAXED_LOAD(runQueueAt(victim, head++));
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
        if (RELAXED_LOAD(runQueueAt(queue, head)) == NULL)
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
