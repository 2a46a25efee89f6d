/* capri/lock.h -- Mutex, RWLock, Condition: for green threads, which park, and plain OS threads,
 * which block.
 *
 * First come, first served: who unlocks hands the lock to who has waited longest; nobody can come
 * between.  What was done under a lock is seen by whoever has it next.  Who gives up (deadline,
 * cancel) has not got it.  In a fork's child what others held stays held.
 *
 * Functions that may wait return 0; -ECANCELED: interrupted, or the runtime is being cancelled;
 * -EINVAL: freed meanwhile; -ENOMEM: no room for the timer; their `...Until` forms also -ETIMEDOUT,
 * when rtsNow() reaches deadline_ns first.  If there is no need to wait they do what they are to
 * do.  `...New` answers NULL: out of memory or no runtime.  `...Free`: nobody may use it any more;
 * NULL is ignored.  Not from signal handlers.
 */
#ifndef CAPRI_LOCK_H
#define CAPRI_LOCK_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Mutex -- one holder, who is the one to unlock it, on whatever OS thread it runs by then. */
typedef struct Mutex Mutex;

CAPRI_EXPORT Mutex *mutexNew(void) CAPRI_NAME(mutexNew);
CAPRI_EXPORT void mutexFree(Mutex *mutex) CAPRI_NAME(mutexFree);

/* mutexLock -- also -EDEADLK: the caller holds it.   mutexTryLock -- 0, -EBUSY, -EDEADLK. */
CAPRI_EXPORT int mutexLock(Mutex *mutex) CAPRI_NAME(mutexLock);
CAPRI_EXPORT int mutexLockUntil(Mutex *mutex, int64_t deadline_ns) CAPRI_NAME(mutexLockUntil);
CAPRI_EXPORT int mutexTryLock(Mutex *mutex) CAPRI_NAME(mutexTryLock);

/* mutexUnlock -- 0, or -EPERM: the caller does not hold it. */
CAPRI_EXPORT int mutexUnlock(Mutex *mutex) CAPRI_NAME(mutexUnlock);

/* Condition -- wait for something that a Mutex guards. */
typedef struct Condition Condition;

CAPRI_EXPORT Condition *conditionNew(void) CAPRI_NAME(conditionNew);
CAPRI_EXPORT void conditionFree(Condition *condition) CAPRI_NAME(conditionFree);

/* conditionWait -- give the mutex back, wait to be signalled, lock it again.
 *
 * Returns  also -EPERM: the caller does not hold mutex.
 * Promise  signals that come once the mutex can be had by others find the caller waiting.  Whatever
 *          the result, the caller holds the mutex; but for one that was freed (-EINVAL), and for a
 *          plain OS thread that is told -ECANCELED: mutex and runtime are about to go.  Who gave up
 *          has used up no signal.  No wake-ups without a signal; yet others may have had the
 *          mutex in between: look again.
 */
CAPRI_EXPORT int conditionWait(Condition *condition, Mutex *mutex) CAPRI_NAME(conditionWait);
CAPRI_EXPORT int conditionWaitUntil(Condition *condition, Mutex *mutex, int64_t deadline_ns)
    CAPRI_NAME(conditionWaitUntil);

/* conditionSignal -- wake who has waited longest.   conditionBroadcast -- wake all.  How many. */
CAPRI_EXPORT int conditionSignal(Condition *condition) CAPRI_NAME(conditionSignal);
CAPRI_EXPORT int conditionBroadcast(Condition *condition) CAPRI_NAME(conditionBroadcast);

/* RWLock -- any number of readers, or one writer; in the order in which they came, so nobody
 * starves.  A reader that locks again while a writer waits waits for itself. */
typedef struct RWLock RWLock;

CAPRI_EXPORT RWLock *rwlockNew(void) CAPRI_NAME(rwlockNew);
CAPRI_EXPORT void rwlockFree(RWLock *rwlock) CAPRI_NAME(rwlockFree);

/* rwlockRead, rwlockWrite -- also -EDEADLK: the caller is its writer.   Try: or -EBUSY. */
CAPRI_EXPORT int rwlockRead(RWLock *rwlock) CAPRI_NAME(rwlockRead);
CAPRI_EXPORT int rwlockReadUntil(RWLock *rwlock, int64_t deadline_ns) CAPRI_NAME(rwlockReadUntil);
CAPRI_EXPORT int rwlockTryRead(RWLock *rwlock) CAPRI_NAME(rwlockTryRead);
CAPRI_EXPORT int rwlockWrite(RWLock *rwlock) CAPRI_NAME(rwlockWrite);
CAPRI_EXPORT int rwlockWriteUntil(RWLock *rwlock, int64_t deadline_ns) CAPRI_NAME(rwlockWriteUntil);
CAPRI_EXPORT int rwlockTryWrite(RWLock *rwlock) CAPRI_NAME(rwlockTryWrite);

/* rwlockUnlock -- the writer's or a reader's end.  0, or -EPERM: another one writes, or nobody has
 * it. */
CAPRI_EXPORT int rwlockUnlock(RWLock *rwlock) CAPRI_NAME(rwlockUnlock);

#ifdef __cplusplus
}
#endif

#endif
