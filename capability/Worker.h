/* Worker.h -- an OS thread and the capability it carries.
 *
 * Note [Carriers]
 *   A capability is carried by one OS thread at a time, but not always by the same.  It is passed
 *   on
 *     taken   from a call in flight, by the Monitor (See Note [Call states]): offered to a spare
 *     given   to a bound worker, by the carrier that met what only that one may run
 *     offered back, by the bound worker, when that has parked, yielded or ended
 *   The first finds the carrier outside of every gate and lock of ours, its run queue and timers at
 *   rest; the others are the carrier's own doing, in its loop.  The next carrier acquires all that
 *   through the spares' lock or the futex of a bound worker, so what is the "owner's" needs no more
 *   order than before.  What belongs to the OS thread and not to the capability is in Worker.upper:
 *   its stack, its place in the loop.
 *
 * Note [Bound workers]   Worker.given
 *   from  on    to  by              order    meaning
 *   0     give  1   carrier         release  worker->capability is the bound worker's; futex wake
 *   0     give  2   who is the last release  it ends
 *   1     take  0   bound worker    acquire
 */
#ifndef CAPABILITY_WORKER_H
#define CAPABILITY_WORKER_H

#include "capability/Call.h"
#include "capability/Capability.h"

#include <pthread.h>

enum { WORKER_UPPER_WORDS = 10, WORKER_MOST = 2048 };

/* Slots that stay where they are: an OS thread keeps its own until it ends. */
typedef struct Worker {
    Call call;              /* see Note [Call states] */
    Capability *capability; /* its OS thread, a claimer: what it carries, or carried last */
    pthread_t thread;       /* who made it */
    const struct WorkerHooks *hooks;
    uint32_t state;                     /* under the lock of the slots: WorkerState */
    uint32_t given;                     /* futex of a bound one: See Note [Bound workers] */
    void *bound;                        /* constant: what only this one runs, NULL: anything */
    uint64_t upper[WORKER_UPPER_WORDS]; /* the upper floor's share; its OS thread */
    bool gathers;                       /* constant: arrives with others at a start */
    bool coming;                        /* Spare.c: made, but not in its first wait yet */
    bool over;                          /* its OS thread: what it was bound to has ended */
    bool begun;                         /* under the lock of the slots: `self` is set */
    pthread_t self;                     /* likewise */
    bool guest;                         /* constant: its OS thread is a host's, in steps */
    int32_t cpu_clock;                  /* its OS thread; the Monitor: a clockid_t, 0: none */
} Worker;

/* What the upper floor does on each worker, in its OS thread.  start: before the first run; -E...
 * stops the start-up.  loop: the scheduler; returns once CapabilityStopped is seen, or when it
 * carries no capability any more (workerCarry(NULL)). */
typedef struct WorkerHooks {
    int (*start)(Worker *worker);
    void (*loop)(Worker *worker);
    void (*end)(Worker *worker);
} WorkerHooks;

/* workerCapability -- what the calling OS thread carries, or NULL on a plain OS thread.  Never
 * cached by the compiler: a green thread may ask on one OS thread and be told of another one next
 * time.  See Note [Worker capability]. */
#if defined(__x86_64__) && !defined(SMP_MODEL)
static inline Capability *workerCapability(void)
{
    Capability *capability;
    __asm__ volatile("movq worker_capability@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(capability));
    return capability;
}

/* workerCarry -- from here on the calling OS thread, a worker, carries this one, or none (NULL):
 * then it is a plain OS thread. */
static inline void workerCarry(Capability *capability)
{
    uintptr_t scratch;
    __asm__ volatile("movq worker_capability@gottpoff(%%rip), %0\n\t"
                     "movq %1, %%fs:(%0)"
                     : "=&r"(scratch)
                     : "r"(capability)
                     : "memory");
}
#else
Capability *workerCapability(void);
void workerCarry(Capability *capability);
#endif

/* workerOwns -- EventManager.owns of a capability's manager: does the caller carry it? */
bool workerOwns(const EventManager *manager);

/* workerOutside, workerSetOutside -- a word of each plain OS thread, NULL at first. */
void *workerOutside(void);
void workerSetOutside(void *word);

/* workerStays, workerSetStays -- a count of each plain OS thread, 0 at first: the calls it is in
 * that a shutdown waits for.  See rts/Outside.h. */
uint32_t workerStays(void);
void workerSetStays(uint32_t stays);

/* workerAway, workerSetAway -- a word of each OS thread: the worker that it is while it carries
 * nothing because its thread was handed over (See Note [Runaways]), else NULL.  Its OS thread only,
 * a signal handler there too. */
Worker *workerAway(void);
void workerSetAway(Worker *worker);

/* workerOsThread -- the number of each OS thread, not 0: no other one has it, before or after, nor
 * in a fork's child, where the one that has forked keeps its own (a pthread_t is used again). */
uint64_t workerOsThread(void);

/* workerSignal -- anyone: send a signal to whoever carries `capability`, if it still lives. */
void workerSignal(Capability *capability, int number);

/* workerStartAll -- one OS thread per capability; returns when all have run hooks->start.  0 or
 * -E... (then all are stopped again). */
int workerStartAll(const WorkerHooks *hooks);

/* workerAdd -- one more, for a capability that capabilityTableMake has made: when its OS thread has
 * run hooks->start the capability is published, then the loop begins.  0 or -E... (no OS thread is
 * left, nothing published).  One caller at a time, not while workers start or stop. */
int workerAdd(Capability *made, const WorkerHooks *hooks);

/* workerMakeSpare -- one more without a capability (Spare.c, under its lock).  0 or -EAGAIN. */
int workerMakeSpare(const WorkerHooks *hooks);

/* workerMakeBound -- one more that runs nothing but `bound`: See Note [Bound workers].  NULL: no OS
 * thread to be had.  workerNumber, workerOfNumber -- its number, below WORKER_MOST. */
Worker *workerMakeBound(const WorkerHooks *hooks, void *bound);
uint32_t workerNumber(const Worker *worker);
Worker *workerOfNumber(uint32_t number);

/* workerGive -- owner of `capability`: that bound one carries it on; NULL: it ends. */
void workerGive(Worker *worker, Capability *capability);

/* workerSurvive -- child of a fork: `self`, which is the calling OS thread, carries `kept`, now
 * capability 0, and is the only worker; both NULL: it is a plain OS thread, and there is none
 * (workerStartAll may follow).  workerForget -- it is a plain OS thread from now on: the runtime
 * cannot go on. */
void workerSurvive(Worker *self, Capability *kept);
void workerForget(void);

/* workerIsHere -- is the calling OS thread a worker, even one that carries nothing, or a helper?
 * workerSetHelper -- it is one from now on: it carries nothing, and makes calls for green threads,
 * which wait for it. */
bool workerIsHere(void);
void workerSetHelper(void);

/* workerCount -- slots in use, those of OS threads that have ended and were not joined yet too. */
uint32_t workerCount(void);

/* workerStopAll -- tell every capability to stop, wake it, join its OS thread. */
void workerStopAll(void);

#endif
