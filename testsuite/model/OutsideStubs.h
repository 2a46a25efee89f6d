/* OutsideStubs.h -- for models without plain OS threads. */
#ifndef MODEL_OUTSIDE_STUBS_H
#define MODEL_OUTSIDE_STUBS_H

#include "rts/ForeignInterrupt.h"
#include "rts/Outside.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/StayStubs.h"

Outsider *outsideBegin(int *result)
{
    (void)result;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

Claim *outsideClaim(Outsider *outsider)
{
    (void)outsider;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

int outsidePark(Outsider *outsider, int64_t deadline_ns)
{
    (void)outsider, (void)deadline_ns;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void outsideDone(Outsider *outsider)
{
    (void)outsider;
    modelFail(__FILE__, __LINE__, "not reached");
}

bool foreignInterrupt(Thread *thread)
{
    (void)thread;
    return false; /* nobody is in a call */
}

void outsideWake(Claim *claim)
{
    (void)claim;
    modelFail(__FILE__, __LINE__, "not reached");
}

#endif
