/* Task.c -- the host's own task: made, run step by step, ended.
 *
 * Owns    TaskBody; Scheduler.step.
 * Before  rts/Schedule.c: the loop takes it from a queue.   After  rts/TaskWait.c: its waits.
 * Tests   testsuite/unit/TaskTest.c, testsuite/unit/TaskStepTest.c,
 *         testsuite/unit/TaskMemoryTest.c, testsuite/stress/TaskStorm.c,
 *         testsuite/model/TaskModel.c (every interleaving)
 *
 * See Note [Tasks], Note [Task rounds] and Note [Calls in a step].
 */
#include "rts/Task.h"

#include "rts/Interrupt.h"
#include "rts/Startup.h"
#include "rts/TaskWait.h"

#include <errno.h>
#include <stdio.h>

enum { LABEL_SIZE = 64, LINE_SIZE = 256 };

static CellPool bodies;

void taskStart(const Allocator *allocator)
{
    cellPoolOpen(&bodies, allocator, sizeof(TaskBody));
}

void taskEnd(void)
{
    cellPoolClose(&bodies);
}

void taskLockAll(void)
{
    cellPoolLock(&bodies);
}

void taskUnlockAll(void)
{
    cellPoolUnlock(&bodies);
}

static void loseTask(Thread *thread, void *survivor)
{
    if (thread == survivor || !threadIsTask(thread) ||
        watchListGeneration(RELAXED_LOAD(&thread->ended)) != 0)
        return;
    taskWaitForget(thread);
    cellGive(&bodies, NULL, thread->task);
}

void taskSurvive(Thread *survivor)
{
    cellPoolSurvive(&bodies);
    threadPoolEach(loseTask, survivor);
}

void taskDrain(Scheduler *scheduler)
{
    cellCacheDrain(&bodies, &scheduler->bodies);
}

static inline void enterTask(Thread *task, Capability *here, TaskContext *context)
{
    RELAXED_STORE(&here->current, task);
    schedulerOf(here)->step = context;
}

static inline void leaveTask(Capability *here)
{
    RELAXED_STORE(&here->current, NULL);
    schedulerOf(here)->step = NULL;
}

static CellCache *cacheHere(Capability *here)
{
    return here == NULL ? NULL : &schedulerOf(here)->bodies;
}

int taskNew(Thread **handle, const ThreadAttributes *attributes, TaskStep *step, void *env)
{
    if (step == NULL || (attributes != NULL && (attributes->stack_size != 0 || attributes->bound)))
        return -EINVAL;
    scheduleEnter(); /* not between visit and end */
    int result = startupVisit();
    if (result != 0)
        return result;
    TaskBody *body = cellTake(&bodies, cacheHere(scheduleHere()));
    result = -ENOMEM;
    if (body != NULL) {
        static const ThreadAttributes none;
        *body = (TaskBody){.step = step, .env = env};
        result =
            threadForkAs(handle, attributes != NULL ? attributes : &none, taskRun, body, NULL, env);
    }
    if (result != 0 && body != NULL)
        cellGive(&bodies, cacheHere(scheduleHere()), body);
    startupVisitEnd();
    return result;
}

/* ---- for the step ---------------------------------------------------------------------------- */

TaskContext *taskContext(void)
{
    Capability *here = scheduleHere();
    return here == NULL ? NULL : schedulerOf(here)->step;
}

int taskStatus(const TaskContext *context)
{
    return context->status;
}

void *taskValue(const TaskContext *context)
{
    return context->value;
}

void taskDeadline(TaskContext *context, int64_t deadline_ns)
{
    context->deadline_ns = deadline_ns;
}

void taskSetResult(TaskContext *context, void *result)
{
    context->result = result;
}

void taskSetStep(TaskContext *context, TaskStep *step, void *env)
{
    if (step == NULL)
        return;
    context->task->task->step = step;
    context->task->task->env = env;
}

void *taskUser(const TaskContext *context)
{
    return context->task->task->user;
}

void taskSetUser(TaskContext *context, void *user)
{
    context->task->task->user = user;
}

bool taskMustYield(const TaskContext *context)
{
    (void)context;
    return (RELAXED_LOAD(&scheduleHere()->attention) & AttentionSlice) != 0;
}

int taskSawBusy(TaskContext *step, int fd, FdDirection direction, const FdView *view)
{
    step->view_fd = -1;
    if (view != NULL) {
        step->view = *view;
        step->view_fd = fd;
        step->view_direction = direction;
    }
    return -EAGAIN;
}

/* ---- after the step -------------------------------------------------------------------------- */

static void endTask(Thread *task, Capability *here, void *result)
{
    if (UNLIKELY(RELAXED_LOAD(&task->interrupts) != INTERRUPTS_TASK))
        interruptLast(task);
    leaveTask(here);
    interruptSetTask(task, false);
    TaskBody *body = task->task;
    task->task = NULL;
    task->wait = (TaskWait){0};
    cellGive(&bodies, &schedulerOf(here)->bodies, body);
    Thread *joiner = threadEnded(task, result, here);
    if (joiner != NULL)
        scheduleReady(joiner, here);
}

/* What a verdict says that it must not say, or NULL. */
static const char *breachOf(const TaskContext *context, TaskVerdict verdict)
{
    if (verdict == TaskBlocked) {
        if (context->records == 1)
            return NULL;
        return context->records == 0 ? "said TaskBlocked and has recorded no wait"
                                     : "has recorded more than one wait";
    }
    if (verdict != TaskYield && verdict != TaskDone)
        return "returned what is no TaskVerdict";
    return context->records == 0 ? NULL : "has recorded a wait and did not say TaskBlocked";
}

static __attribute__((noinline)) void endBroken(Thread *task, Capability *here, const char *breach,
                                                TaskVerdict verdict)
{
    char label[LABEL_SIZE], line[LINE_SIZE];
    bool labelled = threadLabelOf(task, label, sizeof label) != 0;
    snprintf(line, sizeof line, "capri: task %llu%s%s%s ends: its step %s (%d)",
             (unsigned long long)threadId(task), labelled ? " \"" : "", labelled ? label : "",
             labelled ? "\"" : "", breach, (int)verdict);
    startupLog(line);
    RELAXED_STORE(&task->node.tag, task->node.tag | TAG_DIED | TAG_NOT_BEGUN);
    endTask(task, here, NULL);
}

/* The oldest and the task change places, as threads do that yield; NULL: the long way. */
static inline Runnable *swapWithOldest(Thread *task, Capability *here)
{
    RunQueue *queue = &here->queue;
    Runnable *oldest;
    uint32_t head;
#ifdef CAPRI_MIGRATE
    return NULL;
#endif
    if (UNLIKELY(RELAXED_LOAD(&here->stats.switches) >= RELAXED_LOAD(&here->swap_until) ||
                 capabilityHasMail(here) || (task->node.tag & TAG_PINNED) != 0 ||
                 !runQueueSwapBegin(queue, &head, &oldest)))
        return NULL;
    runQueueSwap(queue, head, &task->runnable);
    runQueueSwapEnd(queue);
    return oldest;
}

static Runnable *yieldTask(Thread *task, Capability *here)
{
    leaveTask(here);
    threadSetStatus(task, ThreadReady, -1);
    capabilityAttend(here, AttentionSlice);
    Runnable *next = swapWithOldest(task, here);
    if (UNLIKELY(next == NULL)) {
        next = schedulePop(schedulerOf(here), true);
        scheduleReady(task, here);
    }
    return next;
}

/* Who is next, once the task has gone wherever its verdict says. */
static Runnable *follow(TaskContext *context, Capability *here, TaskVerdict verdict)
{
    Thread *task = context->task;
    Scheduler *scheduler = schedulerOf(here);
    const char *breach = breachOf(context, verdict);
    if (UNLIKELY(breach != NULL)) {
        endBroken(task, here, breach, verdict);
    } else if (verdict == TaskDone) {
        endTask(task, here, context->result);
    } else if (verdict == TaskYield) {
        return yieldTask(task, here);
    } else {
        COUNT(&scheduler->parks, 1);
        bool waits = taskWaitArm(context, here);
        leaveTask(here);
        if (!waits)
            scheduleReady(task, here);
    }
    return schedulePop(scheduler, false);
}

/* See Note [Interrupt words]: where it would have been raised in a thread that yielded. */
static inline void meetInterrupts(TaskContext *context)
{
    Thread *task = context->task;
    if (UNLIKELY(RELAXED_LOAD(&task->interrupts) != INTERRUPTS_TASK) &&
        interruptPointSlow(task) != 0)
        context->status = -ECANCELED;
}

static Runnable *runStep(Thread *task, Capability *here)
{
    TaskContext context;
    context.task = task;
    context.status = 0;
    context.value = context.result = NULL;
    context.records = 0;
    context.deadline_ns = DEADLINE_NEVER;
    context.view_fd = -1;
    enterTask(task, here, &context);
    if (task->wait.kind == TaskWaitNone) {
        meetInterrupts(&context);
    } else if (UNLIKELY(!taskWaitFinish(&context, here))) {
        leaveTask(here);
        return schedulePop(schedulerOf(here), false);
    }
    task->wait.kind = TaskWaitNone;
    threadSetStatus(task, ThreadRunning, -1);
    TaskVerdict verdict = task->task->step(&context, task->task->env);
    return follow(&context, here, verdict);
}

void taskRun(Runnable *runnable, Capability *here)
{
    for (;;) {
        runnable = runStep(threadOfRunnable(runnable), here);
        if (runnable == NULL || runnable->run != taskRun)
            break;
        COUNT(&here->stats.switches, 1);
    }
    schedulerOf(here)->handed = runnable;
}
