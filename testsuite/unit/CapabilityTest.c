/* CapabilityTest.c -- what arrives at a capability and in which order it leaves. */
#include "capability/Capability.h"

#include "capability/CapabilityTable.h"
#include "testsuite/support/Test.h"

#include <errno.h>

enum { ITEMS = 6 };

static Runnable items[ITEMS];

static Capability *begin(void)
{
    CHECK_EQ(capabilityTableStart(1, NULL, NULL, NULL), 0);
    return capabilities.items[0];
}

static void end(void)
{
    capabilityTableFree(NULL);
}

TEST(Capability, receivesInTheOrderOfSending)
{
    Capability *capability = begin();
    CHECK(!capabilityReceive(capability));
    for (int i = 0; i < ITEMS; i++)
        capabilitySend(capability, &items[i], false);
    CHECK_EQ(runQueueLength(&capability->queue), 0);
    CHECK(capabilityReceive(capability));
    CHECK_EQ(runQueueLength(&capability->queue), ITEMS);
    for (int i = 0; i < ITEMS; i++)
        CHECK_EQ(capabilityPopOld(capability), &items[i]);
    CHECK_EQ(capabilityPopOld(capability), NULL);
    end();
}

TEST(Capability, keepsPinnedOnesOutOfThievesReach)
{
    Capability *capability = begin();
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    for (int i = 0; i < 3; i++)
        capabilitySend(capability, &items[i], true);
    capabilityPushPinned(capability, &items[3]);
    CHECK(capabilityReceive(capability));
    CHECK(capabilityHasReady(capability));
    CHECK_EQ(runQueueSteal(&capability->queue, 0, stolen), 0);
    CHECK_EQ(capabilityPopOld(capability), &items[3]); /* pushed before the others were received */
    for (int i = 0; i < 3; i++)
        CHECK_EQ(capabilityPopOld(capability), &items[i]);
    CHECK(!capabilityHasReady(capability));
    end();
}

TEST(Capability, pinnedAndOthersTakeTurns)
{
    Capability *capability = begin();
    for (int i = 0; i < 3; i++) {
        capabilityPushPinned(capability, &items[i]);
        capabilityPush(capability, &items[3 + i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(capabilityPopOld(capability), &items[i]);
        CHECK_EQ(capabilityPopOld(capability), &items[3 + i]);
    }
    CHECK_EQ(capabilityPopOld(capability), NULL);
    end();
}

TEST(Capability, youngestGoesBeforePinned)
{
    Capability *capability = begin();
    capabilityPushPinned(capability, &items[0]);
    capabilityPush(capability, &items[1]);
    capabilityPush(capability, &items[2]);
    CHECK_EQ(capabilityPopYoung(capability), &items[2]);
    CHECK_EQ(capabilityPopYoung(capability), &items[1]);
    CHECK_EQ(capabilityPopYoung(capability), &items[0]);
    CHECK_EQ(capabilityPopYoung(capability), NULL);
    end();
}

TEST(Capability, attendsToWhatItAsksFor)
{
    Capability *capability = begin();
    CHECK_EQ(capabilityAttend(capability, AttentionPoll), 0);
    OR_SEQ_CST(&capability->attention, AttentionPoll | AttentionStop);
    CHECK_EQ(capabilityAttend(capability, AttentionPoll | AttentionSlice), AttentionPoll);
    CHECK_EQ(capabilityAttend(capability, AttentionPoll | AttentionSlice), 0);
    CHECK_EQ(capability->attention, AttentionStop);
    end();
}

TEST(Capability, sendWakesASleeperOnce)
{
    Capability *capability = begin();
    capability->sleep = 1; /* IdleAsleep */
    capabilitySend(capability, &items[0], false);
    CHECK_EQ(capability->stats.wakes_sent, 1);
    capabilitySend(capability, &items[1], false);
    CHECK_EQ(capability->stats.wakes_sent, 1);
    end();
}
