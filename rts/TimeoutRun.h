/* TimeoutRun.h -- the limits of timeoutRun. */
#ifndef RTS_TIMEOUT_RUN_H
#define RTS_TIMEOUT_RUN_H

#include "iomgr/TimerHeap.h"

#include <capri/allocator.h>
#include <capri/thread.h>

void timeoutRunStart(const Allocator *allocator);
void timeoutRunEnd(void);

/* timeoutRunLockAll, timeoutRunUnlockAll -- around a fork: no limit comes or goes.
 * timeoutRunSurvive -- its child: those of the survivor still hold, on `heap`.  0 or -ENOMEM. */
void timeoutRunLockAll(void);
void timeoutRunUnlockAll(void);
int timeoutRunSurvive(const Thread *survivor, TimerHeap *heap);

#endif
