/* TaskStubs.h -- MVars and joins, for models of tasks that wait for other things. */
#ifndef MODEL_TASK_STUBS_H
#define MODEL_TASK_STUBS_H

#include "rts/MVar.h"
#include "testsuite/model/Explorer.h"

WaitAttempt *const mvar_attempts[4];

int waitQueueTaskBegin(Waiter *asked, Thread *task, Capability *here, ThreadState why)
{
    (void)asked, (void)task, (void)here, (void)why;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

int waitQueueTaskBeginTimed(Waiter *asked, Thread *task, Capability *here, ThreadState why)
{
    return waitQueueTaskBegin(asked, task, here, why);
}

void waitQueueTaskEnd(Thread *task, int result, Capability *here)
{
    (void)task, (void)result, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

int threadJoin(Thread *thread, void **result)
{
    (void)thread, (void)result;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

#endif
