/* Schedule.c -- the loop: run, poll, steal, sleep; from one thread to the next.      [path 5/6]
 *
 * Owns    Scheduler; Capability.current; the moment at which a thread is committed, queued or given
 *         up.
 * Before  capability/RunQueue.c: ready work.   After  rts/context/: the thread runs again.
 * Tests   testsuite/unit/ScheduleTest.c, testsuite/path/DataPathTest.c
 *
 * See Note [Switching directly], Note [Picking the next], Note [Looks] and Note [Safepoints poll].
 */
#include "rts/Schedule.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Hooks.h"
#include "rts/Look.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "rts/Starved.h"
#include "rts/ThreadBody.h"
#include "rts/context/Context.h"

#include <errno.h>

enum { LONG_RUN_NS = 20 * 1000 }; /* who runs longer is worth waking a sleeper for at once */

static void threadMain(void *pass);

Thread *scheduleSelf(void)
{
    Capability *here = scheduleHere();
    return here == NULL ? handOverSelf() : (Thread *)here->current;
}

/* More is ready than one thread: tell a sleeper, unless threads here run so briefly that it will be
 * done before anyone is up (then lookAround sees to what is still there later). */
static ALWAYS_INLINE void offerSurplus(Scheduler *scheduler, uint32_t at_least)
{
    if (UNLIKELY(RELAXED_LOAD(&idle.sleeping) != 0) && scheduler->mean_run_ns >= LONG_RUN_NS &&
        runQueueLength(&capabilityOf(scheduler)->queue) >= at_least)
        idleWakeOne();
}

/* The next ready runnable, NULL: none here. */
static ALWAYS_INLINE Runnable *popNext(Scheduler *scheduler, bool yielded)
{
    Capability *capability = capabilityOf(scheduler);
    bool old = yielded;
    if (UNLIKELY(lookIsDue(capability))) {
        if (UNLIKELY(capabilityIsCalledOff(capability)))
            return NULL; /* to the loop, which sees to it: See Note [Capability modes] */
        old = lookAround(scheduler) || old;
    } else {
        ASSERT(!capability->leaves); /* See Note [Looks] */
    }
    if (UNLIKELY((capabilityMail(capability) | scheduler->turns) != 0))
        old = lookAside(scheduler) || old;
    return old ? capabilityPopOld(capability) : capabilityPopYoung(capability);
}

Runnable *schedulePop(Scheduler *scheduler, bool yielded)
{
    return popNext(scheduler, yielded);
}

/* Give a newborn its stack.  False: none to be had; it waits, or has ended. */
bool scheduleBindStack(Scheduler *scheduler, Thread *thread)
{
    starvedLeave(scheduler, thread);
    unsigned shift = (thread->node.tag & TAG_STACK) >> TAG_STACK_SHIFT;
    Stack *stack = stackTake(&scheduler->stacks, shift == 0 ? 0 : (size_t)1 << shift);
    if (UNLIKELY(stack == NULL)) {
        starvedAdd(scheduler, thread);
        return false;
    }
    RELAXED_STORE(&stack->owner, thread);
    thread->stack = stack;
    thread->sp = contextMake(stackTop(stack), threadMain);
    thread->runnable.run = scheduleRunThread;
    return true;
}

/* Nothing is ready, or not a thread that has begun. */
static __attribute__((noinline)) Thread *pickSlow(Scheduler *scheduler, bool yielded,
                                                  Runnable *next, Runnable **other)
{
    for (; next != NULL; next = popNext(scheduler, yielded)) {
        Thread *thread = threadOfRunnable(next);
        if (next->run == scheduleRunThread)
            return thread;
        if (next->run != scheduleRunNewborn) {
            *other = next;
            return NULL;
        }
        if (scheduleBindStack(scheduler, thread))
            return thread;
    }
    return NULL;
}

/* The next thread that can be switched to.  Anything else that is ready goes to the loop:
 * *other. */
static ALWAYS_INLINE Thread *pickThread(Scheduler *scheduler, bool yielded, Runnable **other)
{
    Runnable *next = popNext(scheduler, yielded);
    if (UNLIKELY(lookIsCrowded(capabilityOf(scheduler))))
        lookAhead(capabilityOf(scheduler), yielded);
    *other = NULL;
    if (LIKELY(next != NULL && next->run == scheduleRunThread))
        return threadOfRunnable(next);
    return pickSlow(scheduler, yielded, next, other);
}

/* Queue a thread on the capability this OS thread carries, where it may run. */
static ALWAYS_INLINE void queueHere(Capability *here, Thread *thread)
{
    uint32_t pinned = thread->node.tag & TAG_PINNED;
#ifdef CAPRI_MIGRATE
    if (pinned == 0 && capabilityTableEnabled() > 1) {
        capabilitySend(capabilityTablePlace(here->index + 1), &thread->runnable, false);
        return;
    }
#endif
    if (LIKELY(pinned == 0))
        capabilityPush(here, &thread->runnable);
    else if (pinned == here->index + 1)
        capabilityPushPinned(here, &thread->runnable);
    else
        capabilitySend(capabilityTablePlace(pinned - 1), &thread->runnable, true);
}

/* The ways of leaving that are not so frequent; or a wait that is none. */
static __attribute__((noinline)) void finishSlow(Capability *capability, AfterSwitch after)
{
    Scheduler *scheduler = schedulerOf(capability);
    if (after == AfterEnd) {
        Stack *stack = scheduler->left_stack;
        size_t region = stackSizeOf(stack);
        stackGive(&scheduler->stacks, stack, scheduler->last_look_ns);
        starvedRetry(scheduler, region);
    } else if (after != AfterNothing) {
        queueHere(capability, scheduler->left);
    }
}

/* What the thread that was left still needs, now that nothing runs on its stack. */
static ALWAYS_INLINE void afterSwitch(Capability *capability)
{
    Scheduler *scheduler = schedulerOf(capability);
    AfterSwitch after = scheduler->after;
    if (after == AfterSwap)
        runQueueSwapEnd(&capability->queue);
    else if (after == AfterEnd && LIKELY(RELAXED_LOAD(&starved_count) == 0))
        stackGive(&scheduler->stacks, scheduler->left_stack, scheduler->last_look_ns);
    else if ((after != AfterList || !parkPublish(scheduler->left, &scheduler->wait)) &&
             (after != AfterCommit || !parkCommit(scheduler->left)))
        finishSlow(capability, after);
}

/* The same out of line, for ways in that mostly need nothing of it. */
__attribute__((noinline)) void scheduleResumed(Capability *capability)
{
    afterSwitch(capability);
}

NO_INSTRUMENT static inline Capability *switchToThread(Scheduler *scheduler, void **save,
                                                       StackTools *from, Thread *next)
{
    RELAXED_STORE(&capabilityOf(scheduler)->current, next);
    COUNT(&capabilityOf(scheduler)->stats.switches, 1);
    return switchStacks(save, from, next->sp, next->stack, scheduler->loop,
                        capabilityOf(scheduler));
}

NO_INSTRUMENT static Capability *switchToLoop(Scheduler *scheduler, void **save, StackTools *from)
{
    RELAXED_STORE(&capabilityOf(scheduler)->current, NULL);
    return switchStacks(save, from, scheduler->loop->sp, NULL, scheduler->loop,
                        capabilityOf(scheduler));
}

/* Leave the running thread for `next`, or for the loop (NULL), which then runs `other` if there is
 * one. */
static inline __attribute__((always_inline)) Capability *leave(Scheduler *scheduler, Thread *self,
                                                               AfterSwitch after, Thread *next,
                                                               Runnable *other)
{
    Capability *capability;
    scheduler->after = after;
    scheduler->left = self;
    if (LIKELY(next != NULL)) {
        capability = switchToThread(scheduler, &self->sp, &self->stack->tools, next);
    } else {
        scheduler->handed = other;
        capability = switchToLoop(scheduler, &self->sp, &self->stack->tools);
    }
    afterSwitch(capability);
    ASSERT(capability->current == self);
    return capability;
}

Capability *schedulePark(Capability *capability)
{
    Scheduler *scheduler = schedulerOf(capability);
    Thread *self = capability->current;
    Runnable *other;
    if (claimFired(&self->claim))
        return capability;
    Thread *next = pickThread(scheduler, false, &other);
    if (next == NULL && other == NULL && claimFired(&self->claim))
        return capability; /* the poll that was due brought our own event */
    COUNT(&scheduler->parks, 1);
    return leave(scheduler, self, AfterCommit, next, other);
}

int scheduleParkListed(Capability *capability)
{
    Scheduler *scheduler = schedulerOf(capability);
    Thread *self = capability->current;
    Runnable *other;
    Thread *next = pickThread(scheduler, false, &other);
    if (next == NULL && other == NULL && listedWaitIsOver(&scheduler->wait)) {
        claimSettle(&self->claim, 0); /* the poll that was due brought our event */
    } else {
        COUNT(&scheduler->parks, 1);
        leave(scheduler, self, AfterList, next, other);
    }
    threadSetStatus(self, ThreadRunning, -1);
    Claim claim = RELAXED_LOAD(&self->claim);
    ASSERT_CMP(claimState(claim), ==, ClaimFired);
    return claimResult(claim);
}

/* Self and the oldest of the run queue change places, in whose gate we are until AfterSwap.  False:
 * they cannot, or there is more to see to. */
static inline __attribute__((unused)) bool yieldBySwap(Capability *capability, Thread *self)
{
    Scheduler *scheduler = schedulerOf(capability);
    RunQueue *queue = &capability->queue;
    Runnable *oldest;
    uint32_t head;
    if (UNLIKELY(RELAXED_LOAD(&capability->stats.switches) >=
                     RELAXED_LOAD(&capability->swap_until) ||
                 capabilityHasMail(capability) || (self->node.tag & TAG_PINNED) != 0 ||
                 !runQueueSwapBegin(queue, &head, &oldest)))
        return false;
    if (UNLIKELY(oldest->run != scheduleRunThread)) {
        runQueueSwapEnd(queue);
        return false;
    }
    runQueueSwap(queue, head, &self->runnable);
    scheduler->after = AfterSwap;
    capability =
        switchToThread(scheduler, &self->sp, &self->stack->tools, threadOfRunnable(oldest));
    if (LIKELY(schedulerOf(capability)->after == AfterSwap)) /* all do the same */
        runQueueSwapEnd(&capability->queue);
    else
        scheduleResumed(capability);
    ASSERT(capability->current == self);
    return true;
}

/* Everybody else first, the long way. */
static __attribute__((noinline)) void yieldSlow(Capability *capability, Thread *self)
{
    Scheduler *scheduler = schedulerOf(capability);
    Runnable *other;
    Thread *next = pickThread(scheduler, true, &other);
    if (next != NULL || other != NULL || capabilityIsCalledOff(capability))
        leave(scheduler, self, AfterRequeue, next, other);
    else
        COUNT(&capability->stats.switches, 1); /* to itself: looks are due by this count */
}

int scheduleYield(void)
{
    Capability *here = scheduleHere();
    Thread *self = scheduleWaiter(here);
    if (UNLIKELY(self == NULL))
        return handOverYield();
    if (UNLIKELY(RELAXED_LOAD(&self->interrupts) != 0)) {
        int refused = threadIsTask(self) ? parkRefusalSlow(self) : interruptPointSlow(self);
        if (refused != 0)
            return refused;
    }
#ifndef CAPRI_MIGRATE
    if (LIKELY(yieldBySwap(here, self)))
        return 0;
#endif
    yieldSlow(here, self);
    return 0;
}

void scheduleReady(Thread *thread, Capability *here)
{
    uint32_t pinned = thread->node.tag & TAG_PINNED;
    if (LIKELY(here != NULL)) {
        if (LIKELY(pinned == 0 && !lookIsCrowded(here))) /* See Note [Crowds] */
            stackFetch(thread->sp);
        queueHere(here, thread);
        offerSurplus(schedulerOf(here), here->current == NULL ? 2 : 1);
    } else if (pinned != 0) {
        capabilitySend(capabilityTablePlace(pinned - 1), &thread->runnable, true);
    } else {
        capabilitySend(capabilityTablePick(), &thread->runnable, false);
    }
}

void scheduleSafepointSlow(Capability *capability)
{
    Scheduler *scheduler = schedulerOf(capability);
    if (scheduleCalledBack(capability) || scheduler->stm.running != NULL)
        return; /* See Note [Safepoints poll] */
    hooksSafepoint(capability);
    bool told = capabilityAttend(capability, AttentionPoll) != 0;
    uint32_t fired = 0;
    if (told) {
        fired = lookPoll(scheduler);
    } else if (scheduler->safepoints >= SAFEPOINTS_PER_LOOK) {
        scheduler->safepoints = 0;
        fired = lookForPoll(scheduler);
    }
    if (threadIsTask(capability->current))
        return; /* the step is told that its slice is over: taskMustYield */
    bool slice = capabilityAttend(capability, AttentionSlice) != 0;
    if (fired > 0 || slice)
        yieldSlow(capability, capability->current);
}

/* Who runs after a thread that has ended.  joiner: was woken by that, and is queued nowhere; mostly
 * it is next, without a way through the run queue. */
static ALWAYS_INLINE Runnable *popAfterEnd(Scheduler *scheduler, Thread *joiner)
{
    Capability *capability = capabilityOf(scheduler);
#ifndef CAPRI_MIGRATE
    if (LIKELY(joiner != NULL && !lookIsDue(capability) && !capabilityHasMail(capability)))
        return &joiner->runnable;
#endif
    if (joiner != NULL)
        queueHere(capability, joiner);
    return popNext(scheduler, false);
}

/* Let the newborn `next` begin on the stack of a thread that has ended.  False: it needs more. */
static ALWAYS_INLINE bool passStack(Scheduler *scheduler, Stack *stack, Thread *next)
{
    if ((next->node.tag & TAG_STACK) != 0 || !stack->standard)
        return false;
    starvedLeave(scheduler, next);
    next->stack = stack;
    next->runnable.run = scheduleRunThread;
    RELAXED_STORE(&stack->owner, next);
    RELAXED_STORE(&capabilityOf(scheduler)->current, next);
    COUNT(&capabilityOf(scheduler)->stats.switches, 1);
    return true;
}

/* A thread's body has returned: take the next newborn onto this stack, if one is next, else
 * leave. */
NO_INSTRUMENT static Thread *endThread(Scheduler *scheduler, Thread *self, void *result)
{
    Stack *stack = self->stack;
    Thread *next = NULL;
    void *dead_sp;
    self->stack = NULL;
    Thread *joiner = threadEnded(self, result, capabilityOf(scheduler)); /* self is nobody's now */
    Runnable *ready = popAfterEnd(scheduler, joiner);
    if (LIKELY(ready != NULL && scheduleIsThread(ready))) {
        bool newborn = ready->run == scheduleRunNewborn;
        next = threadOfRunnable(ready);
        ready = NULL;
        if (newborn && passStack(scheduler, stack, next))
            return next;
        if (newborn && !scheduleBindStack(scheduler, next))
            next = NULL; /* the loop looks for another */
    }
    scheduler->after = AfterEnd;
    scheduler->left_stack = stack;
    if (LIKELY(next != NULL)) {
        switchToThread(scheduler, &dead_sp, NULL, next);
    } else {
        scheduler->left = capabilityOf(scheduler)->current; /* to be compared with only */
        scheduler->handed = ready;
        switchToLoop(scheduler, &dead_sp, NULL);
    }
    barf("a thread that had ended was resumed");
}

/* The bottom of every green thread. */
NO_INSTRUMENT static void threadMain(void *pass)
{
    Capability *capability = pass;
#ifdef SANITIZE_ADDRESS
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    afterSwitch(capability);
    Thread *self = capability->current;
    for (;;) {
        threadSetStatus(self, ThreadRunning, -1);
        void *result = threadBodyRun(self);
        capability = scheduleEnter();
        if (UNLIKELY(capability == NULL))
            startupBrokenEnd();
        ASSERT(capability->current == self);
        self = endThread(schedulerOf(capability), self, result);
    }
}

/* On the worker's stack: run a thread until somebody switches back to the loop. */
bool scheduleRunOnly(Scheduler *scheduler, Thread *thread)
{
    LoopStack *loop = scheduler->loop;
    scheduler->after = AfterNothing;
    Capability *capability = switchToThread(scheduler, &loop->sp, &loop->tools, thread);
    if (UNLIKELY(capability == NULL))
        return false; /* See Note [Loop stacks] */
    afterSwitch(capability);
    return true;
}

/* Where their addresses are is no call: bodies run with them in registers, and what they save of
 * those must not look like return addresses.  See Note [Active frames]. */
#define BEHIND_NO_CALL __attribute__((patchable_function_entry(16, 16)))

BEHIND_NO_CALL void scheduleRunThread(Runnable *runnable, Capability *capability)
{
    scheduleRunOnly(schedulerOf(capability), threadOfRunnable(runnable));
}

BEHIND_NO_CALL void scheduleRunNewborn(Runnable *runnable, Capability *capability)
{
    if (scheduleBindStack(schedulerOf(capability), threadOfRunnable(runnable)))
        scheduleRunThread(runnable, capability);
}

bool scheduleRunReady(Scheduler *scheduler)
{
    Capability *capability = capabilityOf(scheduler);
    while (workerCapability() != NULL && SEQ_CST_LOAD(&capability->mode) == CapabilityEnabled) {
        Runnable *next = scheduler->handed;
        scheduler->handed = NULL;
        if (next == NULL)
            next = popNext(scheduler, false);
        if (next == NULL)
            return false;
        if (!scheduleIsThread(next))
            COUNT(&capability->stats.switches, 1);
        next->run(next, capability);
    }
    return true;
}
