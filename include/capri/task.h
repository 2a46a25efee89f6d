/* capri/task.h -- tasks: for a host that has its own stacks, or none.
 *
 * A green thread (capri/thread.h) is C code on a stack that Capri owns.  A task is a function of
 * the host, its step, that is called again and again: an interpreter that runs the next
 * instructions of a coroutine, a state machine.  A step does what it can without waiting and says
 * how it goes on:
 *
 *     static TaskVerdict step(TaskContext *context, void *env)
 *     {
 *         Client *client = env;
 *         if (taskStatus(context) < 0)                     // how the last wait went
 *             return closeClient(client), TaskDone;
 *         ssize_t n = fdRead(client->fd, client->buffer, sizeof client->buffer);
 *         if (n == -EAGAIN) {
 *             taskWaitRead(context, client->fd);           // records what it waits for
 *             return TaskBlocked;                          // called again when it is there
 *         }
 *         ...
 *     }
 *
 * Apart from that a task is a thread: its handle is a Thread, and threadJoin, threadKill,
 * threadThrowTo, threadLabel, threadStatus, threadDescribe, threadList, weak handles work on it; it
 * is stolen, pinned, woken and counted like one, and meets green threads at MVars, TVars and
 * transactions.  While it waits it costs 200 bytes beside what the host keeps for it, whatever it
 * waits for; a transaction 64 more, 64 for each variable that it has read, 128 for each fd or
 * thread and 24 for each thing that it has made; a delay or a deadline an entry of 16 bytes in its
 * capability's heap.
 *
 * In a step.  It runs on an OS thread of the runtime, on that one's stack; the next step may run on
 * another.  threadSelf() is the task, and threadMask and its like are about it.  Library calls that
 * need not wait do what they always do: forks, wakers, tvarWriteIO, stmAtomically, the Try forms,
 * and the others where there is nothing to wait for.  Where they would have to wait they return
 *   -EAGAIN   calls on fds: fdRead, fdWrite, fdAccept, ..., threadWaitRead: then taskWaitRead
 *   -EPERM    all others: mvarTake, threadJoin, threadDelay, stmAtomically that retries, threadKill
 *             of who does not wait, threadYield, ...; in builds with assertions that stops the
 *             program, since it is a mistake of the host's
 * Calls that green threads have made elsewhere (files, closes that linger, foreignCall) are made in
 * place and keep the core: fork a green thread for those, and wait for it by taskWaitThread.
 * Thread-local slots (capri/slot.h) are the OS thread's: use taskUser.
 *
 * Interrupts.  One that is thrown to a task ends its wait, if it is not masked: the next step sees
 * -ECANCELED in taskStatus, and threadCaught tells code and payload.  If it does not wait the first
 * wait or yield after that says so.  A step is never cut short, and a task's first step always
 * runs.
 */
#ifndef CAPRI_TASK_H
#define CAPRI_TASK_H

#include <capri/api.h>
#include <capri/mvar.h>
#include <capri/stm.h>
#include <capri/thread.h>
#include <capri/tvar.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a step gets: valid until it returns. */
typedef struct TaskContext TaskContext;

/* What a step returns. */
typedef enum TaskVerdict {
    TaskYield = 1,   /* call again, after everybody else who is ready */
    TaskBlocked = 2, /* call again when the wait that this step has recorded is over */
    TaskDone = 3     /* the task has ended */
} TaskVerdict;

typedef TaskVerdict TaskStep(TaskContext *context, void *env);

/* taskNew -- a task whose steps are step(context, env).
 *
 * handle      receives a counted handle (threadRelease gives it back); NULL detaches the task
 * attributes  as for threadForkWith, but for stack_size and bound, which are to be 0; NULL:
 *             defaults
 * Returns     0, -ENOMEM, -EINVAL (step NULL, bad attributes), -ENXIO (no runtime), -ESHUTDOWN.
 * Promise     queues, does not run it.  A step that breaks the contract (TaskBlocked with no wait
 *             recorded, or with several; a wait recorded and another verdict; any other number)
 *             is told to RtsConfig.log with the task's number and label, and ends its task alone:
 *             its status is ThreadDied, joiners get -EPROTO.
 * Context     anywhere but in signal handlers.
 */
CAPRI_EXPORT int taskNew(Thread **handle, const ThreadAttributes *attributes, TaskStep *step,
                         void *env) CAPRI_NAME(taskNew);

/* ---- in a step: what it knows ---- */

/* taskStatus -- how the last wait went: 0, or -ECANCELED (interrupted, or the runtime is being
 * cancelled), -ETIMEDOUT (taskDeadline), or what the thread's call of that name returns: -EBADF,
 * -EINVAL, -ENOMEM, the code that a transaction threw, ...  0 in the first step and after
 * TaskYield, unless interrupted.
 * taskValue -- what it brought: of taskWaitMVarTake and -Read the value, of taskWaitThread and
 * taskWaitSTM the result; else NULL. */
CAPRI_EXPORT int taskStatus(const TaskContext *context) CAPRI_NAME(taskStatus);
CAPRI_EXPORT void *taskValue(const TaskContext *context) CAPRI_NAME(taskValue);

/* taskMustYield -- is its time slice over, or the runtime wants to stop for something?  A long
 * computation asks now and then, beside threadSafepoint, and returns TaskYield. */
CAPRI_EXPORT bool taskMustYield(const TaskContext *context) CAPRI_NAME(taskMustYield);

/* taskContext -- the step that runs here, for what it has called; NULL: none. */
CAPRI_EXPORT TaskContext *taskContext(void) CAPRI_NAME(taskContext);

/* taskUser, taskSetUser -- a word that belongs to the task; NULL at first.  While the runtime is
 * paused rtsPausedThreads shows env and this word. */
CAPRI_EXPORT void *taskUser(const TaskContext *context) CAPRI_NAME(taskUser);
CAPRI_EXPORT void taskSetUser(TaskContext *context, void *user) CAPRI_NAME(taskSetUser);

/* taskSetStep -- from the next step on it is step(context, env); step NULL: no change. */
CAPRI_EXPORT void taskSetStep(TaskContext *context, TaskStep *step, void *env)
    CAPRI_NAME(taskSetStep);

/* taskSetResult -- what threadJoin gets, if this step returns TaskDone; else it is forgotten. */
CAPRI_EXPORT void taskSetResult(TaskContext *context, void *result) CAPRI_NAME(taskSetResult);

/* ---- in a step: what it waits for ----
 *
 * Each records one wait and does nothing else: the wait begins when the step has returned
 * TaskBlocked, and what is waited for may have come by then.  Errors of its beginning come as
 * taskStatus of the next step.
 * Returns  0; -EALREADY: this step has recorded one before; -EINVAL (NULL given). */

/* taskWaitRead, taskWaitWrite -- as threadWaitRead and threadWaitWrite.  Right after an fd call has
 * said -EAGAIN for this fd it costs no system call if the fd is adopted. */
CAPRI_EXPORT int taskWaitRead(TaskContext *context, int fd) CAPRI_NAME(taskWaitRead);
CAPRI_EXPORT int taskWaitWrite(TaskContext *context, int fd) CAPRI_NAME(taskWaitWrite);

/* taskWaitDelay, taskWaitDelayUntil -- as threadDelay and threadDelayUntil; counted from now. */
CAPRI_EXPORT int taskWaitDelay(TaskContext *context, int64_t delay_us) CAPRI_NAME(taskWaitDelay);
CAPRI_EXPORT int taskWaitDelayUntil(TaskContext *context, int64_t deadline_ns)
    CAPRI_NAME(taskWaitDelayUntil);

/* taskWaitMVarTake, taskWaitMVarPut, taskWaitMVarRead -- as mvarTake, mvarPut, mvarRead, in the
 * same queue: first come, first served.  The MVar is not freed before the wait has begun. */
CAPRI_EXPORT int taskWaitMVarTake(TaskContext *context, MVar *mvar) CAPRI_NAME(taskWaitMVarTake);
CAPRI_EXPORT int taskWaitMVarPut(TaskContext *context, MVar *mvar, void *value)
    CAPRI_NAME(taskWaitMVarPut);
CAPRI_EXPORT int taskWaitMVarRead(TaskContext *context, MVar *mvar) CAPRI_NAME(taskWaitMVarRead);

/* taskWaitTVar -- as tvarAwait: until it is written once more than `version`.  It may end with 0
 * though it was not: look at the version again. */
CAPRI_EXPORT int taskWaitTVar(TaskContext *context, TVar *tvar, uint64_t version)
    CAPRI_NAME(taskWaitTVar);

/* taskWaitSTM -- as stmAtomically: the transaction runs when the step has returned, waits if it
 * retries, and runs again, until it has committed or failed.  The action is called on the OS
 * thread's stack, by any of them, and may run once more than is needed.  A thread whose end it
 * waits for (threadJoinSTM) is known by its handle from one run to the next: as with
 * taskWaitThread, that stays valid meanwhile.
 * taskWaitSTMStatus -- for actions of the other style. */
CAPRI_EXPORT int taskWaitSTM(TaskContext *context, StmAction *action, void *env)
    CAPRI_NAME(taskWaitSTM);
CAPRI_EXPORT int taskWaitSTMStatus(TaskContext *context, StmStatusAction *action, void *env)
    CAPRI_NAME(taskWaitSTMStatus);

/* taskWaitThread -- as threadJoin, of a thread or task; the handle stays valid meanwhile, which is
 * the caller's to see to.  -EDEADLK: it is the task itself. */
CAPRI_EXPORT int taskWaitThread(TaskContext *context, Thread *thread) CAPRI_NAME(taskWaitThread);

/* taskDeadline -- whatever this step records gives up with -ETIMEDOUT when rtsNow() reaches
 * deadline_ns first. */
CAPRI_EXPORT void taskDeadline(TaskContext *context, int64_t deadline_ns) CAPRI_NAME(taskDeadline);

#ifdef __cplusplus
}
#endif

#endif
