/* Tasks.h -- tasks for tests: one that waits once and remembers what came of it; joining. */
#ifndef TESTSUITE_TASKS_H
#define TESTSUITE_TASKS_H

#include "rts/TaskWait.h"
#include "testsuite/support/Runtime.h"

/* A task that records one wait by `begin`, then notes how it went and ends. */
typedef struct OneWait {
    void (*begin)(TaskContext *context, struct OneWait *wait);
    int64_t deadline_ns; /* 0: none */
    int fd;
    MVar *mvar;
    TVar *tvar;
    Thread *thread;
    StmAction *action;
    void *value;
    uint64_t version;
    int steps; /* how often it was called */
    int status;
    void *got;
    int code; /* of the interrupt it was ended by */
    void *payload;
    bool caught, masked;
} OneWait;

static inline TaskVerdict oneWaitStep(TaskContext *context, void *env)
{
    OneWait *wait = env;
    CHECK(taskContext() == context && threadSelf() != NULL);
    int steps = RELAXED_LOAD(&wait->steps);
    RELAXED_STORE(&wait->steps, steps + 1); /* others look */
    if (steps == 0) {
        CHECK_EQ(taskStatus(context), 0);
        CHECK_EQ(taskValue(context), NULL);
        if (wait->masked)
            threadMaskUninterruptible();
        wait->begin(context, wait);
        if (wait->deadline_ns != 0)
            taskDeadline(context, wait->deadline_ns);
        return TaskBlocked;
    }
    wait->status = taskStatus(context);
    wait->got = taskValue(context);
    wait->caught = threadCaught(&wait->code, &wait->payload) != 0;
    taskSetResult(context, wait);
    return TaskDone;
}

static inline Thread *taskMake(TaskStep *step, void *env)
{
    Thread *task = NULL;
    CHECK_EQ(taskNew(&task, NULL, step, env), 0);
    return task;
}

static inline Thread *oneWaitStart(OneWait *wait)
{
    return taskMake(oneWaitStep, wait);
}

/* It is over: its result was its own. */
static inline void oneWaitEnd(Thread *task, OneWait *wait)
{
    CHECK_EQ(greenJoin(task), wait);
    CHECK_EQ(wait->steps, 2);
}

static inline void beginRead(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitRead(context, wait->fd), 0);
}

static inline void beginWrite(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitWrite(context, wait->fd), 0);
}

/* After a read that said EAGAIN: without asking the kernel. */
static inline void beginReadSeen(TaskContext *context, OneWait *wait)
{
    char byte;
    CHECK_EQ(fdRead(wait->fd, &byte, 1), -EAGAIN);
    CHECK_EQ(taskWaitRead(context, wait->fd), 0);
}

static inline void beginDelay(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitDelay(context, (int64_t)(intptr_t)wait->value), 0);
}

static inline void beginTake(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitMVarTake(context, wait->mvar), 0);
}

static inline void beginPut(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitMVarPut(context, wait->mvar, wait->value), 0);
}

static inline void beginPeek(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitMVarRead(context, wait->mvar), 0);
}

static inline void beginTVar(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitTVar(context, wait->tvar, wait->version), 0);
}

static inline void beginSTM(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitSTM(context, wait->action, wait), 0);
}

static inline void beginJoin(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitThread(context, wait->thread), 0);
}

#endif
