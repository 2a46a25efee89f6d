/* Startup.c -- start and stop in order; who may come in meanwhile.
 *
 * Owns    the runtime's state; the count of rtsInit.
 * Before  the host.   After  every other room, in order.
 * Tests   testsuite/unit/StartupTest.c
 *
 * See Note [Coming in] and Note [After a fork].
 */
#include "rts/Startup.h"

#include "capability/CapabilityTable.h"
#include "capability/FdHome.h"
#include "capability/Monitor.h"
#include "capability/Spare.h"
#include "iomgr/Memory.h"
#include "rts/BlockingPool.h"
#include "rts/Config.h"
#include "rts/Deadlock.h"
#include "rts/Drain.h"
#include "rts/ForeignInterrupt.h"
#include "rts/Fork.h"
#include "rts/HandOver.h"
#include "rts/Hold.h"
#include "rts/Interrupt.h"
#include "rts/Loop.h"
#include "rts/Outside.h"
#include "rts/Overflow.h"
#include "rts/Park.h"
#include "rts/Process.h"
#include "rts/Resize.h"
#include "rts/Signal.h"
#include "rts/Step.h"
#include "rts/StreamCall.h"
#include "rts/Task.h"
#include "rts/ThreadJoin.h"
#include "rts/TimeoutRun.h"
#include "rts/WaitQueue.h"
#include "rts/Waker.h"
#include "rts/World.h"
#include "rts/stm/Reclaim.h"
#include "rts/stm/TVar.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef enum RtsState {
    RtsDown = 0,
    RtsUp = 1,
    RtsStopping = 2,
    RtsForked = 3, /* See Note [After a fork] */
    RtsBroken = 4
} RtsState;

static struct {
    pthread_mutex_t lock;
    uint32_t count;   /* under lock: rtsInit minus rtsShutdown */
    uint32_t state;   /* stored under lock (seq_cst), read by anyone */
    uint32_t inside;  /* plain OS threads inside a call; see Note [Coming in] */
    RtsConfig config; /* constant while up */
    bool signals;     /* the SIGSEGV handler is ours */
    uint32_t wanted;  /* world's lock stores: capabilities to be started again, 0: none */
    bool in_main;     /* under lock, before the runtime is up: rtsMain has started it */
} rts = {.lock = PTHREAD_MUTEX_INITIALIZER};

uint32_t startup_child;

const Allocator *startupAllocator(void)
{
    return &rts.config.allocator;
}

int startupEnter(void)
{
    for (;;) {
        ADD_SEQ_CST(&rts.inside, 1);
        uint32_t state = SEQ_CST_LOAD(&rts.state);
        if (LIKELY(state == RtsUp) ||
            (state == RtsStopping && (handOverSelf() != NULL || workerOutside() != NULL)))
            return 0; /* a green thread, as long as it lives; who is inside already */
        startupLeave();
        if (state != RtsForked)
            return state == RtsDown ? -ENXIO : state == RtsBroken ? -ENOTRECOVERABLE : -ESHUTDOWN;
        int result = startupTouchSlow();
        if (result != 0)
            return result;
    }
}

void startupLeave(void)
{
    ADD_SEQ_CST(&rts.inside, (uint32_t)-1);
}

/* ---- start ---- */

enum { STACK_WARM_NS = 1000 * 1000 * 1000 };

/* The Monitor's upkeep: stacks that nobody has wanted for a while give their pages back; is anybody
 * left who can wake anybody? */
void startupKeepUp(int64_t now_ns, bool quiet)
{
    stackDepotTrim(quiet ? now_ns + 1 : now_ns - STACK_WARM_NS);
    if (quiet)
        deadlockLook();
}

/* Undo the first `steps` steps of startRooms, last first. */
static void stopRooms(int steps)
{
    if (steps > 7)
        monitorStop();
    if (steps > 6) {
        stepEnd();
        workerStopAll();
        loopEndAll();
    }
    if (steps > 5)
        handOverEnd();
    if (steps > 5 && rts.signals) {
        foreignInterruptEnd();
        overflowEnd();
    }
    if (steps > 4) {
        reclaimEnd();
        capabilityTableFree(startupAllocator());
    }
    if (steps > 3)
        stackPoolEnd();
    if (steps > 2)
        fdHomeFree();
    if (steps > 1) {
        wakerEnd();
        taskEnd();
        waitQueueEnd();
        timeoutRunEnd();
        tvarEnd();
    }
    if (steps > 0) {
        blockingPoolEnd();
        outsideEnd();
        threadPoolEnd();
    }
}

static int startRooms(const RtsConfig *config)
{
    const Allocator *allocator = startupAllocator();
    const Backend *backend = backendByName(config->backend);
    uint32_t count = configCapabilities(config);
    int result = configIsGood(config) ? 0 : -EINVAL;
    int step = 0;
    for (; result == 0 && step < 8; step++) {
        switch (step) {
        case 0:
            ownerGateStart();
            threadPoolStart(allocator);
            outsideStart(allocator);
            result = blockingPoolStart(config->blocking_threads, config->blocking_idle_ms);
            if (result == 0)
                result = spareStart(config->foreign_threads, config->foreign_idle_ms, &loop_hooks);
            break;
        case 1:
            tvarStart(allocator);
            timeoutRunStart(allocator);
            waitQueueStart(allocator);
            taskStart(allocator);
            wakerStart(allocator);
            break;
        case 2:
            result = fdHomeStart(allocator);
            break;
        case 3:
            result = stackPoolStart(config->stack_size);
            break;
        case 4:
            result = capabilityTableStart(count, backend, &clockMonotonic, allocator);
            break;
        case 5:
            streamCallStart(capabilities.items[0]->manager.backend->submit != NULL);
            loopStart(rts.signals, &config->hooks);
            foreignInterruptStart(rts.signals);
            foreignInterruptAsk(interruptIsPending);
            handOverStart(rts.signals && config->hand_over);
            result = rts.signals ? overflowStart() : 0;
            break;
        case 6:
            result = config->stepped ? stepStart(config->step_us, rts.in_main)
                                     : workerStartAll(&loop_hooks);
            break;
        case 7:
            result = config->stepped ? 0 : monitorStart(startupKeepUp);
            break;
        }
    }
    if (result != 0)
        stopRooms(step - 1);
    return result;
}

/* Who runs on the runtime does not wait for its end, which waits for him. */
static bool isInside(void)
{
    return scheduleHere() != NULL || workerIsHere() || stepIsInside();
}

/* 0, -ESHUTDOWN. */
static int lockFromAnywhere(void)
{
    if (!isInside())
        return pthread_mutex_lock(&rts.lock);
    while (pthread_mutex_trylock(&rts.lock) != 0) {
        if (SEQ_CST_LOAD(&rts.state) == RtsStopping)
            return -ESHUTDOWN;
        sched_yield();
    }
    return 0;
}

static int start(const RtsConfig *config, bool in_main)
{
    int result = lockFromAnywhere();
    if (result != 0)
        return result;
    if (rts.state == RtsBroken) {
        result = -ENOTRECOVERABLE;
    } else if (rts.count == 0) {
        rts.config = config == NULL ? (RtsConfig){0} : *config;
        rts.signals = !rts.config.no_signals;
        drainReset();
        RELAXED_STORE(&startup_child, 0);
        RELAXED_STORE(&rts.wanted, 0);
        holdReset();
        rts.in_main = in_main;
        deadlockStart();
        parkCancelReset();
        worldLock();
        forkWatch();
        result = startRooms(&rts.config);
        worldUnlock();
        if (result == 0)
            SEQ_CST_STORE(&rts.state, RtsUp);
    }
    if (rts.state == RtsStopping)
        result = -ESHUTDOWN; /* a shutdown timed out and has not been called again */
    if (result == 0)
        rts.count++;
    pthread_mutex_unlock(&rts.lock);
    return result;
}

int rtsInit(const RtsConfig *config)
{
    return start(config, false);
}

bool startupIsClosed(void)
{
    return rts.in_main && rts.config.closed_world;
}

void startupUncaught(Thread *thread, int code, void *payload)
{
    if (rts.config.uncaught != NULL)
        rts.config.uncaught(thread, code, payload);
}

void startupLog(const char *line)
{
    if (rts.config.log != NULL)
        rts.config.log(line);
    else
        dprintf(STDERR_FILENO, "%s\n", line);
}

/* ---- stop ---- */

/* What they fork lives, too. */
static bool awaitNobodyInside(int64_t deadline_ns)
{
    while (SEQ_CST_LOAD(&rts.inside) != 0) {
        if (rtsNow() >= deadline_ns)
            return false;
        sched_yield();
    }
    return true;
}

/* 0: nobody lives, nor is in a call, nor comes any more, and the world's lock is ours; -ETIMEDOUT.
 * The lock is taken when nobody is left who calls: another's pause may have it for long. */
static int awaitAll(int64_t deadline_ns)
{
    for (;;) {
        if (!awaitNobodyInside(deadline_ns) || !drainThreads(deadline_ns) ||
            !outsideAwaitNobody(deadline_ns) || !blockingPoolAwait(deadline_ns) ||
            !outsideAwaitNobody(deadline_ns) || !worldLockUntil(deadline_ns))
            return -ETIMEDOUT;
        int result = drainClose(deadline_ns);
        if (result == 0)
            return 0;
        worldUnlock();
        if (result != -EAGAIN) /* else callbacks have forked in the meantime */
            return result;
    }
}

/* Under the lock: 0, or -ETIMEDOUT; nothing has ended then that was not to end. */
static int stop(RtsShutdownMode mode, int64_t deadline_ns)
{
    drainBegin(mode);
    SEQ_CST_STORE(&rts.state, RtsStopping);
    if (awaitAll(deadline_ns) != 0)
        return -ETIMEDOUT;
    signalEnd();
    processEnd();
    outsideAwaitNobody(DEADLINE_NEVER); /* none of it runs the host's code */
    threadOutsideDrain();
    wakerClose();
    stopRooms(8);
    RELAXED_STORE(&rts.wanted, 0);
    worldUnlock();
    SEQ_CST_STORE(&rts.state, RtsDown);
    rts.count = 0;
    return 0;
}

/* A shutdown that is under way has the lock; who calls as well lets it cancel.  0, or -E... */
static int lockToStop(RtsShutdownMode mode, bool inside, int64_t deadline_ns)
{
    struct timespec look = {0, DRAIN_LOOK_NS};
    while (pthread_mutex_trylock(&rts.lock) != 0) {
        bool stopping = SEQ_CST_LOAD(&rts.state) == RtsStopping;
        if (stopping && (inside || stepIsOthers()))
            return -EPERM;
        if (stopping && mode == Cancel)
            drainCancel();
        if (rtsNow() >= deadline_ns)
            return -ETIMEDOUT;
        nanosleep(&look, NULL);
    }
    return 0;
}

int rtsShutdown(RtsShutdownMode mode, int64_t deadline_ns)
{
    bool inside = isInside();
    int result = lockToStop(mode, inside, deadline_ns);
    if (result != 0)
        return result;
    if (rts.state == RtsBroken) {
        result = -ENOTRECOVERABLE;
    } else if (rts.count == 0) {
        result = -ENXIO;
    } else if (rts.count > 1) {
        rts.count--;
    } else if (inside || !stepTake()) {
        result = -EPERM;
    } else {
        result = stop(mode, deadline_ns);
    }
    pthread_mutex_unlock(&rts.lock);
    return result;
}

int rtsMain(const RtsConfig *config, ThreadFn *fn, void *env, void **result)
{
    ThreadAttributes attributes = {.label = "main"};
    Thread *main_thread;
    int status = start(config, true);
    if (status != 0)
        return status;
    outsideStay(); /* another one may shut it down */
    status = threadForkWith(&main_thread, &attributes, fn, env);
    if (status == 0) {
        status = threadJoinWhole(main_thread, result);
        threadRelease(main_thread);
    }
    outsideStayOver();
    int stopped = rtsShutdown(Cancel, INT64_MAX);
    return status != 0 ? status : stopped;
}

int64_t rtsNow(void)
{
    return clockRead(&clockMonotonic);
}

uint32_t capabilityCount(void)
{
    if (SEQ_CST_LOAD(&rts.state) == RtsDown)
        return 0;
    uint32_t enabled = capabilityTableEnabled(), wanted = RELAXED_LOAD(&rts.wanted);
    return wanted > enabled ? wanted : enabled;
}

/* ---- after a fork: See Note [After a fork] ---- */

void startupSurvive(bool green, uint32_t wanted)
{
    rts.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    RELAXED_STORE(&rts.inside, 0);
    RELAXED_STORE(&rts.wanted, wanted);
    drainReset();
    parkCancelReset(); /* a shutdown that was under way is not under way here */
    uint32_t orphan = stepIsOrphan() ? StartupOrphan : 0;
    RELAXED_STORE(&startup_child, green ? orphan : (uint32_t)StartupForked);
    SEQ_CST_STORE(&rts.state, green ? RtsUp : RtsForked);
}

/* There was no runtime; who was about to start one is gone. */
void startupStayDown(void)
{
    rts.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    RELAXED_STORE(&rts.inside, 0);
}

void startupBreak(void)
{
    rts.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    RELAXED_STORE(&rts.inside, 0);
    RELAXED_STORE(&startup_child, StartupBroken);
    SEQ_CST_STORE(&rts.state, RtsBroken);
}

void startupReviveRest(void)
{
    uint32_t wanted = RELAXED_LOAD(&rts.wanted);
    if (wanted == 0)
        return;
    AND_SEQ_CST(&capabilities.items[0]->mode, ~(uint32_t)CapabilityAlone);
    if (!stepIsOn()) /* without one, busy capabilities help each other less; it runs */
        monitorStart(startupKeepUp);
    resizeTo(wanted);
    RELAXED_STORE(&rts.wanted, 0);
}

/* The child of a plain OS thread needs its workers now. */
static int reviveWorkers(void)
{
    int result = 0;
    pthread_mutex_lock(&rts.lock);
    if (rts.state == RtsForked) {
        worldLock();
        result = stepIsOn() ? 0 : workerStartAll(&loop_hooks);
        if (result == 0)
            startupReviveRest();
        if (stepIsOn())
            stepRevive();
        worldUnlock();
        if (result == 0)
            SEQ_CST_STORE(&rts.state, RtsUp);
    }
    pthread_mutex_unlock(&rts.lock);
    return result;
}

int startupTouchSlow(void)
{
    uint32_t state = SEQ_CST_LOAD(&rts.state);
    if (state == RtsBroken)
        return -ENOTRECOVERABLE;
    return state == RtsForked ? reviveWorkers() : 0;
}

void startupOrphanIdle(void)
{
    if (SEQ_CST_LOAD(&rts.state) == RtsUp && drainLiving() == 0 &&
        (AND_SEQ_CST(&startup_child, ~(uint32_t)StartupOrphan) & StartupOrphan) != 0)
        exit(EXIT_SUCCESS);
}

void startupBrokenEnd(void)
{
    exit(EXIT_FAILURE);
}
