/* capri/waker.h -- waking green threads from outside: any OS thread, any signal handler.
 *
 * A Waker stands for one MVar or one TVar.  wakerPut leaves a value in it; a capability then puts
 * that into the MVar, or writes it to the TVar.  So what a signal handler or a foreign library's
 * thread has to say ends where every other wait ends.
 */
#ifndef CAPRI_WAKER_H
#define CAPRI_WAKER_H

#include <capri/api.h>
#include <capri/mvar.h>
#include <capri/tvar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Waker Waker;

/* wakerNewMVar, wakerNewTVar -- one for that variable, which is to outlive it.  NULL: out of memory
 * or no runtime, no variable, or one of registerDelay.  Not from signal handlers. */
CAPRI_EXPORT Waker *wakerNewMVar(MVar *mvar) CAPRI_NAME(wakerNewMVar);
CAPRI_EXPORT Waker *wakerNewTVar(TVar *tvar) CAPRI_NAME(wakerNewTVar);

/* wakerPut -- let a capability put value into the MVar, or write it to the TVar.
 *
 * MVar     put if it is empty then; if it is full the value is dropped: who takes what is in there
 *          is awake, and whatever the caller did before this call he sees when he has taken it.
 * TVar     written, as by tvarWriteIO.
 * Returns  0: it will be done; 1: likewise, and the value takes the place of an earlier one, which
 *          will not be seen (the last one counts, as with uv_async_send); -ENXIO: no runtime, or it
 *          has ended, also if the Waker went with it; -ENOTRECOVERABLE.
 * Promise  no lock, no allocation, errno stays; of many puts that nobody has seen to yet the first
 *          one wakes a sleeper (one write to an eventfd), the others cost one locked operation.
 *          While the runtime is draining or is being cancelled it is done as before.
 * Context  any OS thread, signal handlers on any OS thread and stack, green threads, callbacks.
 * Source   hs_try_putmvar; differs: brings a value, many times, from signal handlers too.
 */
CAPRI_EXPORT int wakerPut(Waker *waker, void *value) CAPRI_NAME(wakerPut);

/* wakerFree -- give it back.  Nobody may use it any more.  What was put and is not done yet never
 * will be; when this returns the variable is not touched any more, and may be freed.  Wakers are
 * gone with the runtime.  NULL is ignored.  Not from signal handlers. */
CAPRI_EXPORT void wakerFree(Waker *waker) CAPRI_NAME(wakerFree);

#ifdef __cplusplus
}
#endif

#endif
