/* Halt.c -- standing still: a capability says that it touches nothing until it is let go.
 *
 * Owns    Rest.standing but for H1 and H2, the bit Halted of Capability.mode, halt_bell.
 * Before  rts/World.c: the whole is to stand still.   After  rts/Schedule.c: the worker's loop.
 * Tests   testsuite/unit/WorldTest.c, testsuite/unit/PauseTest.c, testsuite/model/HaltModel.c
 *
 * See Note [Standing] and Note [StoreLoad].
 */
#include "capability/Halt.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000 * 1000 * 1000 };

uint32_t halt_bell;

static void wakeAll(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void ring(void)
{
    ADD_RELEASE(&halt_bell, 1);
    wakeAll(&halt_bell);
}

static bool isHalted(Capability *capability)
{
    return (SEQ_CST_LOAD(&capability->mode) & CapabilityHalted) != 0;
}

void haltHere(Capability *capability)
{
    uint32_t mode;
    while (isHalted(capability)) {
        RELEASE_STORE(&capability->manager.rest.standing, StandingHalted); /* H3, then the bell */
        ring();
        while (((mode = RELAXED_LOAD(&capability->mode)) & CapabilityHalted) != 0)
            syscall(SYS_futex, &capability->mode, FUTEX_WAIT_PRIVATE, mode, NULL, NULL, 0);
        SEQ_CST_STORE(&capability->manager.rest.standing, StandingMoving); /* H4 */
    }
}

void haltLend(Capability *capability)
{
    SEQ_CST_STORE(&capability->manager.rest.standing, StandingHalted); /* H6 */
    if (isHalted(capability))
        ring();
}

void haltReclaim(Capability *capability)
{
    SEQ_CST_STORE(&capability->manager.rest.standing, StandingMoving); /* H4 */
    haltHere(capability);
}

static void ringFor(Rest *rest)
{
    (void)rest;
    ring();
}

static void haltAt(Rest *rest)
{
    haltHere((Capability *)(void *)((char *)rest - offsetof(Capability, manager.rest)));
}

void haltInit(Capability *capability)
{
    capability->manager.rest = (Rest){.standing = StandingMoving,
                                      .halted = CapabilityHalted,
                                      .mode = &capability->mode,
                                      .ring = ringFor,
                                      .halt = haltAt};
}

void haltOrder(Capability *capability)
{
    OR_SEQ_CST(&capability->mode, CapabilityHalted);
}

void haltEnd(Capability *capability)
{
    AND_RELEASE(&capability->mode, ~(uint32_t)CapabilityHalted);
    wakeAll(&capability->mode);
}

void haltAwait(uint32_t bell, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S};
    syscall(SYS_futex, &halt_bell, FUTEX_WAIT_PRIVATE, bell, &timeout, NULL, 0);
}
