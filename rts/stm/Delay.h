/* Delay.h -- the event TVar of registerDelay: written once, by a timer. */
#ifndef RTS_DELAY_H
#define RTS_DELAY_H

#include "rts/stm/TVar.h"

#include <capri/allocator.h>

void delayStart(const Allocator *allocator);
void delayEnd(void);

/* As tvarLockAll, tvarUnlockAll and tvarSurvive, for delays. */
void delayLockAll(void);
void delayUnlockAll(void);
int delaySurvive(TimerHeap *heap);

/* delayCancel -- the timer will not write any more once this returns. */
void delayCancel(TVar *tvar);

/* delayDeadline -- anyone, of what is a TVarDelay, or was one a moment ago (relaxed). */
int64_t delayDeadline(const TVar *tvar);

/* delayGive -- back to the pool. */
void delayGive(TVar *tvar);

#endif
