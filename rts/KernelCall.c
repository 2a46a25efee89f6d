/* KernelCall.c -- a call that the kernel makes by itself, while its thread waits.
 *
 * Owns    KernelCall.state.
 * Before  rts/StreamCall.c, rts/Foreign.c.   After  iomgr/EventManager.c: the submission.
 * Tests   testsuite/model/StreamModel.c, testsuite/conformance/StreamConformance.c
 *
 * See Note [Kernel calls].
 */
#include "rts/KernelCall.h"

#include "rts/Park.h"

#include <errno.h>

#define CANCEL_AGAIN_NS INT64_C(1000000)
#define CANCEL_AGAIN_MOST_NS INT64_C(1000000000)

/* The poller.  The thread is in a wait of this call, or between two of them. */
static void callDone(Submission *submission, void *sink)
{
    KernelCall *call = (KernelCall *)(void *)submission;
    Thread *thread = call->thread;
    XCHG_ACQUIRE(&call->state, CallOver); /* K1 */
    uint64_t number = claimNumber(RELAXED_LOAD(&thread->claim));
    ClaimOutcome outcome = claimTry(&thread->claim, number, 0);
    RELEASE_STORE(&call->state, CallLeft); /* K3 */
    if (outcome == ClaimWonParked)
        scheduleReady(thread, sink);
}

bool kernelCallWanted(const Submission *submission)
{
    return !claimFired(&((const KernelCall *)(const void *)submission)->thread->claim);
}

int kernelCallSubmit(KernelCall *call, Thread *self, Capability *here)
{
    call->submission.done = callDone;
    call->thread = self;
    call->manager = &here->manager;
    RELAXED_STORE(&call->state, CallMade);
    return eventManagerSubmit(call->manager, &call->submission);
}

bool kernelCallIsOver(KernelCall *call)
{
    return ADD_RELEASE(&call->state, 0) != CallMade; /* K2 */
}

void kernelCallLeave(KernelCall *call)
{
    while (ACQUIRE_LOAD(&call->state) != CallLeft)
        scheduleYield();
}

static void awaitUntil(KernelCall *call, int64_t deadline_ns)
{
    Thread *self = call->thread;
    parkBegin(self);
    if (kernelCallIsOver(call)) {
        parkAbandon(self);
        return;
    }
    int result = parkUntil(self, ThreadBlockedOnCall, -1, deadline_ns);
    if (result == -ECANCELED || result == -ENOMEM)
        scheduleYield(); /* there was no wait: the runtime is cancelled, or has no timer for it */
}

void kernelCallAwait(KernelCall *call)
{
    MaskingState before = interruptMask(call->thread, MaskedUninterruptible);
    while (kernelCallIsMade(call))
        awaitUntil(call, DEADLINE_NEVER);
    kernelCallLeave(call);
    interruptMask(call->thread, before);
}

/* Its answer may lie where nobody polls just now. */
static void pollFor(KernelCall *call)
{
    Capability *here = scheduleHere();
    if (call->manager == &here->manager)
        return;
    here->manager.polling = true; /* callbacks are made here */
    eventManagerRescue(call->manager, here);
    here->manager.polling = false;
}

/* Once is not always enough: a call that is just being tried is in none of the kernel's tables. */
void kernelCallCancel(KernelCall *call)
{
    MaskingState before = interruptMask(call->thread, MaskedUninterruptible);
    int64_t pause_ns = CANCEL_AGAIN_NS;
    while (kernelCallIsMade(call)) {
        eventManagerCancel(call->manager, &call->submission);
        pollFor(call);
        if (kernelCallIsMade(call))
            awaitUntil(call, clockRead(&clockMonotonic) + pause_ns);
        if (pause_ns < CANCEL_AGAIN_MOST_NS)
            pause_ns *= 2;
    }
    kernelCallLeave(call);
    interruptMask(call->thread, before);
}

bool kernelCallRefused(int result)
{
    return result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -EINVAL ||
           result == -EOPNOTSUPP || result == -ENOSYS;
}
