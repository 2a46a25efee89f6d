/* Tasks.h -- the paths of HotPaths.c that a host's tasks take. */
#ifndef TESTSUITE_TASKS_H
#define TESTSUITE_TASKS_H

#include "testsuite/bench/paths/Threads.h"

#include <capri/task.h>

typedef struct TaskPlayer {
    MVar *mine, *other;
    uint32_t left;
} TaskPlayer;

static Thread *forkTask(TaskStep *step, TaskPlayer *player)
{
    Thread *task = NULL;
    require(taskNew(&task, NULL, step, player) == 0, "taskNew failed");
    return task;
}

static void joinTasks(TaskStep *step, TaskPlayer *first, TaskPlayer *second)
{
    Thread *tasks[] = {forkTask(step, first), forkTask(step, second)};
    joinThread(tasks[0]);
    joinThread(tasks[1]);
}

static TaskVerdict yieldStep(TaskContext *context, void *env)
{
    TaskPlayer *self = env;
    (void)context;
    return self->left-- > 0 ? TaskYield : TaskDone;
}

/* Two tasks take turns: count steps. */
static void runTaskYield(uint32_t count)
{
    TaskPlayer first = {.left = count / 2}, second = {.left = count / 2};
    joinTasks(yieldStep, &first, &second);
}

static TaskVerdict playStep(TaskContext *context, void *env)
{
    TaskPlayer *self = env;
    void *ball = taskValue(context);
    require(taskStatus(context) == 0, "a wait has failed");
    if (ball != NULL) {
        require(mvarTryPut(self->other, ball) == 0, "mvarTryPut failed");
        if (--self->left == 0)
            return TaskDone;
    }
    require(taskWaitMVarTake(context, self->mine) == 0, "taskWaitMVarTake failed");
    return TaskBlocked;
}

/* What runMVar does, by two tasks. */
static void runTaskMVar(uint32_t count)
{
    MVar *one = mvarNew(&count), *two = mvarNewEmpty();
    require(one != NULL && two != NULL, "mvarNew failed");
    TaskPlayer first = {one, two, count / 2}, second = {two, one, count / 2};
    joinTasks(playStep, &first, &second);
    mvarFree(one);
    mvarFree(two);
}

#endif
