/* capri/pause.h -- stopping the world, for a host's collector.
 *
 * While the runtime is paused no green thread, no step of a task and no callback runs, but for the
 * thread or step that has paused it; timers and polls stand still.  Who called rtsPause goes on,
 * and nobody else: a green thread or a step on its capability, or a plain OS thread.  Plain OS
 * threads of the host are not stopped, nor are calls that other OS threads or the kernel make for
 * parked threads (files, names, streams on io_uring): they may write into the buffers they were
 * given; who waits for them goes on only after the pause.
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
 *          threadSafepoint; a task when its step has returned (taskMustYield asks for that), or
 *          waits for its turn: in here, in capabilitySetCount, in fork(2).  Nothing is allocated
 *          from here to the end of the pause.
 * Nested   by who has paused already: counted, 0 at once.  By others: one after the other; a green
 *          thread that waits for its turn stands still meanwhile, be it beyond its deadline.
 * Until rtsResume the caller must neither park (debug builds stop at that) nor yield: it may read
 *          and write what is its own, call wakerPut, rtsNow and what is below.  If it forks, the
 *          child has no runtime (See capri/rts.h); a fork of another's waits for rtsResume.
 * Context  green threads, steps of tasks, plain OS threads.  Not from signal handlers.
 * Source   rts_pause; differs: a deadline, and green threads may.
 */
CAPRI_EXPORT int rtsPause(int64_t deadline_ns) CAPRI_NAME(rtsPause);

/* rtsResume -- the last of as many calls as rtsPause had: the world goes on.
 * Returns 0, or -EPERM: it is not the caller who has paused.  Source: rts_resume. */
CAPRI_EXPORT int rtsResume(void) CAPRI_NAME(rtsResume);

/* What a collector has to look at of one thread: the words from low to high.
 *
 * is_stack   a green thread's stack: from where it stopped, its registers first, to where its
 *            frames begin.  Anything may lie there; to be read only
 * otherwise  words that the host gave, and may change (a moving collector): of a task
 *            (capri/task.h) its env and its user word; of a green thread that has not begun its
 *            env; of who has ended and is not yet released the result.  Plain OS threads run on:
 *            what one joins meanwhile should not be a result that moves, nor be written
 */
typedef struct PausedThread {
    const Thread *thread; /* borrowed, for threadId and threadLabelOf */
    void *low, *high;
    bool is_stack;
} PausedThread;

typedef void PausedVisit(const PausedThread *paused, void *env);

/* rtsPausedThreads -- visit every green thread and task there is, the caller too, while paused.
 *
 * visit    may do what the caller may
 * Returns  how many were visited; -EPERM: it is not the caller who has paused.
 * Promise  what a parked thread holds in callee-saved registers is in its range; so is what the
 *          caller holds, up to this call.  Of one that is in a foreignCall or between
 *          threadBlockingEnter and Leave it is what it held when it began; the BlockingRegion must
 *          lie on its stack, and what the region's own code loads is not seen.  Not visited are
 *          the boxes themselves (MVars, TVars, Chans, Wakers, thread-local memory of the host), nor
 *          the stacks of plain OS threads, nor what a step of a task that is in rtsPause has in C
 *          variables; a thread that a plain OS thread forks or releases meanwhile may be missed, or
 *          seen once more.
 */
CAPRI_EXPORT int rtsPausedThreads(PausedVisit *visit, void *env) CAPRI_NAME(rtsPausedThreads);

#ifdef __cplusplus
}
#endif

#endif
