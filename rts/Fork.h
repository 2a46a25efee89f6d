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
 */
#ifndef RTS_FORK_H
#define RTS_FORK_H

#include <stdint.h>

enum { FORK_PATIENCE_NS = 100 * 1000 * 1000 };

/* fork_patience_ns -- FORK_PATIENCE_NS; tests, whose machine may be slow, store more before. */
extern int64_t fork_patience_ns;

/* forkWatch -- register the handlers with the C library; once a process. */
void forkWatch(void);

/* forkCount, forkSurvivor -- how many forks this process is away from its first ancestor; the id of
 * the green thread that the last one has left, 0: it left a plain OS thread. */
uint32_t forkCount(void);
uint64_t forkSurvivor(void);

#endif
