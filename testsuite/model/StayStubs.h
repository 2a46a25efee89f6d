/* StayStubs.h -- for models in which nobody shuts the runtime down. */
#ifndef MODEL_STAY_STUBS_H
#define MODEL_STAY_STUBS_H

#include "rts/Outside.h"

void outsideStay(void)
{
}

void outsideStayOver(void)
{
}

#endif
