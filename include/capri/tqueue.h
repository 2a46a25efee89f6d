/* capri/tqueue.h -- queues inside of transactions, unbounded and bounded.
 *
 * Writers and readers of a queue that is not empty do not disturb each other.  No fairness among
 * those who wait.  The calls with a transaction jump; their twins with the suffix Status return
 * (capri/stm.h).  Out of memory: stmAtomically returns -ENOMEM, nothing has changed.
 */
#ifndef CAPRI_TQUEUE_H
#define CAPRI_TQUEUE_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TQueue TQueue;

/* tqueueNew -- an empty one; NULL: out of memory or no runtime.
 * tqueueFree -- nobody uses it any more, values that are in it are forgotten; NULL is ignored.
 * tqueueNewSTM, tqueueFreeSTM -- likewise, if and when the transaction commits. */
CAPRI_EXPORT TQueue *tqueueNew(void) CAPRI_NAME(tqueueNew);
CAPRI_EXPORT void tqueueFree(TQueue *queue) CAPRI_NAME(tqueueFree);
CAPRI_EXPORT TQueue *tqueueNewSTM(Transaction *tx) CAPRI_NAME(tqueueNewSTM);
CAPRI_EXPORT void tqueueFreeSTM(Transaction *tx, TQueue *queue) CAPRI_NAME(tqueueFreeSTM);

/* tqueueWrite -- at the end.  tqueueUnGet -- at the front: the next to be read.
 * tqueueRead, tqueuePeek -- the first, which goes or stays; retries while there is none.
 * tqueueTryRead, tqueueTryPeek -- likewise; false while there is none.
 * tqueueFlush -- up to `most` values at once, in order; how many.
 * Each takes constant time (a flush: per value).  Source: Control.Concurrent.STM.TQueue; differs:
 * no list is ever reversed. */
CAPRI_EXPORT void tqueueWrite(Transaction *tx, TQueue *queue, void *value) CAPRI_NAME(tqueueWrite);
CAPRI_EXPORT void tqueueUnGet(Transaction *tx, TQueue *queue, void *value) CAPRI_NAME(tqueueUnGet);
CAPRI_EXPORT void *tqueueRead(Transaction *tx, TQueue *queue) CAPRI_NAME(tqueueRead);
CAPRI_EXPORT void *tqueuePeek(Transaction *tx, TQueue *queue) CAPRI_NAME(tqueuePeek);
CAPRI_EXPORT bool tqueueTryRead(Transaction *tx, TQueue *queue, void **value)
    CAPRI_NAME(tqueueTryRead);
CAPRI_EXPORT bool tqueueTryPeek(Transaction *tx, TQueue *queue, void **value)
    CAPRI_NAME(tqueueTryPeek);
CAPRI_EXPORT size_t tqueueFlush(Transaction *tx, TQueue *queue, void **values, size_t most)
    CAPRI_NAME(tqueueFlush);
CAPRI_EXPORT bool tqueueIsEmpty(Transaction *tx, TQueue *queue) CAPRI_NAME(tqueueIsEmpty);

/* The same without jumps. */
CAPRI_EXPORT int tqueueNewStatus(Transaction *tx, TQueue **queue) CAPRI_NAME(tqueueNewStatus);
CAPRI_EXPORT int tqueueFreeStatus(Transaction *tx, TQueue *queue) CAPRI_NAME(tqueueFreeStatus);
CAPRI_EXPORT int tqueueWriteStatus(Transaction *tx, TQueue *queue, void *value)
    CAPRI_NAME(tqueueWriteStatus);
CAPRI_EXPORT int tqueueUnGetStatus(Transaction *tx, TQueue *queue, void *value)
    CAPRI_NAME(tqueueUnGetStatus);
CAPRI_EXPORT int tqueueReadStatus(Transaction *tx, TQueue *queue, void **value)
    CAPRI_NAME(tqueueReadStatus);
CAPRI_EXPORT int tqueuePeekStatus(Transaction *tx, TQueue *queue, void **value)
    CAPRI_NAME(tqueuePeekStatus);
CAPRI_EXPORT int tqueueTryReadStatus(Transaction *tx, TQueue *queue, void **value, bool *found)
    CAPRI_NAME(tqueueTryReadStatus);
CAPRI_EXPORT int tqueueTryPeekStatus(Transaction *tx, TQueue *queue, void **value, bool *found)
    CAPRI_NAME(tqueueTryPeekStatus);
CAPRI_EXPORT int tqueueFlushStatus(Transaction *tx, TQueue *queue, void **values, size_t most,
                                   size_t *count) CAPRI_NAME(tqueueFlushStatus);
CAPRI_EXPORT int tqueueIsEmptyStatus(Transaction *tx, TQueue *queue, bool *empty)
    CAPRI_NAME(tqueueIsEmptyStatus);

typedef struct TBQueue TBQueue;

/* tbqueueNew -- one that holds up to `capacity` values; 0: it can never be written.  It takes an
 * eighth of a byte for each at once, 72 bytes for each of 64 when the first of them is used, and
 * nothing while values pass; so where there is no bound take a TQueue.
 * tbqueueWrite, tbqueueUnGet -- retry while it is full: what is put back counts.
 * tbqueueFlush -- gives the room back.   tbqueueLength -- how many are in it.   All else as above.
 * Source  Control.Concurrent.STM.TBQueue */
CAPRI_EXPORT TBQueue *tbqueueNew(size_t capacity) CAPRI_NAME(tbqueueNew);
CAPRI_EXPORT void tbqueueFree(TBQueue *queue) CAPRI_NAME(tbqueueFree);
CAPRI_EXPORT TBQueue *tbqueueNewSTM(Transaction *tx, size_t capacity) CAPRI_NAME(tbqueueNewSTM);
CAPRI_EXPORT void tbqueueFreeSTM(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueueFreeSTM);
CAPRI_EXPORT void tbqueueWrite(Transaction *tx, TBQueue *queue, void *value)
    CAPRI_NAME(tbqueueWrite);
CAPRI_EXPORT void tbqueueUnGet(Transaction *tx, TBQueue *queue, void *value)
    CAPRI_NAME(tbqueueUnGet);
CAPRI_EXPORT void *tbqueueRead(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueueRead);
CAPRI_EXPORT void *tbqueuePeek(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueuePeek);
CAPRI_EXPORT bool tbqueueTryRead(Transaction *tx, TBQueue *queue, void **value)
    CAPRI_NAME(tbqueueTryRead);
CAPRI_EXPORT bool tbqueueTryPeek(Transaction *tx, TBQueue *queue, void **value)
    CAPRI_NAME(tbqueueTryPeek);
CAPRI_EXPORT size_t tbqueueFlush(Transaction *tx, TBQueue *queue, void **values, size_t most)
    CAPRI_NAME(tbqueueFlush);
CAPRI_EXPORT bool tbqueueIsEmpty(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueueIsEmpty);
CAPRI_EXPORT bool tbqueueIsFull(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueueIsFull);
CAPRI_EXPORT size_t tbqueueLength(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueueLength);
CAPRI_EXPORT size_t tbqueueCapacity(const TBQueue *queue) CAPRI_NAME(tbqueueCapacity);

/* The same without jumps. */
CAPRI_EXPORT int tbqueueNewStatus(Transaction *tx, size_t capacity, TBQueue **queue)
    CAPRI_NAME(tbqueueNewStatus);
CAPRI_EXPORT int tbqueueFreeStatus(Transaction *tx, TBQueue *queue) CAPRI_NAME(tbqueueFreeStatus);
CAPRI_EXPORT int tbqueueWriteStatus(Transaction *tx, TBQueue *queue, void *value)
    CAPRI_NAME(tbqueueWriteStatus);
CAPRI_EXPORT int tbqueueUnGetStatus(Transaction *tx, TBQueue *queue, void *value)
    CAPRI_NAME(tbqueueUnGetStatus);
CAPRI_EXPORT int tbqueueReadStatus(Transaction *tx, TBQueue *queue, void **value)
    CAPRI_NAME(tbqueueReadStatus);
CAPRI_EXPORT int tbqueuePeekStatus(Transaction *tx, TBQueue *queue, void **value)
    CAPRI_NAME(tbqueuePeekStatus);
CAPRI_EXPORT int tbqueueTryReadStatus(Transaction *tx, TBQueue *queue, void **value, bool *found)
    CAPRI_NAME(tbqueueTryReadStatus);
CAPRI_EXPORT int tbqueueTryPeekStatus(Transaction *tx, TBQueue *queue, void **value, bool *found)
    CAPRI_NAME(tbqueueTryPeekStatus);
CAPRI_EXPORT int tbqueueFlushStatus(Transaction *tx, TBQueue *queue, void **values, size_t most,
                                    size_t *count) CAPRI_NAME(tbqueueFlushStatus);
CAPRI_EXPORT int tbqueueIsEmptyStatus(Transaction *tx, TBQueue *queue, bool *empty)
    CAPRI_NAME(tbqueueIsEmptyStatus);
CAPRI_EXPORT int tbqueueIsFullStatus(Transaction *tx, TBQueue *queue, bool *full)
    CAPRI_NAME(tbqueueIsFullStatus);
CAPRI_EXPORT int tbqueueLengthStatus(Transaction *tx, TBQueue *queue, size_t *length)
    CAPRI_NAME(tbqueueLengthStatus);

#ifdef __cplusplus
}
#endif

#endif
