/* StayStubs.h -- for models in which nobody shuts the runtime down. */
#ifndef MODEL_STAY_STUBS_H
#define MODEL_STAY_STUBS_H

#include "rts/Outside.h"

void outsideStay(void)
{
}

bool outsideStayHere(void)
{
    return false;
}

void outsideStayOver(void)
{
}

#endif
