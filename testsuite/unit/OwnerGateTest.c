/* OwnerGateTest.c -- an owner's plain entries against a visitor's claims. */
#include "iomgr/OwnerGate.h"
#include "testsuite/support/Test.h"

#include <pthread.h>
#include <sched.h>

enum { ROUNDS = 200000, VISITS = 2000 };

static struct {
    OwnerGate gate;
    uint64_t counter; /* plain on purpose: the gate is all that protects it */
    uint64_t visits;  /* visitor */
    uint32_t visiting;
    bool stop;
} shared;

TEST(OwnerGate, biasedUntilSomebodyComes)
{
    OwnerGate gate;
    uint32_t seen = 0;
    ownerGateStart();
    ownerGateInit(&gate);
    GateWay way = ownerGateEnter(&gate);
    if (way == GateLock)
        SKIP("no membarrier here: the gate is always shared");
    ownerGateLeave(&gate, way);
    CHECK(ownerGateVisit(&gate));
    CHECK(!ownerGateVisit(&gate)); /* one at a time */
    ownerGateVisitEnd(&gate);
    way = ownerGateEnter(&gate);
    CHECK_EQ(way, GateLock);
    CHECK(!ownerGateVisit(&gate));
    ownerGateLeave(&gate, way);
    CHECK(!ownerGateRebias(&gate, &seen)); /* somebody came since */
    CHECK(ownerGateRebias(&gate, &seen));
    way = ownerGateEnter(&gate);
    CHECK_EQ(way, GateBusy);
    ownerGateLeave(&gate, way);
}

TEST(OwnerGate, aVisitorGivesUpOnABusyOwner)
{
    OwnerGate gate;
    ownerGateStart();
    ownerGateInit(&gate);
    GateWay way = ownerGateEnter(&gate);
    CHECK(!ownerGateVisit(&gate)); /* after a bounded spin, not a deadlock */
    ownerGateLeave(&gate, way);
    CHECK(ownerGateVisit(&gate));
    ownerGateVisitEnd(&gate);
}

static void *visitGate(void *arg)
{
    (void)arg;
    RELAXED_STORE(&shared.visiting, 1);
    while (!ACQUIRE_LOAD(&shared.stop) && shared.visits < VISITS) {
        if (ownerGateVisit(&shared.gate)) {
            shared.counter++;
            shared.visits++;
            ownerGateVisitEnd(&shared.gate);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

TEST(OwnerGate, ownerAndVisitorCountTogether)
{
    pthread_t visitor;
    uint32_t seen = 0;
    uint64_t biased = 0;
    ownerGateStart();
    ownerGateInit(&shared.gate);
    CHECK_EQ(pthread_create(&visitor, NULL, visitGate, NULL), 0);
    while (RELAXED_LOAD(&shared.visiting) == 0)
        sched_yield();
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        GateWay way = ownerGateEnter(&shared.gate);
        shared.counter++;
        biased += way == GateBusy;
        ownerGateLeave(&shared.gate, way);
        if (round % 16 == 0)
            ownerGateRebias(&shared.gate, &seen); /* often: the transitions are what is tested */
    }
    RELEASE_STORE(&shared.stop, true);
    pthread_join(visitor, NULL);
    CHECK_EQ(shared.counter, ROUNDS + shared.visits);
    CHECK_LE(biased, ROUNDS);
}
