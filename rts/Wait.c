/* Wait.c -- one blocked thread, one claim word.                                      [path 3/6]
 *
 * Owns    the claim word.
 * Before  iomgr/WatchList.c: a watcher is fired.   After  capability/RunQueue.c: the thread is
 *         ready.
 * Tests   testsuite/unit/WaitTest.c, testsuite/model/ClaimModel.c (every interleaving)
 *
 * See Note [Claim states].
 */
#include "rts/Wait.h"

ClaimOutcome claimTry(Claim *claim, uint64_t number, int result)
{
    Claim old = RELAXED_LOAD(claim);
    ASSERT_CMP(result, >, INT16_MIN);
    for (;;) {
        ClaimState state = claimState(old);
        if (claimNumber(old) != number || (state != ClaimArmed && state != ClaimParked))
            return ClaimLost;
        if (CAS_ACQ_REL(claim, &old, claimWord(number, result, ClaimFired))) /* C2, C3 */
            return state == ClaimParked ? ClaimWonParked : ClaimWonArmed;
    }
}

bool claimEnd(Claim *claim)
{
    Claim old = RELAXED_LOAD(claim);
    while (claimState(old) == ClaimArmed) {
        if (CAS_RELAXED(claim, &old, claimWord(claimNumber(old), 0, ClaimIdle)))
            return true;
    }
    return false;
}
