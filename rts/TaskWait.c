/* TaskWait.c -- what a task's step records, arming it when the step has returned, what came of it.
 *
 * Owns    TaskContext's record; Thread.wait.
 * Before  rts/Task.c: the step.   After  rts/Park.h: publishing and committing.
 * Tests   testsuite/unit/TaskWaitTest.c, testsuite/unit/TaskQueueTest.c,
 *         testsuite/model/TaskModel.c (every interleaving)
 *
 * See Note [Task rounds] and Note [Task waits].
 */
#include "rts/TaskWait.h"

#include "rts/MVar.h"
#include "rts/Park.h"
#include "rts/stm/Block.h"
#include "rts/stm/Event.h"
#include "rts/stm/STM.h"
#include "rts/stm/TVar.h"

#include <errno.h>

/* ---- what the step records ------------------------------------------------------------------- */

/* 0: it is the first. */
static int record(TaskContext *context, TaskWaitKind kind)
{
    if (context->records++ != 0)
        return -EALREADY;
    context->kind = kind;
    return 0;
}

static int recordFd(TaskContext *context, int fd, FdDirection direction)
{
    int result = record(context, TaskWaitFd);
    if (result == 0) {
        context->fd = fd;
        context->direction = direction;
    }
    return result;
}

int taskWaitRead(TaskContext *context, int fd)
{
    return recordFd(context, fd, FdRead);
}

int taskWaitWrite(TaskContext *context, int fd)
{
    return recordFd(context, fd, FdWrite);
}

int taskWaitDelayUntil(TaskContext *context, int64_t deadline_ns)
{
    int result = record(context, TaskWaitDelay);
    if (result == 0)
        context->until_ns = deadline_ns;
    return result;
}

int taskWaitDelay(TaskContext *context, int64_t delay_us)
{
    int64_t until_ns = 0;
    if (delay_us > 0)
        until_ns = clockDeadline(scheduleHere()->manager.clock, delay_us);
    return taskWaitDelayUntil(context, until_ns);
}

static int recordMVar(TaskContext *context, MVar *mvar, MVarWaits operation, void *brings)
{
    if (mvar == NULL)
        return -EINVAL;
    int result = record(context, TaskWaitMVar);
    if (result == 0) {
        context->mvar = mvar;
        context->operation = (uint32_t)operation;
        context->brings = brings;
    }
    return result;
}

int taskWaitMVarTake(TaskContext *context, MVar *mvar)
{
    return recordMVar(context, mvar, MVarTakes, NULL);
}

int taskWaitMVarPut(TaskContext *context, MVar *mvar, void *value)
{
    return recordMVar(context, mvar, MVarPuts, value);
}

int taskWaitMVarRead(TaskContext *context, MVar *mvar)
{
    return recordMVar(context, mvar, MVarReads, NULL);
}

int taskWaitTVar(TaskContext *context, TVar *tvar, uint64_t version)
{
    if (tvar == NULL)
        return -EINVAL;
    int result = record(context, TaskWaitTVar);
    if (result == 0) {
        context->tvar = tvar;
        context->version = version;
    }
    return result;
}

int taskWaitThread(TaskContext *context, Thread *thread)
{
    if (thread == NULL)
        return -EINVAL;
    if (thread == context->task)
        return -EDEADLK;
    int result = record(context, TaskWaitThread);
    if (result == 0)
        context->joined = thread;
    return result;
}

static int recordSTM(TaskContext *context, StmAction *action, StmStatusAction *status_action,
                     void *env)
{
    if (action == NULL && status_action == NULL)
        return -EINVAL;
    int result = record(context, TaskWaitSTM);
    if (result == 0) {
        context->action = action;
        context->status_action = status_action;
        context->action_env = env;
    }
    return result;
}

int taskWaitSTM(TaskContext *context, StmAction *action, void *env)
{
    return recordSTM(context, action, NULL, env);
}

int taskWaitSTMStatus(TaskContext *context, StmStatusAction *action, void *env)
{
    return recordSTM(context, NULL, action, env);
}

/* ---- how they are armed ---------------------------------------------------------------------- */

void taskWaitSettle(Thread *task, int result)
{
    task->wait = (TaskWait){.kind = TaskWaitSettled};
    claimTry(&task->claim, parkBegin(task), result);
}

/* Its result is known, and nobody can end what is over. */
static void settleDone(Thread *task, int status, void *value)
{
    task->wait.kind = TaskWaitDone;
    task->wait.flags = 0;
    RELAXED_STORE(&task->wait.home, (uint32_t)status);
    RELAXED_STORE(&task->fn_or_result, value);
}

bool taskWaitPark(Thread *task, Capability *here, int64_t deadline_ns)
{
    if (deadline_ns != DEADLINE_NEVER) {
        uint64_t number = claimNumber(RELAXED_LOAD(&task->claim));
        task->wait.flags |= TASK_TIMED;
        if (timerHeapArm(&here->manager.timers, &task->timer, number,
                         deadline_ns < 0 ? 0 : deadline_ns) != 0)
            claimTry(&task->claim, number, -ENOMEM);
    }
    return parkCommit(task);
}

/* See Note [Cancelling everything] and Note [Interrupt words]. */
static bool isRefused(Thread *task)
{
    if (UNLIKELY(RELAXED_LOAD(&park_cancelled) != 0))
        return true;
    return UNLIKELY(RELAXED_LOAD(&task->interrupts) != INTERRUPTS_TASK) && !threadIsDeaf(task) &&
           interruptRaise(task);
}

static __attribute__((noinline)) bool armDelay(TaskContext *context, Capability *here)
{
    Thread *task = context->task;
    int64_t until_ns = context->until_ns;
    uint8_t cut = 0;
    if (context->deadline_ns < until_ns) {
        until_ns = context->deadline_ns;
        cut = TASK_CUT;
    }
    if (until_ns <= clockRead(here->manager.clock)) {
        taskWaitSettle(task, cut != 0 ? -ETIMEDOUT : 0);
        return false;
    }
    task->wait = (TaskWait){.kind = TaskWaitDelay, .flags = cut};
    parkBegin(task);
    threadSetStatus(task, ThreadBlockedOnDelay, -1);
    return taskWaitPark(task, here, until_ns);
}

/* The operation did not have to wait. */
static __attribute__((noinline)) bool hasMVar(TaskContext *context, const Waiter *asked, int result)
{
    void *value = context->operation == MVarPuts ? NULL : RELAXED_LOAD(&asked->value);
    settleDone(context->task, result, value);
    return false;
}

static __attribute__((noinline)) bool armTimedMVar(TaskContext *context, Capability *here)
{
    Thread *task = context->task;
    Waiter asked;
    mvarWaiter(&asked, context->mvar, (MVarWaits)context->operation, context->brings);
    task->wait.kind = TaskWaitMVar; /* `home` is the queue's */
    task->wait.flags = 0;
    int result = waitQueueTaskBeginTimed(&asked, task, here, ThreadBlockedOnMVar);
    return result == WAIT ? taskWaitPark(task, here, context->deadline_ns)
                          : hasMVar(context, &asked, result);
}

static __attribute__((noinline)) bool armMVar(TaskContext *context, Capability *here)
{
    Thread *task = context->task;
    Waiter asked;
    if (UNLIKELY(context->deadline_ns != DEADLINE_NEVER))
        return armTimedMVar(context, here);
    mvarWaiter(&asked, context->mvar, (MVarWaits)context->operation, context->brings);
    task->wait.kind = TaskWaitMVar; /* `home` is the queue's */
    task->wait.flags = TASK_LISTED;
    int result = waitQueueTaskBegin(&asked, task, here, ThreadBlockedOnMVar);
    return LIKELY(result == WAIT) || hasMVar(context, &asked, result);
}

/* One list; listed if there is no deadline. */
static __attribute__((noinline)) bool armList(Thread *task, Capability *here,
                                              const ListedWait *wait, TaskWaitKind kind,
                                              ThreadState why, int64_t deadline_ns)
{
    bool timed = deadline_ns != DEADLINE_NEVER;
    task->wait = (TaskWait){.kind = (uint8_t)kind, .flags = timed ? 0 : TASK_LISTED};
    threadSetAbout(task, wait->list);
    if (!timed) {
        parkList(task, wait, why, -1);
        return parkPublish(task, wait);
    }
    uint64_t number = parkBegin(task);
    threadSetStatus(task, why, -1);
    if (!watchListAdd(wait->list, 0, &task->node))
        claimTry(&task->claim, number, -EALREADY);
    else if (listedWaitIsOver(wait))
        claimTry(&task->claim, number, 0);
    return taskWaitPark(task, here, deadline_ns);
}

static bool armTVar(TaskContext *context, Capability *here)
{
    TVar *tvar = context->tvar;
    ListedWait wait = {.list = &tvar->watchers,
                       .watched = &tvar->version,
                       .seen = context->version,
                       .bits = ~UINT64_C(1)};
    return armList(context->task, here, &wait, TaskWaitTVar, ThreadBlockedOnTVar,
                   context->deadline_ns);
}

static bool armThread(Thread *task, Capability *here, WatchList *ended, int64_t deadline_ns)
{
    ListedWait wait = {.list = ended};
    return armList(task, here, &wait, TaskWaitThread, ThreadBlockedOnThread, deadline_ns);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* Run it.  False: it has retried, its nodes are published; *until_ns: when it is to be woken.
 * True: status and value are there. */
static bool runSTM(TaskContext *context, Capability *here, Event *kept, int64_t *until_ns)
{
    Scheduler *scheduler = schedulerOf(here);
    BlockArming arming = {.task = context->task,
                          .action = context->action,
                          .status_action = context->status_action,
                          .env = context->action_env,
                          .deadline_ns = context->deadline_ns,
                          .kept = kept};
    scheduler->arming = &arming;
    context->status = stmRun(context->action, context->status_action, context->action_env,
                             &context->value, context->deadline_ns);
    scheduler->arming = NULL;
    eventForget(arming.kept, here);
    *until_ns = arming.until_ns;
    return context->status != -EINPROGRESS || arming.watches == NULL;
}

static bool parkSTM(TaskContext *context, Capability *here, int64_t until_ns)
{
    Thread *task = context->task;
    task->wait = (TaskWait){.kind = TaskWaitSTM};
    threadSetStatus(task, ThreadBlockedOnTVar, -1);
    return taskWaitPark(task, here, until_ns);
}

static __attribute__((noinline)) bool armSTM(TaskContext *context, Capability *here)
{
    int64_t until_ns;
    if (!runSTM(context, here, NULL, &until_ns))
        return parkSTM(context, here, until_ns);
    settleDone(context->task, context->status, context->value);
    return false;
}

/* Woken for 0, or by a time that it waits for, it runs again; -EINVAL: something it had read is
 * gone, which it will find itself, if it still is of interest. */
static __attribute__((noinline)) bool finishSTM(TaskContext *context, Capability *here, int result)
{
    Thread *task = context->task;
    BlockWatches *watches = (BlockWatches *)(void *)task->node.next;
    int64_t deadline_ns = watches->deadline_ns, until_ns;
    if (result == -ETIMEDOUT && task->timer.deadline_ns < deadline_ns)
        result = 0;
    context->action = watches->action;
    context->status_action = watches->status_action;
    context->action_env = watches->env;
    Event *events = blockForget(watches, here);
    task->wait.kind = TaskWaitNone; /* should a child be forked meanwhile */
    context->status = result;
    if (result != 0 && result != -EINVAL) {
        eventForget(events, here);
        return true;
    }
    context->deadline_ns = deadline_ns;
    bool done = runSTM(context, here, events, &until_ns);
    context->deadline_ns = DEADLINE_NEVER;
    if (done)
        return true;
    if (parkSTM(context, here, until_ns))
        return false;
    scheduleReady(task, here);
    return false;
}

/* ---- both ends ------------------------------------------------------------------------------- */

bool taskWaitArm(TaskContext *context, Capability *here)
{
    Thread *task = context->task;
    if (UNLIKELY(isRefused(task))) {
        taskWaitSettle(task, -ECANCELED);
        return false;
    }
    switch (context->kind) {
    case TaskWaitFd:
        return taskFdArm(context, here);
    case TaskWaitDelay:
        return armDelay(context, here);
    case TaskWaitMVar:
        return armMVar(context, here);
    case TaskWaitTVar:
        return armTVar(context, here);
    case TaskWaitThread:
        return armThread(task, here, &context->joined->ended, context->deadline_ns);
    case TaskWaitSTM:
        return armSTM(context, here);
    default:
        barf("a task waits for nothing");
    }
}

static void finishMVar(TaskContext *context, Capability *here, int result)
{
    Thread *task = context->task;
    waitQueueTaskEnd(task, result, here); /* it is not listed: See taskWaitFinish */
    context->status = result;
    if (result == 0 && waiterTaskKind(task) != MVarPuts)
        context->value = RELAXED_LOAD(&task->fn_or_result);
}

/* A list's node is taken back. */
static WatchList *leaveList(Thread *task, Capability *here)
{
    WatchList *list = RELAXED_LOAD(&task->fn_or_result);
    if ((task->wait.flags & TASK_LISTED) == 0 && parkLinked(task))
        watchListRemove(list, 0, &task->node, here);
    return list;
}

/* False: it was woken for nothing, and waits again: See Note [Interrupted lists]. */
static __attribute__((noinline)) bool finishThread(TaskContext *context, Capability *here,
                                                   int result)
{
    Thread *task = context->task;
    WatchList *ended = leaveList(task, here);
    Thread *joined = (Thread *)(void *)((char *)ended - offsetof(Thread, ended));
    context->status = result;
    if (result != 0 && result != -EALREADY)
        return true;
    if (UNLIKELY(watchListGeneration(ACQUIRE_LOAD(ended)) == 0)) {
        int64_t deadline_ns = taskWaitIsTimed(task) ? task->timer.deadline_ns : DEADLINE_NEVER;
        if (!armThread(task, here, ended, deadline_ns))
            scheduleReady(task, here);
        return false;
    }
    context->status = threadJoin(joined, &context->value);
    return true;
}

static __attribute__((noinline)) bool finishAny(TaskContext *context, Capability *here)
{
    Thread *task = context->task;
    TaskWaitKind kind = (TaskWaitKind)task->wait.kind;
    Claim claim = ACQUIRE_LOAD(&task->claim);
    int result = claimResult(claim);
    ASSERT(kind == TaskWaitDone || claimState(claim) == ClaimFired);
    if (taskWaitIsTimed(task))
        timerHeapDisarm(&here->manager.timers, &task->timer);
    switch (kind) {
    case TaskWaitFd:
        context->status = taskFdFinish(task, here);
        break;
    case TaskWaitDelay:
        context->status = result == -ETIMEDOUT && (task->wait.flags & TASK_CUT) == 0 ? 0 : result;
        break;
    case TaskWaitMVar:
        finishMVar(context, here, result);
        break;
    case TaskWaitTVar:
        leaveList(task, here);
        context->status = result == -EALREADY ? -EINVAL : result;
        break;
    case TaskWaitThread:
        return finishThread(context, here, result);
    case TaskWaitSTM:
        return finishSTM(context, here, result);
    case TaskWaitDone:
        context->status = (int)task->wait.home;
        context->value = RELAXED_LOAD(&task->fn_or_result);
        break;
    default:
        context->status = result;
        break;
    }
    return true;
}

/* At an MVar, listed: nothing is to be taken back. */
bool taskWaitFinish(TaskContext *context, Capability *here)
{
    Thread *task = context->task;
    if (task->wait.kind != TaskWaitMVar || task->wait.flags != TASK_LISTED)
        return finishAny(context, here);
    Claim claim = ACQUIRE_LOAD(&task->claim);
    ASSERT_CMP(claimState(claim), ==, ClaimFired);
    context->status = claimResult(claim);
    if (LIKELY(context->status == 0) && waiterTaskKind(task) != MVarPuts)
        context->value = RELAXED_LOAD(&task->fn_or_result);
    return true;
}

/* A lost task's transaction has nodes of its own. */
void taskWaitForget(Thread *task)
{
    if (task->wait.kind == TaskWaitSTM)
        blockForgetLost((BlockWatches *)(void *)task->node.next);
}
