/* Reclaim.c -- freeing what transactions have retired, once nobody can look at it any more.
 *
 * Owns    the epoch; limbo; the shares of plain OS threads.
 * Before  rts/stm/Effects.c: a commit retires.   After  the host's free.
 * Tests   testsuite/unit/ReclaimTest.c, testsuite/model/ReclaimModel.c (every interleaving)
 *
 * See Note [Quiescence].
 */
#include "rts/stm/Reclaim.h"

#include "capability/CapabilityTable.h"
#include "iomgr/Memory.h"
#include "rts/Startup.h"
#include "rts/stm/Log.h"

enum { LIMBO_LOOK = 64, LIMBO_ADVANCES = 2 };

struct Retired {
    Retired *next;
    void *pointer;
    void (*free)(void *pointer);
    uint64_t epoch; /* R3 */
};

uint64_t reclaim_epoch;
bool reclaim_fenced;
uint64_t share_outside_changes;
static uint64_t counts_from; /* constant but in a fork: what a share's count begins with */

static struct {
    SpinLock lock;        /* `free`, pushing to `all` */
    SpinLock committing;  /* a plain OS thread stores what it commits */
    StmShare *free, *all; /* all: pushed under lock (release), walked by anyone */
} outside = {SPIN_LOCK_INIT, SPIN_LOCK_INIT, NULL, NULL};

static StmShare *shareOf(uint32_t index)
{
    return &schedulerOf(capabilities.items[index])->stm;
}

void shareLook(StmShare *share)
{
    share->seen[0] = ACQUIRE_LOAD(&share_outside_changes);
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        share->seen[i + 1] = ACQUIRE_LOAD(&shareOf(i)->changes);
}

void reclaimStart(void)
{
    outside.lock = outside.committing = (SpinLock)SPIN_LOCK_INIT;
    outside.free = outside.all = NULL;
    reclaim_fenced = !ownerGateAsymmetric();
    RELAXED_STORE(&reclaim_epoch, 1);
    counts_from = 0;
}

void reclaimBegin(StmShare *share)
{
    RELAXED_STORE(&share->changes, counts_from);
}

/* ---- limbo ---- */

Retired *reclaimNew(void *pointer, void (*free)(void *pointer))
{
    Retired *retired = memoryAllocate(startupAllocator(), sizeof *retired, sizeof(void *));
    if (retired != NULL)
        *retired = (Retired){NULL, pointer, free, 0};
    return retired;
}

void reclaimForget(Retired *retired)
{
    memoryRelease(startupAllocator(), retired, sizeof *retired, sizeof(void *));
}

void reclaimLater(StmShare *share, Retired *retired)
{
    retired->epoch = ADD_ACQ_REL(&reclaim_epoch, 0); /* R3 */
    retired->next = NULL;
    if (share->newest == NULL)
        share->oldest = retired;
    else
        share->newest->next = retired;
    share->newest = retired;
    if (share->limbo_count++ == 0)
        share->limbo_next = LIMBO_LOOK;
    COUNT(&share->stats.retired, 1);
}

static bool isPast(StmShare *share, uint64_t epoch)
{
    uint64_t active = reclaim_fenced ? SEQ_CST_LOAD(&share->active) : ACQUIRE_LOAD(&share->active);
    return active == 0 || active == epoch;
}

/* One more epoch, if every attempt has seen this one. */
static bool advance(void)
{
    uint64_t epoch = RELAXED_LOAD(&reclaim_epoch);
    if (!reclaim_fenced)
        SMP_MEMBARRIER();
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        if (!isPast(shareOf(i), epoch))
            return false;
    }
    for (StmShare *share = ACQUIRE_LOAD(&outside.all); share != NULL; share = share->next) {
        if (!isPast(share, epoch))
            return false;
    }
    CAS_ACQ_REL(&reclaim_epoch, &epoch, epoch + 1); /* or somebody else did it */
    return true;
}

/* Free what was retired two epochs ago; all: whatever the epoch. */
static void freeOldest(StmShare *share, bool all)
{
    uint64_t epoch = ACQUIRE_LOAD(&reclaim_epoch);
    while (share->oldest != NULL && (all || share->oldest->epoch + 2 <= epoch)) {
        Retired *retired = share->oldest;
        share->oldest = retired->next;
        if (share->oldest == NULL)
            share->newest = NULL;
        share->limbo_count--;
        COUNT(&share->stats.freed, 1);
        retired->free(retired->pointer);
        reclaimForget(retired);
    }
}

void reclaimSome(StmShare *share)
{
    for (int i = 0; i < LIMBO_ADVANCES && advance(); i++)
        continue;
    freeOldest(share, false);
    share->limbo_next = (uint32_t)share->limbo_count + LIMBO_LOOK;
}

/* ---- shares ---- */

static void endShare(StmShare *share)
{
    freeOldest(share, true);
    logFreeSpare(share);
}

void reclaimEnd(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        endShare(shareOf(i));
    while (outside.all != NULL) {
        StmShare *next = outside.all->next;
        endShare(outside.all);
        memoryRelease(startupAllocator(), outside.all, sizeof *next, CACHE_LINE);
        outside.all = next;
    }
    outside.free = NULL;
}

StmShare *reclaimBorrow(void)
{
    spinLock(&outside.lock);
    StmShare *share = outside.free;
    if (share != NULL)
        outside.free = share->next_free;
    spinUnlock(&outside.lock);
    if (share != NULL)
        return share;
    share = memoryAllocateZeroed(startupAllocator(), sizeof *share, CACHE_LINE);
    if (share == NULL)
        return NULL;
    spinLock(&outside.lock);
    share->next = outside.all;
    RELEASE_STORE(&outside.all, share);
    spinUnlock(&outside.lock);
    return share;
}

void reclaimGiveBack(StmShare *share)
{
    spinLock(&outside.lock);
    share->next_free = outside.free;
    outside.free = share;
    spinUnlock(&outside.lock);
}

void reclaimCommitLock(void)
{
    spinLock(&outside.committing);
}

void reclaimCommitUnlock(void)
{
    spinUnlock(&outside.committing);
}

void reclaimLockAll(void)
{
    spinLock(&outside.committing);
    spinLock(&outside.lock);
}

void reclaimUnlockAll(void)
{
    spinUnlock(&outside.lock);
    spinUnlock(&outside.committing);
}

/* See Note [Counting changes]. */
static void unifyCounts(StmShare *kept)
{
    counts_from = RELAXED_LOAD(&share_outside_changes);
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        uint64_t changes = RELAXED_LOAD(&shareOf(i)->changes);
        counts_from = changes > counts_from ? changes : counts_from;
    }
    RELAXED_STORE(&share_outside_changes, counts_from);
    reclaimBegin(kept);
}

/* What the others had in limbo is kept's; the shares of OS threads that are gone are free. */
void reclaimSurvive(StmShare *kept)
{
    unifyCounts(kept);
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        StmShare *share = shareOf(i);
        RELAXED_STORE(&share->active, 0);
        share->running = NULL;
        if (share == kept)
            continue;
        if (share->oldest != NULL) {
            share->newest->next = kept->oldest;
            kept->newest = kept->oldest == NULL ? share->newest : kept->newest;
            kept->oldest = share->oldest;
            kept->limbo_count += share->limbo_count;
        }
        logFreeSpare(share);
    }
    outside.lock = outside.committing = (SpinLock)SPIN_LOCK_INIT;
    outside.free = NULL;
    for (StmShare *share = outside.all; share != NULL; share = share->next) {
        RELAXED_STORE(&share->active, 0);
        share->running = NULL;
        share->next_free = outside.free;
        outside.free = share;
    }
}

void reclaimOutsideStats(StmStats *stats)
{
    *stats = (StmStats){0};
    for (StmShare *share = ACQUIRE_LOAD(&outside.all); share != NULL; share = share->next)
        shareStatsAdd(stats, &share->stats);
}
