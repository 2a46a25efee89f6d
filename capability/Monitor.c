/* Monitor.c -- the watchdog: an OS thread that looks after busy capabilities when nobody else can.
 *
 * Owns    `monitor`, its views of the capabilities, the OS thread "capri/monitor".
 * Before  nothing: it wakes by itself.
 * After   capability/Idle.c: idleWakeOne; the owner's next safepoint sees Capability.attention;
 *         capability/Spare.c: what was taken from a call.
 * Tests   testsuite/unit/MonitorTest.c
 *
 * See Note [Monitor ticks] and Note [Monitor and calls].
 */
#include "capability/Monitor.h"

#include "capability/CapabilityTable.h"
#include "capability/Carrier.h"
#include "capability/Idle.h"
#include "capability/Spare.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RUNAWAY_PATIENCE_NS = 64 * MONITOR_TICK_NS, SECOND_NS = 1000 * 1000 * 1000 };

/* What the last tick saw of a capability; only monitorTick's caller touches it. */
typedef struct MonitorView {
    uint64_t switches;
    uint32_t polls;
    bool awake;
    int64_t switched_ns; /* when `switches` was last seen to move, or it slept */
    int64_t cpu_ns;      /* it is stale: the time that its OS thread has had, */
    int64_t weighed_ns;  /* and when that was read; 0: it was not */
    uint64_t call;       /* the call that was in flight at the last look, 0: none; */
    int64_t called_ns;   /* when it was first seen */
    int64_t ask_ns;      /* its thread is a runaway: when the upper floor is told again, */
    int64_t patience_ns; /* and how long after that */
} MonitorView;

Monitor monitor;

static MonitorView views[CAPABILITY_MOST];
static pthread_t thread;        /* start and stop */
static bool running;            /* start and stop */
static void (*nagger)(void);    /* anyone, relaxed, before it counts in `nags`; always the same */
static MonitorRunaway *runaway; /* constant while up, or NULL */
static void (*stand_in)(void);  /* stored before the workers start, relaxed; NULL: it is here */
static int64_t taken_ns;        /* only monitorCalls's caller: when something was last taken */

/* Only monitorPace's caller. */
static struct {
    int64_t tick_ns;
    int64_t called_ns; /* when a call last ended a long sleep */
} pace;

/* ---- One look. ---- */

/* Ready work that a peer could run. */
static bool hasStealable(Capability *capability)
{
    return runQueueLength(&capability->queue) != 0 || RELAXED_LOAD(&capability->inbox.open) != NULL;
}

static bool hasReady(Capability *capability)
{
    return capabilityHasReady(capability) || !inboxIsEmpty(&capability->inbox);
}

static bool hasEvents(Capability *capability)
{
    EventManager *manager = &capability->manager;
    return RELAXED_LOAD(&manager->fds) != 0 ||
           timerHeapDue(&manager->timers) <= clockRead(manager->clock);
}

/* Would a poll bring something?  A system call, for a call that has outlived the grace. */
static bool isReadable(EventManager *manager)
{
    struct pollfd looked = {.fd = eventManagerPollable(manager), .events = POLLIN};
    return looked.fd < 0 || poll(&looked, 1, 0) != 0;
}

/* Something waits there that nobody else will see to. */
static bool isMissed(Capability *capability)
{
    EventManager *manager = &capability->manager;
    if (hasReady(capability))
        return true;
    if (RELAXED_LOAD(&idle.guard) != 0)
        return false;
    return timerHeapDue(&manager->timers) <= clockRead(manager->clock) ||
           (RELAXED_LOAD(&manager->fds) != 0 && isReadable(manager));
}

/* In which way it is stale: awake since the last tick without a switch, without a poll. */
enum { Unswitched = 1, Unpolled = 2 };

static uint32_t updateView(Capability *capability, MonitorView *view, int64_t now_ns)
{
    bool awake = RELAXED_LOAD(&capability->sleep) == IdleAwake, was_awake = view->awake;
    uint64_t switches = RELAXED_LOAD(&capability->stats.switches);
    uint32_t polls = RELAXED_LOAD(&capability->manager.poll_count);
    uint32_t stale =
        (switches == view->switches ? Unswitched : 0u) | (polls == view->polls ? Unpolled : 0u);
    if (!awake || !was_awake || (stale & Unswitched) == 0) {
        view->switched_ns = now_ns;
        view->patience_ns = 0;
    }
    if (!awake || !was_awake || stale == 0)
        view->weighed_ns = 0;
    view->awake = awake;
    view->switches = switches;
    view->polls = polls;
    return awake && was_awake ? stale : 0;
}

/* A stale one: has its OS thread been on a core since the last tick, for the half of it? */
static MonitorSight weigh(Capability *capability, MonitorView *view, int64_t now_ns)
{
    int64_t cpu_ns = carrierCpu(capability), before_ns = view->cpu_ns, at_ns = view->weighed_ns;
    view->cpu_ns = cpu_ns;
    view->weighed_ns = cpu_ns < 0 ? 0 : now_ns;
    if (cpu_ns < 0)
        return MonitorBusy; /* nobody knows */
    if (at_ns == 0)
        return MonitorStale;
    return cpu_ns - before_ns >= (now_ns - at_ns) / 2 ? MonitorBusy : MonitorLively;
}

/* A stale one: ask it to poll, or to let others run.  Returns whether a sleeper could help. */
static bool seeToStale(Capability *capability, uint32_t stale, const MonitorView *view,
                       int64_t now_ns)
{
    bool unswitched = (stale & Unswitched) != 0, unpolled = (stale & Unpolled) != 0;
    if (unswitched && now_ns - view->switched_ns >= SLICE_NS && hasReady(capability))
        OR_SEQ_CST(&capability->attention, AttentionSlice);
    if (RELAXED_LOAD(&idle.guard) != 0)
        return false; /* it sees to the rest */
    bool help = (unswitched && hasStealable(capability)) || (unpolled && hasEvents(capability));
    if (help)
        OR_SEQ_CST(&capability->attention, AttentionPoll);
    return help;
}

/* Something waits there, and nobody sleeps who could take it. */
static bool isStuck(Capability *capability)
{
    bool ready = hasReady(capability), asleep = RELAXED_LOAD(&idle.sleeping) != 0;
    return ready ? !asleep || !hasStealable(capability) : !asleep && isMissed(capability);
}

/* Before this tick sets anything. */
static void seeToRunaway(Capability *capability, MonitorView *view, int64_t now_ns)
{
    uint32_t told = RELAXED_LOAD(&capability->attention) & (AttentionPoll | AttentionSlice);
    if (now_ns - view->switched_ns < SLICE_NS || told == 0 || carrierLook(capability) != 0 ||
        (view->patience_ns != 0 && now_ns < view->ask_ns) || !isStuck(capability))
        return;
    view->patience_ns = view->patience_ns == 0 ? MONITOR_TICK_NS : view->patience_ns * 2;
    if (view->patience_ns > RUNAWAY_PATIENCE_NS)
        view->patience_ns = RUNAWAY_PATIENCE_NS;
    view->ask_ns = now_ns + view->patience_ns;
    runaway(capability, view->switches);
}

MonitorSight monitorTick(int64_t now_ns)
{
    MonitorSight worst = MonitorLively;
    bool help = false;
    COUNT(&monitor.ticks, 1);
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        if (RELAXED_LOAD(&capability->mode) & CapabilityHalted)
            continue; /* it stands still, and nobody is to be called to help it */
        uint32_t how = updateView(capability, &views[i], now_ns);
        if (how != 0) {
            MonitorSight sight = weigh(capability, &views[i], now_ns);
            worst = sight > worst ? sight : worst;
            if (runaway != NULL && (how & Unswitched) != 0)
                seeToRunaway(capability, &views[i], now_ns);
            help |= seeToStale(capability, how, &views[i], now_ns);
        }
        help |= runQueueLength(&capability->queue) >= 2;
    }
    if (help && RELAXED_LOAD(&idle.searching) == 0)
        idleWakeOne();
    return worst;
}

int64_t monitorPace(MonitorSight sight, int64_t now_ns)
{
    bool usual = ACQUIRE_LOAD(&monitor.nags) != 0 || now_ns - pace.called_ns < CALL_USUAL_NS;
    int64_t most_ns = usual ? MONITOR_TICK_USUAL_NS : MONITOR_TICK_MOST_NS;
    if (sight == MonitorBusy)
        pace.tick_ns = MONITOR_TICK_NS;
    else if (sight == MonitorLively)
        pace.tick_ns = pace.tick_ns * 2 < most_ns ? pace.tick_ns * 2 : most_ns;
    return sight == MonitorLively ? pace.tick_ns : MONITOR_TICK_NS;
}

/* ---- Calls in flight: See Note [Monitor and calls]. ---- */

/* How long until the next look. */
static int64_t lookAtCall(Capability *capability, MonitorView *view, int64_t now_ns)
{
    uint64_t word = carrierLook(capability);
    if (word != view->call)
        view->called_ns = now_ns;
    view->call = word;
    if (word == 0)
        return INT64_MAX;
    int64_t age_ns = now_ns - view->called_ns;
    if (age_ns < CALL_GRACE_NS)
        return CALL_GRACE_NS - age_ns;
    if (RELAXED_LOAD(&capability->mode) & CapabilityHalted)
        return age_ns; /* it is held, or about to be */
    if ((age_ns >= CALL_MOST_NS || isMissed(capability)) && !spareIsExhausted()) {
        Worker *carrier = carrierClaim(capability, word);
        if (carrier == NULL)
            return CALL_GRACE_NS;
        callDecide(&carrier->call, CallTaken);
        taken_ns = now_ns;
        COUNT(&monitor.taken, 1);
        spareOffer(capability);
        return INT64_MAX;
    }
    return age_ns;
}

int64_t monitorCalls(int64_t now_ns)
{
    int64_t next_ns = now_ns - taken_ns < CALL_KEEN_NS ? CALL_GRACE_NS : INT64_MAX;
    spareRetry();
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        int64_t look_ns = lookAtCall(capabilities.items[i], &views[i], now_ns);
        if (look_ns < next_ns)
            next_ns = look_ns;
    }
    return next_ns;
}

/* ---- Its OS thread. ---- */

/* timeout_ns < 0: for ever. */
static void waitFutex(uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / SECOND_NS, .tv_nsec = timeout_ns % SECOND_NS};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
                          timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    if (result != 0 && errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
        barf("futex wait failed: %d", errno);
}

static void wakeFutex(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static bool isStopped(void)
{
    return (SEQ_CST_LOAD(&monitor.alarm) & MonitorStop) != 0;
}

/* Everybody has slept for a while: sleep until one wakes up.  What the upkeep finds settled stays
 * so until somebody rouses us. */
static void lieDormant(MonitorUpkeep *upkeep)
{
    SEQ_CST_STORE(&monitor.dormant, 1);
    if (idleAllAsleep() && !isStopped() && SEQ_CST_LOAD(&monitor.nags) == 0) {
        if (upkeep != NULL)
            upkeep(clockRead(&clockMonotonic), true);
        while (ACQUIRE_LOAD(&monitor.dormant) != 0)
            waitFutex(&monitor.dormant, 1, -1);
    }
    XCHG_SEQ_CST(&monitor.dormant, 0);
}

/* A call has ended the long sleep: those that follow are short for a while. */
static void noteCall(void)
{
    pace.called_ns = clockRead(&clockMonotonic);
}

/* Sleep for tick_ns, or until it is to stop; look at calls in flight meanwhile. */
static int64_t sleepTick(int64_t tick_ns)
{
    int64_t now_ns = clockRead(&clockMonotonic), end_ns = now_ns + tick_ns;
    bool slow = tick_ns > MONITOR_TICK_USUAL_NS;
    if (slow)
        OR_RELAXED(&monitor.alarm, MonitorSlow);
    while (now_ns < end_ns && !isStopped()) {
        uint32_t alarm = RELAXED_LOAD(&monitor.alarm);
        if (slow && (alarm & MonitorSlow) == 0) { /* a call begins */
            slow = false;
            noteCall();
            end_ns = now_ns + MONITOR_TICK_NS;
        }
        int64_t look_ns = monitorCalls(now_ns), rest_ns = end_ns - now_ns;
        waitFutex(&monitor.alarm, alarm, look_ns < rest_ns ? look_ns : rest_ns);
        now_ns = clockRead(&clockMonotonic);
    }
    if (slow && (AND_RELAXED(&monitor.alarm, ~(uint32_t)MonitorSlow) & MonitorSlow) == 0)
        noteCall();
    return now_ns;
}

void monitorCalledSlow(void)
{
    if ((AND_RELAXED(&monitor.alarm, ~(uint32_t)MonitorSlow) & MonitorSlow) != 0)
        wakeFutex(&monitor.alarm);
}

static void *runMonitor(void *env)
{
    MonitorUpkeep *upkeep = (MonitorUpkeep *)env;
    prctl(PR_SET_NAME, "capri/monitor", 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    int64_t tick_ns = MONITOR_TICK_NS, quiet_since_ns = clockRead(&clockMonotonic);
    int64_t kept_ns = quiet_since_ns;
    while (!isStopped()) {
        int64_t now_ns = sleepTick(tick_ns);
        tick_ns = monitorPace(monitorTick(now_ns), now_ns);
        if (ACQUIRE_LOAD(&monitor.nags) != 0)
            ACQUIRE_LOAD (&nagger)();
        if (!idleAllAsleep()) {
            quiet_since_ns = now_ns;
        } else if (now_ns - quiet_since_ns >= MONITOR_QUIET_NS) {
            lieDormant(upkeep);
            quiet_since_ns = clockRead(&clockMonotonic);
            tick_ns = monitorPace(MonitorBusy, quiet_since_ns); /* who woke may be for long */
        }
        if (upkeep != NULL && now_ns - kept_ns >= MONITOR_UPKEEP_NS) {
            kept_ns = now_ns;
            upkeep(now_ns, false);
        }
    }
    return NULL;
}

int monitorStart(MonitorUpkeep *upkeep)
{
    ASSERT(!running);
    /* Workers that are up already look at `dormant`. */
    RELAXED_STORE(&monitor.dormant, 0);
    RELAXED_STORE(&monitor.alarm, 0);
    RELAXED_STORE(&monitor.ticks, 0);
    RELAXED_STORE(&monitor.nags, 0);
    memset(views, 0, sizeof views);
    taken_ns = clockRead(&clockMonotonic) - CALL_KEEN_NS;
    pace.tick_ns = MONITOR_TICK_NS;
    pace.called_ns = taken_ns - CALL_USUAL_NS;
    if (pthread_create(&thread, NULL, runMonitor, (void *)upkeep) != 0)
        return -EAGAIN;
    running = true;
    return 0;
}

void monitorStop(void)
{
    if (!running)
        return;
    OR_SEQ_CST(&monitor.alarm, MonitorStop);
    wakeFutex(&monitor.alarm);
    monitorRouse();
    pthread_join(thread, NULL);
    running = false;
}

void monitorSurvive(void)
{
    running = false;
    RELAXED_STORE(&monitor.dormant, 0);
    RELAXED_STORE(&monitor.alarm, 0);
    RELAXED_STORE(&monitor.nags, 0);
}

void monitorWatchRunaways(MonitorRunaway *watch)
{
    runaway = watch;
}

void monitorNag(void (*nag)(void))
{
    RELAXED_STORE(&nagger, nag);
    ADD_SEQ_CST(&monitor.nags, 1);
    if (SEQ_CST_LOAD(&monitor.dormant) != 0) /* See Note [StoreLoad] */
        monitorRouse();
}

void monitorNagEnd(void)
{
    ADD_SEQ_CST(&monitor.nags, UINT32_MAX); /* - 1 */
}

void monitorRouse(void)
{
    if (XCHG_SEQ_CST(&monitor.dormant, 0) == 0)
        return;
    void (*rouse)(void) = RELAXED_LOAD(&stand_in);
    if (rouse != NULL)
        rouse();
    else
        wakeFutex(&monitor.dormant);
}

void monitorReplace(void (*rouse)(void))
{
    RELAXED_STORE(&monitor.dormant, 0);
    RELAXED_STORE(&monitor.alarm, 0);
    RELAXED_STORE(&monitor.nags, 0);
    RELAXED_STORE(&stand_in, rouse);
}

void monitorLull(MonitorUpkeep *upkeep)
{
    SEQ_CST_STORE(&monitor.dormant, 1);
    upkeep(clockRead(&clockMonotonic), true);
}
