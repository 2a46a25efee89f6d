/* HaltModel.c -- every interleaving of stopping a capability with its sleep and what wakes it.
 *
 * not-under: tsan asan valgrind
 * model-sources: capability/Idle.c capability/Capability.c capability/RunQueue.c iomgr/Clock.c
 *
 * A stopper has no second look: what would be repaired by a time-out is stuck here.
 */
#include "testsuite/model/SleepStage.h"

typedef struct Scene {
    State base;       /* first: the stage's */
    uint64_t touched; /* plain: by the worker while it moves, by a stopper while it stands */
    uint32_t least;   /* constant: what stoppers wait for */
    uint32_t woken;   /* by the stopper: wake-ups it has sent */
} Scene;

static Scene *scene;

/* As rts/Schedule.c's loop, for ever; it touches something in each round, and when it gets up. */
static void carry(void *at)
{
    Capability *capability = &scene->base.capabilities[0];
    for (;;) {
        if (SEQ_CST_LOAD(&capability->mode) & CapabilityHalted) {
            haltHere(capability);
            continue;
        }
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable != NULL)
            run(runnable);
        else
            rest(at, 0);
        MODEL_WRITE(scene->touched, 1);
    }
}

/* A host's loop, in whose recesses it stands. */
static void step(void *at)
{
    Capability *capability = &scene->base.capabilities[0];
    (void)at;
    for (int i = 0; i < 2; i++) {
        haltReclaim(capability);
        MODEL_WRITE(scene->touched, 1);
        haltLend(capability);
    }
}

static void stop(void *at)
{
    Capability *capability = &scene->base.capabilities[0];
    (void)at;
    haltOrder(capability);
    for (;;) {
        uint32_t bell = ACQUIRE_LOAD(&halt_bell);
        if (haltStands(capability, (Standing)scene->least))
            break;
        if (scene->least == StandingHalted)
            idleWakeFor(capability);
        haltAwait(bell, 1);
    }
    MODEL_WRITE(scene->touched, 2);
    haltEnd(capability);
}

static void stopTwice(void *at)
{
    stop(at);
    stop(at);
}

static void sendWork(void *at)
{
    (void)at;
    MODEL_WRITE(scene->base.works[0].payload, 1);
    capabilitySend(&scene->base.capabilities[0], &scene->base.works[0].runnable, false);
}

static void setUpHalted(void *at)
{
    stage_rests = true;
    setUpOne(at);
    RELAXED_STORE(&halt_bell, 0);
    scene = at;
    scene->least = StandingHalted;
}

static void setUpRests(void *at)
{
    setUpHalted(at);
    scene->least = StandingResting;
}

static void setUpLent(void *at)
{
    setUpRests(at);
    RELAXED_STORE(&scene->base.capabilities[0].manager.rest.standing, StandingHalted);
}

static void checkLent(void *at)
{
    Capability *capability = &scene->base.capabilities[0];
    (void)at;
    MODEL_CHECK(capability->manager.rest.standing == StandingHalted);
    MODEL_CHECK(capability->mode == CapabilityEnabled);
}

/* The worker sleeps, nobody stops it, and nothing that was sent is left. */
static bool isAsleep(void *at)
{
    Capability *capability = &scene->base.capabilities[0];
    (void)at;
    return capability->sleep == IdleAsleep &&
           capability->manager.rest.standing == StandingResting &&
           capability->mode == CapabilityEnabled && inboxIsEmpty(&capability->inbox) &&
           !capabilityHasReady(capability);
}

/* Likewise, and nobody woke it to stop it. */
static bool isLeftAsleep(void *at)
{
    return isAsleep(at) && scene->base.capabilities[0].stats.wakes_sent == 0;
}

static bool isServed(void *at)
{
    return isAsleep(at) && scene->base.works[0].done == 1 &&
           scene->base.capabilities[0].stats.wakes_sent <= 1;
}

#define SIZE sizeof(Scene)

static const Model models[] = {
    {"pauseAgainstSleep", SIZE, 2, setUpRests, {carry, stop}, NULL, isLeftAsleep, 0},
    {"pauseTwice", SIZE, 2, setUpRests, {carry, stopTwice}, NULL, isLeftAsleep, 0},
    {"pauseAgainstSend", SIZE, 3, setUpRests, {carry, stop, sendWork}, NULL, isServed, 0},
    {"stopAgainstSleep", SIZE, 2, setUpHalted, {carry, stop}, NULL, isAsleep, 0},
    {"stopTwice", SIZE, 2, setUpHalted, {carry, stopTwice}, NULL, isAsleep, 0},
    {"stopAgainstSteps", SIZE, 2, setUpLent, {step, stop}, checkLent, NULL, 0},
    {"stopStepsTwice", SIZE, 2, setUpLent, {step, stopTwice}, checkLent, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
