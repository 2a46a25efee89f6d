/* CapabilityTable.h -- the capabilities there are, and how many of them are enabled.
 *
 * Note [Resizing]
 *   Capabilities 0 .. enabled-1 run green threads; those from there up to `count` are disabled:
 *   they have run before, or were made and never needed.  A Capability never moves and is freed
 *   only with the runtime, so whoever holds a pointer or an index < count may use it at any time.
 *     grow     make and publish what is missing (count + 1 after items[count] is set and its worker
 *              has started), mode = Enabled, then enabled = n
 *     shrink   enabled = n, then mode = Disabled, then wake or nudge the owner
 *   Between two of these stores a sender may still choose a capability that is disabled by now, and
 *   a newly enabled one may not be chosen yet: the first hands on whatever reaches it, always; the
 *   second finds work by stealing.  So a stale look costs a detour, never a thread.
 *   A disabled capability keeps its OS thread, and its manager serves what is registered with it:
 *   fds move to an enabled home when they are next waited for (See Note [Fd home]), timers when
 *   they are next armed, so what is left behind dies out by itself.
 */
#ifndef CAPABILITY_CAPABILITY_TABLE_H
#define CAPABILITY_CAPABILITY_TABLE_H

#include "capability/Capability.h"

typedef struct CapabilityTable {
    uint32_t count;   /* start, stop, and who resizes store (seq_cst); see capabilityTableCount */
    uint32_t enabled; /* likewise (release); see capabilityTableEnabled */
    Capability *items[CAPABILITY_MOST]; /* [i] is set before count > i; they never move */
} CapabilityTable;

extern CapabilityTable capabilities;

/* capabilityTableCount -- how many there are, disabled ones too; it grows only while up. */
static inline uint32_t capabilityTableCount(void)
{
    return ACQUIRE_LOAD(&capabilities.count);
}

/* capabilityTableEnabled -- how many run threads: 1 .. count while up. */
static inline uint32_t capabilityTableEnabled(void)
{
    return ACQUIRE_LOAD(&capabilities.enabled);
}

/* capabilityTableStart -- make `count` capabilities, all enabled.  All or none: 0 or -E... */
int capabilityTableStart(uint32_t count, const Backend *backend, const Clock *clock,
                         const Allocator *allocator);
void capabilityTableFree(const Allocator *allocator);

/* Growing, one caller at a time: make the next one (disabled, nobody sees it yet); then, once its
 * OS thread is there, publish it, or drop it.  0 with *made, or -EINVAL, -ENOMEM, -EMFILE ... */
int capabilityTableMake(const Backend *backend, const Clock *clock, const Allocator *allocator,
                        Capability **made);
void capabilityTablePublish(Capability *made);
void capabilityTableDrop(Capability *made, const Allocator *allocator);

/* capabilityTableEnable -- enable the first `enabled` (<= count) and disable the others, one caller
 * at a time.  See Note [Resizing]. */
void capabilityTableEnable(uint32_t enabled);

/* capabilityTableSurvive -- child of a fork: `kept` is the only one from now on, the others are
 * closed.  0 or what capabilitySurvive said.  capabilityTableLose -- in a child that is broken: no
 * manager is to be used.  See Note [Lost managers]. */
int capabilityTableSurvive(Capability *kept, const Allocator *allocator);
void capabilityTableLose(void);

/* capabilityTablePick -- some enabled capability for work from outside: round robin (relaxed
 * counter). */
Capability *capabilityTablePick(void);

/* capabilityTablePlace -- where work pinned to `index` runs now: capability index % enabled. */
static inline Capability *capabilityTablePlace(uint32_t index)
{
    return capabilities.items[index % capabilityTableEnabled()];
}

#endif
