/* Task.h -- the host's own task: a thread without a stack.
 *
 * Note [Tasks]
 *   A task is a Thread whose Runnable.run is taskRun: it calls the host's step on the worker's own
 *   stack and does what the step's verdict says.  It has no Stack (TAG_TASK; its TaskBody stands
 *   where a green thread keeps its sp), and everything else is a green thread's: descriptor, claim
 *   word, node, timer, interrupts, joiners, handles.  So whoever queues, steals, wakes, kills or
 *   joins threads does so with tasks and does not know.
 *     created   taskRun is queued; its first step runs, whatever has been thrown to it
 *     runs      Capability.current is the task, Scheduler.step its TaskContext
 *     Yield     queued at the young end; the old end is next
 *     Blocked   the one wait that was recorded is armed: See Note [Task waits]
 *     Done      threadEnded, as for a green thread
 *     else      told to the log, the task ends: -EPROTO for its joiners, and nobody else is touched
 *   A task that follows a task runs without a way through the loop.
 *
 * Note [Calls in a step]
 *   A step is on the worker's stack: nothing can be switched away from there.  A library call that
 *   would have to wait answers -EPERM (debug builds stop at an assertion: parkRefusalSlow), calls
 *   on fds -EAGAIN.  All waiting passes parkRefusal or parkUntil, which look whether
 *   Thread.interrupts is 0; a task's never is (INTERRUPTS_TASK), so green threads pay nothing for
 *   the question.  Safepoints poll, but do not yield.  foreignCall and what the blocking pool does
 *   for green threads is done in place; slots are the OS thread's.
 */
#ifndef RTS_TASK_H
#define RTS_TASK_H

#include "iomgr/FdTable.h"
#include "rts/Schedule.h"

#include <capri/task.h>

/* What a task has beside its descriptor; from a pool.  The task's, but for `caught`: under the lock
 * of its interrupts. */
struct TaskBody {
    TaskStep *step;
    void *env, *user; /* side by side: rtsPausedThreads shows them */
    Caught caught;
};

_Static_assert(sizeof(Thread) + sizeof(TaskBody) <= 200, "a parked task costs 200 bytes");

static inline Caught *taskCaughtOf(const Thread *thread)
{
    return threadIsTask(thread) ? &thread->task->caught : &thread->stack->caught;
}

/* taskRun -- Runnable.run of tasks. */
void taskRun(Runnable *runnable, Capability *capability);

/* taskSawBusy -- an fd call in a step has met EAGAIN; view: what it saw before, or NULL.  Returns
 * -EAGAIN. */
struct FdView;
int taskSawBusy(TaskContext *step, int fd, FdDirection direction, const struct FdView *view);

void taskStart(const Allocator *allocator);
void taskEnd(void);

/* taskDrain -- owner: what a capability keeps free of them goes to all. */
void taskDrain(Scheduler *scheduler);

/* taskLockAll, taskUnlockAll -- around a fork: no body comes or goes.
 * taskSurvive -- its child, before the descriptors: what all but `survivor` had is free. */
void taskLockAll(void);
void taskUnlockAll(void);
void taskSurvive(Thread *survivor);

#endif
