/* ManagerStubs.h -- what models of event managers link but never reach, and timers that sleep. */
#ifndef MODEL_MANAGER_STUBS_H
#define MODEL_MANAGER_STUBS_H

#include "iomgr/EventManager.h"
#include "testsuite/model/Explorer.h"

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

uint32_t event_manager_process;

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
int timerHeapInit(TimerHeap *heap, const Allocator *from)
{
    (void)heap, (void)from;
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

#endif
