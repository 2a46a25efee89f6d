/* WakerModel.c -- every interleaving of puts, performing them, freeing, closing and falling asleep.
 *
 * not-under: tsan asan valgrind
 * model-sources: capability/Idle.c capability/Capability.c capability/RunQueue.c iomgr/Clock.c
 *
 * A signal handler on the thread that it interrupts is one of the interleavings of two threads: the
 * one in which the other's steps come all at once.
 */
#include "rts/Waker.c"

#include "testsuite/model/PoolStubs.h"
#include "testsuite/model/SleepStage.h"

enum { THREADS = 4 };

int rtsHold(void)
{
    return 0;
}

void rtsRelease(void)
{
}

typedef struct Scene {
    State base; /* first: the stage's */
    Waker waker;
    uint64_t variable;      /* plain: the value that was put last; its owner's once it is freed */
    uint64_t news[THREADS]; /* plain: written before it is put; value i tells of news[i] */
    uint32_t performed;     /* the worker's */
    uint32_t gives;         /* relaxed adds: back to the pool */
    int results[THREADS];   /* of each thread's put, for check */
    uint32_t found;         /* the closer's */
} Scene;

static Scene *scene;

/* ---- Of the floor above ---------------------------------------------------------------------- */

uint32_t startup_child;

Capability *workerCapability(void)
{
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

int mvarOffer(MVar *mvar, void *value, Capability *here)
{
    (void)mvar, (void)value, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void tvarPut(TVar *tvar, void *value, void *sink)
{
    MODEL_CHECK((void *)tvar == &scene->variable && sink == &scene->base.capabilities[0]);
    MODEL_CHECK(MODEL_READ(scene->news[(uintptr_t)value]) == 1);
    MODEL_WRITE(scene->variable, (uintptr_t)value);
    scene->performed++;
}

void poolGive(Pool *pool, void *item)
{
    (void)pool;
    MODEL_CHECK(item == &scene->waker && ADD_RELAXED(&scene->gives, 1) == 0);
}

void poolEach(Pool *pool, void (*visit)(void *item))
{
    (void)pool, (void)visit;
    modelFail(__FILE__, __LINE__, "not reached");
}

/* ---- The threads ----------------------------------------------------------------------------- */

static void setUp(void *at)
{
    setUpOne(at);
    scene = at;
    wakers.gate = GATE_OPEN;
    scene->waker = (Waker){.runnable = {.run = runWaker},
                           .word = IDLE,
                           .variable = &scene->variable,
                           .kind = WakerTVar};
}

/* As rts/Schedule.c's loop; it sleeps in the end. */
static void carry(void *at)
{
    Capability *capability = &scene->base.capabilities[0];
    for (;;) {
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable != NULL)
            runnable->run(runnable, capability);
        else
            rest(at, 0);
    }
}

static void put(uintptr_t value)
{
    MODEL_WRITE(scene->news[value], 1);
    scene->results[value] = wakerPut(&scene->waker, (void *)value);
}

static void put1(void *at)
{
    (void)at;
    put(1);
}
static void put2(void *at)
{
    (void)at;
    put(2);
}
static void putBoth(void *at)
{
    put1(at);
    put2(at);
}

static void putAndFree(void *at)
{
    put1(at);
    wakerFree(&scene->waker);
    MODEL_WRITE(scene->variable, 3); /* it may be another one's by now */
}

/* Everything that was let in is in the inbox when the closer may go on. */
static void closeAndLook(void *at)
{
    (void)at;
    wakerClose();
    scene->found = RELAXED_LOAD(&scene->base.capabilities[0].inbox.open) != NULL;
}

/* ---- What must hold -------------------------------------------------------------------------- */

/* Who is left is the worker, asleep. */
static bool isQuiet(void)
{
    Capability *capability = &scene->base.capabilities[0];
    return capability->sleep == IdleAsleep && inboxIsEmpty(&capability->inbox) &&
           !capabilityHasReady(capability) && wakers.gate == GATE_OPEN &&
           capability->stats.wakes_sent <= scene->base.rests[0];
}

/* Each put that was not merged is performed once; what was performed is one of them. */
static bool isPerformed(void *at)
{
    (void)at;
    uint32_t fresh = 0, sent = 0;
    for (int i = 1; i <= 2; i++) {
        sent += scene->news[i] != 0;
        fresh += scene->news[i] != 0 && scene->results[i] == 0;
    }
    return isQuiet() && scene->waker.word == IDLE && scene->performed == fresh &&
           scene->base.capabilities[0].stats.wakes_sent <= fresh && scene->variable != 0 &&
           scene->variable <= sent;
}

/* And of one thread's puts the last one is the last. */
static bool isLastPerformed(void *at)
{
    return isPerformed(at) && scene->variable == 2;
}

static bool isFreed(void *at)
{
    (void)at;
    return isQuiet() && scene->gives == 1 && scene->performed <= 1 && scene->variable == 3;
}

static void checkClosed(void *at)
{
    (void)at;
    MODEL_CHECK(wakers.gate == 0);
    MODEL_CHECK(scene->results[1] == (scene->found ? 0 : -ENXIO));
}

#define SIZE sizeof(Scene)

static const Model models[] = {
    {"putAgainstSleep", SIZE, 2, setUp, {carry, put1}, NULL, isPerformed, 0},
    {"putTwice", SIZE, 2, setUp, {carry, putBoth}, NULL, isLastPerformed, 0},
    {"twoPutters", SIZE, 3, setUp, {carry, put1, put2}, NULL, isPerformed, 0},
    {"putAndFree", SIZE, 2, setUp, {carry, putAndFree}, NULL, isFreed, 0},
    {"putAgainstClose", SIZE, 2, setUp, {put1, closeAndLook}, checkClosed, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
