/* World.h -- one change at a time, and all standing still.
 *
 * Note [World's lock]
 *   Who starts, stops, resizes, forks or pauses the runtime holds the world's lock: for some
 *   milliseconds at most, but for a pause, and never over a park.  Who waits for it on a green
 *   thread lets the holder halt the capability meanwhile.
 *
 * Note [Standing still]
 *   worldStop sets Halted in every capability but the caller's (See Note [Capability modes]) and
 *   waits until each of them stands (See Note [Standing]).  A worker halts between two green
 *   threads, outside every gate and lock of ours; or while its green thread waits for the world's
 *   lock; or when it returns from a sleep, before it dispatches anything.  A carrier that is in a
 *   call (See Note [Call states]) is held instead: it would wait where it returns.
 *   A pause leaves sleepers asleep; a fork wakes them, because a child closes what a sleeper's
 *   back-end may hold on its way into the kernel.
 */
#ifndef RTS_WORLD_H
#define RTS_WORLD_H

#include "capability/Halt.h"

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
 * least: StandingResting leaves sleepers asleep; StandingHalted wakes them first.
 * False: not all did by deadline_ns.  worldGo must follow either way (not in a fork's child). */
bool worldStop(Capability *own, Standing least, int64_t deadline_ns);
void worldGo(Capability *own);

/* worldHalt -- worker, between two runnables or waiting for a lock: stand still while Halted.  The
 * registers of a green thread that waits are on its stack then, from its sp on. */
void worldHalt(Capability *capability);

/* worldSurvive -- child of a fork: nobody holds the lock. */
void worldSurvive(void);

#endif
