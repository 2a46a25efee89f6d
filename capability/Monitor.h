/* Monitor.h -- the watchdog: an OS thread that looks after busy capabilities when nobody else can.
 *
 * Note [Monitor ticks]
 *   Tick every MONITOR_TICK_NS while some capability is busy: stale (awake, and its poll_count or
 *   switch count has not moved since the last tick), and its OS thread was on a core meanwhile; one
 *   that the kernel does not let run gains nothing from being looked at often.  The first tick that
 *   finds it stale cannot tell, so the next comes soon.  Without a busy one the time doubles, up
 *   to MONITOR_TICK_MOST_NS; to MONITOR_TICK_USUAL_NS while calls or nags want to be looked after:
 *   each wake-up takes a core away from a capability in the middle of its batch.  At a tick:
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
 *   alarm    the futex word of a tick's sleep, of these bits:
 *            Slow  0 -> 1  Monitor  relaxed: it will sleep for more than MONITOR_TICK_USUAL_NS
 *                  1 -> 0  Monitor  relaxed: it got up
 *                  1 -> 0  caller   relaxed, then futex wake: a call begins, or is held no more.
 *                                   One of just before 0 -> 1 is found at the next tick
 *            Stop  0 -> 1  stopper  seq_cst, then futex wake
 *
 * Note [Monitor and calls]
 *   A capability whose carrier is in a call that has lasted for CALL_GRACE_NS is taken from it if
 *   something is ready there (pinned or not), or if no guard sleeps and a timer is due or its
 *   pollable fd readable; at CALL_MOST_NS in any case, so that it sleeps as an idle one does, whom
 *   senders wake, and the Monitor can lie dormant.  A call found at a tick is looked at again when
 *   it is as old as the grace, then each time its age has doubled, so that a long one costs a few
 *   looks.  A call that finds the Monitor in a long sleep (MonitorSlow) ends that, and for
 *   CALL_USUAL_NS no sleep is long: so ticks find calls up to MONITOR_TICK_USUAL_NS late.  When one
 *   has been taken others follow: for CALL_KEEN_NS the Monitor looks every CALL_GRACE_NS, and what
 *   waits behind a call goes on some ten us after the grace.
 *   While the world stands still nothing is taken, and looks at a call become rare like those at
 *   one behind which nothing waits.  Who ends that, and has held calls, ends the Monitor's long
 *   sleep as a new call does: they are looked at at once, or at the next tick.
 */
#ifndef CAPABILITY_MONITOR_H
#define CAPABILITY_MONITOR_H

#include "capability/Capability.h"
#include "internal/SMP.h"

enum {
    MONITOR_TICK_NS = 500 * 1000,
    MONITOR_TICK_USUAL_NS = 4 * MONITOR_TICK_NS,
    MONITOR_TICK_MOST_NS = 16 * MONITOR_TICK_NS,
    MONITOR_QUIET_NS = 100 * 1000 * 1000,
    MONITOR_UPKEEP_NS = 1000 * 1000 * 1000,
    SLICE_NS = 10 * 1000 * 1000,
    CALL_GRACE_NS = 20 * 1000,
    CALL_MOST_NS = 10 * 1000 * 1000,
    CALL_KEEN_NS = 10 * 1000 * 1000,
    CALL_USUAL_NS = 100 * 1000 * 1000
};

enum { MonitorStop = 1, MonitorSlow = 2 }; /* Monitor.alarm */

/* What a tick saw at worst: one that is stale and may be busy, one that is. */
typedef enum MonitorSight { MonitorLively = 0, MonitorStale, MonitorBusy } MonitorSight;

typedef struct Monitor {
    uint32_t dormant; /* futex word, see Note [Monitor ticks] */
    uint32_t alarm;   /* likewise */
    uint64_t ticks;   /* Monitor counts, others read */
    uint64_t taken;   /* likewise: capabilities taken from calls in flight */
    uint32_t nags;    /* anyone, seq_cst: how many want the nagger to be called; See monitorNag */
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

/* monitorReplace -- instead of monitorStart: no OS thread watches.  Whoever rouses the Monitor
 * calls `rouse`, which is to lead to another monitorLull.  NULL: over, monitorStart may follow.
 * monitorLull -- who stands in for it, and everybody has slept for a while: dormant, then the
 * upkeep. */
void monitorReplace(void (*rouse)(void));
void monitorLull(MonitorUpkeep *upkeep);

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

/* monitorCalled -- a call that may last begins, or may be taken again: it is looked for soon. */
void monitorCalledSlow(void);

static inline void monitorCalled(void)
{
    if (__builtin_expect((RELAXED_LOAD(&monitor.alarm) & MonitorSlow) != 0, 0))
        monitorCalledSlow();
}

/* monitorTick -- one look (for tests; the Monitor's loop calls it).  now_ns monotonic. */
MonitorSight monitorTick(int64_t now_ns);

/* monitorPace -- how long to sleep after a tick at now_ns that saw this, by the same caller. */
int64_t monitorPace(MonitorSight sight, int64_t now_ns);

/* monitorCalls -- one look at the calls in flight, by the same caller.  Returns in how many
 * nanoseconds another one is due, INT64_MAX: none. */
int64_t monitorCalls(int64_t now_ns);

#endif
