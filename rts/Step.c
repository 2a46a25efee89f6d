/* Step.c -- a host that has a loop of its own runs the scheduler in it, a step at a time.
 *
 * Owns    who the owner is, its Worker; when the upkeep is due.
 * Before  the host's loop; rts/Outside.c: the owner waits.
 * After   rts/Schedule.c: what is ready runs.   capability/Recess.c: until the next step.
 * Tests   testsuite/unit/StepTest.c, testsuite/unit/StepWaitTest.c, testsuite/unit/StepForkTest.c,
 *         testsuite/unit/StepUpkeepTest.c, testsuite/stress/Steps.c,
 *         testsuite/model/RecessModel.c (the moves)
 *
 * See Note [Steps], Note [Steps and the Monitor] and Note [Waiting in steps].
 */
#include "rts/Step.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "capability/Monitor.h"
#include "capability/Recess.h"
#include "capability/Spare.h"
#include "rts/Drain.h"
#include "rts/Holder.h"
#include "rts/Hooks.h"
#include "rts/Look.h"
#include "rts/Loop.h"
#include "rts/Pause.h"
#include "rts/Startup.h"
#include "rts/Starved.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum { DEFAULT_US = 10 * 1000, US_NS = 1000 };

uint32_t step_on;

static struct {
    Holder owner;      /* 0 -> an OS thread by CAS (seq_cst), -> 0 by its end; anyone: is it me? */
    Holder starter;    /* constant while up: the OS thread that called rtsInit */
    Worker worker;     /* the owner's, as all below */
    bool prepared;     /* its start hook has run */
    bool stacked;      /* its signal stack is ours */
    bool inside;       /* in a step, or in what belongs to one */
    bool waits;        /* the step is made for a wait of the owner's */
    bool orphan;       /* child of a fork in such a step: it ends when no thread lives */
    int64_t most_ns;   /* constant while up */
    int64_t kept_ns;   /* the last upkeep */
    int64_t quiet_ns;  /* when nothing will have happened for a while; never: that is past */
    uint64_t activity; /* what had happened by the last step */
} step;

static Capability *only(void)
{
    return capabilities.items[0];
}

int stepStart(uint32_t step_us, bool mine)
{
    callStart();
    spareNone();
    monitorReplace(stepWake);
    memset(&step, 0, sizeof step);
    step.worker.hooks = &loop_hooks;
    step.worker.guest = true;
    step.most_ns = (int64_t)(step_us == 0 ? DEFAULT_US : step_us) * US_NS;
    step.kept_ns = clockRead(&clockMonotonic);
    step.quiet_ns = DEADLINE_NEVER;
    step.starter = holderSelf();
    RELAXED_STORE(&step.owner, mine ? step.starter : 0);
    RELAXED_STORE(&step_on, 1);
    recessBegin(only(), false, DEADLINE_NEVER);
    return 0;
}

void stepEnd(void)
{
    if (!stepIsOn())
        return;
    if (step.prepared && step.stacked)
        loop_hooks.end(&step.worker);
    monitorReplace(NULL);
    RELAXED_STORE(&step_on, 0);
    RELAXED_STORE(&step.owner, 0);
}

/* ---- the owner ---- */

static bool own(void)
{
    Holder none = 0;
    return RELAXED_LOAD(&step.owner) == holderSelf() ||
           CAS_SEQ_CST(&step.owner, &none, holderSelf());
}

bool stepIsMine(void)
{
    if (!stepIsOn())
        return false;
    Holder owner = RELAXED_LOAD(&step.owner), self = holderSelf();
    return owner == self || (owner == 0 && step.starter == self && own());
}

bool stepIsInside(void)
{
    return stepIsOn() && step.inside && RELAXED_LOAD(&step.owner) == holderSelf();
}

bool stepTake(void)
{
    return !stepIsOn() || (own() && !step.inside);
}

bool stepIsOthers(void)
{
    Holder owner = RELAXED_LOAD(&step.owner);
    return stepIsOn() && owner != 0 && owner != holderSelf();
}

/* The OS thread is the host's: what it has is left to it. */
static int prepare(void)
{
    stack_t had;
    if (step.prepared)
        return 0;
    step.stacked = sigaltstack(NULL, &had) == 0 && (had.ss_flags & SS_DISABLE) != 0;
    int result = loop_hooks.start(&step.worker);
    step.prepared = result == 0;
    return result;
}

/* While it is counted nobody ends the runtime. */
static int becomeOwner(void)
{
    int result = startupEnter();
    if (result != 0)
        return result;
    bool mine = own();
    startupLeave();
    return mine ? 0 : -EPERM;
}

/* May the caller step?  0, or why not. */
static int comeIn(void)
{
    if (!stepIsOn())
        return capabilityCount() == 0 ? -ENXIO : -ENOTSUP;
    if (scheduleHere() != NULL)
        return -EDEADLK;
    bool mine = RELAXED_LOAD(&step.owner) == holderSelf();
    int result = mine ? startupTouch() : becomeOwner();
    if (result != 0)
        return result;
    if (step.inside || pauseIsMine())
        return -EDEADLK;
    return prepare();
}

/* ---- a step: See Note [Steps]. ---- */

static void beginSlice(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    int64_t now_ns = clockRead(capability->manager.clock);
    uint64_t switches = RELAXED_LOAD(&capability->stats.switches);
    scheduler->step_until_ns = now_ns + step.most_ns;
    scheduler->last_look_ns = scheduler->last_poll_ns = now_ns;
    scheduler->looked_at = switches;
    RELAXED_STORE(&scheduler->look_at, switches + 1); /* the first that runs may be a long one */
    RELAXED_STORE(&capability->swap_until, 0);
    lookTakeTurns(scheduler);
}

static Scheduler *begin(Capability *capability)
{
    Worker *worker = &step.worker;
    recessEnd(capability);
    worker->capability = capability;
    RELEASE_STORE(&capability->carrier, worker);
    workerCarry(capability);
    Scheduler *scheduler = loopEnter(worker);
    eventManagerPoll(&capability->manager, 0, capability);
    beginSlice(scheduler);
    if (scheduler->handed == NULL)
        scheduler->handed = schedulePop(scheduler, true);
    return scheduler;
}

/* See Note [Steps and the Monitor]. */
static void noteActivity(const Capability *capability, int64_t now_ns)
{
    const EventManager *manager = &capability->manager;
    uint64_t activity = RELAXED_LOAD(&capability->stats.switches) +
                        RELAXED_LOAD(&manager->stats.wakeups) +
                        RELAXED_LOAD(&manager->stats.events) + RELAXED_LOAD(&manager->timers.fired);
    if (activity != step.activity)
        step.quiet_ns = now_ns + MONITOR_QUIET_NS;
    step.activity = activity;
}

/* How long to sleep at most. */
static int64_t wakeBy(const Capability *capability, int64_t deadline_ns)
{
    int64_t now_ns = clockRead(capability->manager.clock);
    noteActivity(capability, now_ns);
    int64_t until_ns = step.quiet_ns;
    if (RELAXED_LOAD(&drain_on) != 0) /* perhaps nobody wakes it: See stepWake */
        until_ns = now_ns + DRAIN_LOOK_NS;
    return deadline_ns < until_ns ? deadline_ns : until_ns;
}

static void run(Scheduler *scheduler, int64_t deadline_ns, StepOver *over, void *env)
{
    Capability *capability = capabilityOf(scheduler);
    int64_t until_ns = step.orphan ? DEADLINE_NEVER : deadline_ns;
    bool may_wait = until_ns > 0;
    while (!capability->leaves && loopSettle(scheduler)) {
        hooksBegin(scheduler);
        if (scheduleRunReady(scheduler) || capability->leaves)
            continue;
        starvedShare(scheduler);
        startupNothingReady();
        hooksIdle(capability);
        if (capabilityHasReady(capability) || capabilityHasMail(capability))
            continue;
        if (!may_wait || (over != NULL && !step.orphan && over(env)))
            break;
        may_wait = false;
        idleSleepAlone(capability, wakeBy(capability, until_ns));
        beginSlice(scheduler);
    }
}

/* In recess: See Note [Steps and the Monitor]. */
static void keepUp(int64_t now_ns, bool quiet)
{
    if (quiet)
        monitorLull(startupKeepUp);
    else if (now_ns - step.kept_ns >= MONITOR_UPKEEP_NS)
        startupKeepUp(now_ns, false);
    else
        return;
    step.kept_ns = now_ns;
}

/* Returns whether more is ready. */
static bool finish(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    if (workerCapability() == NULL) /* a callback has forked: this child has nothing of its own */
        return false;
    bool more = scheduler->handed != NULL || capabilityHasReady(capability) ||
                capabilityHasMail(capability);
    int64_t now_ns = clockRead(capability->manager.clock);
    noteActivity(capability, now_ns);
    bool quiet = !more && now_ns >= step.quiet_ns;
    if (quiet)
        step.quiet_ns = DEADLINE_NEVER;
    scheduler->step_until_ns = 0;
    capability->leaves = false;
    workerCarry(NULL);
    loopLeave(&step.worker, capability);
    recessBegin(capability, more, step.quiet_ns);
    keepUp(now_ns, quiet);
    return more;
}

int stepWait(StepOver *over, void *env, int64_t deadline_ns)
{
    int result = comeIn();
    if (result != 0)
        return result;
    bool more;
    step.inside = true;
    step.waits = over != NULL;
    do {
        Scheduler *scheduler = begin(only());
        run(scheduler, deadline_ns, over, env);
        more = finish(scheduler);
    } while (step.orphan);
    step.inside = false;
    return more;
}

int rtsStep(int64_t timeout_ns)
{
    int64_t deadline_ns = timeout_ns < 0 ? DEADLINE_NEVER : 0;
    if (timeout_ns > 0 &&
        __builtin_add_overflow(clockRead(&clockMonotonic), timeout_ns, &deadline_ns))
        deadline_ns = DEADLINE_NEVER;
    return stepWait(NULL, NULL, deadline_ns);
}

int rtsFd(void)
{
    int result = comeIn();
    if (result != 0)
        return result;
    Capability *capability = only();
    recessEnd(capability);
    result = eventManagerLoopFd(&capability->manager);
    recessBegin(capability, schedulerOf(capability)->handed != NULL, step.quiet_ns);
    return result;
}

/* ---- the owner's own waits: See Note [Waiting in steps]. ---- */

void stepWake(void)
{
    if (startupEnter() != 0) /* it is being shut down: the owner looks by itself */
        return;
    eventManagerWake(&only()->manager);
    startupLeave();
}

int stepSleep(int64_t deadline_ns)
{
    int result = 0;
    while (result >= 0 && clockRead(&clockMonotonic) < deadline_ns)
        result = stepWait(NULL, NULL, deadline_ns);
    return result < 0 ? result : 0;
}

typedef struct FdWait {
    int fd, result;
    FdDirection direction;
    int64_t deadline_ns;
} FdWait;

static void *waitFd(void *env)
{
    FdWait *wait = env;
    wait->result = wait->direction == FdRead ? threadWaitReadUntil(wait->fd, wait->deadline_ns)
                                             : threadWaitWriteUntil(wait->fd, wait->deadline_ns);
    return NULL;
}

static bool hasEnded(void *env)
{
    return threadHasEnded(env);
}

/* A green thread waits; it is not left before it has ended, since it writes into this frame. */
int stepWaitFd(int fd, FdDirection direction, int64_t deadline_ns)
{
    FdWait wait = {.fd = fd, .direction = direction, .deadline_ns = deadline_ns};
    Thread *thread;
    int result = comeIn();
    if (result == 0)
        result = threadFork(&thread, waitFd, &wait);
    if (result != 0)
        return result;
    while (!threadHasEnded(thread))
        stepWait(hasEnded, thread, DEADLINE_NEVER);
    result = threadJoin(thread, NULL);
    threadRelease(thread);
    if (result != 0) /* it has not begun: for want of a stack, or it was interrupted */
        return result == -EINTR ? -ECANCELED : result;
    return wait.result;
}

/* ---- after a fork ---- */

void stepSurvive(bool green)
{
    if (RELAXED_LOAD(&step.owner) != holderHere()) {
        RELAXED_STORE(&step.owner, 0);
        step.prepared = false;
    }
    step.orphan = green && (step.orphan || step.waits);
    step.inside = green;
    step.quiet_ns = DEADLINE_NEVER;
}

bool stepIsOrphan(void)
{
    return !stepIsOn() || step.orphan;
}

void stepRevive(void)
{
    recessBegin(only(), false, DEADLINE_NEVER);
}
