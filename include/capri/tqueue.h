/* capri/tqueue.h -- queues inside of transactions, unbounded and bounded.
 *
 * Writers and readers of a queue that is not empty do not disturb each other.  No fairness among
 * those who wait.  All calls with a transaction jump (capri/stm.h); no memory: they throw -ENOMEM.
 */
#ifndef CAPRI_TQUEUE_H
#define CAPRI_TQUEUE_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TQueue TQueue;

/* tqueueNew -- an empty one; NULL: out of memory or no runtime.
 * tqueueFree -- nobody uses it any more, values that are in it are forgotten; NULL is ignored. */
CAPRI_EXPORT TQueue *tqueueNew(void) CAPRI_NAME(tqueueNew);
CAPRI_EXPORT void tqueueFree(TQueue *queue) CAPRI_NAME(tqueueFree);

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

typedef struct TBQueue TBQueue;

/* tbqueueNew -- one that holds up to `capacity` values; 0: it can never be written.
 * tbqueueWrite, tbqueueUnGet -- retry while it is full.  All else as above.
 * Source  Control.Concurrent.STM.TBQueue */
CAPRI_EXPORT TBQueue *tbqueueNew(size_t capacity) CAPRI_NAME(tbqueueNew);
CAPRI_EXPORT void tbqueueFree(TBQueue *queue) CAPRI_NAME(tbqueueFree);
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

#ifdef __cplusplus
}
#endif

#endif
