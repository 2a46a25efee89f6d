/* capri/mvar.h -- a box for one value: who takes waits until it is full, who puts until it is not.
 *
 * From green threads, which park, and from plain OS threads, which block.  Not from signal
 * handlers.
 *
 * Promise  first come, first served: a put hands its value to the taker who has waited longest, a
 *          take makes room for the putter who has waited longest; nobody can come between, and one
 *          operation wakes one of them.  Who waits to read is served before who waits to take, and
 *          all of them are.  Who gives up (deadline, cancel) has taken nothing and put nothing.
 * Order    what a thread did before it put is seen by who has that value.
 *
 * Functions that may wait return 0; -ECANCELED: interrupted, or the runtime is being cancelled;
 * -EINVAL: freed meanwhile; -ENOMEM: no room for the timer; their `...Until` forms also -ETIMEDOUT,
 * when rtsNow() reaches deadline_ns first.  If there is no need to wait they do what they are to
 * do, even past the deadline or while the runtime is being cancelled.
 */
#ifndef CAPRI_MVAR_H
#define CAPRI_MVAR_H

#include <capri/api.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct MVar MVar;

/* mvarNew -- one that is full; mvarNewEmpty -- one that is empty.  NULL: out of memory or no
 * runtime.  Source: newMVar, newEmptyMVar. */
CAPRI_EXPORT MVar *mvarNew(void *value) CAPRI_NAME(mvarNew);
CAPRI_EXPORT MVar *mvarNewEmpty(void) CAPRI_NAME(mvarNewEmpty);

/* mvarFree -- give it back.  Nobody may use it any more; who still waits gets -EINVAL.  NULL is
 * ignored. */
CAPRI_EXPORT void mvarFree(MVar *mvar) CAPRI_NAME(mvarFree);

/* mvarTake -- wait until it is full, take the value out.  value: receives it; may be NULL.
 * Source: takeMVar. */
CAPRI_EXPORT int mvarTake(MVar *mvar, void **value) CAPRI_NAME(mvarTake);
CAPRI_EXPORT int mvarTakeUntil(MVar *mvar, void **value, int64_t deadline_ns)
    CAPRI_NAME(mvarTakeUntil);

/* mvarPut -- wait until it is empty, put value in.  Source: putMVar. */
CAPRI_EXPORT int mvarPut(MVar *mvar, void *value) CAPRI_NAME(mvarPut);
CAPRI_EXPORT int mvarPutUntil(MVar *mvar, void *value, int64_t deadline_ns)
    CAPRI_NAME(mvarPutUntil);

/* mvarRead -- wait until it is full, leave the value in.  Source: readMVar. */
CAPRI_EXPORT int mvarRead(MVar *mvar, void **value) CAPRI_NAME(mvarRead);
CAPRI_EXPORT int mvarReadUntil(MVar *mvar, void **value, int64_t deadline_ns)
    CAPRI_NAME(mvarReadUntil);

/* mvarSwap -- wait until it is full, take the value out and put another one in.
 * old      receives the one that was there; may be NULL.
 * Promise  at once: nobody finds it empty in between, whoever else puts.
 * Source   swapMVar; differs: atomic. */
CAPRI_EXPORT int mvarSwap(MVar *mvar, void *value, void **old) CAPRI_NAME(mvarSwap);
CAPRI_EXPORT int mvarSwapUntil(MVar *mvar, void *value, void **old, int64_t deadline_ns)
    CAPRI_NAME(mvarSwapUntil);

/* mvarModify -- take the value out, put back what fn makes of it.
 *
 * fn       called once the value is taken, on the caller's thread; may itself wait.
 * Returns  as mvarTake, and then fn has not been called.  If somebody else has put meanwhile the
 *          value made by fn has to wait its turn; should that wait fail (-ECANCELED, -EDEADLK,
 *          -EINVAL), it is not in the box and *env is the only one to know of it.
 * Promise  atomic among those who take before they put.
 * Source   modifyMVar_.
 */
typedef void *MVarFn(void *value, void *env);
CAPRI_EXPORT int mvarModify(MVar *mvar, MVarFn *fn, void *env) CAPRI_NAME(mvarModify);
CAPRI_EXPORT int mvarModifyUntil(MVar *mvar, MVarFn *fn, void *env, int64_t deadline_ns)
    CAPRI_NAME(mvarModifyUntil);

/* mvarTryTake, mvarTryPut, mvarTryRead -- likewise, or -EAGAIN at once.
 * Source: tryTakeMVar, tryPutMVar, tryReadMVar. */
CAPRI_EXPORT int mvarTryTake(MVar *mvar, void **value) CAPRI_NAME(mvarTryTake);
CAPRI_EXPORT int mvarTryPut(MVar *mvar, void *value) CAPRI_NAME(mvarTryPut);
CAPRI_EXPORT int mvarTryRead(MVar *mvar, void **value) CAPRI_NAME(mvarTryRead);

/* mvarIsEmpty -- a snapshot; stale as soon as it is returned.  Source: isEmptyMVar. */
CAPRI_EXPORT bool mvarIsEmpty(MVar *mvar) CAPRI_NAME(mvarIsEmpty);

#ifdef __cplusplus
}
#endif

#endif
