/* RecessModel.c -- every interleaving of a host's loop, which steps when the fd says so, with those
 * who send, who stop the world, and who end a wait of the owner's.
 *
 * not-under: tsan asan valgrind
 * model-sources: capability/Idle.c capability/Capability.c capability/RunQueue.c iomgr/Clock.c
 * model-sources: capability/Recess.c rts/Wait.c
 *
 * The fd is readable while the manager's eventfd is (SleepStage.h counts what is in it); a step's
 * first poll drains it.  Of rts/Step.c these are the moves in their order.
 */
#include "testsuite/model/SleepStage.h"

#include "capability/Recess.h"
#include "rts/Wait.h"

typedef struct Scene {
    State base;       /* first: the stage's */
    Claim claim;      /* of the owner's wait */
    uint64_t brought; /* plain: by who ends the wait, before the claim */
    uint64_t touched; /* plain: by the owner in a step, by a stopper while it stands */
} Scene;

static Scene *scene;

void eventManagerLend(EventManager *manager, int64_t also_ns)
{
    (void)manager, (void)also_ns;
}

void eventManagerReclaim(EventManager *manager)
{
    (void)manager;
}

static Capability *only(void)
{
    return &scene->base.capabilities[0];
}

/* ---- the owner ---- */

static void runAll(void)
{
    Runnable *runnable;
    do {
        capabilityReceive(only());
        while ((runnable = capabilityPopOld(only())) != NULL)
            run(runnable);
    } while (capabilityHasMail(only()));
}

static void beginStep(void)
{
    recessEnd(only());
    MODEL_WRITE(scene->touched, 1);
    XCHG_SEQ_CST(&scene->base.wakeups[0], 0);
    runAll();
}

static void endStep(void)
{
    recessBegin(only(), capabilityHasReady(only()), DEADLINE_NEVER);
}

/* For ever. */
static void loopOver(void *at)
{
    (void)at;
    for (;;) {
        modelBlock(isWoken, &scene->base.wakeups[0]);
        beginStep();
        endStep();
    }
}

static bool isOver(void)
{
    return claimState(ACQUIRE_LOAD(&scene->claim)) != ClaimArmed;
}

/* See Note [Waiting in steps]. */
static void waitInSteps(void *at)
{
    (void)at;
    while (!isOver()) {
        beginStep();
        if (!isOver())
            idleSleepAlone(only(), DEADLINE_NEVER);
        runAll();
        endStep();
    }
    MODEL_CHECK(MODEL_READ(scene->brought) == 7);
}

/* ---- the others ---- */

static void endWait(void *at)
{
    (void)at;
    MODEL_WRITE(scene->brought, 7);
    MODEL_CHECK(claimTry(&scene->claim, 1, 0) == ClaimWonArmed);
    eventManagerWake(&only()->manager);
}

static void sendOne(uint32_t which)
{
    MODEL_WRITE(scene->base.works[which].payload, 1);
    capabilitySend(only(), &scene->base.works[which].runnable, which % 2 != 0);
}

static void sendFirst(void *at)
{
    (void)at;
    sendOne(0);
}

static void sendSecond(void *at)
{
    (void)at;
    sendOne(1);
}

/* A pause: who stands already is not woken. */
static void stop(void *at)
{
    (void)at;
    haltOrder(only());
    for (;;) {
        uint32_t bell = ACQUIRE_LOAD(&halt_bell);
        if (haltStands(only(), StandingResting))
            break;
        haltAwait(bell, 1);
    }
    MODEL_WRITE(scene->touched, 2);
    haltEnd(only());
}

/* ---- */

static void setUp(void *at)
{
    stage_rests = true;
    setUpOne(at);
    RELAXED_STORE(&halt_bell, 0);
    scene = at;
    RELAXED_STORE(&scene->claim, claimWord(1, 0, ClaimArmed));
    RELAXED_STORE(&only()->sleep, IdleAsleep);
    RELAXED_STORE(&idle.sleeping, 1);
    RELAXED_STORE(&only()->manager.rest.standing, StandingHalted);
}

static bool isAtRest(uint32_t done)
{
    Capability *capability = only();
    for (uint32_t i = 0; i < done; i++)
        if (scene->base.works[i].done != 1)
            return false;
    return capability->sleep == IdleAsleep && capability->mode == CapabilityEnabled &&
           capability->manager.rest.standing == StandingHalted && !capabilityHasReady(capability) &&
           inboxIsEmpty(&capability->inbox) && scene->base.wakeups[0] == 0;
}

static bool isServedOnce(void *at)
{
    (void)at;
    return isAtRest(1);
}

static bool isServedTwice(void *at)
{
    (void)at;
    return isAtRest(2);
}

static void checkWaited(void *at)
{
    (void)at;
    MODEL_CHECK(only()->sleep != IdleAwake);
}

#define SIZE sizeof(Scene)

static const Model models[] = {
    {"sendToLoop", SIZE, 2, setUp, {loopOver, sendFirst}, NULL, isServedOnce, 0},
    {"twoSendToLoop", SIZE, 3, setUp, {loopOver, sendFirst, sendSecond}, NULL, isServedTwice, 0},
    {"pauseAgainstLoop", SIZE, 3, setUp, {loopOver, sendFirst, stop}, NULL, isServedOnce, 0},
    {"endOfAWait", SIZE, 2, setUp, {waitInSteps, endWait}, checkWaited, NULL, 0},
    {"endAndSend", SIZE, 3, setUp, {waitInSteps, endWait, sendFirst}, checkWaited, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
