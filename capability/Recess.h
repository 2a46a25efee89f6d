/* Recess.h -- between two steps of a host's loop nobody carries the capability.
 *
 * Note [Recess]
 *   A recess is a sleep without a sleeper: the host's loop sleeps over the manager's fd instead.
 *     lies down   as any sleeper (I1, See Note [Idle states]): whoever sends finds it Asleep and
 *                 makes the eventfd readable
 *     lends       the manager's timers: a timerfd tells of the earliest; who posts an earlier one
 *                 makes the eventfd readable (See Note [Timeout sleep])
 *     stands      last: it is Halted to whoever stops the world, which it need not be woken for
 *                 (H6, See Note [Standing])
 *   What is ready, or was sent before it lay down, makes the eventfd readable at once.  It stays so
 *   until the next step polls, as that is what drains it; so the fd is silent after a step only if
 *   there is nothing to do.
 *   The end is the same backwards: it moves again, and stands still first if the world does.
 */
#ifndef CAPABILITY_RECESS_H
#define CAPABILITY_RECESS_H

#include "capability/Capability.h"

/* recessBegin -- owner, which touches nothing from here to recessEnd.  more: something is ready,
 * though it is in no queue.  also_ns: the fd is readable then in any case (DEADLINE_NEVER: no such
 * time); if something is ready it is anyhow.
 * recessEnd -- owner: it is back, perhaps on another OS thread; what was sent is in its queues. */
void recessBegin(Capability *capability, bool more, int64_t also_ns);
void recessEnd(Capability *capability);

#endif
