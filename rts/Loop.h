/* Loop.h -- what an OS thread does with the capability that it carries: run, search, sleep. */
#ifndef RTS_LOOP_H
#define RTS_LOOP_H

#include "rts/Schedule.h"

#include <capri/hooks.h>

/* loopStart -- before the first worker.  signals: handlers may be installed.  hooks: the host's.
 * loopEndAll -- nobody carries any more: the host is told of those that still run threads. */
void loopStart(bool signals, const RtsHooks *hooks);
void loopEndAll(void);

/* loop_hooks -- of every OS thread that carries capabilities. */
extern const WorkerHooks loop_hooks;

/* loopEnter -- its OS thread has worker->capability now, and carries it: what of it belongs to the
 * OS thread is this one's.   loopLeave -- it does not any more; queues who was left behind. */
Scheduler *loopEnter(Worker *worker);
void loopLeave(Worker *worker, Capability *former);

/* loopSettle -- carrier: see to the mode until it is Enabled, or Stopped, or it carries nothing.
 * True: it is enabled.  See Note [Capability modes]. */
bool loopSettle(Scheduler *scheduler);

#endif
