/* capri/qsem.h -- counting semaphores, in units of one (QSem) and of any size (QSemN): for green
 * threads, which park, and plain OS threads, which block.
 *
 * First come, first served: a unit that is signalled goes to who has waited longest; who asks for
 * many holds up those behind, however little they want.  Who gives up (deadline, cancel) has taken
 * none, and none is lost.
 *
 * Functions that may wait return 0; -ECANCELED: interrupted, or the runtime is being cancelled;
 * -EINVAL: freed meanwhile; -ENOMEM: no room for the timer; their `...Until` forms also -ETIMEDOUT,
 * when rtsNow() reaches deadline_ns first.  `...New` answers NULL: out of memory or no
 * runtime.  `...Free`: nobody may use it any more; NULL is ignored.  Not from signal handlers.
 */
#ifndef CAPRI_QSEM_H
#define CAPRI_QSEM_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct QSem QSem;
typedef struct QSemN QSemN;

/* qsemNew -- with `units` in it.   Source: Control.Concurrent.QSem. */
CAPRI_EXPORT QSem *qsemNew(uint32_t units) CAPRI_NAME(qsemNew);
CAPRI_EXPORT void qsemFree(QSem *sem) CAPRI_NAME(qsemFree);

/* qsemWait -- take one unit.   qsemTryWait -- 0 or -EAGAIN.
 * qsemSignal -- put one in: 0, or -EOVERFLOW: there are 2^32 - 1. */
CAPRI_EXPORT int qsemWait(QSem *sem) CAPRI_NAME(qsemWait);
CAPRI_EXPORT int qsemWaitUntil(QSem *sem, int64_t deadline_ns) CAPRI_NAME(qsemWaitUntil);
CAPRI_EXPORT int qsemTryWait(QSem *sem) CAPRI_NAME(qsemTryWait);
CAPRI_EXPORT int qsemSignal(QSem *sem) CAPRI_NAME(qsemSignal);

/* The same in any number of units, all or none of them.  Source: Control.Concurrent.QSemN. */
CAPRI_EXPORT QSemN *qsemnNew(uint32_t units) CAPRI_NAME(qsemnNew);
CAPRI_EXPORT void qsemnFree(QSemN *sem) CAPRI_NAME(qsemnFree);
CAPRI_EXPORT int qsemnWait(QSemN *sem, uint32_t units) CAPRI_NAME(qsemnWait);
CAPRI_EXPORT int qsemnWaitUntil(QSemN *sem, uint32_t units, int64_t deadline_ns)
    CAPRI_NAME(qsemnWaitUntil);
CAPRI_EXPORT int qsemnTryWait(QSemN *sem, uint32_t units) CAPRI_NAME(qsemnTryWait);
CAPRI_EXPORT int qsemnSignal(QSemN *sem, uint32_t units) CAPRI_NAME(qsemnSignal);

#ifdef __cplusplus
}
#endif

#endif
