/* WaitStage.h -- where models of waiting in a WaitQueue play: each model thread is a green thread
 * or a plain OS thread.
 *
 * The waits are the real ones; here are only the switch away, the queue (a count for each), the
 * futex, and what is linked but never reached.
 */
#ifndef MODEL_WAIT_STAGE_H
#define MODEL_WAIT_STAGE_H

#include "rts/ForeignInterrupt.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Pool.h"
#include "rts/Startup.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/PoolStubs.h"
#include "testsuite/model/StayStubs.h"

enum { ACTORS = 4 };

typedef struct Actor {
    Thread thread;
    uint64_t stack;   /* plain: what it leaves behind when it parks */
    uint32_t queued;  /* times it was made ready */
    uint32_t parks;   /* its own */
    uint64_t outside; /* constant: a plain OS thread */
    Claim claim;      /* an OS thread's */
    int result;       /* its own, for check */
    uintptr_t got;    /* likewise: which value */
} Actor;

static Actor *stage_actors; /* the model's, set by its setup */

static Actor *self(void)
{
    return &stage_actors[modelThread()];
}

static Actor *actorOf(Thread *thread)
{
    return (Actor *)(void *)((char *)thread - offsetof(Actor, thread));
}

/* ---- What the code under test needs of the scheduler ----------------------------------------- */

/* Each green thread runs on a capability of its own, at which nobody else looks. */
Capability *workerCapability(void)
{
    static Capability capabilities_of[ACTORS];
    Capability *here = &capabilities_of[modelThread()];
    here->current = &self()->thread;
    schedulerOf(here)->safepoints = 0;
    return self()->outside ? NULL : here;
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}

Thread *scheduleSelf(void)
{
    return self()->outside ? NULL : &self()->thread;
}

static bool isQueued(void *at)
{
    Actor *actor = at;
    return actor->queued == actor->parks;
}

Capability *schedulePark(Capability *capability)
{
    Actor *me = self();
    MODEL_WRITE(me->stack, 1);
    me->parks++;
    if (parkCommit(&me->thread)) {
        modelBlock(isQueued, me);
    } else {
        me->parks--;
        MODEL_WRITE(me->stack, 2);
    }
    return capability;
}

/* What is done after the switch is done by whoever runs next on that OS thread. */
int scheduleParkListed(Capability *capability)
{
    Actor *me = self();
    me->parks++;
    MODEL_WRITE(me->stack, 1);
    if (!parkPublish(&me->thread, scheduleWait(capability))) {
        MODEL_WRITE(me->stack, 2);
        ADD_RELAXED(&me->queued, 1);
    }
    modelBlock(isQueued, me);
    return claimResult(RELAXED_LOAD(&me->thread.claim));
}

void scheduleReady(Thread *thread, Capability *here)
{
    Actor *actor = actorOf(thread);
    (void)here;
    MODEL_CHECK(MODEL_READ(actor->stack) == 1);
    MODEL_WRITE(actor->stack, 2);
    ADD_RELAXED(&actor->queued, 1);
}

void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    for (int i = 0; i < ACTORS; i++) {
        if (!stage_actors[i].outside)
            visit(&stage_actors[i].thread, env);
    }
}

/* ---- Plain OS threads: the claim is the futex ------------------------------------------------ */

Outsider *outsideBegin(int *result)
{
    *result = 0;
    claimBegin(&self()->claim);
    return (Outsider *)(void *)self();
}

Claim *outsideClaim(Outsider *outsider)
{
    return &((Actor *)(void *)outsider)->claim;
}

static bool isClaimed(void *at)
{
    return claimState(*(Claim *)at) != ClaimArmed;
}

int outsidePark(Outsider *outsider, int64_t deadline_ns)
{
    Claim *claim = outsideClaim(outsider);
    (void)deadline_ns;
    while (!claimFired(claim))
        modelBlock(isClaimed, claim);
    return claimResult(RELAXED_LOAD(claim));
}

void outsideDone(Outsider *outsider)
{
    claimEnd(outsideClaim(outsider));
}

void outsideWake(Claim *claim)
{
    MODEL_CHECK(claimState(RELAXED_LOAD(claim)) != ClaimArmed);
}

void outsideCancelAll(void)
{
}

bool foreignInterrupt(Thread *thread)
{
    (void)thread;
    return false; /* nobody is in a call */
}

void startupUncaught(Thread *thread, int code, void *payload)
{
    (void)thread, (void)code, (void)payload;
}

/* ---- Linked, not reached -------------------------------------------------------------------- */

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

void scheduleSafepointSlow(Capability *capability)
{
    (void)capability;
    UNREACHED;
}

/* Deadlines pass when a model says so. */
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap, (void)timer, (void)number, (void)deadline_ns;
    return 0;
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}

int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)deadline_ns;
    UNREACHED;
    return 0;
}

/* The memory stays as it is. */
void poolGive(Pool *pool, void *item)
{
    (void)pool, (void)item;
}

void poolEach(Pool *pool, void (*visit)(void *item))
{
    (void)pool, (void)visit;
    UNREACHED;
}

#endif
