/* Monitor.h -- the watchdog: an OS thread that looks after busy capabilities when nobody else can.
 *
 * Note [Monitor ticks]
 *   Tick every MONITOR_TICK_NS while some awake capability is stale (its poll_count or switch
 *   count has not moved since the last tick), twice that after each tick without one, up to four
 *   times.  At a tick:
 *     - not polled, with fds or a due timer, or not switched, with work that could be stolen: if a
 *       guard sleeps, it sees to it; else set AttentionPoll (the owner polls at its next safepoint,
 *       and a searcher knows by it that this one is stale) and wake a sleeper if there is one: it
 *       helps, then becomes the guard.
 *     - not switched for SLICE_NS with anything ready: set AttentionSlice.
 *     - likewise, and it has not heeded what was set at an earlier tick: a runaway, of which the
 *       upper floor is told if something waits that no sleeper can take; again after twice the
 *       time, while it runs on.
 *     - two ready, a sleeper, nobody searching: wake one.
 *   All capabilities asleep for MONITOR_QUIET_NS: dormant, a futex wait without time-out; the first
 *   capability to wake up (idleSleep's return) sees `dormant` and ends it.
 *   dormant  0 -> 1  Monitor  seq_cst, then looks again whether all sleep (seq_cst)
 *            1 -> 0  waker    exchange, then futex wake: See Note [StoreLoad]
 *
 * Note [Monitor and calls]
 *   A capability whose carrier is in a call that has lasted for CALL_GRACE_NS is taken from it if
 *   something is ready there (pinned or not), or if no guard sleeps and a timer is due or its
 *   pollable fd readable; at CALL_MOST_NS in any case, so that it sleeps as an idle one does, whom
 *   senders wake, and the Monitor can lie dormant.  A call found at a tick is looked at again when
 *   it is as old as the grace, then each time its age has doubled, so that a long one costs a few
 *   looks; ticks find calls up to four ticks late.  When one has been taken others follow: for
 *   CALL_KEEN_NS the Monitor looks every CALL_GRACE_NS, and what waits behind a call goes on some
 *   ten us after the grace.
 */
#ifndef CAPABILITY_MONITOR_H
#define CAPABILITY_MONITOR_H

#include "capability/Capability.h"
#include "internal/SMP.h"

enum {
    MONITOR_TICK_NS = 500 * 1000,
    MONITOR_QUIET_NS = 100 * 1000 * 1000,
    MONITOR_UPKEEP_NS = 1000 * 1000 * 1000,
    SLICE_NS = 10 * 1000 * 1000,
    CALL_GRACE_NS = 20 * 1000,
    CALL_MOST_NS = 10 * 1000 * 1000,
    CALL_KEEN_NS = 10 * 1000 * 1000
};

typedef struct Monitor {
    uint32_t dormant; /* futex word, see Note [Monitor ticks] */
    uint32_t stop;
    uint64_t ticks; /* Monitor counts, others read */
    uint64_t taken; /* likewise: capabilities taken from calls in flight */
    uint32_t nags;  /* anyone, seq_cst: how many want the nagger to be called; See monitorNag */
} Monitor;

extern Monitor monitor;

/* Upkeep of the upper floor: called on the Monitor's OS thread every MONITOR_UPKEEP_NS while it
 * ticks, and once (quiet) when it has said that it goes dormant: whoever changes what it looked at
 * finds `dormant` after that, and rouses the Monitor (monitorNote) to be called once more. */
typedef void MonitorUpkeep(int64_t now_ns, bool quiet);

/* monitorStart -- upkeep may be NULL.  0 or -EAGAIN. */
int monitorStart(MonitorUpkeep *upkeep);
void monitorStop(void);

/* monitorSurvive -- child of a fork: its OS thread is gone; monitorStart may follow. */
void monitorSurvive(void);

/* monitorRouse -- a capability woke up. */
void monitorRouse(void);

/* MonitorRunaway -- what is done about a capability whose thread does not let others run: they have
 * switched so often and not since.  Called on the Monitor's OS thread; nothing, if it cannot be
 * done. */
typedef void MonitorRunaway(Capability *capability, uint64_t switches);

/* monitorWatchRunaways -- before monitorStart; NULL: nothing is done. */
void monitorWatchRunaways(MonitorRunaway *runaway);

/* monitorNote -- what the upkeep looks at has changed (seq_cst, or under a lock that it takes). */
static inline void monitorNote(void)
{
    if (SEQ_CST_LOAD(&monitor.dormant) != 0)
        monitorRouse();
}

/* monitorNag -- from now on the Monitor calls nag at every tick, be everybody asleep or not, until
 * as many monitorNagEnd.  Any OS thread; one nagger for all. */
void monitorNag(void (*nag)(void));
void monitorNagEnd(void);

/* monitorTick -- one look (for tests; the Monitor's loop calls it). now_ns monotonic.  Returns true
 * when some capability was stale. */
bool monitorTick(int64_t now_ns);

/* monitorCalls -- one look at the calls in flight, by the same caller.  Returns in how many
 * nanoseconds another one is due, INT64_MAX: none. */
int64_t monitorCalls(int64_t now_ns);

#endif
