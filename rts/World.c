/* World.c -- one change at a time, and standing still for a fork.
 *
 * Owns    the world's lock, the count of those who stand still; the bit Halted.
 * Before  rts/Startup.c, rts/Resize.c, rts/Fork.c: a change of the whole.
 * After   rts/Schedule.c: the loop of each worker.
 * Tests   testsuite/unit/WorldTest.c
 *
 * See Note [World's lock] and Note [Standing still].
 */
#include "rts/World.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "rts/Schedule.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_RETRY_NS = 50 * 1000, NUDGE_AGAIN_NS = 1000 * 1000, SECOND_NS = 1000 * 1000 * 1000 };

static struct {
    uint32_t lock;   /* 0 or 1: worldTake, worldGive */
    uint32_t halted; /* futex: workers in worldHalt (seq_cst) */
    uint64_t held;   /* lock: capabilities whose carriers are in calls and must not return */
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

void worldNudge(Capability *capability)
{
    RELAXED_STORE(&schedulerOf(capability)->look_at, 0);
    RELAXED_STORE(&capability->swap_until, 0);
    OR_SEQ_CST(&capability->attention, AttentionSlice);
    idleWakeFor(capability);
}

static void waitFutex(uint32_t *word, uint32_t expected, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / SECOND_NS, .tv_nsec = timeout_ns % SECOND_NS};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
            timeout_ns == DEADLINE_NEVER ? NULL : &timeout, NULL, 0);
}

static void wakeFutex(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void nudgeAll(const Capability *own)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        if (capabilities.items[i] != own)
            worldNudge(capabilities.items[i]);
    }
}

/* Who is in a call stands still if it does not return. */
static bool holdCall(Capability *capability)
{
    uint64_t count = workerLook(capability);
    Worker *carrier = count == 0 ? NULL : workerClaim(capability, count);
    if (carrier != NULL)
        callDecide(&carrier->call, CallHeld);
    return carrier != NULL;
}

/* How many are held now. */
static uint32_t holdCalls(const Capability *own)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        uint64_t bit = UINT64_C(1) << i;
        if (capability != own && (world.held & bit) == 0 && holdCall(capability))
            world.held |= bit;
    }
    return (uint32_t)__builtin_popcountll(world.held);
}

bool worldStop(Capability *own, int64_t deadline_ns)
{
    uint32_t count = capabilityTableCount(), wanted = count - (own != NULL ? 1 : 0), halted;
    for (uint32_t i = 0; i < count; i++) {
        if (capabilities.items[i] != own)
            OR_SEQ_CST(&capabilities.items[i]->mode, CapabilityHalted);
    }
    nudgeAll(own);
    while ((halted = SEQ_CST_LOAD(&world.halted)) + holdCalls(own) != wanted) {
        int64_t rest_ns = deadline_ns - clockRead(&clockMonotonic);
        if (rest_ns <= 0)
            return false;
        waitFutex(&world.halted, halted, rest_ns < NUDGE_AGAIN_NS ? rest_ns : NUDGE_AGAIN_NS);
        nudgeAll(own); /* an owner that looked at the clock just then has missed it */
    }
    return true;
}

void worldGo(Capability *own)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        if (capability == own)
            continue;
        AND_SEQ_CST(&capability->mode, ~(uint32_t)CapabilityHalted);
        wakeFutex(&capability->mode);
    }
    for (; world.held != 0; world.held &= world.held - 1)
        callDecide(&capabilities.items[__builtin_ctzll(world.held)]->carrier->call, CallFree);
}

void worldHalt(Capability *capability)
{
    uint32_t mode;
    ADD_SEQ_CST(&world.halted, 1);
    wakeFutex(&world.halted);
    while (((mode = SEQ_CST_LOAD(&capability->mode)) & CapabilityHalted) != 0)
        waitFutex(&capability->mode, mode, DEADLINE_NEVER);
    ADD_SEQ_CST(&world.halted, (uint32_t)-1);
}

void worldSurvive(void)
{
    RELAXED_STORE(&world.lock, 0);
    RELAXED_STORE(&world.halted, 0);
    world.held = 0;
}
