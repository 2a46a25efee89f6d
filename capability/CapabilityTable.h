/* CapabilityTable.h -- the capabilities there are. */
#ifndef CAPABILITY_CAPABILITY_TABLE_H
#define CAPABILITY_CAPABILITY_TABLE_H

#include "capability/Capability.h"

typedef struct CapabilityTable {
    uint32_t count;                     /* constant between start and stop */
    Capability *items[CAPABILITY_MOST]; /* constant between start and stop; never move */
} CapabilityTable;

extern CapabilityTable capabilities;

/* capabilityTableStart -- make `count` capabilities.  All or none: 0 or -E... */
int capabilityTableStart(uint32_t count, const Backend *backend, const Clock *clock,
                         const Allocator *allocator);
void capabilityTableFree(const Allocator *allocator);

/* capabilityTablePick -- some capability for work from outside: round robin (relaxed counter). */
Capability *capabilityTablePick(void);

/* capabilityTableProcessors -- processors this process may use (affinity), at least 1. */
uint32_t capabilityTableProcessors(void);

#endif
