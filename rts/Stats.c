/* Stats.c -- seeing inside: the counters of one capability.
 *
 * Owns    nothing: it adds up what the rooms count.
 * Tests   testsuite/unit/StatsTest.c
 */
#include "capability/CapabilityTable.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"
#include "rts/Starved.h"

#include <errno.h>
#include <string.h>

int rtsStats(uint32_t capability, RtsStats *stats)
{
    if (startupIsBroken())
        return -ENOTRECOVERABLE;
    if (capabilityCount() == 0)
        return -ENXIO;
    if (capability >= capabilityTableCount() || stats == NULL)
        return -EINVAL;
    Capability *it = capabilities.items[capability];
    Scheduler *scheduler = schedulerOf(it);
    EventManager *manager = &it->manager;
    EventManagerStats of_manager;
    eventManagerStats(manager, &of_manager);
    *stats = (RtsStats){
        .switches = RELAXED_LOAD(&it->stats.switches),
        .forks = RELAXED_LOAD(&scheduler->forks),
        .ended = RELAXED_LOAD(&scheduler->ended),
        .parks = RELAXED_LOAD(&scheduler->parks),
        .stolen = RELAXED_LOAD(&it->stats.stolen),
        .polls = RELAXED_LOAD(&manager->stats.polls),
        .sleeps = RELAXED_LOAD(&it->stats.sleeps),
        .events = RELAXED_LOAD(&manager->stats.events),
        .changes = RELAXED_LOAD(&manager->stats.changes),
        .calls = eventManagerCalls(manager),
        .rescues = RELAXED_LOAD(&manager->stats.rescues),
        .wakes_sent = RELAXED_LOAD(&it->stats.wakes_sent),
        .woken = RELAXED_LOAD(&it->stats.woken),
        .timers_fired = RELAXED_LOAD(&manager->timers.fired),
        .failures = of_manager.failures,
        .stacks_live = starvedStacksLive(),
        .handed_over = RELAXED_LOAD(&scheduler->handed_over),
    };
    return 0;
}
