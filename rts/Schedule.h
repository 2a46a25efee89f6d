/* Schedule.h -- the loop: run, poll, steal, sleep; and the way from one thread to the next.
 *
 * Note [Switching directly]
 *   A thread that parks, yields or ends picks the next thread itself and switches to it; only when
 *   there
 *   is none does it switch to the worker's loop, which searches and sleeps.  What must happen to
 *   the thread that was left, once its stack is saved, is written into Scheduler.after and done by
 *   whoever runs next on this OS thread (afterSwitch):
 *     AfterRequeue  yielded: push it at the young end
 *     AfterCommit   parks: claimCommit; if it has been claimed meanwhile, push it
 *     AfterEnd      ended: its stack goes back to the cache
 *   contextSwitch passes the Capability that runs on to the resumed context, which may have slept
 *   on another OS thread: nothing that was read before a switch tells where one is after it.
 *
 * Note [Picking the next]
 *   After a yield the old end of the queue is next (round robin).  After a park or an end the young
 *   end
 *   is: in a fork tree few stacks live at once.  After YOUNG_MOST young ones in a row an old one
 *   runs, so that nobody starves.
 */
#ifndef RTS_SCHEDULE_H
#define RTS_SCHEDULE_H

#include "capability/Worker.h"
#include "rts/Thread.h"

typedef enum AfterSwitch { AfterNothing, AfterRequeue, AfterCommit, AfterEnd } AfterSwitch;

/* This floor's share of a capability (Capability.upper); its OS thread only, but for the
 * counters. */
typedef struct Scheduler {
    Capability *capability;
    AfterSwitch after;  /* see Note [Switching directly] */
    Thread *left;       /* the thread `after` is about */
    Stack *left_stack;  /* AfterEnd: the stack to give back */
    uint32_t ticks;     /* switches since the start, for clock reads */
    uint32_t young_run; /* young ends in a row */
    Runnable *handed;   /* what the loop is to run next, or NULL */
    int64_t last_poll_ns, last_look_ns, last_rebias_ns;
    int64_t mean_run_ns;   /* over the last switches: how long a thread runs */
    void *loop_sp;         /* the worker's loop while a thread runs */
    StackTools loop_tools; /* its OS stack, for the sanitizers */
    const void *loop_bottom;
    size_t loop_size;
    StackCache stacks;
    ThreadCache threads;
    uint64_t forks, ended, parks; /* COUNT; others read */
} Scheduler;

static inline Scheduler *schedulerOf(Capability *capability)
{
    return (Scheduler *)capability->upper;
}

/* scheduleHere -- the capability this OS thread carries, NULL on a plain OS thread. */
static inline Capability *scheduleHere(void)
{
    Worker *worker = workerSelf();
    return worker == NULL ? NULL : worker->capability;
}

/* scheduleSelf -- the running green thread, or NULL. */
Thread *scheduleSelf(void);

/* schedulePark -- the running thread waits (claimBegin done, sources told): switch away until it is
 * claimed.  Returns the capability it runs on now. */
Capability *schedulePark(Capability *capability);

/* scheduleYield -- to the young end of the queue; everybody else first. */
Capability *scheduleYield(Capability *capability);

/* scheduleReady -- thread became ready; here: the capability the caller runs on, or NULL. */
void scheduleReady(Thread *thread, Capability *here);

/* scheduleSafepointSlow -- capability->attention is set: poll, yield. */
void scheduleSafepointSlow(Capability *capability);

static inline void scheduleSafepoint(Capability *capability)
{
    if (UNLIKELY(RELAXED_LOAD(&capability->attention) != 0))
        scheduleSafepointSlow(capability);
}

/* scheduleRunThread -- Runnable.run of every green thread. */
void scheduleRunThread(Runnable *runnable, Capability *capability);

/* scheduleStacksLive -- stacks bound to threads now, in all capabilities; never less than there
 * are. */
uint64_t scheduleStacksLive(void);

/* scheduleLoop -- WorkerHooks.loop. */
void scheduleLoop(Worker *worker);

#endif
