/* WaitQueue.h -- who waits for an MVar, a lock, a semaphore: a fair queue under a lock of its own.
 *
 * Each of those objects begins with a WaitQueue and changes only under its lock, one locked
 * operation and held for some loads and stores.  An operation that cannot be done adds a Waiter,
 * which lives on the waiter's stack; who can do it later does so on the waiter's behalf, takes the
 * Waiter off and wakes it.  So whoever wakes up has what it waited for: nobody can come between.
 *
 * Note [Waiters]
 *   A green thread without a deadline waits as in Note [Listed waits]: being in the queue is the
 *   claim, and its Waiter is added when nothing runs on its stack any more.  Everybody else (a
 *   deadline, a plain OS thread) has a claim to be won as well (See Note [Claim states]), and
 *   takes itself off the queue when it was lost to a timer or a canceller.
 *     place   from    to      by       order    when
 *     Own     Own     Queued  waiter   relaxed  Q1: under the lock, after the attempt said WAIT
 *     Queued  Queued  Taken   server   relaxed  Q2: under the lock, and the claim was won
 *     Queued  Queued  Own     server   relaxed  Q3: under the lock, the claim was lost: off it goes
 *     Queued  Queued  Own     waiter   relaxed  Q4: under the lock, its claim went elsewhere
 *     Taken   Taken   Own     server   release  Q5: without the lock: the server's last touch
 *   A listed waiter's claim is settled under the lock by who takes it off; it runs again when it
 *   has been queued, after Q5, or after a hand-over that goes from Queued to Own at once.  All
 *   others wait for Own (acquire, Q5) before their frame may go: they may be running already.
 *   A canceller finds a listed waiter through its thread, `number` = the queue with WAIT_QUEUE set
 *   and `next` = the Waiter.  Under the queue's lock it looks at the claim again: if it is that
 *   same wait, the wait is not over, because who ends it settles the claim under this lock; so the
 *   Waiter is there.  The queue may be one of long ago: WaitQueues are type-stable.
 *   `life` counts the lives of the memory: who was about to wait when it was freed is told so, as
 *   is who comes back to a mutex from a condition; not a task, whose step names the queue long
 *   before its wait begins: capri/task.h asks the host.
 *
 * Note [Waiters of tasks]
 *   A task has no stack for a Waiter; what a queue needs of one while it is Queued its descriptor
 *   has room for.  The queue links Thread.node, which begins as a Waiter does, and WAIT_QUEUE in
 *   `number` tells the two apart:
 *     node.next, fire  Waiter.next, prev
 *     node.number      the queue and WAIT_QUEUE, listed or not; stored after the claim before it
 *                      and the next two (release): who finds the queue there finds them
 *     wait.home        place, WAITER_PARKED, kind
 *     fn_or_result     value
 *   Whether it is listed, and its number, its claim says: that word's number stands still while the
 *   node is Queued, for its owner leaves under the lock.  The attempt is made by who arms the wait,
 *   with a Waiter that lives until then; one that need not wait, and is not listed, has not begun,
 *   so that no canceller ends what has been done.
 *   Only MVars serve tasks: other objects' servers do not meet such a Waiter.
 *
 * Note [Interruptible waits]
 *   An operation that can be done at once is done, whatever is pending: it is not interruptible.
 *   One that must wait is interruptible while its Waiter is Queued: an interrupt is one more source
 *   that tries the claim, or, for a listed wait, calls waitQueueRetract; the waiter leaves in O(1)
 *   and the others keep their order.  Who loses to the server has the value, the lock, the unit.
 *   An interrupt that meets a listed waiter not yet in its queue (Own) has to be remembered by who
 *   sends it and be tried again, as rtsShutdown's cancelling is.
 */
#ifndef RTS_WAIT_QUEUE_H
#define RTS_WAIT_QUEUE_H

#include "internal/Turn.h"
#include "rts/Schedule.h"

typedef struct Waiter Waiter;

/* Begins each object that can be waited for; 64 bytes are for all of it. */
typedef struct WaitQueue {
    uint32_t lock;        /* acquire, release */
    uint32_t life;        /* stored under the lock, read by anyone (relaxed) */
    uint32_t state;       /* the object's: stored under the lock, read by anyone */
    uint32_t spare;       /* likewise */
    Waiter *first, *last; /* under the lock */
    void *link;           /* the pool's */
} WaitQueue;

enum { WAIT_QUEUE_BYTES = 64 };

/* An attempt's answer: not possible now, wait behind all others or before them.  Others: 0, -E...,
 * or what the object means by it. */
enum { WAIT = 1, WAIT_FRONT = 2 };

/* Set in Thread.node.number: a queue, not a WatchList; in Waiter.number: it is a task's. */
#define WAIT_QUEUE 1ull

typedef enum WaiterPlace { WaiterOwn = 0, WaiterQueued = 1, WaiterTaken = 2 } WaiterPlace;

/* Who has been taken off and is to be woken, oldest first. */
typedef struct Woken {
    Waiter *first, *last;
} Woken;

/* attempt -- under the lock: do the operation, or say WAIT.
 * left    -- under the lock: a waiter has left undone; who may go on now?  NULL: nobody can. */
typedef int WaitAttempt(WaitQueue *queue, Waiter *waiter, Woken *woken);
typedef void WaitLeft(WaitQueue *queue, Woken *woken);

struct Waiter {
    Waiter *next, *prev; /* Queued: under the lock; next, Taken: the server's */
    uint64_t number;     /* constant; 0: listed; even: twice the claim's; odd: a task's, of whose
                            Waiter this is all: See Note [Waiters of tasks] */
    WaitQueue *queue;    /* constant, as all down to kind */
    WaitAttempt *attempt;
    WaitLeft *left;
    uint32_t kind;   /* the object's: what it waits for */
    uint32_t life;   /* of the queue, when it began to wait */
    void *value;     /* brought along, then what the server brings (before Q5) */
    Thread *thread;  /* NULL: a plain OS thread */
    Claim *claim;    /* not listed */
    uint32_t place;  /* See Note [Waiters] */
    uint32_t parked; /* Taken: the server's, to be made ready */
};

_Static_assert(offsetof(Waiter, next) == offsetof(WatchNode, next) &&
                   offsetof(Waiter, prev) == offsetof(WatchNode, fire) &&
                   offsetof(Waiter, number) == offsetof(WatchNode, number),
               "See Note [Waiters of tasks]");

/* Thread.wait.home of a task that waits in a queue: a WaiterPlace, and above it */
enum { WAITER_PLACE = 3, WAITER_PARKED = 4, WAITER_KIND_SHIFT = 3 };

static inline bool waiterIsTask(const Waiter *waiter)
{
    return UNLIKELY((waiter->number & WAIT_QUEUE) != 0);
}

static inline Thread *waiterTask(const Waiter *waiter)
{
    return (Thread *)((uintptr_t)waiter - offsetof(Thread, node));
}

static inline Waiter *waiterOfTask(Thread *task)
{
    return (Waiter *)((uintptr_t)task + offsetof(Thread, node));
}

static inline uint32_t waiterTaskKind(const Thread *task)
{
    return RELAXED_LOAD(&task->wait.home) >> WAITER_KIND_SHIFT;
}

/* waiterKind, waiterValue, waiterBring -- what it waits for, what it has brought, what it is
 * served; for servers that meet tasks, under the lock or with the waiter Taken. */
static inline uint32_t waiterKind(const Waiter *waiter)
{
    return waiterIsTask(waiter) ? waiterTaskKind(waiterTask(waiter)) : waiter->kind;
}

static inline void *waiterValue(const Waiter *waiter)
{
    return waiterIsTask(waiter) ? RELAXED_LOAD(&waiterTask(waiter)->fn_or_result)
                                : RELAXED_LOAD(&waiter->value);
}

static inline void waiterBring(Waiter *waiter, void *value)
{
    if (waiterIsTask(waiter))
        RELAXED_STORE(&waiterTask(waiter)->fn_or_result, value);
    else
        RELAXED_STORE(&waiter->value, value);
}

/* waitQueueWaiter -- one for waitQueueAwait, which sets what is left out here. */
static inline void waitQueueWaiter(Waiter *waiter, WaitQueue *queue, WaitAttempt *attempt,
                                   WaitLeft *left, uint32_t kind, void *value)
{
    waiter->queue = queue;
    waiter->attempt = attempt;
    waiter->left = left;
    waiter->kind = kind;
    RELAXED_STORE(&waiter->value, value);
}

void waitQueueStart(const Allocator *allocator);
void waitQueueEnd(void);

/* waitQueueLockAll, waitQueueUnlockAll -- around a fork: none is made or freed.
 * waitQueueSurvive -- its child: nobody waits, no lock is held. */
void waitQueueLockAll(void);
void waitQueueUnlockAll(void);
void waitQueueSurvive(void);

/* waitQueueNew -- an object in type-stable memory, all zero behind its queue; NULL: out of memory
 * or no runtime.  waitQueueFree -- who still waits gets -EINVAL; NULL is ignored. */
void *waitQueueNew(void);
void waitQueueFree(WaitQueue *queue);

void waitQueueLockSlow(WaitQueue *queue);

static inline void waitQueueLock(WaitQueue *queue)
{
    if (UNLIKELY(XCHG_ACQUIRE(&queue->lock, 1) != 0))
        waitQueueLockSlow(queue);
}

static inline void waitQueueUnlock(WaitQueue *queue)
{
    RELEASE_STORE(&queue->lock, 0);
}

/* waitQueueServe -- under the lock: take `waiter` off; true: the caller has won it (Q2), gives it
 * what it waits for, and later calls waitQueueWake.  False: it had given up (Q3). */
bool waitQueueServe(WaitQueue *queue, Waiter *waiter, int result, Woken *woken);

/* waitQueueHandOver -- under the lock: likewise for the first waiter if it is listed, with its
 * value; the caller makes the thread ready, without the lock.  Q2, Q5 in one: it is not running.
 * waitQueueHandOverTask -- likewise for a task's; NULL: it is not listed. */
static inline void waitQueueTakeFirst(WaitQueue *queue, const Waiter *first)
{
    Waiter *next = first->next;
    queue->first = next;
    if (LIKELY(next == NULL))
        queue->last = NULL;
    else
        next->prev = NULL;
}

static inline Thread *waitQueueHandOver(WaitQueue *queue, Waiter *waiter, void *value)
{
    Thread *thread = waiter->thread;
    waitQueueTakeFirst(queue, waiter);
    RELAXED_STORE(&waiter->value, value);
    RELAXED_STORE(&waiter->place, WaiterOwn);
    claimSettle(&thread->claim, 0);
    return thread;
}

static inline Thread *waitQueueHandOverTask(WaitQueue *queue, Waiter *waiter, void *value)
{
    Thread *task = waiterTask(waiter);
    uint32_t *home = &task->wait.home;
    if (UNLIKELY(claimState(RELAXED_LOAD(&task->claim)) != ClaimListed))
        return NULL;
    waitQueueTakeFirst(queue, waiter);
    RELAXED_STORE(&task->fn_or_result, value);
    RELAXED_STORE(home, RELAXED_LOAD(home) & ~(uint32_t)WAITER_PLACE); /* Own */
    claimSettle(&task->claim, 0);
    return task;
}

/* waitQueueWake -- without the lock: Q5, make them ready.  here: as for scheduleReady. */
void waitQueueWakeAll(Waiter *first, Capability *here);

static inline void waitQueueWake(const Woken *woken, Capability *here)
{
    if (woken->first != NULL)
        waitQueueWakeAll(woken->first, here);
}

/* waitQueueFinish -- the lock's end: unlock, then wake. */
static inline void waitQueueFinish(WaitQueue *queue, const Woken *woken, Capability *here)
{
    waitQueueUnlock(queue);
    waitQueueWake(woken, here);
}

/* waitQueueSafepoint -- the end of an operation that did not wait. */
static inline void waitQueueSafepoint(Capability *here)
{
    if (LIKELY(here != NULL))
        scheduleSafepoint(here);
    else
        handOverReturn();
}

/* waitQueueTry -- attempt once, whatever it says.   waitQueueDo -- likewise; WAIT: await.  It is no
 * safepoint: who has got a lock should not yield.
 * waitQueueDoInLife -- likewise; -EINVAL if the queue is not in that life any more. */
int waitQueueTry(Waiter *waiter);
int waitQueueDoInLife(Waiter *waiter, uint32_t life, ThreadState why, int64_t deadline_ns);

static inline int waitQueueDo(Waiter *waiter, ThreadState why, int64_t deadline_ns)
{
    return waitQueueDoInLife(waiter, RELAXED_LOAD(&waiter->queue->life), why, deadline_ns);
}

/* waitQueueAwait -- attempt, and if that says WAIT, park until somebody serves the waiter.  Returns
 * what the attempt said, what it was served with, -ETIMEDOUT, -ECANCELED, -EINVAL (the object was
 * freed), -ENOMEM.   waitQueueAwaitInLife -- likewise; waiter->life is set. */
int waitQueueAwaitInLife(Waiter *waiter, ThreadState why, int64_t deadline_ns);

static inline int waitQueueAwait(Waiter *waiter, ThreadState why, int64_t deadline_ns)
{
    waiter->life = RELAXED_LOAD(&waiter->queue->life);
    return waitQueueAwaitInLife(waiter, why, deadline_ns);
}

/* waitQueueAwaitListed -- likewise, on the running green thread, without a deadline. */
int waitQueueAwaitListed(Waiter *waiter, Thread *self, Capability *here, ThreadState why);

/* waitQueueTaskBegin -- a task, whose step has returned: attempt what `asked` asks for, and if that
 * says WAIT, so does this: it may run elsewhere by now.  Else what the attempt has said: it does
 * not wait.
 * waitQueueTaskBeginTimed -- likewise, with a deadline: after WAIT parkCommit is to follow.
 * waitQueueTaskEnd -- a timed one's claim has gone to somebody, with that result: it is in no queue
 * any more.
 * See Note [Waiters of tasks]. */
int waitQueueTaskBegin(Waiter *asked, Thread *task, Capability *here, ThreadState why);
int waitQueueTaskBeginTimed(Waiter *asked, Thread *task, Capability *here, ThreadState why);
void waitQueueTaskEnd(Thread *task, int result, Capability *here);

/* waitQueuePublish -- AfterList: the stack of `left` is saved.  False: it does not wait, queue
 * it. */
bool waitQueuePublish(Thread *left);

/* waitQueueRetract -- a stranger ends the listed wait `claim` of `thread`, which is one for
 * `queue`, and later calls waitQueueWake.  False: it is over, or has not begun yet. */
bool waitQueueRetract(WaitQueue *queue, Thread *thread, Claim claim, int result, Woken *woken);

/* waitQueueSane -- walker for tests; nobody else is at it. */
bool waitQueueSane(const WaitQueue *queue);

#endif
