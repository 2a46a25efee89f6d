/* TBQueue.c -- a bounded queue inside of transactions.
 *
 * Owns    nothing but two counts beside a TQueue.
 * After   rts/stm/TQueue.c.
 * Tests   testsuite/unit/TQueueTest.c
 *
 * Note [Two counts]
 *   Room is counted twice: `room` is what writers have left, `freed` what readers have made since
 *   writers last took it over.  So they disturb each other only when the writers' is used up.
 *   length = capacity - room - freed.
 */
#include <capri/tqueue.h>

#include "iomgr/Memory.h"
#include "rts/Startup.h"

struct TBQueue {
    TQueue *queue;      /* constant */
    TVar *room, *freed; /* constant; See Note [Two counts] */
    size_t capacity;    /* constant */
};

static size_t readCount(Transaction *tx, TVar *count)
{
    return (uintptr_t)tvarRead(tx, count);
}

static void writeCount(Transaction *tx, TVar *count, size_t value)
{
    tvarWrite(tx, count, (void *)(uintptr_t)value);
}

void tbqueueFree(TBQueue *queue)
{
    if (queue == NULL)
        return;
    tqueueFree(queue->queue);
    tvarFree(queue->room);
    tvarFree(queue->freed);
    memoryRelease(startupAllocator(), queue, sizeof *queue, sizeof(void *));
}

TBQueue *tbqueueNew(size_t capacity)
{
    TQueue *inner = tqueueNew();
    if (inner == NULL)
        return NULL;
    TBQueue *queue = memoryAllocate(startupAllocator(), sizeof *queue, sizeof(void *));
    if (queue == NULL) {
        tqueueFree(inner);
        return NULL;
    }
    *queue = (TBQueue){inner, tvarNew((void *)(uintptr_t)capacity), tvarNew(NULL), capacity};
    if (queue->room == NULL || queue->freed == NULL) {
        tbqueueFree(queue);
        return NULL;
    }
    return queue;
}

void tbqueueWrite(Transaction *tx, TBQueue *queue, void *value)
{
    size_t room = readCount(tx, queue->room);
    if (room == 0) {
        room = readCount(tx, queue->freed);
        stmCheck(tx, room != 0);
        writeCount(tx, queue->freed, 0);
    }
    writeCount(tx, queue->room, room - 1);
    tqueueWrite(tx, queue->queue, value);
}

/* A reader's call: the readers' count first. */
void tbqueueUnGet(Transaction *tx, TBQueue *queue, void *value)
{
    TVar *count = readCount(tx, queue->freed) != 0 ? queue->freed : queue->room;
    size_t room = readCount(tx, count);
    stmCheck(tx, room != 0);
    writeCount(tx, count, room - 1);
    tqueueUnGet(tx, queue->queue, value);
}

static void addFreed(Transaction *tx, TBQueue *queue, size_t count)
{
    if (count != 0)
        writeCount(tx, queue->freed, readCount(tx, queue->freed) + count);
}

bool tbqueueTryRead(Transaction *tx, TBQueue *queue, void **value)
{
    bool found = tqueueTryRead(tx, queue->queue, value);
    addFreed(tx, queue, found ? 1 : 0);
    return found;
}

void *tbqueueRead(Transaction *tx, TBQueue *queue)
{
    void *value = NULL;
    stmCheck(tx, tbqueueTryRead(tx, queue, &value));
    return value;
}

void *tbqueuePeek(Transaction *tx, TBQueue *queue)
{
    return tqueuePeek(tx, queue->queue);
}

bool tbqueueTryPeek(Transaction *tx, TBQueue *queue, void **value)
{
    return tqueueTryPeek(tx, queue->queue, value);
}

size_t tbqueueFlush(Transaction *tx, TBQueue *queue, void **values, size_t most)
{
    size_t count = tqueueFlush(tx, queue->queue, values, most);
    addFreed(tx, queue, count);
    return count;
}

bool tbqueueIsEmpty(Transaction *tx, TBQueue *queue)
{
    return tqueueIsEmpty(tx, queue->queue);
}

bool tbqueueIsFull(Transaction *tx, TBQueue *queue)
{
    return readCount(tx, queue->room) == 0 && readCount(tx, queue->freed) == 0;
}

size_t tbqueueLength(Transaction *tx, TBQueue *queue)
{
    return queue->capacity - readCount(tx, queue->room) - readCount(tx, queue->freed);
}

size_t tbqueueCapacity(const TBQueue *queue)
{
    return queue->capacity;
}
