/* Schedule.h -- the loop: run, poll, steal, sleep; and the way from one thread to the next.
 *
 * Note [Switching directly]
 *   A thread that parks, yields or ends picks the next thread itself and switches to it; only when
 *   there is none does it switch to the worker's loop, which searches and sleeps.  What must happen
 *   to the thread that was left, once its stack is saved, is written into Scheduler.after and done
 *   by whoever runs next on this OS thread (afterSwitch):
 *     AfterSwap     yielded to the oldest, in the run queue's gate: change places
 *     AfterRequeue  yielded otherwise: push it at the young end
 *     AfterCommit   parks: claimCommit; if it has been claimed meanwhile, push it
 *     AfterList     waits for one list: parkPublish; if it does not wait after all, push it
 *     AfterEnd      ended: its stack goes back to the cache
 *   contextSwitch passes the Capability that runs on to the resumed context, which may have slept
 *   on another OS thread: nothing that was read before a switch tells where one is after it.
 *
 * Note [Picking the next]
 *   After a yield the old end of the queue is next (round robin).  After a park or an end the young
 *   end is: in a fork tree few stacks live at once.  What a poll, a sleep or a theft leaves ready
 *   runs in the order of arrival (`turns`): who waited for an event longest is served first, and a
 *   busy client cannot push the others back by coming again.  Every OLD_EVERY_NS the old end is
 *   next in any case, so that nobody starves; by time, not by count: each old one that runs in a
 *   tree of short threads opens another branch.
 *
 * Note [Safepoints poll]
 *   A thread that computes and never parks passes safepoints.  Every SAFEPOINTS_PER_LOOK of them
 *   the clock is read, and a poll that is due is made there: while all cores compute, the Monitor
 *   may wait for some milliseconds until it gets one.
 *   Those in a manager's callback (it writes a variable, say) are passed by: a poll would overwrite
 *   the records that are being dispatched and call other callbacks inside of this one, a switch
 *   would leave the poll, and a lock that the callback holds, in the middle.  The attention stays
 *   for the next safepoint.  So are those of an attempt of a transaction, which stays on its OS
 *   thread: it looks for itself when it is over.
 */
#ifndef RTS_SCHEDULE_H
#define RTS_SCHEDULE_H

#include "capability/Idle.h"
#include "capability/Worker.h"
#include "rts/Cell.h"
#include "rts/HandOver.h"
#include "rts/LoopStack.h"
#include "rts/Thread.h"
#include "rts/stm/Share.h"

typedef struct TaskContext TaskContext;
typedef struct BlockArming BlockArming;

typedef enum AfterSwitch {
    AfterNothing,
    AfterSwap,
    AfterRequeue,
    AfterCommit,
    AfterList,
    AfterEnd
} AfterSwitch;

/* What a listed wait waits for: See Note [Listed waits].  It does not wait if, once the node is
 * published, *watched differs from `seen` in one of `bits`, or *home is not `word` any more. */
typedef struct ListedWait {
    WatchList *list;
    const uint64_t *watched; /* or NULL */
    uint64_t seen, bits;
    const uint32_t *home; /* or NULL */
    uint32_t word;
    uint16_t generation; /* of the list */
} ListedWait;

/* listedWaitIsOver -- what it waits for has happened.  Seq_cst, for who has published its node:
 * See Note [StoreLoad]. */
static inline bool listedWaitIsOver(const ListedWait *wait)
{
    return (wait->watched != NULL &&
            ((SEQ_CST_LOAD(wait->watched) ^ wait->seen) & wait->bits) != 0) ||
           (wait->home != NULL && SEQ_CST_LOAD(wait->home) != wait->word);
}

/* This floor's share of a capability (Capability.upper); its OS thread only, but for the
 * counters. */
typedef struct Scheduler {
    AfterSwitch after;   /* see Note [Switching directly] */
    Thread *left;        /* the thread `after` is about; AfterEnd: nobody's, and only set when that
                            led to the loop */
    ListedWait wait;     /* AfterList; filled before the thread is left: until then nothing else
                            that could wait runs here */
    Stack *left_stack;   /* AfterEnd: the stack to give back */
    uint32_t safepoints; /* since the clock was last read at one */
    uintptr_t turns;     /* pops that are the old end's: See Note [Picking the next] */
    Runnable *handed;    /* what the loop is to run next, or NULL */
    int64_t last_poll_ns, last_look_ns, last_rebias_ns, last_old_ns;
    uint64_t look_at;    /* at this count of switches the clock is read again (who changes the
                              mode stores 0, relaxed): See Note [Looks], */
    uint64_t looked_at;  /* at this one it was read last */
    int64_t mean_run_ns; /* over the last switches: how long a thread runs */
    LoopStack *loop;     /* its carrier's; See Note [Loop stacks] */
    TaskContext *step;   /* of the task that is `current`, or NULL */
    BlockArming *arming; /* the task's transaction that runs, or NULL: See Note [Task waits] */
    CellCache bodies;    /* of tasks */
    StackCache stacks;
    ThreadCache threads;
    uint64_t forks, ended, parks; /* COUNT; others read */
    uint64_t handed_over;         /* likewise */
    uint64_t asked; /* relaxed: Monitor and handler; 0, or one more than the count of switches at
                     * which its thread is to be handed over: See Note [Runaways] */
    bool stays;     /* owner: its thread is in a fork, and is not handed over */
    StmShare stm;
    void *limits;          /* owner: free ones of rts/TimeoutRun.c, */
    uint32_t limit_count;  /* owner: so many */
    int64_t step_until_ns; /* owner: 0, or when the step is over: See Note [Steps] */
    void *user;            /* owner stores (relaxed), anyone looks: the host's */
    bool begun;            /* owner: the host was told of its start: See Note [Hooks] */
} Scheduler;

_Static_assert(sizeof(Scheduler) <= sizeof(UpperShare), "raise UPPER_WORDS");

static inline Scheduler *schedulerOf(Capability *capability)
{
    return (Scheduler *)(void *)&capability->upper;
}

static inline Capability *capabilityOf(Scheduler *scheduler)
{
    return (Capability *)(void *)((char *)scheduler - offsetof(Capability, upper));
}

/* scheduleHere -- the capability this OS thread carries, NULL on a plain OS thread. */
static inline Capability *scheduleHere(void)
{
    return workerCapability();
}

/* scheduleEnter -- likewise, and a thread that was handed over comes back first: where it may park,
 * and holds no lock.  See Note [Runaways]. */
static inline Capability *scheduleEnter(void)
{
    Capability *here = workerCapability();
    return LIKELY(here != NULL) ? here : handOverReturn();
}

/* scheduleCalledBack -- owner: was what runs called by a manager, be it on a thread's stack?
 * scheduleMayWait -- such a callback may not: whatever it waited for, its capability would not look
 * for.  Nor may a transaction's action or hook, which may hold the token. */
static inline bool scheduleCalledBack(const Capability *capability)
{
    return capability->current == NULL || capability->manager.polling;
}

static inline bool scheduleMayWaitHere(Capability *here)
{
    return !scheduleCalledBack(here) && schedulerOf(here)->stm.running == NULL;
}

static inline bool scheduleMayWait(void)
{
    Capability *here = scheduleHere();
    return here == NULL ? workerOutside() == NULL : scheduleMayWaitHere(here);
}

/* scheduleSelf -- the running green thread or task, or NULL.  A thread may be away: then
 * scheduleHere is NULL.
 * scheduleInStep -- does a task's step run here (or what has called it back)?  here may be NULL. */
Thread *scheduleSelf(void);

static inline bool scheduleInStep(Capability *here)
{
    return here != NULL && schedulerOf(here)->step != NULL;
}

/* scheduleSelfHere -- likewise; NULL as well if it is called back, on whatever thread's stack. */
static inline Thread *scheduleSelfHere(void)
{
    Capability *here = scheduleHere();
    return here != NULL && scheduleCalledBack(here) ? NULL : scheduleSelf();
}

/* scheduleWaiter -- the green thread or task that waits if something here has to; NULL: a plain OS
 * thread does, or nothing here may wait, which rts/Outside.h refuses.
 * scheduleEnterSelf -- likewise; it is not away: scheduleHere says where. */
static inline Thread *scheduleWaiter(Capability *here)
{
    return here == NULL || !scheduleMayWaitHere(here) ? NULL : (Thread *)here->current;
}

static inline Thread *scheduleEnterSelf(void)
{
    return scheduleWaiter(scheduleEnter());
}

/* schedulePark -- the running thread waits (claimBegin done, sources told): switch away until it is
 * claimed.  Returns the capability it runs on now. */
Capability *schedulePark(Capability *capability);

/* scheduleWait -- what the thread that runs here is about to wait for. */
static inline ListedWait *scheduleWait(Capability *here)
{
    return &schedulerOf(here)->wait;
}

/* scheduleParkListed -- likewise for that listed wait, which is published once the stack is saved.
 * Returns its result. */
int scheduleParkListed(Capability *capability);

/* scheduleYield -- threadYield. */
int scheduleYield(void);

/* schedulePop -- worker's loop, between two runnables: the next ready one, or NULL.  yielded: it is
 * the turn of the queue's old end. */
Runnable *schedulePop(Scheduler *scheduler, bool yielded);

/* scheduleReady -- thread became ready; here: the capability the caller runs on, or NULL. */
void scheduleReady(Thread *thread, Capability *here);

/* scheduleNewborn -- likewise, of a thread that was forked here. */
static inline void scheduleNewborn(Thread *thread, Capability *here)
{
#ifndef CAPRI_MIGRATE
    if (LIKELY((thread->node.tag & TAG_PINNED) == 0 && RELAXED_LOAD(&idle.sleeping) == 0)) {
        capabilityPush(here, &thread->runnable);
        return;
    }
#endif
    scheduleReady(thread, here);
}

/* scheduleSafepointSlow -- attention is set, or the clock should be looked at: poll, yield. */
void scheduleSafepointSlow(Capability *capability);

enum { SAFEPOINTS_PER_LOOK = 16 };

static inline void scheduleSafepoint(Capability *capability)
{
    bool look = ++schedulerOf(capability)->safepoints >= SAFEPOINTS_PER_LOOK;
    if (UNLIKELY(look || RELAXED_LOAD(&capability->attention) != 0))
        scheduleSafepointSlow(capability);
}

/* scheduleRunThread -- Runnable.run of every green thread that has begun: it can be switched to.
 * scheduleRunNewborn -- until then: it has no stack. */
void scheduleRunThread(Runnable *runnable, Capability *capability);
void scheduleRunNewborn(Runnable *runnable, Capability *capability);

static inline bool scheduleIsThread(const Runnable *runnable)
{
    return runnable->run == scheduleRunThread || runnable->run == scheduleRunNewborn;
}

/* scheduleResumed -- a thread that was left by other ways than these goes on here: see to who was
 * left for it. */
void scheduleResumed(Capability *capability);

/* scheduleBindStack -- give a newborn its stack; it can be switched to then.  False: there is none;
 * it waits, or has ended. */
bool scheduleBindStack(Scheduler *scheduler, Thread *thread);

/* scheduleRunOnly -- worker's loop: run this thread, which has begun, until it leaves.  False: the
 * capability is not carried here any more. */
bool scheduleRunOnly(Scheduler *scheduler, Thread *thread);

/* scheduleRunReady -- worker's loop: run what is ready.  False: there is nothing, or it is called
 * off; true: its mode has changed, or it is not carried here any more. */
bool scheduleRunReady(Scheduler *scheduler);

#endif
