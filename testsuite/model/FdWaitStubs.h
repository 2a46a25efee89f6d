/* FdWaitStubs.h -- what FdWaitModel.c links but never reaches, and timers that never expire. */
#ifndef MODEL_FD_WAIT_STUBS_H
#define MODEL_FD_WAIT_STUBS_H

#include "rts/Task.h"
#include "testsuite/model/ManagerStubs.h"

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}
int taskSawBusy(TaskContext *step, int fd, FdDirection direction, const FdView *view)
{
    (void)step, (void)fd, (void)direction, (void)view;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

int outsideWaitFd(int fd, FdDirection direction, int64_t deadline_ns)
{
    (void)fd, (void)direction, (void)deadline_ns;
    UNREACHED;
    return 0;
}
int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)deadline_ns;
    UNREACHED;
    return 0;
}
void outsideCancelAll(void)
{
    UNREACHED;
}
void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    (void)visit, (void)env;
    UNREACHED;
}

#endif
