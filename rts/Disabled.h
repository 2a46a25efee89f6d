/* Disabled.h -- what a disabled capability does. */
#ifndef RTS_DISABLED_H
#define RTS_DISABLED_H

#include "rts/Schedule.h"

/* disabledServe -- worker's loop: hand everything that is ready on to enabled capabilities, then
 * sleep over the own manager and hand on what it makes ready; until the mode changes.
 * See Note [Capability modes] and Note [Resizing]. */
void disabledServe(Scheduler *scheduler);

#endif
