/* Call.h -- a call in flight: a worker is away, and who may have its capability meanwhile.
 *
 * Note [Call states]
 *   Two words of the worker.  `count` is its own: even at home, odd in a call.  `claim` is for who
 *   wants what it carries: the Monitor takes it, a stopper of the world holds it.
 *     word   from     on       to       by       order    meaning
 *     count  n even   enter    n + 1    worker   release  (L1) what it owns lies still, and may be
 *                                                         taken
 *     count  n odd    return   n + 1    worker   relaxed  (L2) then the compiler's fence, then a
 *                                                         look at `claim` (acquire): Free: it is
 *                                                         back.  Else it waits for the verdict
 *     claim  Free     claim    Claimed  claimer  seq_cst  (L3) a CAS; then membarrier, then a look
 *                                                         at `count` (seq_cst, pairs with L1): it
 *                                                         is still in that call, or it is not
 *     claim  Claimed  verdict  Free     claimer  release  it is not: the worker goes on
 *     claim  Claimed  verdict  Held     claimer  release  the worker waits where it returns
 *     claim  Claimed  verdict  Taken    claimer  release  the worker has lost its capability
 *     claim  Held     verdict  Free     claimer  release  (L4) pairs with the look after L2; then
 *                                                         futex wake
 *     claim  Taken    return   Free     worker   relaxed  it knows; its next L1 publishes that
 *   The membarrier splits the worker's code: either L2 is before it, and the claimer sees that the
 *   call is over; or the look after L2 comes later and sees the claim: See Note [Asymmetric fence].
 *   So a short call costs stores only.  Where there is no membarrier both are seq_cst instead
 *   (call_fenced).
 *   Invariant: at any time at most one of {worker at home, claimer} owns what the worker carries,
 *   from Taken on whoever it was passed to.
 *   A count that is odd and unchanged is the same call: so it was given the same capability.
 *
 * Note [Away]
 *   A thread that was handed over is in a call that it does not know of, and runs code of the
 *   host's, which must lie still in a pause.  Those who are away are counted in `call_away`:
 *     from  on      to    by       order    meaning
 *     n     go      n + 1 worker   relaxed  (H1) before L1, which publishes it
 *     n     arrive  n - 1 worker   release  (H2) before L2: the host's code is left
 *     n     look    n     stopper  acquire  (H3) after it has held the call, or what the call was
 *                                           taken from stands: 0, or it waits on
 *   Who holds the call has seen H1 of it (L1 to L3), and who finds the capability that was taken
 *   standing has, too.  H3 = 0 pairs with all H2: after it each of them waits where it returns, or
 *   is about to queue its thread.
 */
#ifndef CAPABILITY_CALL_H
#define CAPABILITY_CALL_H

#include "internal/SMP.h"

typedef enum CallClaim { CallFree = 0, CallClaimed, CallHeld, CallTaken } CallClaim;

typedef struct Call {
    uint64_t count; /* see Note [Call states] */
    uint32_t claim; /* likewise: a CallClaim */
} Call;

/* callStart -- before the first worker. */
void callStart(void);

extern bool call_fenced; /* callStart writes it: there is no membarrier */

/* callEnter -- worker: from here on others may take what it carries. */
static inline void callEnter(Call *call)
{
    RELEASE_STORE(&call->count, RELAXED_LOAD(&call->count) + 1); /* L1 */
}

extern uint32_t call_away; /* see Note [Away] */

/* callGo -- worker: callEnter for a thread that does not know of it.
 * callArrive -- it is about to return (callReturn). */
static inline void callGo(Call *call)
{
    ADD_RELAXED(&call_away, 1); /* H1 */
    callEnter(call);
}

static inline void callArrive(void)
{
    ADD_RELEASE(&call_away, (uint32_t)-1); /* H2 */
}

/* callAnyAway -- anyone: H3. */
static inline bool callAnyAway(void)
{
    return ACQUIRE_LOAD(&call_away) != 0;
}

bool callReturnSlow(Call *call);

/* callReturn -- worker: true: it carries it still; false: it has been taken. */
static inline bool callReturn(Call *call)
{
    uint64_t count = RELAXED_LOAD(&call->count) + 1;
    if (__builtin_expect(call_fenced, 0)) {
        SEQ_CST_STORE(&call->count, count);
        return SEQ_CST_LOAD(&call->claim) == CallFree || callReturnSlow(call);
    }
    RELAXED_STORE(&call->count, count); /* L2 */
    SMP_COMPILER_FENCE();
    return __builtin_expect(ACQUIRE_LOAD(&call->claim) == CallFree, 1) || callReturnSlow(call);
}

/* callForget -- child of a fork: no call is in flight, nobody claims. */
static inline void callForget(Call *call)
{
    uint64_t count = RELAXED_LOAD(&call->count);
    RELAXED_STORE(&call->count, count + (count & 1));
    RELAXED_STORE(&call->claim, CallFree);
}

/* callLook -- anyone: the count if a call is in flight, or 0. */
static inline uint64_t callLook(const Call *call)
{
    uint64_t count = RELAXED_LOAD(&call->count);
    return (count & 1) != 0 ? count : 0;
}

/* callClaim -- anyone but the worker: true: it is in that call, and stays there until the verdict.
 * callDecide -- Free (also what was Held), Held or Taken. */
bool callClaim(Call *call, uint64_t count);
void callDecide(Call *call, CallClaim verdict);

#endif
