/* TQueue.c -- a queue inside of transactions.
 *
 * Owns    the items of its queues.
 * Before  rts/stm/TBQueue.c.   After  rts/stm/Jump.c.
 * Tests   testsuite/unit/TQueueTest.c
 *
 * Note [Queue of holes]
 *   A hole is a variable: NULL, or the item that was written there, which knows the next hole.
 *   `first` holds the hole that is read next, `last` the one that is written next.  So readers
 *   change `first`, writers `last` and the hole there, and they meet only in an empty queue.  What
 *   was read is retired, hole and item.
 */
#include <capri/tqueue.h>

#include "iomgr/Memory.h"
#include "rts/Startup.h"

#include <errno.h>

typedef struct Item {
    void *value;
    TVar *next;
} Item;

struct TQueue {
    TVar *first, *last; /* constant; See Note [Queue of holes] */
};

static void freeItem(void *item)
{
    memoryRelease(startupAllocator(), item, sizeof(Item), sizeof(void *));
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

static Item *makeItem(Transaction *tx, void *value)
{
    Item *item = memoryAllocate(startupAllocator(), sizeof *item, sizeof(void *));
    if (item == NULL)
        stmThrow(tx, -ENOMEM, NULL);
    if (stmOnAbortStatus(tx, freeItem, item) != 0) {
        freeItem(item);
        stmThrow(tx, -ENOMEM, NULL);
    }
    item->value = value;
    return item;
}

void tqueueWrite(Transaction *tx, TQueue *queue, void *value)
{
    Item *item = makeItem(tx, value);
    TVar *hole = tvarRead(tx, queue->last);
    item->next = tvarNewSTM(tx, NULL);
    tvarWrite(tx, hole, item);
    tvarWrite(tx, queue->last, item->next);
}

void tqueueUnGet(Transaction *tx, TQueue *queue, void *value)
{
    Item *item = makeItem(tx, value);
    item->next = tvarRead(tx, queue->first);
    tvarWrite(tx, queue->first, tvarNewSTM(tx, item));
}

static Item *firstItem(Transaction *tx, TQueue *queue, TVar **hole)
{
    *hole = tvarRead(tx, queue->first);
    return tvarRead(tx, *hole);
}

bool tqueueTryRead(Transaction *tx, TQueue *queue, void **value)
{
    TVar *hole;
    Item *item = firstItem(tx, queue, &hole);
    if (item == NULL)
        return false;
    *value = item->value;
    tvarWrite(tx, queue->first, item->next);
    tvarFreeSTM(tx, hole);
    stmRetire(tx, item, freeItem);
    return true;
}

bool tqueueTryPeek(Transaction *tx, TQueue *queue, void **value)
{
    TVar *hole;
    Item *item = firstItem(tx, queue, &hole);
    if (item != NULL)
        *value = item->value;
    return item != NULL;
}

bool tqueueIsEmpty(Transaction *tx, TQueue *queue)
{
    void *value;
    return !tqueueTryPeek(tx, queue, &value);
}

void *tqueueRead(Transaction *tx, TQueue *queue)
{
    void *value = NULL;
    stmCheck(tx, tqueueTryRead(tx, queue, &value));
    return value;
}

void *tqueuePeek(Transaction *tx, TQueue *queue)
{
    void *value = NULL;
    stmCheck(tx, tqueueTryPeek(tx, queue, &value));
    return value;
}

size_t tqueueFlush(Transaction *tx, TQueue *queue, void **values, size_t most)
{
    size_t count = 0;
    while (count < most && tqueueTryRead(tx, queue, &values[count]))
        count++;
    return count;
}
