/* Reclaim.h -- freeing what transactions have taken out of the others' reach, once nobody can look
 * at it any more; and the shares of plain OS threads.
 *
 * Note [Quiescence]
 *   `epoch` grows now and then.  An attempt stores the epoch it finds into its share's `active`
 *   before it reads anything, and 0 when it is over.
 *     from   to    by          order      meaning
 *     0      e     attempt     relaxed    (R1) then a compiler fence, then it reads
 *     e      0     attempt     release    (R2) the last look at anything
 *     epoch e e+1  reclaimer   acq_rel    membarrier, then every `active` is 0 or e (acquire)
 *   epoch e     e    commit      acq_rel    (R3) the stamp of what it retires
 *   What is retired at e is freed once the epoch is e + 2.  For an attempt that can hold it had
 *   begun before it was taken out, so it is active with e or an older epoch: no epoch after e + 1
 *   comes while it runs.  The membarrier splits the attempt's code: its R1 is seen by the
 *   reclaimer's scan, or it reads after the membarrier, hence what the commit left.  Where the
 *   kernel has no membarrier R1 is seq_cst, and so is the scan.
 *   R3 comes after the commit has taken its variables.  An attempt whose epoch (acquire) is a later
 *   one than R3's finds them taken or written, so it cannot get hold of what was retired.
 *   A transaction that waits is in no attempt and holds nothing up.
 */
#ifndef RTS_RECLAIM_H
#define RTS_RECLAIM_H

#include "rts/Schedule.h"
#include "rts/stm/Share.h"

void reclaimStart(void);

/* reclaimBegin -- the share of a capability that is made while others run: nothing has looked. */
void reclaimBegin(StmShare *share);

/* reclaimEnd -- shutdown: everything that was retired is freed, and what shares keep. */
void reclaimEnd(void);

/* reclaimLockAll, reclaimUnlockAll -- around a fork: no plain OS thread is in the middle of a
 * commit.  reclaimSurvive -- its child: no attempt runs; `kept` is the one share left, and counts
 * go on from the highest: See Note [Counting changes]. */
void reclaimLockAll(void);
void reclaimUnlockAll(void);
void reclaimSurvive(StmShare *kept);

/* reclaimCommitLock, reclaimCommitUnlock -- around the stores of a plain OS thread's commit. */
void reclaimCommitLock(void);
void reclaimCommitUnlock(void);

extern uint64_t reclaim_epoch;
extern bool reclaim_fenced; /* constant while up: there is no membarrier */

/* reclaimEnter, reclaimLeave -- an attempt begins, is over. */
static inline void reclaimEnter(StmShare *share)
{
    uint64_t epoch = ACQUIRE_LOAD(&reclaim_epoch);
    if (UNLIKELY(reclaim_fenced))
        SEQ_CST_STORE(&share->active, epoch);
    else
        RELAXED_STORE(&share->active, epoch); /* R1 */
    SMP_COMPILER_FENCE();
}

static inline void reclaimLeave(StmShare *share)
{
    RELEASE_STORE(&share->active, 0); /* R2 */
}

/* reclaimNew -- something to be retired; NULL: out of memory.
 * reclaimForget -- it is not retired after all.
 * reclaimLater -- owner of share, in a commit that is visible: free it when nobody can hold it. */
Retired *reclaimNew(void *pointer, void (*free)(void *pointer));
void reclaimForget(Retired *retired);
void reclaimLater(StmShare *share, Retired *retired);

/* reclaimDue, reclaimSome -- owner of share, in no attempt: is there much to free; free what can
 * be. */
static inline bool reclaimDue(const StmShare *share)
{
    return UNLIKELY(share->limbo_count != 0 && share->limbo_count >= share->limbo_next);
}

void reclaimSome(StmShare *share);

/* reclaimBorrow, reclaimGiveBack -- a share for a plain OS thread; NULL: out of memory. */
StmShare *reclaimBorrow(void);
void reclaimGiveBack(StmShare *share);

/* reclaimOutsideStats -- the sum over plain OS threads. */
void reclaimOutsideStats(StmStats *stats);

#endif
