/* capri/tmvar.h -- a box for one value inside of transactions, and a semaphore.
 *
 * No fairness: all who wait wake, and the first to commit gets it.  For order there are
 * capri/mvar.h and capri/qsem.h.  All calls with a transaction jump (capri/stm.h).
 */
#ifndef CAPRI_TMVAR_H
#define CAPRI_TMVAR_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TMVar TMVar;

/* tmvarNew -- a full one; tmvarNewEmpty.  NULL: out of memory or no runtime.
 * tmvarFree -- nobody uses it any more; NULL is ignored. */
CAPRI_EXPORT TMVar *tmvarNew(void *value) CAPRI_NAME(tmvarNew);
CAPRI_EXPORT TMVar *tmvarNewEmpty(void) CAPRI_NAME(tmvarNewEmpty);
CAPRI_EXPORT void tmvarFree(TMVar *tmvar) CAPRI_NAME(tmvarFree);

/* tmvarTake, tmvarRead -- the value, which goes or stays; retries while there is none.
 * tmvarPut -- retries while there is one.
 * tmvarSwap -- another value, and the old one; retries while there is none.
 * tmvarWrite -- another value, be there one or not; never waits.
 * Source  Control.Concurrent.STM.TMVar */
CAPRI_EXPORT void *tmvarTake(Transaction *tx, TMVar *tmvar) CAPRI_NAME(tmvarTake);
CAPRI_EXPORT void *tmvarRead(Transaction *tx, TMVar *tmvar) CAPRI_NAME(tmvarRead);
CAPRI_EXPORT void tmvarPut(Transaction *tx, TMVar *tmvar, void *value) CAPRI_NAME(tmvarPut);
CAPRI_EXPORT void *tmvarSwap(Transaction *tx, TMVar *tmvar, void *value) CAPRI_NAME(tmvarSwap);
CAPRI_EXPORT void tmvarWrite(Transaction *tx, TMVar *tmvar, void *value) CAPRI_NAME(tmvarWrite);

/* The same without waiting: false, and nothing is done.  value: where to. */
CAPRI_EXPORT bool tmvarTryTake(Transaction *tx, TMVar *tmvar, void **value)
    CAPRI_NAME(tmvarTryTake);
CAPRI_EXPORT bool tmvarTryRead(Transaction *tx, TMVar *tmvar, void **value)
    CAPRI_NAME(tmvarTryRead);
CAPRI_EXPORT bool tmvarTryPut(Transaction *tx, TMVar *tmvar, void *value) CAPRI_NAME(tmvarTryPut);
CAPRI_EXPORT bool tmvarIsEmpty(Transaction *tx, TMVar *tmvar) CAPRI_NAME(tmvarIsEmpty);

typedef struct TSem TSem;

/* tsemNew -- a semaphore of `units`; NULL: out of memory or no runtime.
 * tsemFree -- nobody uses it any more; NULL is ignored.
 * tsemWait -- takes a unit, retries while there is none.
 * tsemSignal -- gives `units` back; more than an int64_t holds: throws -EOVERFLOW.
 * Source  Control.Concurrent.STM.TSem */
CAPRI_EXPORT TSem *tsemNew(int64_t units) CAPRI_NAME(tsemNew);
CAPRI_EXPORT void tsemFree(TSem *tsem) CAPRI_NAME(tsemFree);
CAPRI_EXPORT void tsemWait(Transaction *tx, TSem *tsem) CAPRI_NAME(tsemWait);
CAPRI_EXPORT void tsemSignal(Transaction *tx, TSem *tsem, uint64_t units) CAPRI_NAME(tsemSignal);

#ifdef __cplusplus
}
#endif

#endif
