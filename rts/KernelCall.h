/* KernelCall.h -- a call that the kernel makes by itself, while its thread waits.
 *
 * Note [Kernel calls]
 *   What the call works on is the caller's, on the stack of a thread that waits; the kernel has it
 *   until the call is done (See Note [Submissions]), so the thread cannot leave before: whatever
 *   else ends its wait, it has the call cancelled and goes on waiting.
 *   KernelCall.state
 *     from      on      to        by      order
 *     -         begin   CallMade  thread  relaxed  before it is given to a manager
 *     CallMade  done    CallOver  poller  acquire  (K1) then it looks at the thread's claim, and
 *                                                  claims the wait that it finds
 *     CallMade  look    CallMade  thread  release  (K2) in a later wait of the same call, before it
 *                                                  parks: K2 after K1 sees CallOver, K1 after K2
 *                                                  sees this wait
 *     CallOver  leave   CallLeft  poller  release  (K3) its last touch of the call; if it has won
 *                                                  the claim it queues the thread
 *   A wait that has begun before the call is given away begins before K1.  A thread that sees
 *   CallOver waits for CallLeft, which is a moment away.
 *
 * Note [Interrupted calls]
 *   A call that an interrupt ends has done nothing, but a receive may have taken bytes by the time
 *   it hears of its cancelling.  So while the kernel has it no interrupt is raised in its thread
 *   (MaskedInCall: deaf); who throws one leaves it pending and ends the wait with -EINTR.  The
 *   thread cancels the call and sees what became of it: if it was done, that is the result, and
 *   the interrupt is raised where the thread waits next; if not, it is raised now.
 */
#ifndef RTS_KERNEL_CALL_H
#define RTS_KERNEL_CALL_H

#include "rts/Schedule.h"

typedef enum KernelCallState { CallMade = 0, CallOver, CallLeft } KernelCallState;

typedef struct KernelCall {
    Submission submission; /* first */
    Thread *thread;        /* constant: the green thread that waits */
    EventManager *manager; /* constant once it was taken */
    uint32_t state;        /* KernelCallState */
} KernelCall;

/* kernelCallSubmit -- give the call to the manager of `here`; call->submission.request is filled.
 * If self has begun a wait (parkBegin), it may park without a look.  0; -EOPNOTSUPP, -ENOMEM: not
 * taken; -ECANCELED: not wanted.
 * kernelCallWanted -- for submission.wanted: not once that wait has been claimed. */
int kernelCallSubmit(KernelCall *call, Thread *self, Capability *here);
bool kernelCallWanted(const Submission *submission);

/* kernelCallIsMade -- its thread: has the kernel still got it?  A hint: it may be over.  */
static inline bool kernelCallIsMade(const KernelCall *call)
{
    return RELAXED_LOAD(&call->state) == CallMade;
}

/* kernelCallIsOver -- its thread, in a wait that began later: K2; there is no need to park.
 * kernelCallLeave -- it is over: submission.result is there, and `call` is the thread's. */
bool kernelCallIsOver(KernelCall *call);
void kernelCallLeave(KernelCall *call);

/* kernelCallAwait -- its thread, in no wait: until it is over, whatever comes.
 * kernelCallCancel -- likewise, and let that be soon. */
void kernelCallAwait(KernelCall *call);
void kernelCallCancel(KernelCall *call);

/* kernelCallRefused -- was the way refused, not the call?  An OS thread that had submitted it has
 * ended; an older kernel. */
bool kernelCallRefused(int result);

#endif
