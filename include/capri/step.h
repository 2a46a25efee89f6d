/* capri/step.h -- the runtime in a loop of the host's: glib, Qt, libuv, or one of its own.
 *
 * With RtsConfig.stepped the runtime has no OS threads that run green threads.  The host's loop
 * does: it sleeps over rtsFd() beside whatever it sleeps over, and calls rtsStep when that is
 * readable.
 *
 *     RtsConfig config = {.stepped = true};
 *     rtsInit(&config);
 *     struct epoll_event event = {.events = EPOLLIN};
 *     epoll_ctl(host, EPOLL_CTL_ADD, rtsFd(), &event);
 *     for (;;) {
 *         epoll_wait(host, &event, 1, -1);
 *         rtsStep(0);
 *     }
 *
 * The OS thread that first calls rtsStep or rtsFd is the *owner* (or the one that called rtsInit,
 * if it waits for something before that): all green threads, tasks, callbacks and hooks run on it,
 * inside of rtsStep, so they may use what belongs to it (a GUI, say), and see its thread-local
 * variables.  Between steps it is a plain OS thread to the library.  A call there that has to wait
 * (threadJoin, mvarTake, fdRead ...) makes steps until it need not, and the host's loop waits.
 *
 * What differs: one capability (capabilitySetCount: -EPERM).  foreignCall runs its function on an
 * OS thread of the blocking pool (RtsConfig.blocking_threads), foreignCallInterruptible too, and
 * does not interrupt it; threadBlockingEnter says -EAGAIN, threadForkOS -ENOTSUP; threadIsBound is
 * true, as each thread is run by the owner only.  rtsShutdown is the owner's to call, and makes
 * steps while it waits; rtsMain is both in one, and the whole program on one OS thread.
 * OS threads are made for calls that may block (files that are not in memory, names ...) and for
 * watches of signals, nothing else.
 * A thread that computes without safepoints keeps the owner from its loop.
 *
 * fork(2), by whomever: the child's owner is the OS thread that forked if it was the owner, else
 * whoever asks first; rtsFd is to be asked for again there.  A green thread's child returns from
 * rtsStep into the host's loop, as the parent does, and does not exit by itself; unless the step
 * was made by a call of the owner's that waits for a thread (threadJoin, rtsMain): then it does, as
 * elsewhere.
 */
#ifndef CAPRI_STEP_H
#define CAPRI_STEP_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* rtsStep -- run what is ready; if nothing is, wait for something first.
 *
 * timeout_ns  how long to wait at most: 0: not at all; negative: for ever
 * Returns     1: more is ready (it has run for RtsConfig.step_us), and rtsFd is readable;
 *             0: nothing is ready now; it may return so before the time has come;
 *             -EPERM: another OS thread is the owner; -EDEADLK: called in a step (by a green
 *             thread, a callback, a hook, RtsConfig.log), or by who has paused the world; -ENOTSUP:
 *             the runtime has OS threads of its own; -ENXIO, -ESHUTDOWN, -ENOTRECOVERABLE, -ENOMEM.
 * Promise     what runs when the time is over is left at its next wait, yield or safepoint, and the
 *             next step begins with others.  The clock is read at the first switch, then at every
 *             16th, at each while threads run for 20 us and more.  A step waits once.  While
 *             another OS thread has paused the world (rtsPause) it stands still.
 * Context     the owner.  Between steps nobody runs: pauses and forks need not wait.
 */
CAPRI_EXPORT int rtsStep(int64_t timeout_ns) CAPRI_NAME(rtsStep);

/* rtsFd -- an fd that is readable while rtsStep has something to do: a thread is ready, an event
 * has come, a timer is due, another OS thread has woken a thread; and once, about 100 ms after the
 * last of these, for the runtime's upkeep.
 *
 * Returns  the fd, always the same, and the runtime's: do not read, write or close it; -ENOTSUP:
 *          the back-end has none (poll); -EMFILE, -ENFILE, -ENOMEM; and as rtsStep.
 * Promise  from the first call on.  Level-triggered; silent after a step that returned 0, until
 *          there is something (with io_uring it may tell once of a time that has been taken back).
 * Context  as rtsStep.
 */
CAPRI_EXPORT int rtsFd(void) CAPRI_NAME(rtsFd);

#ifdef __cplusplus
}
#endif

#endif
