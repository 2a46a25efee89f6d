/* TBQueue.c -- a bounded queue inside of transactions.
 *
 * Owns    its segments.
 * After   rts/stm/Status.c.
 * Tests   testsuite/unit/TBQueueTest.c, testsuite/stress/QueueStorm.c
 *
 * Note [Ring of slots]
 *   A slot is a variable: VACANT, or a value.  `first` is the number of the slot that is read next,
 *   `last` of the one that is written next; the queue is full while that one is not VACANT, empty
 *   while the first is.  So a reader and a writer meet only in a slot, and only when the queue is
 *   empty or full, and nothing is made or freed for a value.
 *   Slots come in segments, made when one of them is first looked at, by whoever looks; that is no
 *   part of the transaction, for a slot that nobody has written says what no slot says.
 *
 * See Note [Twins].
 */
#include <capri/tqueue.h>

#include "rts/stm/Container.h"

enum { SEGMENT_SLOTS = 64 };

typedef struct Segment {
    TVar *slots[SEGMENT_SLOTS]; /* constant; NULL beyond the queue's last */
} Segment;

struct TBQueue {
    TVar *first, *last;  /* constant; See Note [Ring of slots] */
    size_t capacity;     /* constant */
    size_t slots;        /* constant: as many, but one if the capacity is 0 */
    Segment *segments[]; /* anyone, NULL -> Segment (release) */
};

static char vacant_slot;
#define VACANT ((void *)&vacant_slot)

/* ---- segments ---- */

static size_t segmentCount(size_t slots)
{
    return (slots + SEGMENT_SLOTS - 1) / SEGMENT_SLOTS;
}

static size_t bytesOf(size_t slots)
{
    return sizeof(TBQueue) + segmentCount(slots) * sizeof(Segment *);
}

static void freeSegment(Segment *segment)
{
    if (segment == NULL)
        return;
    for (int i = 0; i < SEGMENT_SLOTS; i++)
        tvarFree(segment->slots[i]);
    memoryRelease(startupAllocator(), segment, sizeof *segment, sizeof(void *));
}

static Segment *newSegment(size_t slots)
{
    Segment *segment = memoryAllocateZeroed(startupAllocator(), sizeof *segment, sizeof(void *));
    if (segment == NULL)
        return NULL;
    for (size_t i = 0; i < slots && i < SEGMENT_SLOTS; i++) {
        segment->slots[i] = tvarNew(VACANT);
        if (segment->slots[i] == NULL) {
            freeSegment(segment);
            return NULL;
        }
    }
    return segment;
}

static __attribute__((noinline)) Segment *makeSegment(TBQueue *queue, size_t number)
{
    Segment *made = newSegment(queue->slots - number * SEGMENT_SLOTS), *there = NULL;
    if (made == NULL || CAS_ACQ_REL(&queue->segments[number], &there, made))
        return made;
    freeSegment(made);
    return there;
}

/* NULL: out of memory. */
static TVar *slotAt(TBQueue *queue, size_t index)
{
    Segment *segment = ACQUIRE_LOAD(&queue->segments[index / SEGMENT_SLOTS]);
    if (UNLIKELY(segment == NULL))
        segment = makeSegment(queue, index / SEGMENT_SLOTS);
    return segment == NULL ? NULL : segment->slots[index % SEGMENT_SLOTS];
}

/* ---- making and freeing ---- */

static void freeQueue(void *queue)
{
    tbqueueFree(queue);
}

void tbqueueFree(TBQueue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < segmentCount(queue->slots); i++)
        freeSegment(ACQUIRE_LOAD(&queue->segments[i]));
    tvarFree(queue->first);
    tvarFree(queue->last);
    memoryRelease(startupAllocator(), queue, bytesOf(queue->slots), sizeof(void *));
}

TBQueue *tbqueueNew(size_t capacity)
{
    size_t slots = capacity == 0 ? 1 : capacity;
    if (slots > SIZE_MAX / sizeof(TVar *))
        return NULL;
    TBQueue *queue = memoryAllocateZeroed(startupAllocator(), bytesOf(slots), sizeof(void *));
    if (queue == NULL)
        return NULL;
    queue->capacity = capacity;
    queue->slots = slots;
    queue->first = tvarNew(NULL);
    queue->last = tvarNew(NULL);
    if (queue->first == NULL || queue->last == NULL) {
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

/* ---- places ---- */

typedef struct Place {
    size_t index;
    TVar *slot;
    void *value; /* what is in it: VACANT, or a value */
} Place;

static int lookAt(Transaction *tx, TBQueue *queue, size_t index, Place *place)
{
    place->index = index;
    place->slot = slotAt(queue, index);
    if (UNLIKELY(place->slot == NULL))
        return transactionEnd(tx, FateNoMemory);
    return tvarReadStatus(tx, place->slot, &place->value);
}

static int readEnd(Transaction *tx, TVar *end, size_t *index)
{
    void *word;
    STM_TRY(tvarReadStatus(tx, end, &word));
    *index = (uintptr_t)word;
    return 0;
}

static int writeEnd(Transaction *tx, TVar *end, size_t index)
{
    return tvarWriteStatus(tx, end, (void *)(uintptr_t)index);
}

static int lookAtEnd(Transaction *tx, TBQueue *queue, TVar *end, Place *place)
{
    size_t index;
    STM_TRY(readEnd(tx, end, &index));
    return lookAt(tx, queue, index, place);
}

static bool mayFill(const TBQueue *queue, const Place *place)
{
    return place->value == VACANT && queue->capacity != 0;
}

static size_t indexAfter(const TBQueue *queue, size_t index)
{
    return index + 1 == queue->slots ? 0 : index + 1;
}

static size_t indexBefore(const TBQueue *queue, size_t index)
{
    return index == 0 ? queue->slots - 1 : index - 1;
}

/* ---- by statuses ---- */

int tbqueueWriteStatus(Transaction *tx, TBQueue *queue, void *value)
{
    Place place;
    STM_TRY(lookAtEnd(tx, queue, queue->last, &place));
    STM_TRY(containerRetryUnless(tx, mayFill(queue, &place)));
    STM_TRY(tvarWriteStatus(tx, place.slot, value));
    return writeEnd(tx, queue->last, indexAfter(queue, place.index));
}

int tbqueueUnGetStatus(Transaction *tx, TBQueue *queue, void *value)
{
    size_t first;
    Place place;
    STM_TRY(readEnd(tx, queue->first, &first));
    STM_TRY(lookAt(tx, queue, indexBefore(queue, first), &place));
    STM_TRY(containerRetryUnless(tx, mayFill(queue, &place)));
    STM_TRY(tvarWriteStatus(tx, place.slot, value));
    return writeEnd(tx, queue->first, place.index);
}

int tbqueueTryReadStatus(Transaction *tx, TBQueue *queue, void **value, bool *found)
{
    Place place;
    *found = false;
    STM_TRY(lookAtEnd(tx, queue, queue->first, &place));
    if (place.value == VACANT)
        return 0;
    STM_TRY(tvarWriteStatus(tx, place.slot, VACANT));
    STM_TRY(writeEnd(tx, queue->first, indexAfter(queue, place.index)));
    *value = place.value;
    *found = true;
    return 0;
}

int tbqueueReadStatus(Transaction *tx, TBQueue *queue, void **value)
{
    bool found;
    STM_TRY(tbqueueTryReadStatus(tx, queue, value, &found));
    return containerRetryUnless(tx, found);
}

int tbqueueTryPeekStatus(Transaction *tx, TBQueue *queue, void **value, bool *found)
{
    Place place;
    *found = false;
    STM_TRY(lookAtEnd(tx, queue, queue->first, &place));
    if (place.value == VACANT)
        return 0;
    *value = place.value;
    *found = true;
    return 0;
}

int tbqueuePeekStatus(Transaction *tx, TBQueue *queue, void **value)
{
    bool found;
    STM_TRY(tbqueueTryPeekStatus(tx, queue, value, &found));
    return containerRetryUnless(tx, found);
}

int tbqueueFlushStatus(Transaction *tx, TBQueue *queue, void **values, size_t most, size_t *count)
{
    Place place;
    size_t first, taken = 0;
    *count = 0;
    STM_TRY(readEnd(tx, queue->first, &first));
    while (taken < most) {
        STM_TRY(lookAt(tx, queue, first, &place));
        if (place.value == VACANT)
            break;
        STM_TRY(tvarWriteStatus(tx, place.slot, VACANT));
        values[taken++] = place.value;
        first = indexAfter(queue, first);
    }
    if (taken != 0)
        STM_TRY(writeEnd(tx, queue->first, first));
    *count = taken;
    return 0;
}

int tbqueueIsEmptyStatus(Transaction *tx, TBQueue *queue, bool *empty)
{
    Place place;
    *empty = false;
    STM_TRY(lookAtEnd(tx, queue, queue->first, &place));
    *empty = place.value == VACANT;
    return 0;
}

int tbqueueIsFullStatus(Transaction *tx, TBQueue *queue, bool *full)
{
    Place place;
    *full = false;
    STM_TRY(lookAtEnd(tx, queue, queue->last, &place));
    *full = !mayFill(queue, &place);
    return 0;
}

int tbqueueLengthStatus(Transaction *tx, TBQueue *queue, size_t *length)
{
    Place first;
    size_t last;
    STM_TRY(lookAtEnd(tx, queue, queue->first, &first));
    STM_TRY(readEnd(tx, queue->last, &last));
    if (first.value == VACANT)
        *length = 0;
    else
        *length = last > first.index ? last - first.index : queue->slots - first.index + last;
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
