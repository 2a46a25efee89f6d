/* capri/tvar.h -- variables that can be waited for. */
#ifndef CAPRI_TVAR_H
#define CAPRI_TVAR_H

#include <capri/api.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TVar TVar;

/* tvarNew -- a variable holding value; NULL: out of memory or no runtime. */
CAPRI_EXPORT TVar *tvarNew(void *value) CAPRI_NAME(tvarNew);

/* tvarFree -- give it back.  Nobody may use it any more; who still awaits it gets -EINVAL.
 * For a registerDelay variable this also cancels the delay.  NULL is ignored. */
CAPRI_EXPORT void tvarFree(TVar *tvar) CAPRI_NAME(tvarFree);

/* tvarReadIO -- the value, outside a transaction.  Source: GHC.Conc.readTVarIO. */
CAPRI_EXPORT void *tvarReadIO(TVar *tvar) CAPRI_NAME(tvarReadIO);

/* tvarReadVersionIO -- value and version of one moment.  The version grows with every write. */
CAPRI_EXPORT void *tvarReadVersionIO(TVar *tvar, uint64_t *version) CAPRI_NAME(tvarReadVersionIO);

/* tvarWriteIO -- set the value, then wake everyone who awaits it, oldest first.
 * Returns 0, or -EPERM for a variable of registerDelay.  Writing an equal value is a write. */
CAPRI_EXPORT int tvarWriteIO(TVar *tvar, void *value) CAPRI_NAME(tvarWriteIO);

/* tvarAwait -- park until tvar has been written since `version` was read.
 *
 * Returns  0; -ECANCELED; -EINVAL (freed meanwhile); -EDEADLK (in a closed world: nobody can end
 *          its wait); plain OS threads: -ENOMEM, and in a fork's child -EAGAIN, -ENOTRECOVERABLE.
 * Use      value = tvarReadVersionIO(v, &seen); while (!good(value)) { tvarAwait(v, seen); read
 *          again }
 * Promise  a write between the read and the wait is never missed.  Everybody who waits wakes up.
 */
CAPRI_EXPORT int tvarAwait(TVar *tvar, uint64_t version) CAPRI_NAME(tvarAwait);

/* tvarAwaitUntil -- as tvarAwait; -ETIMEDOUT when rtsNow() reaches deadline_ns. */
CAPRI_EXPORT int tvarAwaitUntil(TVar *tvar, uint64_t version, int64_t deadline_ns)
    CAPRI_NAME(tvarAwaitUntil);

/* registerDelay -- a variable that holds NULL now and (void *)1 after delay_us microseconds.
 *
 * Returns  0, -ENOMEM, -ENXIO, -EINVAL.  Never early; <= 0: written already when this returns.
 * Source   GHC.Conc.registerDelay; differs: tvarFree cancels it.
 */
CAPRI_EXPORT int registerDelay(int64_t delay_us, TVar **tvar) CAPRI_NAME(registerDelay);

#ifdef __cplusplus
}
#endif

#endif
