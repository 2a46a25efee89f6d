/* InterruptStubs.h -- for models in which nothing is thrown to anybody. */
#ifndef MODEL_INTERRUPT_STUBS_H
#define MODEL_INTERRUPT_STUBS_H

#include "rts/Interrupt.h"
#include "testsuite/model/Explorer.h"

void interruptMeetSlow(Thread *thread)
{
    (void)thread;
    modelFail(__FILE__, __LINE__, "not reached");
}

void interruptRefuse(Thread *self, uint64_t number, Capability *here)
{
    (void)self, (void)number, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

bool interruptRaise(Thread *self)
{
    (void)self;
    modelFail(__FILE__, __LINE__, "not reached");
    return false;
}

#endif
