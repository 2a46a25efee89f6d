/* CapabilityTable.c -- the capabilities there are.
 *
 * Owns    `capabilities`, the memory of every Capability, the counter of capabilityTablePick.
 * Before  rts/Startup.c.   After  capability/Worker.c: an OS thread for each.
 * Tests   testsuite/unit/CapabilityTableTest.c
 */
#include "capability/CapabilityTable.h"

#include "capability/Idle.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

enum { PROCESSOR_MOST = 1 << 16 }; /* more than any kernel has */

CapabilityTable capabilities;

static uint32_t next_pick; /* anyone, relaxed add */

static void freeFirst(uint32_t count, const Allocator *allocator)
{
    while (count-- > 0) {
        Capability *capability = capabilities.items[count];
        capabilities.items[count] = NULL;
        capabilityFree(capability);
        memoryRelease(allocator, capability, sizeof *capability, _Alignof(Capability));
    }
}

int capabilityTableStart(uint32_t count, const Backend *backend, const Clock *clock,
                         const Allocator *allocator)
{
    ASSERT_CMP(capabilities.count, ==, 0);
    if (count == 0 || count > CAPABILITY_MOST)
        return -EINVAL;
    ownerGateStart();
    idleStart();
    for (uint32_t i = 0; i < count; i++) {
        Capability *capability =
            memoryAllocate(allocator, sizeof *capability, _Alignof(Capability));
        int result =
            capability == NULL ? -ENOMEM : capabilityInit(capability, i, backend, clock, allocator);
        if (result != 0) {
            if (capability != NULL)
                memoryRelease(allocator, capability, sizeof *capability, _Alignof(Capability));
            freeFirst(i, allocator);
            return result;
        }
        capabilities.items[i] = capability;
    }
    capabilities.count = count;
    return 0;
}

void capabilityTableFree(const Allocator *allocator)
{
    uint32_t count = capabilities.count;
    capabilities.count = 0;
    freeFirst(count, allocator);
}

Capability *capabilityTablePick(void)
{
    ASSERT(capabilities.count != 0);
    return capabilities.items[ADD_RELAXED(&next_pick, 1) % capabilities.count];
}

uint32_t capabilityTableProcessors(void)
{
    for (int processors = 1024; processors <= PROCESSOR_MOST; processors *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)processors);
        if (set == NULL)
            break;
        size_t size = CPU_ALLOC_SIZE((size_t)processors);
        int usable = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (usable > 0)
            return (uint32_t)usable;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint32_t)online : 1;
}
