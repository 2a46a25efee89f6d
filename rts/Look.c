/* Look.c -- what a busy capability looks at now and then: the clock, its poll, sleepers.
 *
 * Owns    Scheduler.look*, mean_run_ns and last_*_ns.
 * Before  rts/Schedule.c: every so many switches, every so many safepoints.
 * After   iomgr/EventManager.c: the poll that is due.   capability/Idle.c: a sleeper to wake.
 * Tests   testsuite/unit/LookTest.c, testsuite/unit/ScheduleTest.c, testsuite/path/CrossingTest.c
 *
 * See Note [Looks], Note [Picking the next], Note [Safepoints poll] and Note [Crowds].
 */
#include "rts/Look.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Starved.h"

enum {
    LOOK_EVERY = 16,  /* switches between two looks at the clock, */
    LOOK_SELDOM = 64, /* and while threads run for less than */
    SHORT_RUN_NS = 500,
    LONG_RUN_NS = 20 * 1000,
    POLL_EVERY_NS = 100 * 1000,
    POLL_SELDOM_NS = 400 * 1000, /* while so many are ready that a newcomer would wait anyway: */
    MANY_READY = 8,
    REBIAS_EVERY_NS = 1000 * 1000,
    OLD_EVERY_NS = 500 * 1000
};

uint32_t lookPoll(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    uint32_t fired = eventManagerPoll(&capability->manager, 0, capability);
    if (fired != 0)
        lookTakeTurns(scheduler);
    return fired;
}

/* A busy capability polls now and then.  Returns how many waiters were fired. */
static uint32_t pollIfDue(Scheduler *scheduler, int64_t now)
{
    Capability *capability = capabilityOf(scheduler);
    EventManager *manager = &capability->manager;
    bool many = runQueueLength(&capability->queue) >= MANY_READY;
    if (now - scheduler->last_poll_ns < (many ? POLL_SELDOM_NS : POLL_EVERY_NS))
        return 0;
    scheduler->last_poll_ns = now;
    capabilityAttend(capability, AttentionPoll);
    if (now - scheduler->last_rebias_ns >= REBIAS_EVERY_NS) {
        scheduler->last_rebias_ns = now;
        runQueueRebias(&capability->queue);
    }
    if (RELAXED_LOAD(&manager->fds) == 0 && timerHeapDue(&manager->timers) > now)
        return 0;
    return lookPoll(scheduler);
}

bool lookIsSlow(const Scheduler *scheduler)
{
    return scheduler->mean_run_ns >= LONG_RUN_NS;
}

/* See Note [Looks]. */
static void lookNext(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    uint64_t next = RELAXED_LOAD(&capability->stats.switches) + 1;
    if (RELAXED_LOAD(&scheduler->look_at) > next)
        RELAXED_STORE(&scheduler->look_at, next);
    RELAXED_STORE(&capability->swap_until, 0);
}

void lookSoon(Scheduler *scheduler)
{
    if (UNLIKELY(lookIsSlow(scheduler)))
        lookNext(scheduler);
}

void lookAhead(Capability *capability, bool old)
{
#ifdef SANITIZE_THREAD
    (void)capability, (void)old; /* a hint, but to it a race: a thief may have taken them */
#else
    Runnable *later, *next = runQueueNext(&capability->queue, old, &later);
    if (next != NULL)
        stackFetch(threadOfRunnable(next)->sp);
    if (later != NULL)
        threadFetch(threadOfRunnable(later));
#endif
}

bool lookAside(Scheduler *scheduler)
{
    if (capabilityHasMail(capabilityOf(scheduler)))
        capabilityReceive(capabilityOf(scheduler));
    if (scheduler->turns == 0)
        return false;
    scheduler->turns--;
    return true;
}

/* In a step.  What runs for long is looked at each time: nobody else watches. */
static void watchStep(Scheduler *scheduler, int64_t now)
{
    Capability *capability = capabilityOf(scheduler);
    if (now >= scheduler->step_until_ns) {
        capability->leaves = true;
        RELAXED_STORE(&scheduler->look_at, 0);
        RELAXED_STORE(&capability->swap_until, 0);
        OR_SEQ_CST(&capability->attention, AttentionSlice);
    } else if (lookIsSlow(scheduler)) {
        lookNext(scheduler);
    }
}

bool lookAround(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    int64_t now = clockRead(capability->manager.clock);
    bool old_is_due = now - scheduler->last_old_ns >= OLD_EVERY_NS;
    ASSERT(!capability->leaves); /* See Note [Looks] */
    uint64_t switches = RELAXED_LOAD(&capability->stats.switches);
    int64_t count = (int64_t)(switches - scheduler->looked_at);
    scheduler->mean_run_ns = (now - scheduler->last_look_ns) / (count > 0 ? count : 1);
    scheduler->last_look_ns = now;
    scheduler->looked_at = switches;
    bool seldom = scheduler->mean_run_ns < SHORT_RUN_NS && scheduler->step_until_ns == 0;
    switches += seldom ? LOOK_SELDOM : LOOK_EVERY;
    RELAXED_STORE(&scheduler->look_at, switches);
    RELAXED_STORE(&capability->swap_until, RELAXED_LOAD(&capability->pinned) == 0 ? switches : 0);
    starvedShare(scheduler);
    if (old_is_due)
        scheduler->last_old_ns = now;
    pollIfDue(scheduler, now);
    if (RELAXED_LOAD(&idle.sleeping) != 0 && runQueueLength(&capability->queue) >= 1)
        idleWakeOne();
    if (UNLIKELY(scheduler->step_until_ns != 0))
        watchStep(scheduler, now);
    return old_is_due;
}

uint32_t lookForPoll(Scheduler *scheduler)
{
    int64_t now = clockRead(capabilityOf(scheduler)->manager.clock);
    uint32_t fired = pollIfDue(scheduler, now);
    if (UNLIKELY(scheduler->step_until_ns != 0))
        watchStep(scheduler, now);
    return fired;
}
