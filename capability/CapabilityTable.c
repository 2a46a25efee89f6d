/* CapabilityTable.c -- the capabilities there are.
 *
 * Owns    `capabilities`, the memory of every Capability, the counter of capabilityTablePick.
 * Before  rts/Startup.c.   After  capability/Worker.c: an OS thread for each.
 * Tests   testsuite/unit/CapabilityTableTest.c, testsuite/unit/ManagerForkTest.c
 *
 * Note [Lost managers]
 *   A host holds addresses of event managers, and in a fork's child it still does.  There the
 *   capabilities that are not kept are closed, but their memory stays: calls on their managers say
 *   -ENOTRECOVERABLE (EventManager.lost).  The capabilities that the child adds are made in that
 *   memory, so each of those addresses is some capability's manager again, with nothing registered.
 *   What a child whose runtime is broken has inherited is lost as a whole, and never closed.
 */
#include "capability/CapabilityTable.h"

#include "capability/Idle.h"
#include "capability/Worker.h"
#include "iomgr/Memory.h"

#include <errno.h>

CapabilityTable capabilities;

static uint32_t next_pick; /* anyone, relaxed add */

/* Child of a fork: See Note [Lost managers].  Under the table's lock. */
static struct {
    bool keeps; /* no capability's memory is given back before the table's end */
    uint32_t count;
    Capability *items[CAPABILITY_MOST];
} lost;

static void releaseMemory(Capability *capability, const Allocator *allocator)
{
    memoryRelease(allocator, capability, sizeof *capability, _Alignof(Capability));
}

/* It is closed, or was never open. */
static void loseMemory(Capability *capability, const Allocator *allocator)
{
    if (!lost.keeps) {
        releaseMemory(capability, allocator);
        return;
    }
    ASSERT_CMP(lost.count, <, CAPABILITY_MOST);
    capability->manager.lost = true;
    lost.items[lost.count++] = capability;
}

static Capability *findMemory(const Allocator *allocator)
{
    if (lost.count != 0)
        return lost.items[--lost.count];
    return memoryAllocate(allocator, sizeof(Capability), _Alignof(Capability));
}

static void freeOne(Capability *capability, const Allocator *allocator)
{
    capabilityFree(capability);
    loseMemory(capability, allocator);
}

static void freeFirst(uint32_t count, const Allocator *allocator)
{
    while (count-- > 0) {
        freeOne(capabilities.items[count], allocator);
        capabilities.items[count] = NULL;
    }
}

static int makeOne(uint32_t index, const Backend *backend, const Clock *clock,
                   const Allocator *allocator, Capability **made)
{
    Capability *capability = findMemory(allocator);
    if (capability == NULL)
        return -ENOMEM;
    int result = capabilityInit(capability, index, backend, clock, allocator);
    if (result != 0) {
        loseMemory(capability, allocator);
        return result;
    }
    capability->manager.owns = workerOwns;
    *made = capability;
    return 0;
}

int capabilityTableStart(uint32_t count, const Backend *backend, const Clock *clock,
                         const Allocator *allocator)
{
    ASSERT_CMP(capabilityTableCount(), ==, 0);
    if (count == 0 || count > CAPABILITY_MOST)
        return -EINVAL;
    ownerGateStart();
    idleStart();
    for (uint32_t i = 0; i < count; i++) {
        int result = makeOne(i, backend, clock, allocator, &capabilities.items[i]);
        if (result != 0) {
            freeFirst(i, allocator);
            return result;
        }
    }
    SEQ_CST_STORE(&capabilities.count, count);
    SEQ_CST_STORE(&capabilities.enabled, count);
    return 0;
}

void capabilityTableFree(const Allocator *allocator)
{
    uint32_t count = capabilityTableCount();
    SEQ_CST_STORE(&capabilities.enabled, 0);
    SEQ_CST_STORE(&capabilities.count, 0);
    lost.keeps = false;
    freeFirst(count, allocator);
    while (lost.count > 0)
        releaseMemory(lost.items[--lost.count], allocator);
}

/* ---- Resizing: See Note [Resizing]. ---- */

int capabilityTableMake(const Backend *backend, const Clock *clock, const Allocator *allocator,
                        Capability **made)
{
    uint32_t count = capabilityTableCount();
    if (count == CAPABILITY_MOST)
        return -EINVAL;
    int result = makeOne(count, backend, clock, allocator, made);
    if (result == 0)
        RELAXED_STORE(&(*made)->mode, CapabilityDisabled);
    return result;
}

void capabilityTablePublish(Capability *made)
{
    ASSERT_CMP(made->index, ==, capabilityTableCount());
    capabilities.items[made->index] = made;
    SEQ_CST_STORE(&capabilities.count, made->index + 1);
}

void capabilityTableDrop(Capability *made, const Allocator *allocator)
{
    freeOne(made, allocator);
}

void capabilityTableEnable(uint32_t enabled)
{
    uint32_t count = capabilityTableCount(), before = capabilityTableEnabled();
    ASSERT(enabled > 0);
    ASSERT_CMP(enabled, <=, count);
    for (uint32_t i = before; i < enabled; i++) {
        AND_SEQ_CST(&capabilities.items[i]->mode, ~(uint32_t)CapabilityDisabled);
        idleWakeFor(capabilities.items[i]);
    }
    RELEASE_STORE(&capabilities.enabled, enabled);
    for (uint32_t i = enabled; i < before; i++) {
        OR_SEQ_CST(&capabilities.items[i]->mode, CapabilityDisabled);
        OR_SEQ_CST(&capabilities.items[i]->attention, AttentionSlice);
        idleWakeFor(capabilities.items[i]);
    }
}

int capabilityTableSurvive(Capability *kept, const Allocator *allocator)
{
    uint32_t count = capabilityTableCount();
    lost.keeps = true;
    for (uint32_t i = 0; i < count; i++) {
        Capability *capability = capabilities.items[i];
        capabilities.items[i] = NULL;
        if (capability != kept)
            freeOne(capability, allocator);
    }
    capabilities.items[0] = kept;
    SEQ_CST_STORE(&capabilities.count, 1);
    SEQ_CST_STORE(&capabilities.enabled, 1);
    idleStart();
    int result = capabilitySurvive(kept);
    kept->manager.owns = workerOwns;
    return result;
}

void capabilityTableLose(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        capabilities.items[i]->manager.lost = true;
}

Capability *capabilityTablePick(void)
{
    ASSERT(capabilityTableEnabled() != 0);
    return capabilityTablePlace(ADD_RELAXED(&next_pick, 1));
}
