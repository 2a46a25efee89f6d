/* Call.c -- a call in flight: a worker is away, and who may have its capability meanwhile.
 *
 * Owns    Worker.call.
 * Before  rts/ForeignCall.c: the worker.   capability/Monitor.c, rts/World.c: claimers.
 * After   capability/Spare.c: another OS thread for what was taken.
 * Tests   testsuite/unit/CallTest.c, testsuite/model/CallModel.c (every interleaving)
 *
 * See Note [Call states] and Note [Away].
 */
#include "capability/Call.h"

#include "internal/Assert.h"
#include "internal/Turn.h"
#include "iomgr/OwnerGate.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

bool call_fenced;
uint32_t call_away;

void callStart(void)
{
    call_fenced = !ownerGateAsymmetric();
    RELAXED_STORE(&call_away, 0);
}

bool callReturnSlow(Call *call)
{
    int spins = 0;
    for (;;) {
        switch (ACQUIRE_LOAD(&call->claim)) {
        case CallFree:
            return true;
        case CallTaken:
            RELAXED_STORE(&call->claim, CallFree);
            return false;
        case CallHeld:
            syscall(SYS_futex, &call->claim, FUTEX_WAIT_PRIVATE, CallHeld, NULL, NULL, 0);
            break;
        default:
            turnWait(&spins); /* the verdict takes some us */
        }
    }
}

bool callClaim(Call *call, uint64_t count)
{
    uint32_t none = CallFree;
    ASSERT((count & 1) != 0);
    if (RELAXED_LOAD(&call->claim) != CallFree || !CAS_SEQ_CST(&call->claim, &none, CallClaimed))
        return false; /* L3 */
    if (!call_fenced)
        SMP_MEMBARRIER();
    if (SEQ_CST_LOAD(&call->count) == count)
        return true;
    RELEASE_STORE(&call->claim, CallFree);
    return false;
}

void callDecide(Call *call, CallClaim verdict)
{
    ASSERT(verdict != CallClaimed);
    uint32_t was = RELAXED_LOAD(&call->claim);
    ASSERT(was == CallClaimed || (was == CallHeld && verdict == CallFree));
    RELEASE_STORE(&call->claim, verdict); /* L4 */
    if (was == CallHeld)
        syscall(SYS_futex, &call->claim, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
