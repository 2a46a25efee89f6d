/* TVarStubs.h -- what TVarModel.c links but never reaches. */
#ifndef MODEL_TVAR_STUBS_H
#define MODEL_TVAR_STUBS_H

#include "rts/Outside.h"
#include "rts/stm/Event.h"
#include "rts/stm/Reclaim.h"
#include "rts/stm/Serial.h"
#include "testsuite/model/PoolStubs.h"
#include "testsuite/model/StayStubs.h"

uint32_t serial_held;
uint64_t share_outside_changes;

void serialAwait(void)
{
    modelFail(__FILE__, __LINE__, "not reached");
}

void serialReset(void)
{
}

void reclaimStart(void)
{
}

void reclaimLockAll(void)
{
}

void reclaimUnlockAll(void)
{
}

void poolGive(Pool *pool, void *item)
{
    (void)pool, (void)item;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayStart(const Allocator *allocator)
{
    (void)allocator;
}

void delayEnd(void)
{
}

void eventStart(const Allocator *allocator)
{
    (void)allocator;
}

void eventEnd(void)
{
}

void eventLockAll(void)
{
}

void eventUnlockAll(void)
{
}

void eventSurvive(void)
{
}

void poolEach(Pool *pool, void (*visit)(void *item))
{
    (void)pool, (void)visit;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayLockAll(void)
{
}

void delayUnlockAll(void)
{
}

int delaySurvive(TimerHeap *heap)
{
    (void)heap;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

#endif
