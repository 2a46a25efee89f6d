/* FdWaitUnreached.h -- for FdWaitModel.c: what its sources link and never reach. */
#ifndef TESTSUITE_MODEL_FD_WAIT_UNREACHED_H
#define TESTSUITE_MODEL_FD_WAIT_UNREACHED_H

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap, (void)timer, (void)number, (void)deadline_ns;
    UNREACHED;
    return 0;
}
void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
    UNREACHED;
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
Capability *scheduleParkListed(Capability *capability, const ListedWait *wait)
{
    (void)capability, (void)wait;
    UNREACHED;
    return NULL;
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
