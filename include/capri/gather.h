/* capri/gather.h -- WaitGroup, Barrier: waiting for many; for green threads, which park, and plain
 * OS threads, which block.
 *
 * Functions that may wait return 0 (or what they say); -ECANCELED: interrupted, or the runtime is
 * being cancelled; -EINVAL: freed meanwhile; -ENOMEM: no room for the timer; their `...Until` forms
 * also -ETIMEDOUT, when rtsNow() reaches deadline_ns first.  `...New` answers NULL: out of memory
 * or no runtime.  `...Free`: nobody may use it any more; NULL is ignored.  Not from signal
 * handlers.
 */
#ifndef CAPRI_GATHER_H
#define CAPRI_GATHER_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* WaitGroup -- a count of what is not done yet, 0 at first. */
typedef struct WaitGroup WaitGroup;

CAPRI_EXPORT WaitGroup *waitGroupNew(void) CAPRI_NAME(waitGroupNew);
CAPRI_EXPORT void waitGroupFree(WaitGroup *group) CAPRI_NAME(waitGroupFree);

/* waitGroupAdd -- so many more: 0, or -EOVERFLOW.
 * waitGroupDone -- one less, the last one wakes all who wait: 0, or -EINVAL: there was none. */
CAPRI_EXPORT int waitGroupAdd(WaitGroup *group, uint32_t more) CAPRI_NAME(waitGroupAdd);
CAPRI_EXPORT int waitGroupDone(WaitGroup *group) CAPRI_NAME(waitGroupDone);

/* waitGroupWait -- until nothing is left to be done. */
CAPRI_EXPORT int waitGroupWait(WaitGroup *group) CAPRI_NAME(waitGroupWait);
CAPRI_EXPORT int waitGroupWaitUntil(WaitGroup *group, int64_t deadline_ns)
    CAPRI_NAME(waitGroupWaitUntil);

/* Barrier -- `parties` meet, again and again. */
typedef struct Barrier Barrier;

/* barrierNew -- also NULL for no parties. */
CAPRI_EXPORT Barrier *barrierNew(uint32_t parties) CAPRI_NAME(barrierNew);
CAPRI_EXPORT void barrierFree(Barrier *barrier) CAPRI_NAME(barrierFree);

/* barrierWait -- until all parties wait.  Returns 1 to the last one to come, which does not wait
 * and is not interrupted; 0 to the others.
 * Promise  who gives up is missing: the others wait for one more. */
CAPRI_EXPORT int barrierWait(Barrier *barrier) CAPRI_NAME(barrierWait);
CAPRI_EXPORT int barrierWaitUntil(Barrier *barrier, int64_t deadline_ns)
    CAPRI_NAME(barrierWaitUntil);

#ifdef __cplusplus
}
#endif

#endif
