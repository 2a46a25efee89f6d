/* Fork.h -- a fork's two sides.
 *
 * Note [Forking]
 *   side     what
 *   prepare  takes the fork lock, the world's lock (no start, stop or resize is under way), stops
 *            the world (See Note [Standing still]), takes the locks of the pools of variables
 *   parent   gives everything back in reverse
 *   child    nobody else exists.  What is kept per capability is thrown away and made anew for the
 *            one that is left: the forking thread's own, or the first.  Whatever is type-stable
 *            stays where it is, because the survivor may hold it: threads are marked lost,
 *            variables lose their watchers, fds their homes.  Lists of free things are made anew by
 *            walking the chunks, so it does not matter what a plain OS thread was in the middle of;
 *            locks are initialised
 *   No epoll_ctl is made in the child: inherited instances are closed, which leaves the parent's
 *   alone.  What was registered with their managers is forgotten: See Note [Keys over a fork], and
 *   See Note [Lost managers].
 *   If the locks or the stop take longer than fork_patience_ns, or the caller is inside a poll (a
 *   callback: the frames below it hold what the child would free) or inside a foreign call (its
 *   capability may have been taken; on the pool its arguments are on a stack that the child would
 *   give back), everything is given back at once and the child is broken: See Note [After a fork].
 *
 * Note [Held forks]
 *   Who carries a capability stands still outside of every section.  A plain OS thread does not
 *   stand still; where a child would have to go on with what it was in the middle of, and no walk
 *   repairs that (a channel's items, a scope's children), it holds forks up: it adds 1 to `holders`
 *   (seq_cst), then reads `closed` (seq_cst), and if that is set it steps back and waits.  Prepare
 *   sets `closed` (seq_cst), then waits until `holders` is 0 (seq_cst).  See Note [StoreLoad].
 *   A section lasts some us and waits for nobody who stands still.
 */
#ifndef RTS_FORK_H
#define RTS_FORK_H

#include "internal/Assert.h"

#include <stddef.h>
#include <stdint.h>

struct Capability;

enum { FORK_PATIENCE_NS = 100 * 1000 * 1000 };

/* fork_patience_ns -- FORK_PATIENCE_NS; tests, whose machine may be slow, store more before. */
extern int64_t fork_patience_ns;

/* forkHold, forkLetGo -- around such a section, which does not nest; here: scheduleHere(), the same
 * for both.  See Note [Held forks]. */
void forkHoldSlow(void);
void forkLetGoSlow(void);

static inline void forkHold(const struct Capability *here)
{
    if (UNLIKELY(here == NULL))
        forkHoldSlow();
}

static inline void forkLetGo(const struct Capability *here)
{
    if (UNLIKELY(here == NULL))
        forkLetGoSlow();
}

/* forkWatch -- register the handlers with the C library; once a process. */
void forkWatch(void);

/* forkCount, forkSurvivor -- how many forks this process is away from its first ancestor; the id of
 * the green thread that the last one has left, 0: it left a plain OS thread. */
uint32_t forkCount(void);
uint64_t forkSurvivor(void);

#endif
