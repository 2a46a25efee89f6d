/* TaskWait.h -- what a task's step has recorded: arming it when the step has returned, and what
 * came of it before the next.
 *
 * Note [Task rounds]
 *   A task goes round; whoever moves it on is alone with it until it has stored the new place.
 *     from     on        to       by         order    meaning
 *     Queued   take      Runs     carrier    acquire  the run queue's, or the inbox's: anybody who
 *                                                     finds it there
 *     Runs     finish    Runs     carrier    acquire  the claim says what has become of its wait;
 *                                                     then the host's step
 *     Runs     waits on  Waits    carrier    as below a join woken for nothing, a transaction
 *     Runs     yield     Queued   carrier    release  the run queue's
 *     Runs     done      Ended    carrier    seq_cst  See Note [Thread references]
 *     Runs     settle    Queued   carrier    release  refused, or there is nothing to wait for
 *     Runs     publish   Waits    carrier    seq_cst  W1 or a queue's lock: it is listed
 *     Runs     commit    Waits    carrier    seq_cst  C1; fails: Queued
 *     Waits    wake      Queued   who has    release  the source, timer, interrupt, canceller that
 *                                 the claim           took it off its list, or won its claim
 *   From publish or commit on the carrier looks at nothing of it but its interrupts: it may run
 *   elsewhere, or have ended.
 *   Invariant: each wait leads to one wake or one settle, hence to one step; a step sees the one
 *   before it.  An interrupt that lost the claim stays pending.  What was taken, put or committed
 *   in a wait's name is what the next step is told.
 *
 * Note [Task waits]
 *   A step records what it waits for in its TaskContext, and nothing is published.  Once it has
 *   returned, nothing of the task runs any more: where a green thread parks and lets whoever runs
 *   next publish or commit it (AfterList, AfterCommit: See Note [Switching directly]), the loop
 *   does the same here, with parkPublish and parkCommit.
 *     step      records     TaskContext only
 *     loop      refuse?     the runtime is cancelled, or an interrupt is pending: settled
 *     loop      list        no deadline, one list or queue: parkList, parkPublish (Note [Listed
 *                           waits]): it may be woken, and run elsewhere, from the publishing on
 *     loop      begin       else: parkBegin, sources, timer, parkCommit: likewise from that on
 *     loop      settled     whoever came first, or the error, has the claim: queued here
 *     taskRun   finish      before the next step: takes back node and timer; reads the claim
 *   Whatever decides, its result is in the claim word (Fired): errors of arming are put there as a
 *   source would, by claimTry, so that one which had come before them counts.  What has been done
 *   cannot be undone: the result of an attempt that did not wait (an MVar was full, a transaction
 *   has committed) stands in Thread.wait (TaskWaitDone), where no source can overtake it.
 *   Thread.wait says how to finish and is stored before the publishing.
 *   A transaction runs on the loop's stack; if it retries, its nodes are published from inside of
 *   it (Scheduler.arming, See Note [Detached transactions]) and the task is committed when it has
 *   returned; woken, it runs anew before the step does.
 */
#ifndef RTS_TASK_WAIT_H
#define RTS_TASK_WAIT_H

#include "rts/Task.h"
#include "rts/ThreadWait.h"

#include <capri/stm.h>

typedef enum TaskWaitKind {
    TaskWaitNone,    /* yielded, or new */
    TaskWaitSettled, /* the claim says all */
    TaskWaitDone,    /* status in Thread.wait.home, value in fn_or_result */
    TaskWaitFd,
    TaskWaitDelay,
    TaskWaitMVar,
    TaskWaitTVar,
    TaskWaitThread,
    TaskWaitSTM
} TaskWaitKind;

/* Thread.wait.flags */
enum {
    TASK_LISTED = 1,
    TASK_TIMED = 2, /* its timer was armed */
    TASK_WRITE = 4, /* an fd's direction */
    TASK_BARE = 8,  /* an fd of which nothing was known before */
    TASK_CUT = 16   /* a delay that its deadline cuts short */
};

/* One step's; on the worker's stack. */
struct TaskContext {
    Thread *task;
    int status; /* of the wait that is over */
    void *value;
    void *result;
    TaskWaitKind kind; /* what this step records: the first */
    uint32_t records;  /* how many times */
    int64_t deadline_ns;
    FdView view; /* what an fd call has seen before its EAGAIN, of view_fd */
    int view_fd; /* -1: none */
    FdDirection view_direction, direction;
    int fd;
    int64_t until_ns;
    MVar *mvar;
    uint32_t operation; /* MVarWaits */
    void *brings;
    TVar *tvar;
    uint64_t version;
    Thread *joined;
    StmAction *action;
    StmStatusAction *status_action;
    void *action_env;
};

/* taskWaitArm -- its step has returned Blocked: true: it waits, and may run elsewhere by now;
 * false: it is to be queued. */
bool taskWaitArm(TaskContext *context, Capability *here);

/* taskWaitFinish -- it runs again: status and value of its wait.  False: it waits once more, and
 * has been queued if that is over already. */
bool taskWaitFinish(TaskContext *context, Capability *here);

/* taskWaitForget -- child of a fork: it is lost. */
void taskWaitForget(Thread *task);

/* What is common to all: settle -- it does not wait; park -- begun, its sources told. */
static inline bool taskWaitIsTimed(const Thread *task)
{
    return (task->wait.flags & TASK_TIMED) != 0;
}

void taskWaitSettle(Thread *task, int result);
bool taskWaitPark(Thread *task, Capability *here, int64_t deadline_ns);

/* taskFdArm, taskFdFinish -- of an fd: in TaskFd.c. */
bool taskFdArm(TaskContext *context, Capability *here);
int taskFdFinish(Thread *task, Capability *here);

#endif
