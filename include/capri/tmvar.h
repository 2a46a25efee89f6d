/* capri/tmvar.h -- a box for one value inside of transactions, and a semaphore.
 *
 * No fairness: all who wait wake, and the first to commit gets it.  For order there are
 * capri/mvar.h and capri/qsem.h.  The calls with a transaction jump; their twins with the suffix
 * Status return (capri/stm.h).
 */
#ifndef CAPRI_TMVAR_H
#define CAPRI_TMVAR_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TMVar TMVar;

/* tmvarNew -- a full one; tmvarNewEmpty.  NULL: out of memory or no runtime.
 * tmvarFree -- nobody uses it any more; NULL is ignored.
 * tmvarNewSTM, tmvarNewEmptySTM, tmvarFreeSTM -- likewise, if and when the transaction commits. */
CAPRI_EXPORT TMVar *tmvarNew(void *value) CAPRI_NAME(tmvarNew);
CAPRI_EXPORT TMVar *tmvarNewEmpty(void) CAPRI_NAME(tmvarNewEmpty);
CAPRI_EXPORT void tmvarFree(TMVar *tmvar) CAPRI_NAME(tmvarFree);
CAPRI_EXPORT TMVar *tmvarNewSTM(Transaction *tx, void *value) CAPRI_NAME(tmvarNewSTM);
CAPRI_EXPORT TMVar *tmvarNewEmptySTM(Transaction *tx) CAPRI_NAME(tmvarNewEmptySTM);
CAPRI_EXPORT void tmvarFreeSTM(Transaction *tx, TMVar *tmvar) CAPRI_NAME(tmvarFreeSTM);

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

/* tmvarTryReadIO, tmvarIsEmptyIO -- likewise, outside a transaction. */
CAPRI_EXPORT bool tmvarTryReadIO(TMVar *tmvar, void **value) CAPRI_NAME(tmvarTryReadIO);
CAPRI_EXPORT bool tmvarIsEmptyIO(TMVar *tmvar) CAPRI_NAME(tmvarIsEmptyIO);

/* The same without jumps. */
CAPRI_EXPORT int tmvarNewStatus(Transaction *tx, void *value, TMVar **tmvar)
    CAPRI_NAME(tmvarNewStatus);
CAPRI_EXPORT int tmvarNewEmptyStatus(Transaction *tx, TMVar **tmvar)
    CAPRI_NAME(tmvarNewEmptyStatus);
CAPRI_EXPORT int tmvarFreeStatus(Transaction *tx, TMVar *tmvar) CAPRI_NAME(tmvarFreeStatus);
CAPRI_EXPORT int tmvarTakeStatus(Transaction *tx, TMVar *tmvar, void **value)
    CAPRI_NAME(tmvarTakeStatus);
CAPRI_EXPORT int tmvarReadStatus(Transaction *tx, TMVar *tmvar, void **value)
    CAPRI_NAME(tmvarReadStatus);
CAPRI_EXPORT int tmvarPutStatus(Transaction *tx, TMVar *tmvar, void *value)
    CAPRI_NAME(tmvarPutStatus);
CAPRI_EXPORT int tmvarSwapStatus(Transaction *tx, TMVar *tmvar, void *value, void **old)
    CAPRI_NAME(tmvarSwapStatus);
CAPRI_EXPORT int tmvarWriteStatus(Transaction *tx, TMVar *tmvar, void *value)
    CAPRI_NAME(tmvarWriteStatus);
CAPRI_EXPORT int tmvarTryTakeStatus(Transaction *tx, TMVar *tmvar, void **value, bool *found)
    CAPRI_NAME(tmvarTryTakeStatus);
CAPRI_EXPORT int tmvarTryReadStatus(Transaction *tx, TMVar *tmvar, void **value, bool *found)
    CAPRI_NAME(tmvarTryReadStatus);
CAPRI_EXPORT int tmvarTryPutStatus(Transaction *tx, TMVar *tmvar, void *value, bool *done)
    CAPRI_NAME(tmvarTryPutStatus);
CAPRI_EXPORT int tmvarIsEmptyStatus(Transaction *tx, TMVar *tmvar, bool *empty)
    CAPRI_NAME(tmvarIsEmptyStatus);

typedef struct TSem TSem;

/* tsemNew -- a semaphore of `units`, which may be negative; NULL: out of memory or no runtime.
 * tsemFree -- nobody uses it any more; NULL is ignored.
 * tsemNewSTM, tsemFreeSTM -- likewise, if and when the transaction commits.
 * tsemWait -- takes a unit, retries while there is none.
 * tsemTryWait -- likewise; false while there is none.
 * tsemSignal -- gives `units` back; more than an int64_t holds: throws -EOVERFLOW.
 * Source  Control.Concurrent.STM.TSem: waitTSem, signalTSem and signalTSemN. */
CAPRI_EXPORT TSem *tsemNew(int64_t units) CAPRI_NAME(tsemNew);
CAPRI_EXPORT void tsemFree(TSem *tsem) CAPRI_NAME(tsemFree);
CAPRI_EXPORT TSem *tsemNewSTM(Transaction *tx, int64_t units) CAPRI_NAME(tsemNewSTM);
CAPRI_EXPORT void tsemFreeSTM(Transaction *tx, TSem *tsem) CAPRI_NAME(tsemFreeSTM);
CAPRI_EXPORT void tsemWait(Transaction *tx, TSem *tsem) CAPRI_NAME(tsemWait);
CAPRI_EXPORT bool tsemTryWait(Transaction *tx, TSem *tsem) CAPRI_NAME(tsemTryWait);
CAPRI_EXPORT void tsemSignal(Transaction *tx, TSem *tsem, uint64_t units) CAPRI_NAME(tsemSignal);

/* The same without jumps. */
CAPRI_EXPORT int tsemNewStatus(Transaction *tx, int64_t units, TSem **tsem)
    CAPRI_NAME(tsemNewStatus);
CAPRI_EXPORT int tsemFreeStatus(Transaction *tx, TSem *tsem) CAPRI_NAME(tsemFreeStatus);
CAPRI_EXPORT int tsemWaitStatus(Transaction *tx, TSem *tsem) CAPRI_NAME(tsemWaitStatus);
CAPRI_EXPORT int tsemTryWaitStatus(Transaction *tx, TSem *tsem, bool *taken)
    CAPRI_NAME(tsemTryWaitStatus);
CAPRI_EXPORT int tsemSignalStatus(Transaction *tx, TSem *tsem, uint64_t units)
    CAPRI_NAME(tsemSignalStatus);

#ifdef __cplusplus
}
#endif

#endif
