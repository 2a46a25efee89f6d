/* capri/tchan.h -- a channel inside of transactions: every end reads everything.
 *
 * A TChan is one end of a stream.  What is written to any of them is read, once, from every end
 * that existed then, everywhere in the same order.  Ends do not disturb each other, nor writers
 * while there is something to read.  No fairness among those who wait at one end.  The calls with a
 * transaction jump; their twins with the suffix Status return (capri/stm.h).  Out of memory:
 * stmAtomically returns -ENOMEM, nothing has changed.
 *
 * Whose is a value?  The stream's, from the commit of its write on: once every end has passed it or
 * is freed, and no transaction can hold it, `free` gets it (NULL: nobody frees it).  An end passes
 * a value when it reads the *next* one: so what was read last from an end stays until that end is
 * read again or freed.  What is put back (tchanUnGet) does not become the stream's.
 */
#ifndef CAPRI_TCHAN_H
#define CAPRI_TCHAN_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TChan TChan;

/* tchanNew -- a new stream with one end; NULL: out of memory or no runtime.
 * tchanNewBroadcast -- likewise, an end for writing only: nothing is kept until somebody has made
 * ends for reading by tchanDup.  All that reads throws -EINVAL, and so do tchanUnGet, tchanClone.
 * tchanFree -- nobody uses this end any more; others go on.  NULL is ignored.
 * free      runs on some OS thread, later; neither waits nor begins a transaction; may be NULL
 * tchanNewSTM, ..., tchanFreeSTM -- likewise, if and when the transaction commits.
 * Source    newTChanIO, newBroadcastTChanIO; newTChan, newBroadcastTChan. */
CAPRI_EXPORT TChan *tchanNew(void (*free)(void *value)) CAPRI_NAME(tchanNew);
CAPRI_EXPORT TChan *tchanNewBroadcast(void (*free)(void *value)) CAPRI_NAME(tchanNewBroadcast);
CAPRI_EXPORT void tchanFree(TChan *chan) CAPRI_NAME(tchanFree);
CAPRI_EXPORT TChan *tchanNewSTM(Transaction *tx, void (*free)(void *value)) CAPRI_NAME(tchanNewSTM);
CAPRI_EXPORT TChan *tchanNewBroadcastSTM(Transaction *tx, void (*free)(void *value))
    CAPRI_NAME(tchanNewBroadcastSTM);
CAPRI_EXPORT void tchanFreeSTM(Transaction *tx, TChan *chan) CAPRI_NAME(tchanFreeSTM);

/* tchanDup -- another end, which reads what is written from now on.
 * tchanClone -- another end, which reads what this one would read.
 * Both are gone again if the transaction does not commit; each end is freed by itself. */
CAPRI_EXPORT TChan *tchanDup(Transaction *tx, TChan *chan) CAPRI_NAME(tchanDup);
CAPRI_EXPORT TChan *tchanClone(Transaction *tx, TChan *chan) CAPRI_NAME(tchanClone);

/* tchanWrite -- for all ends.   tchanUnGet -- the next to be read from this one alone.
 * tchanRead, tchanPeek -- the first, which goes or stays; retries while there is none.
 * tchanTryRead, tchanTryPeek -- likewise; false while there is none.
 * Each takes constant time.  Source: Control.Concurrent.STM.TChan. */
CAPRI_EXPORT void tchanWrite(Transaction *tx, TChan *chan, void *value) CAPRI_NAME(tchanWrite);
CAPRI_EXPORT void tchanUnGet(Transaction *tx, TChan *chan, void *value) CAPRI_NAME(tchanUnGet);
CAPRI_EXPORT void *tchanRead(Transaction *tx, TChan *chan) CAPRI_NAME(tchanRead);
CAPRI_EXPORT void *tchanPeek(Transaction *tx, TChan *chan) CAPRI_NAME(tchanPeek);
CAPRI_EXPORT bool tchanTryRead(Transaction *tx, TChan *chan, void **value) CAPRI_NAME(tchanTryRead);
CAPRI_EXPORT bool tchanTryPeek(Transaction *tx, TChan *chan, void **value) CAPRI_NAME(tchanTryPeek);
CAPRI_EXPORT bool tchanIsEmpty(Transaction *tx, TChan *chan) CAPRI_NAME(tchanIsEmpty);

/* The same without jumps. */
CAPRI_EXPORT int tchanNewStatus(Transaction *tx, void (*free)(void *value), TChan **chan)
    CAPRI_NAME(tchanNewStatus);
CAPRI_EXPORT int tchanNewBroadcastStatus(Transaction *tx, void (*free)(void *value), TChan **chan)
    CAPRI_NAME(tchanNewBroadcastStatus);
CAPRI_EXPORT int tchanFreeStatus(Transaction *tx, TChan *chan) CAPRI_NAME(tchanFreeStatus);
CAPRI_EXPORT int tchanDupStatus(Transaction *tx, TChan *chan, TChan **made)
    CAPRI_NAME(tchanDupStatus);
CAPRI_EXPORT int tchanCloneStatus(Transaction *tx, TChan *chan, TChan **made)
    CAPRI_NAME(tchanCloneStatus);
CAPRI_EXPORT int tchanWriteStatus(Transaction *tx, TChan *chan, void *value)
    CAPRI_NAME(tchanWriteStatus);
CAPRI_EXPORT int tchanUnGetStatus(Transaction *tx, TChan *chan, void *value)
    CAPRI_NAME(tchanUnGetStatus);
CAPRI_EXPORT int tchanReadStatus(Transaction *tx, TChan *chan, void **value)
    CAPRI_NAME(tchanReadStatus);
CAPRI_EXPORT int tchanPeekStatus(Transaction *tx, TChan *chan, void **value)
    CAPRI_NAME(tchanPeekStatus);
CAPRI_EXPORT int tchanTryReadStatus(Transaction *tx, TChan *chan, void **value, bool *found)
    CAPRI_NAME(tchanTryReadStatus);
CAPRI_EXPORT int tchanTryPeekStatus(Transaction *tx, TChan *chan, void **value, bool *found)
    CAPRI_NAME(tchanTryPeekStatus);
CAPRI_EXPORT int tchanIsEmptyStatus(Transaction *tx, TChan *chan, bool *empty)
    CAPRI_NAME(tchanIsEmptyStatus);

#ifdef __cplusplus
}
#endif

#endif
