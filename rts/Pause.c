/* Pause.c -- stopping the world for a host's collector, and showing it all stacks.
 *
 * Owns    who pauses.
 * Before  the host's collector.   After  rts/World.c: all stand still.
 * Tests   testsuite/unit/PauseTest.c, testsuite/unit/PausedThreadsTest.c,
 *         testsuite/stress/Collector.c, testsuite/stress/MovingHeap.c
 *
 * See Note [Pausing], Note [Paused stacks] and Note [Standing still].
 */
#include "rts/Pause.h"

#include "capability/CapabilityTable.h"
#include "rts/Holder.h"
#include "rts/Startup.h"
#include "rts/Task.h"
#include "rts/World.h"

#include <errno.h>

static struct {
    Holder pauser;   /* stored under the world's lock, read by anyone: is it me? (relaxed) */
    uint32_t depth;  /* the pauser's, as all below */
    Capability *own; /* a green thread's */
    bool polling;    /* what its manager said before */
} pausing;

static bool isPauser(void)
{
    return RELAXED_LOAD(&pausing.pauser) == holderSelf();
}

bool pauseIsOthers(void)
{
    return RELAXED_LOAD(&pausing.pauser) != 0 && !isPauser();
}

bool pauseIsMine(void)
{
    return RELAXED_LOAD(&pausing.pauser) != 0 && isPauser();
}

/* With the world's lock. */
static int stopOthers(int64_t deadline_ns)
{
    Capability *own = scheduleHere();
    if (capabilityTableCount() == 0)
        return -ENXIO;
    if (!worldStop(own, StandingResting, deadline_ns)) {
        worldGo(own);
        return -ETIMEDOUT;
    }
    pausing.own = own;
    if (own != NULL) {
        pausing.polling = own->manager.polling;
        own->manager.polling = true;
    }
    pausing.depth = 1;
    RELAXED_STORE(&pausing.pauser, holderSelf());
    return 0;
}

int rtsPause(int64_t deadline_ns)
{
    Capability *here = scheduleEnter();
    if (pauseIsMine()) {
        pausing.depth++;
        return 0;
    }
    if (startupIsBroken())
        return -ENOTRECOVERABLE;
    if (here != NULL && scheduleCalledBack(here))
        return -EPERM;
    int result = here != NULL ? 0 : startupTouch();
    if (result != 0)
        return result;
    if (!worldLockUntil(deadline_ns))
        return -ETIMEDOUT;
    result = stopOthers(deadline_ns);
    if (result != 0)
        worldUnlock();
    return result;
}

int rtsResume(void)
{
    if (!pauseIsMine())
        return -EPERM;
    if (--pausing.depth != 0)
        return 0;
    Capability *own = pausing.own;
    if (own != NULL)
        own->manager.polling = pausing.polling;
    RELAXED_STORE(&pausing.pauser, 0);
    worldGo(own);
    worldUnlock();
    return 0;
}

/* ---- all stacks: See Note [Paused stacks] ---------------------------------------------------- */

typedef struct Visiting {
    PausedVisit *visit;
    void *env;
    int count;
    const Thread *self; /* the pauser, or NULL */
    void *low;          /* on its stack */
} Visiting;

static void visitOne(Thread *thread, void *env)
{
    Visiting *visiting = env;
    ThreadState state = (ThreadState)(RELAXED_LOAD(&thread->status) & 0xff);
    void **word =
        state == ThreadFinished ? &thread->fn_or_result : (void **)(void *)&thread->node.fire;
    PausedThread paused = {.thread = thread, .low = word, .high = word + 1, .is_stack = false};
    if (threadIsTask(thread)) {
        if (state != ThreadFinished) {
            paused.low = &thread->task->env;
            paused.high = &thread->task->user + 1;
        }
    } else if (thread->stack != NULL) {
        paused.low = thread == visiting->self ? visiting->low : thread->sp;
        paused.high = stackTop(thread->stack);
        paused.is_stack = true;
    }
    visiting->visit(&paused, visiting->env);
    visiting->count++;
}

/* A frame below the one that has the registers. */
static __attribute__((noinline)) int visitAll(PausedVisit *visit, void *env)
{
    Visiting visiting = {visit, env, 0, scheduleSelf(), __builtin_frame_address(0)};
    threadPoolEach(visitOne, &visiting);
    return visiting.count;
}

int rtsPausedThreads(PausedVisit *visit, void *env)
{
    if (!pauseIsMine())
        return -EPERM;
    __builtin_unwind_init(); /* all registers are in this frame */
    int count = visitAll(visit, env);
    __asm__ volatile("" : : : "memory"); /* no tail call: the frame stays */
    return count;
}
