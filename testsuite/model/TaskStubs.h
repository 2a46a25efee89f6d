/* TaskStubs.h -- MVars and joins, for models of tasks that wait for other things. */
#ifndef MODEL_TASK_STUBS_H
#define MODEL_TASK_STUBS_H

#include "rts/MVar.h"
#include "testsuite/model/Explorer.h"

void mvarWaiter(Waiter *waiter, MVar *mvar, MVarWaits kind, void *value)
{
    (void)waiter, (void)mvar, (void)kind, (void)value;
    modelFail(__FILE__, __LINE__, "not reached");
}

int waitQueueTaskBegin(Waiter *asked, Thread *task, Capability *here, ThreadState why, bool timed)
{
    (void)asked, (void)task, (void)here, (void)why, (void)timed;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
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
