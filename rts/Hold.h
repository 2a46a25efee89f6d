/* Hold.h -- outside parties that will still call in: rtsHold. */
#ifndef RTS_HOLD_H
#define RTS_HOLD_H

#include <stdbool.h>

/* holdReset -- the runtime starts: nobody holds.   holdIsHeld -- does somebody? (seq_cst) */
void holdReset(void);
bool holdIsHeld(void);

#endif
