/* RecessTest.c -- a capability without a carrier: who has news makes its fd readable. */
#include "capability/Recess.h"

#include "capability/CapabilityTable.h"
#include "capability/Halt.h"
#include "capability/Idle.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <poll.h>

static Runnable items[4];

static bool isReadable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

static Capability *begin(int *fd)
{
    CHECK_EQ(capabilityTableStart(1, NULL, NULL, NULL), 0);
    Capability *capability = capabilities.items[0];
    *fd = eventManagerLoopFd(&capability->manager);
    CHECK_GE(*fd, 0);
    CHECK_EQ(eventManagerLoopFd(&capability->manager), *fd);
    return capability;
}

/* Poll as a step does. */
static void drain(Capability *capability)
{
    eventManagerPoll(&capability->manager, 0, capability);
}

TEST(Recess, sendersMakeItsFdReadable)
{
    int fd;
    Capability *capability = begin(&fd);
    recessBegin(capability, false, DEADLINE_NEVER);
    CHECK(!isReadable(fd, 0));
    capabilitySend(capability, &items[0], false);
    capabilitySend(capability, &items[1], true);
    CHECK(isReadable(fd, 0));
    CHECK_EQ(RELAXED_LOAD(&capability->stats.wakes_sent), 1);
    recessEnd(capability);
    drain(capability);
    CHECK(!isReadable(fd, 0));
    CHECK_EQ(capabilityPopOld(capability), &items[1]);
    CHECK_EQ(capabilityPopOld(capability), &items[0]);
    recessBegin(capability, false, DEADLINE_NEVER);
    CHECK(!isReadable(fd, 0));
    recessEnd(capability);
    capabilityTableFree(NULL);
}

TEST(Recess, whatIsThereAlreadyAsWell)
{
    int fd;
    Capability *capability = begin(&fd);
    for (int way = 0; way < 3; way++) {
        if (way == 0)
            capabilitySend(capability, &items[0], false);
        else if (way == 1)
            capabilityPush(capability, &items[0]);
        recessBegin(capability, way == 2, DEADLINE_NEVER);
        CHECK(isReadable(fd, 0));
        recessEnd(capability);
        drain(capability);
        CHECK_EQ(capabilityPopOld(capability), way == 2 ? NULL : &items[0]);
    }
    recessBegin(capability, false, DEADLINE_NEVER);
    CHECK(!isReadable(fd, 0));
    recessEnd(capability);
    capabilityTableFree(NULL);
}

static uint32_t fired;

static void noteTimer(Timer *timer, uint64_t number, void *sink)
{
    (void)timer;
    (void)number;
    CHECK(sink != NULL);
    fired++;
}

static int noteTimeout(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    (void)env;
    fired++;
    return 0;
}

TEST(Recess, timersAndOtherTimes)
{
    int fd;
    TimeoutKey key;
    Capability *capability = begin(&fd);
    EventManager *manager = &capability->manager;
    Timer timer = {.fire = noteTimer};
    fired = 0;
    int64_t at_ns = clockRead(manager->clock) + 2000 * 1000;
    CHECK_EQ(timerHeapArm(&manager->timers, &timer, 1, at_ns), 0);
    recessBegin(capability, false, DEADLINE_NEVER);
    CHECK(isReadable(fd, -1));
    CHECK_GE(clockRead(manager->clock), at_ns);
    recessEnd(capability);
    drain(capability);
    CHECK_EQ(fired, 1);
    at_ns = clockRead(manager->clock) + 2000 * 1000;
    recessBegin(capability, false, at_ns); /* nothing but a time */
    CHECK(isReadable(fd, -1));
    CHECK_GE(clockRead(manager->clock), at_ns);
    recessEnd(capability);
    drain(capability);
    CHECK_EQ(fired, 1);
    recessBegin(capability, false, DEADLINE_NEVER);
    CHECK(!isReadable(fd, 0));
    CHECK_EQ(registerTimeout(manager, 1, noteTimeout, NULL, &key), 0); /* posted meanwhile */
    while (fired == 1) {
        CHECK(isReadable(fd, -1));
        recessEnd(capability);
        drain(capability);
        recessBegin(capability, false, DEADLINE_NEVER);
    }
    recessEnd(capability);
    capabilityTableFree(NULL);
}

TEST(Recess, standsForWhoeverStops)
{
    int fd;
    Capability *capability = begin(&fd);
    CHECK(!haltStands(capability, StandingResting));
    recessBegin(capability, false, DEADLINE_NEVER);
    CHECK(haltStands(capability, StandingHalted));
    uint32_t bell = RELAXED_LOAD(&halt_bell);
    haltOrder(capability);
    CHECK(haltStands(capability, StandingHalted));
    haltEnd(capability);
    CHECK_EQ(RELAXED_LOAD(&halt_bell), bell);
    recessEnd(capability);
    CHECK(!haltStands(capability, StandingResting));
    haltOrder(capability);
    recessBegin(capability, false, DEADLINE_NEVER); /* it was told before: it rings */
    CHECK_EQ(RELAXED_LOAD(&halt_bell), bell + 1);
    haltEnd(capability);
    recessEnd(capability);
    capabilityTableFree(NULL);
}
