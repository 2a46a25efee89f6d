/* TaskSTMStubs.h -- transactions, for models of tasks that wait for other things: BlockModel.c. */
#ifndef MODEL_TASK_STM_STUBS_H
#define MODEL_TASK_STM_STUBS_H

#include "rts/stm/Block.h"
#include "rts/stm/Event.h"
#include "rts/stm/STM.h"
#include "testsuite/model/Explorer.h"

int stmRun(StmAction *action, StmStatusAction *status_action, void *env, void **result,
           int64_t deadline_ns)
{
    (void)action, (void)status_action, (void)env, (void)result, (void)deadline_ns;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

Event *blockForget(BlockWatches *watches, Capability *here)
{
    (void)watches, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

void eventForget(Event *list, Capability *here)
{
    (void)list, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

void blockForgetLost(BlockWatches *watches)
{
    (void)watches;
    modelFail(__FILE__, __LINE__, "not reached");
}

#endif
