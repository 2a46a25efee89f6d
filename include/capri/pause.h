/* capri/pause.h -- stopping the world, for a host's collector.
 *
 * While the runtime is paused no green thread and no callback runs, but for the green thread that
 * has paused it; timers and polls stand still.  Who called rtsPause goes on, and nobody else: a
 * green thread on its capability, or a plain OS thread.  Plain OS threads of the host are not
 * stopped, nor are calls that the runtime makes on OS threads of its own for parked threads (files,
 * names, ...): they may write into the buffers they were given; who waits for them goes on only
 * after the pause.
 * A capability that sleeps is left asleep: a pause costs it nothing.
 */
#ifndef CAPRI_PAUSE_H
#define CAPRI_PAUSE_H

#include <capri/api.h>
#include <capri/thread.h>

#ifdef __cplusplus
extern "C" {
#endif

/* rtsPause -- let everybody else stand still.
 *
 * Returns  0; -ETIMEDOUT: at rtsNow() == deadline_ns somebody still ran, the world goes on (a
 *          thread that computes without safepoints can do that; so can another's pause);
 *          -EPERM: called by a callback of the runtime; -ENXIO: no runtime; -ENOTRECOVERABLE,
 *          -EAGAIN: a fork's child that has none.
 * Promise  each running thread stops at its next safepoint: a library call that may be one, or
 *          threadSafepoint.  Nothing is allocated from here to the end of the pause.
 * Nested   by who has paused already: counted, 0 at once.  By others: one after the other; a green
 *          thread that waits for its turn stands still meanwhile, be it beyond its deadline.
 * Until rtsResume the caller must neither park (debug builds stop at that) nor yield: it may read
 *          and write what is its own, call wakerPut, rtsNow and what is below.  If it forks, the
 *          child has no runtime (See capri/rts.h); a fork of another's waits for rtsResume.
 * Context  green threads, plain OS threads.  Not from signal handlers.
 * Source   rts_pause; differs: a deadline, and green threads may.
 */
CAPRI_EXPORT int rtsPause(int64_t deadline_ns) CAPRI_NAME(rtsPause);

/* rtsResume -- the last of as many calls as rtsPause had: the world goes on.
 * Returns 0, or -EPERM: it is not the caller who has paused.  Source: rts_resume. */
CAPRI_EXPORT int rtsResume(void) CAPRI_NAME(rtsResume);

/* What a collector has to look at of one thread: the words from low to high. */
typedef struct PausedThread {
    const Thread *thread; /* borrowed, for threadId and threadLabelOf */
    const void *low;      /* on its stack: from where it stopped, its registers first, ... */
    const void *high;     /* ... to where its frames begin.  Not begun: what it was given as env;
                           * ended and not yet released: its result */
} PausedThread;

typedef void PausedVisit(const PausedThread *paused, void *env);

/* rtsPausedThreads -- visit every green thread there is, the caller too, while paused.
 *
 * visit    may do what the caller may
 * Returns  how many were visited; -EPERM: it is not the caller who has paused.
 * Promise  what a parked thread holds in callee-saved registers is in its range; so is what the
 *          caller holds, up to this call.  Not visited are the boxes themselves (MVars, TVars,
 *          Chans, Wakers, thread-local memory of the host), nor the stacks of plain OS threads; a
 *          thread that one of those forks or releases meanwhile may be missed, or seen once more.
 */
CAPRI_EXPORT int rtsPausedThreads(PausedVisit *visit, void *env) CAPRI_NAME(rtsPausedThreads);

#ifdef __cplusplus
}
#endif

#endif
