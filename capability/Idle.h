/* Idle.h -- searching, sleeping, whom to wake: the one sleep/wake protocol.
 *
 * The states of Capability.sleep: See Note [Idle states].
 *
 * Note [Idle wakes]
 *   To one: whoever puts something into a capability's inbox looks at its `sleep` afterwards.
 *   Exact: nothing put into an inbox is ever left with a sleeper (See Note [Inbox and sleep]).
 *   For surplus: a capability with two or more ready runnables wakes one sleeper if nobody
 *   searches; the woken one searches, and on finding work wakes the next if there is more.  The
 *   owner's push has no fence, so this look is a hint that may miss a sleeper who is just lying
 *   down; what is missed is repaired by the owner's next push or switch, by the guard's tick, or
 *   by the Monitor's.  One ready runnable wakes nobody: its owner is about to run it, and if it is
 *   not, guard or Monitor notice.
 *   Never: wake while somebody searches; wake more than one; wake for a thread that is pinned here
 *   (pinned runnables are not in the run queue: See Note [Pinned runnables]).
 *
 * Note [Idle search]
 *   Who runs out of work while a peer has surplus first polls its own manager without waiting:
 *   what is taken from a peer is in the other core's caches.  A searcher visits its peers from a
 *   random one on.  It takes, in this order: from a peer that is awake and has not polled for
 *   STALE_POLL_NS (or whose AttentionPoll the Monitor has set) the events, due timers and open
 *   inbox; half of two or more ready runnables, never the youngest; a lone ready one once the peer
 *   has not switched for STEAL_YOUNGEST_NS.  What it took runs oldest first.  At most half of the
 *   capabilities, rounded up, search at once.
 *
 * Note [Idle guard]
 *   At most one sleeper is the guard (idle.guard).  While any peer is awake it sleeps in ticks of
 *   GUARD_TICK_NS (doubling to four times that while no peer is stale).  One whose own events have
 *   ended NAPS_RESTLESS sleeps before the first tick will soon look at its peers by itself: a tick
 *   of GUARD_TICK_RESTLESS_NS is enough for it, since a timer that is armed first costs what a
 *   short thread runs for, and one that fires where cores are scarce takes one away.  Over a
 *   stale peer's pollable fd it sleeps as well, and until that peer's first deadline.  When there
 *   is something to take it gets up first (I3) and then visits the peer as a searcher does.  A
 *   pollable that was readable although the visit fired nothing (the peer's own Wakeup, which only
 *   the peer drains) is not slept over again until the peer polls; ticks do instead.
 *   No peer awake: it resigns and sleeps without ticks.  Without a guard (it found work, or all
 *   were asleep) the Monitor ticks instead: See Note [Monitor ticks].
 *
 * Note [Two beds]
 *   A disabled capability that has nothing to hand on sleeps over its own manager by the same
 *   moves, but its bit is set in idle_disabled: nobody calls it for surplus, and the hints that
 *   read idle.sleeping without a fence do not see it.  Who wants to know whether anybody is awake
 *   reads both words, one after the other; a capability that changes beds in between has got up in
 *   between, and so looks at the Monitor's `dormant` after the reader stored it.
 */
#ifndef CAPABILITY_IDLE_H
#define CAPABILITY_IDLE_H

#include "capability/Capability.h"
#include "capability/Sleep.h"

enum {
    GUARD_TICK_NS = 500 * 1000,
    STALE_POLL_NS = 500 * 1000,    /* a peer that has not polled for so long is relieved */
    STEAL_YOUNGEST_NS = 50 * 1000, /* a lone ready runnable is stealable, unswitched for so long */
};

extern Idle idle, idle_disabled; /* of the second only `sleeping` is used: See Note [Two beds] */

/* idleStart -- nobody sleeps, nobody searches; before the workers start. */
void idleStart(void);

/* idleSearch -- owner with nothing to run: look for work at peers (steal, stale peers' events,
 * timers, open inboxes; a short adaptive spin while a peer is awake).  True: something is in the
 * own queue now. */
bool idleSearch(Capability *capability);

/* idleSleep -- owner with nothing to run and nothing found: lie down until something is to be done.
 * Returns after any wake-up, event, due timer or guard tick with work; the caller looks at its
 * queue again. */
void idleSleep(Capability *capability);

/* idleServe -- owner, disabled, with nothing ready: sleep until something is here to be handed on,
 * or its mode changes.  Events and timers of its manager fire into its own queue. */
void idleServe(Capability *capability);

/* idleSleepAlone -- owner of the only capability, with nothing ready: as idleSleep, up to
 * deadline_ns.  There is no Monitor, and who lies down is no news to it.
 * idleLieDown -- owner of the only one: senders wake it from here on.  False: do not sleep, there
 * is something.   idleGetUp -- owner: awake again; what was sent is in its queues. */
void idleSleepAlone(Capability *capability, int64_t deadline_ns);
bool idleLieDown(Capability *capability);
void idleGetUp(Capability *capability);

/* idleWakeFor -- something was put into capability's inbox, or its mode was changed (seq_cst). */
void idleWakeFor(Capability *capability);

/* idleWakeOne -- there is surplus work: wake one sleeper unless somebody searches. */
void idleWakeOne(void);

/* idleSurplus -- owner: the fence-free hint; call after a push or when picking with more left. */
static inline void idleSurplus(Capability *capability)
{
    if (UNLIKELY(RELAXED_LOAD(&idle.sleeping) != 0) && runQueueLength(&capability->queue) >= 2 &&
        RELAXED_LOAD(&idle.searching) == 0)
        idleWakeOne();
}

/* idleAllAsleep -- does every capability sleep? (Monitor; seq_cst) */
bool idleAllAsleep(void);

#endif
