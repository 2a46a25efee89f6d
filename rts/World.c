/* World.c -- one change at a time, and all standing still.
 *
 * Owns    the world's lock; when all stand still.
 * Before  rts/Startup.c, rts/Resize.c, rts/Fork.c, rts/Pause.c: a change of the whole.
 * After   capability/Halt.c: each of them.   capability/Monitor.c: calls that were held.
 * Tests   testsuite/unit/WorldTest.c
 *
 * See Note [World's lock] and Note [Standing still].
 */
#include "rts/World.h"

#include "capability/CapabilityTable.h"
#include "capability/Carrier.h"
#include "capability/Idle.h"
#include "capability/Monitor.h"
#include "rts/Schedule.h"

#include <time.h>

enum { LOCK_RETRY_NS = 50 * 1000, NUDGE_AGAIN_NS = 1000 * 1000 };

static struct {
    uint32_t lock; /* 0 or 1: worldTake, worldGive */
    uint64_t held; /* lock: capabilities whose carriers are in calls and must not return */
} world;

static void sleepBriefly(void)
{
    struct timespec pause = {.tv_nsec = LOCK_RETRY_NS};
    nanosleep(&pause, NULL);
}

bool worldTake(uint32_t *lock, int64_t deadline_ns)
{
    for (;;) {
        uint32_t free = 0;
        if (CAS_ACQUIRE(lock, &free, 1))
            return true;
        Capability *here = scheduleHere();
        if (here != NULL && (SEQ_CST_LOAD(&here->mode) & CapabilityHalted) != 0)
            worldHalt(here);
        else if (clockRead(&clockMonotonic) >= deadline_ns)
            return false;
        else
            sleepBriefly();
    }
}

void worldGive(uint32_t *lock)
{
    RELEASE_STORE(lock, 0);
}

bool worldLockUntil(int64_t deadline_ns)
{
    return worldTake(&world.lock, deadline_ns);
}

void worldLock(void)
{
    worldTake(&world.lock, DEADLINE_NEVER);
}

void worldUnlock(void)
{
    worldGive(&world.lock);
}

static void hintMode(Capability *capability)
{
    RELAXED_STORE(&schedulerOf(capability)->look_at, 0);
    RELAXED_STORE(&capability->swap_until, 0);
    OR_SEQ_CST(&capability->attention, AttentionSlice);
}

void worldNudge(Capability *capability)
{
    hintMode(capability);
    idleWakeFor(capability);
}

/* Who is in a call stands still if it does not return. */
static bool holdCall(Capability *capability)
{
    uint64_t bit = UINT64_C(1) << capability->index;
    if ((world.held & bit) == 0) {
        uint64_t count = carrierLook(capability);
        Worker *carrier = count == 0 ? NULL : carrierClaim(capability, count);
        if (carrier == NULL)
            return false;
        callDecide(&carrier->call, CallHeld);
        world.held |= bit;
    }
    return true;
}

/* Those that do not stand yet.  Sleepers may sleep on if Resting is enough. */
static bool nudgeAll(const Capability *own, Standing least)
{
    bool all = true;
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        if (capability == own || haltStands(capability, least) || holdCall(capability))
            continue;
        all = false;
        hintMode(capability);
        if (least == StandingHalted)
            idleWakeFor(capability);
    }
    return all;
}

bool worldStop(Capability *own, Standing least, int64_t deadline_ns)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        if (capabilities.items[i] != own)
            haltOrder(capabilities.items[i]);
    }
    for (;;) {
        uint32_t bell = ACQUIRE_LOAD(&halt_bell);
        if (nudgeAll(own,
                     least) && /* again: an owner that looked at the clock just then missed it */
            (least == StandingHalted || !callAnyAway()))
            return true;
        int64_t now_ns = clockRead(&clockMonotonic);
        if (now_ns >= deadline_ns)
            return false;
        haltAwait(bell,
                  deadline_ns - now_ns < NUDGE_AGAIN_NS ? deadline_ns - now_ns : NUDGE_AGAIN_NS);
    }
}

void worldGo(Capability *own)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        if (capabilities.items[i] != own)
            haltEnd(capabilities.items[i]);
    }
    if (world.held == 0)
        return;
    for (; world.held != 0; world.held &= world.held - 1)
        callDecide(&capabilities.items[__builtin_ctzll(world.held)]->carrier->call, CallFree);
    monitorCalled(); /* See Note [Monitor and calls] */
}

/* Below the frame where the caller's registers are. */
static __attribute__((noinline)) void haltWithin(Capability *capability)
{
    Thread *waits = capability->current; /* for a lock, in the middle of what it does */
    if (waits != NULL && !threadIsTask(waits))
        waits->sp = __builtin_frame_address(0);
    haltHere(capability);
}

__attribute__((noinline)) void worldHalt(Capability *capability)
{
    __builtin_unwind_init(); /* all registers are in this frame: See Note [Paused stacks] */
    haltWithin(capability);
    __asm__ volatile("" : : : "memory"); /* no tail call: the frame stays */
}

void worldSurvive(void)
{
    RELAXED_STORE(&world.lock, 0);
    world.held = 0;
}
