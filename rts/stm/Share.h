/* Share.h -- what a capability (or plain OS threads) keeps for transactions.
 *
 * Note [Counting changes]
 *   Each capability counts the changes of variables that it makes; plain OS threads share a count.
 *   Whoever changes first makes it visible that the variables are taken (odd versions), then counts
 *   (release), then stores the values (release) and the new version: the count, and whose it is.  A
 *   count steps over the versions of all that is changed, so that versions grow.
 *   A share keeps in `seen` how far it has looked at each count (acquire).  A variable whose
 *   version is not beyond that has had its value since before that look: its change had been
 *   counted, and a later one is not there.  So what a transaction has read stood together when all
 *   of it was last looked at, and still does if the version read next is no news.  If it is, the
 *   transaction looks at all counts anew, then at everything that it has read.  `seen` outlasts
 *   transactions: who reads what nobody else changes never looks twice.  Who has acquired a version
 *   knows that count up to it, too, because the count is stored before the version; plain OS
 *   threads' is added to with acq_rel, so who counts there knows what was counted before.  No line
 *   is written by everybody, and a transaction that reads one variable reads no count.
 *   In a fork's child a number stands for another capability than before: one has survived, maybe
 *   as another one, and those made anew would count from 0.  So all counts there begin with the
 *   highest of the parent's: no version and no `seen` is beyond it.
 */
#ifndef RTS_SHARE_H
#define RTS_SHARE_H

#include "capability/Capability.h"
#include "internal/Assert.h"
#include "internal/SMP.h"

#include <capri/stm.h>

#include <stddef.h>

typedef struct Retired Retired;

/* An even version: a count * VERSION_STEP + twice the number of who counted it (a capability's
 * index + 1; 0: all plain OS threads).  0: not written since it was made.  A count, as it stands in
 * `changes` and `seen`: the greatest such number. */
enum { VERSION_STEP = 256, VERSION_COUNTERS = CAPABILITY_MOST + 1 };

typedef struct StmShare {
    uint64_t changes;                  /* owner counts: See Note [Counting changes] */
    uint64_t active;                   /* owner; See Note [Quiescence] */
    void *running;                     /* owner: the attempt under way, or NULL */
    uint64_t random;                   /* owner: for back-off */
    void *spare;                       /* owner: memory of a big log that is over, or NULL */
    uint32_t spare_room;               /* owner: entries it has */
    uint32_t limbo_next;               /* owner: at this length of `limbo` it is looked through */
    Retired *oldest, *newest;          /* owner: limbo */
    uint64_t limbo_count;              /* owner */
    struct StmShare *next, *next_free; /* of outside shares; see Reclaim.c */
    StmStats stats;                    /* owner counts, others read */
    uint64_t seen[VERSION_COUNTERS];   /* owner; [i]: that count, when it was last looked at */
} CACHE_ALIGNED StmShare;

/* shareCountChange -- capability `index` (whose share it is) is about to store values.
 * shareCountOutside -- a plain OS thread is.  newest: the greatest version that is there.  Both:
 * the version to store with them. */
extern uint64_t share_outside_changes;

static inline uint64_t shareCountAfter(uint64_t changes, uint64_t newest)
{
    return ((changes > newest ? changes : newest) | (VERSION_STEP - 1)) + VERSION_STEP;
}

static inline uint64_t shareCountChange(StmShare *share, uint32_t index, uint64_t newest)
{
    uint64_t changes = shareCountAfter(RELAXED_LOAD(&share->changes), newest);
    RELEASE_STORE(&share->changes, changes);
    return changes - (VERSION_STEP - 1) + 2 * (index + UINT64_C(1));
}

static inline uint64_t shareCountOutside(uint64_t newest)
{
    uint64_t old = RELAXED_LOAD(&share_outside_changes), changes;
    do {
        changes = shareCountAfter(old, newest);
    } while (!CAS_ACQ_REL(&share_outside_changes, &old, changes));
    return changes - (VERSION_STEP - 1);
}

/* shareSee -- owner: this version is no news any more: its own, when the attempt is over; the first
 * that is read in one, whose count it is as good as looked at.
 * shareHasSeen -- owner: is this version no news?
 * shareLook -- owner: look at all counts. */
static inline void shareSee(StmShare *share, uint64_t version)
{
    share->seen[(uint32_t)version % VERSION_STEP / 2] = version | (VERSION_STEP - 1);
}

static inline bool shareHasSeen(const StmShare *share, uint64_t version)
{
    uint32_t counter = (uint32_t)version % VERSION_STEP / 2;
    ASSERT(counter < VERSION_COUNTERS);
    return version <= share->seen[counter];
}

void shareLook(StmShare *share);

/* shareStatsAdd -- sum += part; of the longest run the longer one. */
static inline void shareStatsAdd(StmStats *sum, const StmStats *part)
{
    sum->commits += RELAXED_LOAD(&part->commits);
    sum->changed += RELAXED_LOAD(&part->changed);
    sum->locked += RELAXED_LOAD(&part->locked);
    sum->yielded += RELAXED_LOAD(&part->yielded);
    sum->retries += RELAXED_LOAD(&part->retries);
    sum->failures += RELAXED_LOAD(&part->failures);
    sum->waits += RELAXED_LOAD(&part->waits);
    sum->serial += RELAXED_LOAD(&part->serial);
    sum->retired += RELAXED_LOAD(&part->retired);
    sum->freed += RELAXED_LOAD(&part->freed);
    sum->starts =
        sum->commits + sum->changed + sum->locked + sum->yielded + sum->retries + sum->failures;
    uint64_t longest = RELAXED_LOAD(&part->longest_abort);
    if (longest > sum->longest_abort)
        sum->longest_abort = longest;
}

#endif
