/* Park.h -- waiting, step by step: begin, tell the sources, park, look who woke us.
 *
 *   uint64_t number = parkBegin(self, threadNodeFired);  -- fills self->node
 *   ... publish self->node where the event will be fired ...
 *   result = parkUntil(self, ThreadBlockedOnRead, fd, deadline_ns);
 *   if (parkLinked(self)) ... take the node back ...
 *
 * Note [Listed waits]
 *   A thread that waits for one WatchList and has no deadline can only be woken through that list:
 *   by its end (take, lock, close) or by a canceller, who takes the node out.  So being in the list
 *   is the claim, and leaving it is winning: whoever took the node off wakes the thread, without
 *   any operation on the claim word.  The node is published when nothing runs on the thread's stack
 *   any more (AfterList), so who finds it may resume the thread at once; a commit is not needed.
 *     thread     number = list + generation, claim = Listed, switch away   (release)
 *     scheduler  parkPublish: add the node; list closed: settle and queue the thread; what is
 *                watched has changed: take the node out again
 *     taker      fire: linked = 0 (relaxed: the queue publishes it), settle, queue the thread
 *     canceller  reads claim, number, claim again: if it is the same Listed wait, takes the node
 *                out of that list.  The list may be one of long ago: such lists are in type-stable
 *                memory (threads, TVars), and a node found there waits there now.  As long as the
 *                claim is that one the node is in no other list: its WatchProof.
 *   Who takes a node out fires it as a taker would, so a later wait that it may have met by then,
 *   of either kind, is woken for nothing and looks again.
 *   Two locked operations a wait (add, take) instead of four.
 */
#ifndef RTS_PARK_H
#define RTS_PARK_H

#include "rts/Interrupt.h"
#include "rts/Schedule.h"
#include "rts/WaitQueue.h"

#include <errno.h>

/* parkBegin -- start a wait of the running thread; its node is ready to be published. */
uint64_t parkBegin(Thread *self);

/* parkAbandon -- the wait turned out to be unnecessary.  Returns 0, or the result of the source
 * that had claimed it before. */
int parkAbandon(Thread *self);

/* parkUntil -- park until a source claims the wait.  Returns the source's result: 0, -EBADF, ...;
 * -ETIMEDOUT at deadline_ns; -ECANCELED; -ENOMEM (no room for the timer). */
int parkUntil(Thread *self, ThreadState why, int fd, int64_t deadline_ns);

/* parkLinked -- after parkUntil: is the node still published? */
static inline bool parkLinked(Thread *self)
{
    return ACQUIRE_LOAD(&self->node.linked) != 0;
}

/* parkOnList -- the whole of it for a WatchList: wait until it is taken, unless `changed(env)` says
 * (after publishing) that there is nothing to wait for; changed may be NULL: nothing can have
 * happened that the list does not tell.  Works on green threads and plain OS threads.
 * -EALREADY: the list has moved past `generation`, and what came before that is seen. */
int parkOnList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
               ThreadState why, int64_t deadline_ns);

/* parkTimerFired -- TimerFire of every thread's timer. */
void parkTimerFired(Timer *timer, uint64_t number, void *sink);

/* parkPublish -- AfterList: the stack of `left` is saved.  False: it does not wait, queue it. */
static inline __attribute__((always_inline)) bool parkPublish(Thread *left, const ListedWait *wait)
{
    WatchList *list = wait->list;
    uint16_t generation = wait->generation;
    if (((uintptr_t)list & WAIT_QUEUE) != 0)
        return waitQueuePublish(left);
    if (UNLIKELY(!watchListAdd(list, generation, &left->node))) {
        claimSettle(&left->claim, -EALREADY);
        return false;
    }
    /* From here the thread may run elsewhere. */
    if (UNLIKELY(listedWaitIsOver(wait)))
        watchListRetract(list, generation, &left->node, NULL, 0, scheduleHere());
    interruptMeet(left);
    return true;
}

/* parkCommit -- AfterCommit: likewise. */
static inline __attribute__((always_inline)) bool parkCommit(Thread *left)
{
    if (UNLIKELY(!claimCommit(&left->claim, threadIsDeaf(left))))
        return false;
    /* From here the thread may run elsewhere. */
    interruptMeet(left);
    return true;
}

/* parkListedFired -- WatchFire of listed waits: the thread is ready (scheduleReady to follow). */
void parkListedFired(WatchNode *node, uint64_t number, int result, void *sink);

/* parkListed -- the green thread that runs here waits for one list in type-stable memory, without a
 * deadline: scheduleWait(here) says what for, which the caller has filled just before.  See Note
 * [Listed waits].  0 (also if it did not wait), -EALREADY (the list is of another generation),
 * -ECANCELED or what it was fired with. */
extern uint32_t park_cancelled; /* set by parkCancelAll, cleared by parkCancelReset */

/* parkRefusal -- self is about to begin a listed wait: 0; -ECANCELED: it is cancelled, or an
 * interrupt is raised; -EPERM: this is a step of a task. */
int parkRefusalSlow(Thread *self);

static inline int parkRefusal(Thread *self)
{
    return LIKELY((RELAXED_LOAD(&park_cancelled) | RELAXED_LOAD(&self->interrupts)) == 0)
               ? 0
               : parkRefusalSlow(self);
}

/* parkList -- its first step; when nothing runs on its stack parkPublish is the second. */
static inline void parkList(Thread *self, const ListedWait *wait, ThreadState why, int fd)
{
    RELAXED_STORE(&self->node.fire, parkListedFired);
    RELEASE_STORE(&self->node.number, /* after the claim before: See Note [Listed waits] */
                  (uint64_t)wait->generation << 48 | (uint64_t)(uintptr_t)wait->list);
    claimList(&self->claim, threadIsDeaf(self));
    threadSetStatus(self, why, fd);
}

static inline int parkListed(Capability *here, ThreadState why, int fd)
{
    Thread *self = here->current;
    const ListedWait *wait = scheduleWait(here);
    ASSERT(!scheduleCalledBack(here));
    int refused = parkRefusal(self);
    if (UNLIKELY(refused != 0))
        return refused;
    parkList(self, wait, why, fd);
    return scheduleParkListed(here);
}

/* parkFire -- watchListFire with result 0, for what mostly has one watcher, a listed one. */
void parkFireMany(WatchNode *taken, Capability *here);

static inline void parkFireOne(WatchNode *taken, Capability *here)
{
    if (LIKELY(RELAXED_LOAD(&taken->fire) == parkListedFired)) {
        Thread *thread = threadOfNode(taken);
        RELAXED_STORE(&taken->linked, 0); /* the queue publishes it */
        claimSettle(&thread->claim, 0);
        scheduleReady(thread, here);
    } else {
        watchNodeFire(taken, 0, here);
    }
}

static inline void parkFire(WatchNode *taken, Capability *here)
{
    if (LIKELY(RELAXED_LOAD(&taken->next) == NULL))
        parkFireOne(taken, here);
    else
        parkFireMany(taken, here);
}

/* parkEnd -- a stranger ends this wait of thread, if it is not over; a listed one may be missed,
 * and a later wait for the same list be met.  See Note [Listed waits]. */
void parkEnd(Thread *thread, Claim claim, int result);

/* parkCancelAll -- shutdown: from now on every wait, present and future, ends with -ECANCELED. */
void parkCancelAll(void);
void parkCancelReset(void);

#endif
