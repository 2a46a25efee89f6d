/* capri/slot.h -- thread-local values: each thread has its own in every slot.
 *
 * A green thread keeps its values wherever it runs; a plain OS thread has values, too, and so has
 * what runs on one for the runtime: a callback, a call made on another OS thread.  A thread that
 * uses no slot pays nothing.  Not from signal handlers.
 */
#ifndef CAPRI_SLOT_H
#define CAPRI_SLOT_H

#include <capri/api.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ThreadSlot ThreadSlot;

/* Told a value that a thread leaves behind: on that thread, after its body.  It may do all that the
 * thread might, also wait, and set slots. */
typedef void ThreadSlotEnd(void *value);

/* threadSlotNew -- a slot in which every thread, also those that are still to come, has NULL.
 *
 * end      destructor, or NULL: values are just forgotten
 * Returns  NULL: 256 slots are in use, or the C library has no key for OS threads' values.
 * Promise  a thread that ends, with a value other than NULL: the slot is set to NULL, then
 *          end(value) is called.  In no order; again while destructors set slots, at most 4 rounds,
 *          then what is left is forgotten.  A thread that is joined has made all its calls.  In a
 *          fork's child the forking thread keeps its values; those of lost threads are forgotten.
 * Context  anywhere, also without a runtime: slots belong to the process.
 * Source   pthread_key_create; differs: green threads.
 */
CAPRI_EXPORT ThreadSlot *threadSlotNew(ThreadSlotEnd *end) CAPRI_NAME(threadSlotNew);

/* threadSlotFree -- all values in it are forgotten, no destructor is called from now on; one that a
 * thread's end has just begun goes on.  NULL is ignored. */
CAPRI_EXPORT void threadSlotFree(ThreadSlot *slot) CAPRI_NAME(threadSlotFree);

/* threadSlotGet -- the calling thread's value: what it has set last, else NULL.  O(1).
 * threadSlotSet -- 0; -ENOMEM (the first value of a thread, or of a slot with a higher number);
 * -EINVAL (no such slot). */
CAPRI_EXPORT void *threadSlotGet(const ThreadSlot *slot) CAPRI_NAME(threadSlotGet);
CAPRI_EXPORT int threadSlotSet(ThreadSlot *slot, void *value) CAPRI_NAME(threadSlotSet);

#ifdef __cplusplus
}
#endif

#endif
