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
 *
 * See Note [Twins].
 */
#include <capri/tqueue.h>

#include "rts/stm/Container.h"

struct TBQueue {
    TQueue *queue;      /* constant */
    TVar *room, *freed; /* constant; See Note [Two counts] */
    size_t capacity;    /* constant */
};

static int readCount(Transaction *tx, TVar *count, size_t *value)
{
    void *word;
    STM_TRY(tvarReadStatus(tx, count, &word));
    *value = (uintptr_t)word;
    return 0;
}

static int writeCount(Transaction *tx, TVar *count, size_t value)
{
    return tvarWriteStatus(tx, count, (void *)(uintptr_t)value);
}

static void freeQueue(void *queue)
{
    tbqueueFree(queue);
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

int tbqueueNewStatus(Transaction *tx, size_t capacity, TBQueue **queue)
{
    *queue = tbqueueNew(capacity);
    return stmAddNew(tx, *queue, freeQueue);
}

int tbqueueFreeStatus(Transaction *tx, TBQueue *queue)
{
    return containerFreeLater(tx, queue, freeQueue);
}

int tbqueueWriteStatus(Transaction *tx, TBQueue *queue, void *value)
{
    size_t room;
    STM_TRY(readCount(tx, queue->room, &room));
    if (room == 0) {
        STM_TRY(readCount(tx, queue->freed, &room));
        STM_TRY(containerRetryUnless(tx, room != 0));
        STM_TRY(writeCount(tx, queue->freed, 0));
    }
    STM_TRY(writeCount(tx, queue->room, room - 1));
    return tqueueWriteStatus(tx, queue->queue, value);
}

/* A reader's call: the readers' count first. */
int tbqueueUnGetStatus(Transaction *tx, TBQueue *queue, void *value)
{
    TVar *count = queue->freed;
    size_t room;
    STM_TRY(readCount(tx, count, &room));
    if (room == 0) {
        count = queue->room;
        STM_TRY(readCount(tx, count, &room));
    }
    STM_TRY(containerRetryUnless(tx, room != 0));
    STM_TRY(writeCount(tx, count, room - 1));
    return tqueueUnGetStatus(tx, queue->queue, value);
}

static int addFreed(Transaction *tx, TBQueue *queue, size_t count)
{
    size_t freed;
    if (count == 0)
        return 0;
    STM_TRY(readCount(tx, queue->freed, &freed));
    return writeCount(tx, queue->freed, freed + count);
}

int tbqueueTryReadStatus(Transaction *tx, TBQueue *queue, void **value, bool *found)
{
    STM_TRY(tqueueTryReadStatus(tx, queue->queue, value, found));
    return addFreed(tx, queue, *found ? 1 : 0);
}

int tbqueueReadStatus(Transaction *tx, TBQueue *queue, void **value)
{
    bool found;
    STM_TRY(tbqueueTryReadStatus(tx, queue, value, &found));
    return containerRetryUnless(tx, found);
}

int tbqueuePeekStatus(Transaction *tx, TBQueue *queue, void **value)
{
    return tqueuePeekStatus(tx, queue->queue, value);
}

int tbqueueTryPeekStatus(Transaction *tx, TBQueue *queue, void **value, bool *found)
{
    return tqueueTryPeekStatus(tx, queue->queue, value, found);
}

int tbqueueFlushStatus(Transaction *tx, TBQueue *queue, void **values, size_t most, size_t *count)
{
    STM_TRY(tqueueFlushStatus(tx, queue->queue, values, most, count));
    return addFreed(tx, queue, *count);
}

int tbqueueIsEmptyStatus(Transaction *tx, TBQueue *queue, bool *empty)
{
    return tqueueIsEmptyStatus(tx, queue->queue, empty);
}

int tbqueueLengthStatus(Transaction *tx, TBQueue *queue, size_t *length)
{
    size_t room, freed;
    STM_TRY(readCount(tx, queue->room, &room));
    STM_TRY(readCount(tx, queue->freed, &freed));
    *length = queue->capacity - room - freed;
    return 0;
}

int tbqueueIsFullStatus(Transaction *tx, TBQueue *queue, bool *full)
{
    size_t room;
    *full = false;
    STM_TRY(readCount(tx, queue->room, &room));
    if (room == 0)
        STM_TRY(readCount(tx, queue->freed, &room));
    *full = room == 0;
    return 0;
}

size_t tbqueueCapacity(const TBQueue *queue)
{
    return queue->capacity;
}

/* ---- by jumps ---- */

TBQueue *tbqueueNewSTM(Transaction *tx, size_t capacity)
{
    TBQueue *queue;
    containerLeaveUnless(tx, tbqueueNewStatus(tx, capacity, &queue));
    return queue;
}

void tbqueueFreeSTM(Transaction *tx, TBQueue *queue)
{
    containerLeaveUnless(tx, tbqueueFreeStatus(tx, queue));
}

void tbqueueWrite(Transaction *tx, TBQueue *queue, void *value)
{
    containerLeaveUnless(tx, tbqueueWriteStatus(tx, queue, value));
}

void tbqueueUnGet(Transaction *tx, TBQueue *queue, void *value)
{
    containerLeaveUnless(tx, tbqueueUnGetStatus(tx, queue, value));
}

void *tbqueueRead(Transaction *tx, TBQueue *queue)
{
    void *value = NULL;
    containerLeaveUnless(tx, tbqueueReadStatus(tx, queue, &value));
    return value;
}

void *tbqueuePeek(Transaction *tx, TBQueue *queue)
{
    void *value = NULL;
    containerLeaveUnless(tx, tbqueuePeekStatus(tx, queue, &value));
    return value;
}

bool tbqueueTryRead(Transaction *tx, TBQueue *queue, void **value)
{
    bool found;
    containerLeaveUnless(tx, tbqueueTryReadStatus(tx, queue, value, &found));
    return found;
}

bool tbqueueTryPeek(Transaction *tx, TBQueue *queue, void **value)
{
    bool found;
    containerLeaveUnless(tx, tbqueueTryPeekStatus(tx, queue, value, &found));
    return found;
}

size_t tbqueueFlush(Transaction *tx, TBQueue *queue, void **values, size_t most)
{
    size_t count;
    containerLeaveUnless(tx, tbqueueFlushStatus(tx, queue, values, most, &count));
    return count;
}

bool tbqueueIsEmpty(Transaction *tx, TBQueue *queue)
{
    bool empty;
    containerLeaveUnless(tx, tbqueueIsEmptyStatus(tx, queue, &empty));
    return empty;
}

bool tbqueueIsFull(Transaction *tx, TBQueue *queue)
{
    bool full;
    containerLeaveUnless(tx, tbqueueIsFullStatus(tx, queue, &full));
    return full;
}

size_t tbqueueLength(Transaction *tx, TBQueue *queue)
{
    size_t length;
    containerLeaveUnless(tx, tbqueueLengthStatus(tx, queue, &length));
    return length;
}
