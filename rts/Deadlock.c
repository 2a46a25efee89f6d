/* Deadlock.c -- all threads are blocked, and nobody is left who can wake one.
 *
 * Owns    what has been told.
 * Before  capability/Monitor.c: everybody has slept for a while.
 * After   rts/Park.c: their waits end.
 * Tests   testsuite/unit/DeadlockTest.c, testsuite/model/DeadlockModel.c,
 *         testsuite/stress/Deadlocks.c
 *
 * See Note [Blocked for ever].
 */
#include "rts/Deadlock.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "capability/Monitor.h"
#include "rts/BlockingPool.h"
#include "rts/Hold.h"
#include "rts/Park.h"
#include "rts/Signal.h"
#include "rts/Startup.h"
#include "rts/ThreadDescribe.h"
#include "rts/World.h"
#include "rts/stm/Event.h"

#include <errno.h>
#include <stdio.h>

enum { REPORT_MOST = 100, LINE_SIZE = 256, LABEL_SIZE = 64, PATIENCE_NS = 100 * 1000 * 1000 };

/* The Monitor's. */
static struct {
    Thread *witness;
    bool told;       /* an open world is told of once */
    uint64_t roused; /* with so many switches sleepers were woken for their timers */
} deadlock;

void deadlockStart(void)
{
    deadlock.witness = NULL;
    deadlock.told = false;
    deadlock.roused = 0;
}

/* ---- D1 to D4 ---- */

static bool isEmpty(Capability *capability)
{
    return inboxIsEmpty(&capability->inbox) && !capabilityHasReady(capability);
}

static bool hasTimer(Capability *capability)
{
    return timerHeapDue(&capability->manager.timers) != DEADLINE_NEVER;
}

/* What D1 and D4 find: who sleeps with a deadline, a bit for each; the switches of all, counted
 * before each look and after it. */
typedef struct Stillness {
    uint64_t timed, before, after;
} Stillness;

static bool allRest(Stillness *rest)
{
    uint32_t count = capabilityTableCount();
    *rest = (Stillness){.before = count, .after = count};
    for (uint32_t i = 0; i < count; i++) {
        Capability *capability = capabilities.items[i];
        rest->before += ACQUIRE_LOAD(&capability->stats.switches);
        if (SEQ_CST_LOAD(&capability->sleep) != IdleAsleep || !isEmpty(capability))
            return false;
        if (SEQ_CST_LOAD(&capability->manager.timeouts.sleep_until_ns) != DEADLINE_NEVER ||
            hasTimer(capability))
            rest->timed |= UINT64_C(1) << i;
        rest->after += RELAXED_LOAD(&capability->stats.switches);
    }
    return true;
}

/* D2. */
static bool isOutstanding(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        if (SEQ_CST_LOAD(&capabilities.items[i]->manager.registered) != 0)
            return true;
    return holdIsHeld() || blockingPoolBusy() || signalIsWatched() || eventIsAwaited();
}

static bool isForEver(const ThreadWaiting *waiting)
{
    ClaimState claim = claimState(waiting->claim);
    if (waiting->deadline_ns != DEADLINE_NEVER || (claim != ClaimListed && claim != ClaimParked))
        return false;
    return waiting->state == ThreadBlockedOnTVar || waiting->state == ThreadBlockedOnThread ||
           waiting->state == ThreadBlockedOnMVar || waiting->state == ThreadBlockedOnLock ||
           waiting->state == ThreadBlockedOnThrowTo;
}

static bool lives(Thread *thread)
{
    return RELAXED_LOAD(&thread->id) != 0 && watchListGeneration(ACQUIRE_LOAD(&thread->ended)) == 0;
}

/* Can it go on without others?  env counts those who live. */
static bool canGoOn(Thread *thread, void *env)
{
    size_t *living = env;
    if (!lives(thread))
        return false;
    ThreadWaiting waiting = threadDescribeWait(thread);
    ++*living;
    return !isForEver(&waiting);
}

/* D3.  Mostly the one who could go on the last time still can. */
static bool allWait(Thread **witness)
{
    size_t living = 0;
    if (*witness != NULL && canGoOn(*witness, &living))
        return false;
    living = 0;
    *witness = threadPoolFind(canGoOn, &living);
    return *witness == NULL && living != 0;
}

/* D1 to D4, but that somebody may sleep with a deadline: *rest. */
static bool allWaitAtRest(Thread **witness, Stillness *rest)
{
    Stillness first;
    if (!allRest(&first) || isOutstanding() || !allWait(witness) || !allRest(rest))
        return false;
    rest->timed |= first.timed;
    return first.before == rest->after;
}

bool deadlockFound(Thread **witness)
{
    Stillness rest;
    return allWaitAtRest(witness, &rest) && rest.timed == 0;
}

/* The timers that these sleep for are nobody's that waits; disarmed since they lay down, perhaps:
 * then they find none when they lie down again.  Once, until something has run. */
static void rouse(const Stillness *rest)
{
    if (deadlock.roused == rest->after)
        return;
    deadlock.roused = rest->after;
    for (uint64_t left = rest->timed; left != 0; left &= left - 1)
        idleWakeFor(capabilities.items[__builtin_ctzll(left)]);
}

/* ---- telling ---- */

typedef struct Report {
    size_t count; /* threads */
} Report;

static void reportThread(Thread *thread, void *env)
{
    Report *report = env;
    char label[LABEL_SIZE], what[LINE_SIZE], line[2 * LINE_SIZE];
    if (!lives(thread) || ++report->count > REPORT_MOST)
        return;
    threadDescribe(thread, what, sizeof what);
    bool labelled = threadLabelOf(thread, label, sizeof label) != 0;
    snprintf(line, sizeof line, "capri:   %s %llu%s%s%s: %s",
             threadIsTask(thread) ? "task" : "thread", (unsigned long long)threadId(thread),
             labelled ? " \"" : "", labelled ? label : "", labelled ? "\"" : "", what);
    startupLog(line);
}

static void report(const char *conclusion)
{
    Report each = {0};
    char line[LINE_SIZE];
    startupLog("capri: all threads are blocked, and none of them can wake another:");
    threadPoolEach(reportThread, &each);
    if (each.count > REPORT_MOST) {
        snprintf(line, sizeof line, "capri:   and %zu more", each.count - REPORT_MOST);
        startupLog(line);
    }
    startupLog(conclusion);
}

/* The world stands still. */
static bool isStill(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        if (!isEmpty(capabilities.items[i]) || hasTimer(capabilities.items[i]))
            return false;
    return !isOutstanding() && allWait(&deadlock.witness);
}

static void endWait(Thread *thread, void *env)
{
    (void)env;
    if (!lives(thread))
        return;
    ThreadWaiting waiting = threadDescribeWait(thread);
    if (isForEver(&waiting))
        parkEnd(thread, waiting.claim, -EDEADLK);
}

/* If there was no time for it, the Monitor asks again. */
static void endAll(void)
{
    int64_t deadline_ns = clockRead(&clockMonotonic) + PATIENCE_NS;
    if (worldLockUntil(deadline_ns)) {
        if (worldStop(NULL, StandingHalted, deadline_ns) && isStill()) {
            report("capri: each of these waits returns -EDEADLK");
            threadPoolEach(endWait, NULL);
        }
        worldGo(NULL);
        worldUnlock();
    }
    monitorNote();
}

void deadlockLook(void)
{
    bool closed = startupIsClosed();
    Stillness rest;
    if ((deadlock.told && !closed) || RELAXED_LOAD(&park_cancelled) != 0 ||
        !allWaitAtRest(&deadlock.witness, &rest))
        return;
    if (rest.timed != 0) {
        rouse(&rest);
        return;
    }
    if (closed) {
        endAll();
        return;
    }
    deadlock.told = true;
    report("capri: a plain OS thread may still do so; rtsHold says that one will");
}
