/* World.h -- one change at a time, and standing still for a fork.
 *
 * Note [World's lock]
 *   Who starts, stops, resizes or forks the runtime holds the world's lock.  It is held for some
 *   milliseconds at most and never over a park; who waits for it on a green thread lets the holder
 *   halt the capability meanwhile.
 *
 * Note [Standing still]
 *   worldStop sets Halted in every capability but the caller's (See Note [Capability modes]) and
 *   waits until as many workers have told (`halted`) that they stand in worldHalt: between two
 *   green threads, outside every gate and lock of ours.  A worker that was released by the last
 *   worldGo and has not yet taken itself back from `halted` when the next worldStop counts does
 *   nothing else before it looks at its mode again.  A carrier that is in a call (See Note [Call
 *   states]) is held instead: it would wait where it returns.
 *     Capability.mode  | Halted   stopper  seq_cst, then idleWakeFor: exact, as for the inbox
 *     world.halted     + 1        worker   seq_cst, then futex wake; - 1 once Halted is gone
 */
#ifndef RTS_WORLD_H
#define RTS_WORLD_H

#include "capability/Capability.h"

/* worldLock, worldLockUntil -- any thread.  False: deadline_ns came first. */
void worldLock(void);
bool worldLockUntil(int64_t deadline_ns);
void worldUnlock(void);

/* worldTake, worldGive -- the same for a lock of the caller's. */
bool worldTake(uint32_t *lock, int64_t deadline_ns);
void worldGive(uint32_t *lock);

/* worldNudge -- after a change of its mode: let the capability come to its loop soon. */
void worldNudge(Capability *capability);

/* worldStop -- holder of the lock: let every capability but `own` (may be NULL) stand still. 
 * False: not all did by deadline_ns.  worldGo must follow either way (not in a fork's child). */
bool worldStop(Capability *own, int64_t deadline_ns);
void worldGo(Capability *own);

/* worldHalt -- worker, between two runnables or waiting for a lock: stand still while Halted. */
void worldHalt(Capability *capability);

/* worldSurvive -- child of a fork: nobody holds the lock, nobody stands still. */
void worldSurvive(void);

#endif
