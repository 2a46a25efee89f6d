/* OwnerGate.h -- a gate its owner passes without a locked operation until somebody else asks.
 *
 * Guards a structure that one OS thread uses all the time (its run queue, its timer heap) and that
 * others visit rarely (a thief, a rescuer).  While *biased* the owner enters with two plain stores
 * and one load.  The first visitor makes the gate *shared* and pays one membarrier; from then on
 * the owner enters by an exchange on `lock` like everybody else, until gateRebias finds that nobody
 * has come for a while.  Where the kernel has no membarrier the gate is shared for ever.
 *
 * Note [OwnerGate states]
 *   field    from  to  by        when                                   order    partner
 *   busy     0     1   owner     entering                               relaxed  (G1) G2's barrier
 *   busy     1     0   owner     leaving, or on finding shared = 1      release  (G3) visitor waits
 *   shared   0     1   visitor   holding lock, before membarrier        relaxed  (G2) owner's load
 *   shared   1     0   owner     holding lock, in gateRebias            relaxed  lock's release
 *   lock     0     1   anyone    visitor always, owner only if shared   acquire  lock's release
 *   lock     1     0   holder                                           release  next acquire
 * Invariant: at most one of {owner inside by busy, owner inside by lock, visitor inside}.
 *   Biased: after G2 the membarrier splits the owner's code: either its busy = 1 is visible to the
 *   visitor, who waits for G3, or its load of shared comes later and sees 1.  Shared: lock
 *   excludes.
 * Tests  testsuite/unit/OwnerGateTest.c, testsuite/model/OwnerGateModel.c
 */
#ifndef IOMGR_OWNER_GATE_H
#define IOMGR_OWNER_GATE_H

#include "internal/Assert.h"
#include "internal/SMP.h"

typedef struct OwnerGate {
    uint32_t busy;   /* stored by the owner, read by visitors */
    uint32_t shared; /* see the table */
    uint32_t lock;   /* see the table */
    uint32_t visits; /* visitors add 1 under lock; the owner reads it in gateRebias */
} OwnerGate;

/* How the owner came in; hand it back to gateLeave. */
typedef enum GateWay { GateBusy, GateLock } GateWay;

/* ownerGateInit -- a biased gate, or a shared one where membarrier is missing. */
void ownerGateInit(OwnerGate *gate);

/* ownerGateStart -- register the process for membarrier; before a gate is made.  May be called
 * again. */
void ownerGateStart(void);

/* ownerGateAsymmetric -- after ownerGateStart: is there a membarrier? */
bool ownerGateAsymmetric(void);

/* ownerGateLock -- the owner's way in while the gate is shared. */
GateWay ownerGateLock(OwnerGate *gate);

/* ownerGateEnterBiased -- the owner's quick way in only: leave by GateBusy.  False: the gate is
 * shared, and the owner is outside. */
static inline bool ownerGateEnterBiased(OwnerGate *gate)
{
    RELAXED_STORE(&gate->busy, 1); /* G1 */
    SMP_COMPILER_FENCE();
    if (UNLIKELY(RELAXED_LOAD(&gate->shared) != 0)) {
        RELEASE_STORE(&gate->busy, 0);
        return false;
    }
    SMP_COMPILER_FENCE();
    return true;
}

static inline GateWay ownerGateEnter(OwnerGate *gate)
{
    return LIKELY(ownerGateEnterBiased(gate)) ? GateBusy : ownerGateLock(gate);
}

static inline void ownerGateLeave(OwnerGate *gate, GateWay way)
{
    if (LIKELY(way == GateBusy))
        RELEASE_STORE(&gate->busy, 0); /* G3 */
    else
        RELEASE_STORE(&gate->lock, 0);
}

/* ownerGateVisit -- come in as a stranger.  Returns false when another visitor (or the owner,
 * shared) holds the gate, or when the owner stays inside for more than a bounded spin: come back
 * later. */
bool ownerGateVisit(OwnerGate *gate);

static inline void ownerGateVisitEnd(OwnerGate *gate)
{
    RELEASE_STORE(&gate->lock, 0);
}

/* ownerGateRebias -- owner only, outside the gate: go back to biased if `visits` has not moved
 * since *seen_visits (which is brought up to date).  Returns true when the gate is biased now. */
bool ownerGateRebias(OwnerGate *gate, uint32_t *seen_visits);

#endif
