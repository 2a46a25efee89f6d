/* TQueue.c -- a queue inside of transactions.
 *
 * Owns    the items of its queues.
 * After   rts/stm/Status.c.
 * Tests   testsuite/unit/TQueueTest.c, testsuite/stress/QueueStorm.c
 *
 * Note [Queue of holes]
 *   A hole is a variable: NULL, or the item that was written there, which knows the next hole.
 *   `first` holds the hole that is read next, `last` the one that is written next.  So readers
 *   change `first`, writers `last` and the hole there, and they meet only in an empty queue.  What
 *   was read is retired, hole and item.
 *
 * See Note [Twins].
 */
#include <capri/tqueue.h>

#include "rts/stm/Container.h"

typedef struct Item {
    void *value;
    TVar *next;
    TVar *hole; /* where it stands */
} Item;

struct TQueue {
    TVar *first, *last; /* constant; See Note [Queue of holes] */
};

static void freeItem(void *item)
{
    memoryRelease(startupAllocator(), item, sizeof(Item), sizeof(void *));
}

/* What was read, and the hole it stood in. */
static void freeRead(void *env)
{
    Item *item = env;
    tvarFree(item->hole);
    freeItem(item);
}

static void freeQueue(void *queue)
{
    tqueueFree(queue);
}

TQueue *tqueueNew(void)
{
    TVar *hole = tvarNew(NULL), *first = tvarNew(hole), *last = tvarNew(hole);
    TQueue *queue = NULL;
    if (hole != NULL && first != NULL && last != NULL)
        queue = memoryAllocate(startupAllocator(), sizeof *queue, sizeof(void *));
    if (queue == NULL) {
        tvarFree(hole);
        tvarFree(first);
        tvarFree(last);
        return NULL;
    }
    *queue = (TQueue){first, last};
    return queue;
}

int tqueueNewStatus(Transaction *tx, TQueue **queue)
{
    *queue = tqueueNew();
    return stmAddNew(tx, *queue, freeQueue);
}

void tqueueFree(TQueue *queue)
{
    if (queue == NULL)
        return;
    for (TVar *hole = tvarReadIO(queue->first), *next; hole != NULL; hole = next) {
        Item *item = tvarReadIO(hole);
        next = item == NULL ? NULL : item->next;
        tvarFree(hole);
        freeItem(item);
    }
    tvarFree(queue->first);
    tvarFree(queue->last);
    memoryRelease(startupAllocator(), queue, sizeof *queue, sizeof(void *));
}

int tqueueFreeStatus(Transaction *tx, TQueue *queue)
{
    return containerFreeLater(tx, queue, freeQueue);
}

static int makeItem(Transaction *tx, void *value, TVar *next, TVar *hole, Item **item)
{
    *item = memoryAllocate(startupAllocator(), sizeof **item, sizeof(void *));
    if (*item != NULL)
        **item = (Item){value, next, hole};
    return stmAddNew(tx, *item, freeItem);
}

int tqueueWriteStatus(Transaction *tx, TQueue *queue, void *value)
{
    void *hole;
    TVar *next;
    Item *item;
    STM_TRY(tvarReadStatus(tx, queue->last, &hole));
    STM_TRY(stmNewTVar(tx, NULL, &next));
    STM_TRY(makeItem(tx, value, next, hole, &item));
    STM_TRY(tvarWriteStatus(tx, hole, item));
    return tvarWriteStatus(tx, queue->last, next);
}

int tqueueUnGetStatus(Transaction *tx, TQueue *queue, void *value)
{
    void *first;
    TVar *hole;
    Item *item;
    STM_TRY(tvarReadStatus(tx, queue->first, &first));
    STM_TRY(makeItem(tx, value, first, NULL, &item));
    STM_TRY(stmNewTVar(tx, item, &hole));
    item->hole = hole;
    return tvarWriteStatus(tx, queue->first, hole);
}

static int findFirst(Transaction *tx, TQueue *queue, Item **item)
{
    void *first, *found;
    STM_TRY(tvarReadStatus(tx, queue->first, &first));
    STM_TRY(tvarReadStatus(tx, first, &found));
    *item = found;
    return 0;
}

int tqueueTryReadStatus(Transaction *tx, TQueue *queue, void **value, bool *found)
{
    Item *item;
    *found = false;
    STM_TRY(findFirst(tx, queue, &item));
    if (item == NULL)
        return 0;
    STM_TRY(tvarWriteStatus(tx, queue->first, item->next));
    STM_TRY(stmRetireStatus(tx, item, freeRead));
    *value = item->value;
    *found = true;
    return 0;
}

int tqueueTryPeekStatus(Transaction *tx, TQueue *queue, void **value, bool *found)
{
    Item *item;
    *found = false;
    STM_TRY(findFirst(tx, queue, &item));
    if (item != NULL)
        *value = item->value;
    *found = item != NULL;
    return 0;
}

int tqueueIsEmptyStatus(Transaction *tx, TQueue *queue, bool *empty)
{
    void *value;
    STM_TRY(tqueueTryPeekStatus(tx, queue, &value, empty));
    *empty = !*empty;
    return 0;
}

int tqueueReadStatus(Transaction *tx, TQueue *queue, void **value)
{
    bool found;
    STM_TRY(tqueueTryReadStatus(tx, queue, value, &found));
    return containerRetryUnless(tx, found);
}

int tqueuePeekStatus(Transaction *tx, TQueue *queue, void **value)
{
    bool found;
    STM_TRY(tqueueTryPeekStatus(tx, queue, value, &found));
    return containerRetryUnless(tx, found);
}

int tqueueFlushStatus(Transaction *tx, TQueue *queue, void **values, size_t most, size_t *count)
{
    bool found = true;
    *count = 0;
    while (*count < most) {
        STM_TRY(tqueueTryReadStatus(tx, queue, &values[*count], &found));
        if (!found)
            break;
        ++*count;
    }
    return 0;
}

/* ---- by jumps ---- */

TQueue *tqueueNewSTM(Transaction *tx)
{
    TQueue *queue;
    containerLeaveUnless(tx, tqueueNewStatus(tx, &queue));
    return queue;
}

void tqueueFreeSTM(Transaction *tx, TQueue *queue)
{
    containerLeaveUnless(tx, tqueueFreeStatus(tx, queue));
}

void tqueueWrite(Transaction *tx, TQueue *queue, void *value)
{
    containerLeaveUnless(tx, tqueueWriteStatus(tx, queue, value));
}

void tqueueUnGet(Transaction *tx, TQueue *queue, void *value)
{
    containerLeaveUnless(tx, tqueueUnGetStatus(tx, queue, value));
}

void *tqueueRead(Transaction *tx, TQueue *queue)
{
    void *value = NULL;
    containerLeaveUnless(tx, tqueueReadStatus(tx, queue, &value));
    return value;
}

void *tqueuePeek(Transaction *tx, TQueue *queue)
{
    void *value = NULL;
    containerLeaveUnless(tx, tqueuePeekStatus(tx, queue, &value));
    return value;
}

bool tqueueTryRead(Transaction *tx, TQueue *queue, void **value)
{
    bool found;
    containerLeaveUnless(tx, tqueueTryReadStatus(tx, queue, value, &found));
    return found;
}

bool tqueueTryPeek(Transaction *tx, TQueue *queue, void **value)
{
    bool found;
    containerLeaveUnless(tx, tqueueTryPeekStatus(tx, queue, value, &found));
    return found;
}

size_t tqueueFlush(Transaction *tx, TQueue *queue, void **values, size_t most)
{
    size_t count;
    containerLeaveUnless(tx, tqueueFlushStatus(tx, queue, values, most, &count));
    return count;
}

bool tqueueIsEmpty(Transaction *tx, TQueue *queue)
{
    bool empty;
    containerLeaveUnless(tx, tqueueIsEmptyStatus(tx, queue, &empty));
    return empty;
}
