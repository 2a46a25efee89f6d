/* Share.h -- what a capability (or plain OS threads) keeps for transactions.
 *
 * Note [Counting changes]
 *   Each capability counts the changes of variables that it makes; plain OS threads share a count.
 *   Whoever changes first makes it visible that the variables are taken (odd versions), then counts
 *   (release), then stores the values (release).  A transaction that has read much adds all counts
 *   up (acquire) after each read: the sum is what it was, so no change that it could have met has
 *   begun since, and what it has read needs no second look.  Another sum: it looks at everything
 *   again.  Counts only grow, so equal sums mean equal counts.  No line is written by everybody.
 */
#ifndef RTS_SHARE_H
#define RTS_SHARE_H

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <capri/stm.h>

#include <stddef.h>

typedef struct Retired Retired;

typedef struct StmShare {
    uint64_t changes;                  /* owner counts; see Note [Counting changes] */
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
} CACHE_ALIGNED StmShare;

/* shareCountChange -- about to store values; share NULL: a plain OS thread without one. */
extern uint64_t share_outside_changes;

static inline void shareCountChange(StmShare *share)
{
    if (LIKELY(share != NULL))
        RELEASE_STORE(&share->changes, RELAXED_LOAD(&share->changes) + 1);
    else
        ADD_RELEASE(&share_outside_changes, 1);
}

/* shareChanges -- the sum: See Note [Counting changes]. */
uint64_t shareChanges(void);

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
