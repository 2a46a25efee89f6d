/* Interrupt.h -- what was thrown to a thread and has not been raised yet.
 *
 * Note [Interrupt words]
 *   Thread.interrupts = oldest pending interrupt, in a ring of them | TASK | UNCAUGHT | LOCK
 *     from      on      to          by        order     meaning
 *     p         lock    p,LOCK      anybody   seq_cst   (T1) the ring, each Interrupt in it, and
 *                                                       Stack.caught of that thread are the
 *                                                       locker's
 *     p,LOCK    unlock  p'          locker    release
 *   Under the lock who throws looks whether the thread is in a wait, Parked or Listed, that is not
 *   deaf, and claims it (not an Armed one: that may yet turn out to be none);
 *   otherwise the Interrupt stays pending.  The thread, or whoever commits it, looks at the word
 *   once the wait is published, and claims it likewise.  T1 and the thread's publishing (C1, W1)
 *   are seq_cst, and so are the looks after them: See Note [StoreLoad].  One of the two finds the
 *   other.  For a WaitQueue its lock is what both pass.
 *   A deaf wait in a call of the kernel's (MaskedInCall) is ended with -EINTR, and nothing is
 *   raised: See Note [Interrupted calls].
 *   Whoever wins the claim raises the oldest that is pending: off the ring, into Stack.caught, and
 *   UNCAUGHT is set until the thread has asked for it, or ends.  One of a limit or a scope, whose
 *   end knows anyway that it was raised, does not take the place of another one's that is uncaught:
 *   that would be lost when the limit forgets its own.
 *   So a wait ended by an interrupt has one raised, and the thread, which asks under the lock,
 *   finds it.
 *     Interrupt.place   Own       Pending   thrower  relaxed   under the lock
 *                       Pending   Raised    raiser   relaxed   under the lock; then its sender's
 *                                                              claim is won, the last touch
 *                       Pending   Own       thrower  relaxed   under the lock: withdrawn
 *   An ended thread raises nothing: it closes its `ended` list (seq_cst), looks at the word and
 *   lets go of everything that was thrown to its id; who throws locks, then looks at `ended`.  By
 *   then the descriptor may be another thread's.
 *   threadThrowTo holds the locks of both threads, in the order of their addresses: so of two that
 *   throw to each other one finds itself interrupted before it has thrown.
 *
 * Note [Interrupted lists]
 *   A listed wait (See Note [Listed waits]) is claimed by taking its node out of the list.  The
 *   list was named by the thread's node before the claim word was looked at again, so it is that
 *   wait's; but the node that is found there may be a later wait's, in the same list.  Who has
 *   taken a node out owns that wait, so its claim word stands still: if it is a listed one that is
 *   not deaf, it is interrupted; else it is woken for nothing.
 */
#ifndef RTS_INTERRUPT_H
#define RTS_INTERRUPT_H

#include "rts/Schedule.h"
#include "rts/WaitQueue.h"

#include <capri/interrupt.h>

typedef struct Interrupt Interrupt;

typedef enum InterruptPlace {
    InterruptOwn = 0,
    InterruptPending = 1,
    InterruptRaised = 2 /* or its thread has ended */
} InterruptPlace;

/* Where it was thrown from keeps it until it is not Pending any more. */
struct Interrupt {
    Interrupt *next, *prev; /* Pending: under the target's lock */
    uint64_t id;            /* likewise: of the thread it was thrown to */
    void *payload;          /* constant while Pending, as are: */
    int code;
    uint32_t place; /* See Note [Interrupt words] */
    Thread *sender; /* a green thread that waits for it */
    Claim *claim;   /* as number: who waits; NULL: nobody */
    uint64_t number;
};

/* interruptPost -- throw, without waiting; anybody who knows that target's descriptor is not given
 * back meanwhile.  code and payload are set, claim is NULL. */
void interruptPost(Thread *target, Interrupt *interrupt, Capability *here);

/* interruptWithdraw -- Own again.  True: it had been raised. */
bool interruptWithdraw(Thread *target, Interrupt *interrupt);

/* interruptMeetSlow -- the wait of `thread` has been published, something has been thrown to it:
 * end the wait if it may be ended.  The thread may run elsewhere already.
 * interruptMeet -- likewise, after the look. */
void interruptMeetSlow(Thread *thread);

static inline void interruptMeet(Thread *thread)
{
    if (UNLIKELY((SEQ_CST_LOAD(&thread->interrupts) & ~INTERRUPTS_TASK) != 0))
        interruptMeetSlow(thread);
}

/* interruptSetTask -- a descriptor becomes a task's (a stranger who has met the thread before may
 * still hold or take its lock); or the task, which runs, has ended: its Caught is not looked at any
 * more, nothing is uncaught. */
void interruptSetTask(Thread *thread, bool task);

/* interruptIsPending -- would one be raised in it, if it waited now?  A hint but to the thread, and
 * to who holds a lock that the thrower takes later. */
bool interruptIsPending(Thread *thread);

/* interruptRefuse -- self is about to park in its wait `number`: claim it, if something is pending
 * and may be raised. */
void interruptRefuse(Thread *self, uint64_t number, Capability *here);

/* interruptRaise -- self: take the oldest pending interrupt.  False: none is. */
bool interruptRaise(Thread *self);

/* interruptPoint -- self: where interrupts come unless it is masked.  0 or -ECANCELED. */
int interruptPointSlow(Thread *self);

static inline int interruptPoint(Thread *self)
{
    return LIKELY(RELAXED_LOAD(&self->interrupts) == 0) ? 0 : interruptPointSlow(self);
}

/* interruptEndSlow -- the thread that was `id` has ended: See Note [Interrupt words].
 * interruptEnd -- likewise, after the look. */
void interruptEndSlow(Thread *thread, uint64_t id, Capability *here);

static inline void interruptEnd(Thread *thread, uint64_t id, Capability *here)
{
    if (UNLIKELY(SEQ_CST_LOAD(&thread->interrupts) != 0))
        interruptEndSlow(thread, id, here);
}

/* interruptSurvived -- the child of a fork, while all stacks are there still.  What was thrown by
 * those who waited for that is nobody's; of the thread that lives what others own stays pending, of
 * one that is lost nothing. */
void interruptSurvived(Thread *thread, bool lives);

/* MaskedInCall -- a masking state beside those of capri/interrupt.h.  See Note [Interrupted
 * calls]. */
#define MaskedInCall ((MaskingState)3)

/* interruptMask -- self: change the masking state; returns the one before.  Raises nothing. */
MaskingState interruptMask(Thread *self, MaskingState state);

/* interruptIsBound -- is it a limit's, or a scope's, which catches it at its end? */
static inline bool interruptIsBound(int code)
{
    return code == InterruptTimeout || code == InterruptScope;
}

/* interruptCount -- self: how many raised in it have gone into Stack.caught (modulo 2^32).
 * interruptIsUncaught -- self: has one been raised since that count, and the last not been caught?
 * interruptForget -- self: if that one has this payload (NULL: any), it is caught. */
uint32_t interruptCount(const Thread *self);
bool interruptIsUncaught(Thread *self, uint32_t since);
void interruptForget(Thread *self, const void *payload);

/* interruptLast -- self, its body has returned: did it die of an interrupt?  Nothing is uncaught
 * afterwards, but what is raised in RtsConfig.uncaught. */
void interruptLast(Thread *self);

#endif
