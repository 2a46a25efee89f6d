/* FdWaitStubs.h -- what FdWaitModel.c links but never reaches, and timers that never expire. */
#ifndef MODEL_FD_WAIT_STUBS_H
#define MODEL_FD_WAIT_STUBS_H

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}
uint32_t timerHeapExpire(TimerHeap *heap, int64_t now_ns, bool owner, void *sink)
{
    (void)heap, (void)now_ns, (void)owner, (void)sink;
    UNREACHED;
    return 0;
}
int64_t timerHeapEarliest(TimerHeap *heap)
{
    (void)heap;
    UNREACHED;
    return 0;
}
int timerHeapInit(TimerHeap *heap, const Allocator *allocator)
{
    (void)heap, (void)allocator;
    UNREACHED;
    return 0;
}
void timerHeapFree(TimerHeap *heap)
{
    (void)heap;
    UNREACHED;
}
void timerManagerOpen(EventManager *manager)
{
    (void)manager;
}

void timerManagerClose(EventManager *manager)
{
    (void)manager;
}

int64_t timerManagerRest(EventManager *manager, int64_t until_ns, int64_t timeout_ns)
{
    (void)manager, (void)until_ns;
    return timeout_ns;
}

void timerManagerRise(EventManager *manager)
{
    (void)manager;
}
bool ownerGateRebias(OwnerGate *gate, uint32_t *seen_visits)
{
    (void)gate, (void)seen_visits;
    UNREACHED;
    return false;
}
int wakeupOpen(Wakeup *wakeup)
{
    (void)wakeup;
    UNREACHED;
    return 0;
}
void wakeupClose(Wakeup *wakeup)
{
    (void)wakeup;
    UNREACHED;
}
void wakeupSend(Wakeup *wakeup)
{
    (void)wakeup;
    UNREACHED;
}
void wakeupDrain(Wakeup *wakeup)
{
    (void)wakeup;
    UNREACHED;
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
