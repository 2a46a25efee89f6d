/* capri/once.h -- a value that is computed when it is first wanted, by one; the others wait.
 *
 * For green threads, which park, and plain OS threads, which block.  Not from signal handlers.
 */
#ifndef CAPRI_ONCE_H
#define CAPRI_ONCE_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Once Once;

/* onceNew -- nothing computed; NULL: out of memory or no runtime.   onceFree -- nobody may use it
 * any more; the value is the caller's to give back.  NULL is ignored. */
CAPRI_EXPORT Once *onceNew(void) CAPRI_NAME(onceNew);
CAPRI_EXPORT void onceFree(Once *once) CAPRI_NAME(onceFree);

/* onceGet -- the value; compute it by fn(env, &value) if nobody has.
 *
 * fn       returns 0 and the value, or a negative errno; on the caller's thread; may itself wait.
 * value    receives it; may be NULL.
 * Returns  0; what fn returned to this caller; -EDEADLK: called from inside fn; -ECANCELED,
 *          -EINVAL (freed meanwhile), -ENOMEM (no room for the timer) while waiting for another's.
 * Promise  fn succeeds at most once.  A computation that fails is told to the caller whose fn it
 *          was; of those who wait, the first computes with its own fn.  In a fork's child a
 *          computation of a lost thread is never finished.
 * Source   a thunk; differs: another fn may take the place of one that failed. */
typedef int OnceFn(void *env, void **value);
CAPRI_EXPORT int onceGet(Once *once, OnceFn *fn, void *env, void **value) CAPRI_NAME(onceGet);

/* onceGetUntil -- likewise; -ETIMEDOUT when rtsNow() reaches deadline_ns before another has
 * computed it.  The caller's own fn is not hurried. */
CAPRI_EXPORT int onceGetUntil(Once *once, OnceFn *fn, void *env, void **value, int64_t deadline_ns)
    CAPRI_NAME(onceGetUntil);

#ifdef __cplusplus
}
#endif

#endif
