/* capri/chan.h -- an unbounded channel: for green threads, which park, and plain OS threads, which
 * block.
 *
 * A Chan is one end of a stream.  What is written to any end can be read, once, from every end that
 * existed then, everywhere in the same order.  Not from signal handlers.
 */
#ifndef CAPRI_CHAN_H
#define CAPRI_CHAN_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Chan Chan;

/* chanNew -- a new stream with one end; NULL: out of memory or no runtime.  Source: newChan. */
CAPRI_EXPORT Chan *chanNew(void) CAPRI_NAME(chanNew);

/* chanDup -- another end, which sees what is written from now on; NULL: as chanNew.
 * Source: dupChan. */
CAPRI_EXPORT Chan *chanDup(Chan *chan) CAPRI_NAME(chanDup);

/* chanFree -- give an end back, with what has not been read from it.  Nobody may use it any more;
 * who still waits gets -EINVAL.  Other ends go on.  NULL is ignored. */
CAPRI_EXPORT void chanFree(Chan *chan) CAPRI_NAME(chanFree);

/* chanWrite -- never waits.  0, or -ENOMEM: nobody sees the value.  Source: writeChan. */
CAPRI_EXPORT int chanWrite(Chan *chan, void *value) CAPRI_NAME(chanWrite);

/* chanRead -- wait for the next value and take it from this end.
 *
 * value    receives it; may be NULL.
 * Returns  0; -ECANCELED: interrupted, or the runtime is being cancelled; -EINVAL: freed meanwhile;
 *          -ENOMEM: no room for the timer.   chanReadUntil -- also -ETIMEDOUT, when rtsNow()
 *          reaches deadline_ns first.   chanTryRead -- or -EAGAIN at once.
 * Promise  readers of one end are served in order; who gives up has taken nothing.
 * Source   readChan. */
CAPRI_EXPORT int chanRead(Chan *chan, void **value) CAPRI_NAME(chanRead);
CAPRI_EXPORT int chanReadUntil(Chan *chan, void **value, int64_t deadline_ns)
    CAPRI_NAME(chanReadUntil);
CAPRI_EXPORT int chanTryRead(Chan *chan, void **value) CAPRI_NAME(chanTryRead);

#ifdef __cplusplus
}
#endif

#endif
