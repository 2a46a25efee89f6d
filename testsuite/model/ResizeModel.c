/* ResizeModel.c -- every interleaving of disabling a capability with its sleep, sends and thieves.
 *
 * not-under: tsan asan valgrind
 * model-sources: capability/Idle.c capability/Capability.c capability/RunQueue.c iomgr/Clock.c
 *
 * The real Disabled.c runs on capability 1 of two: See Note [Resizing].  Works are no threads.
 */
#include "rts/Disabled.c"

#include "testsuite/model/SleepStage.h"

/* Of the floor above, for rts/Disabled.c: works are no threads, nothing is kept warm. */
uint32_t starved_count;

void taskRun(Runnable *runnable, Capability *here)
{
    (void)runnable, (void)here;
}
void taskDrain(Scheduler *scheduler)
{
    (void)scheduler;
}
void threadCacheDrain(ThreadCache *cache)
{
    (void)cache;
}
void stackCacheDrain(StackCache *cache, int64_t now_ns)
{
    (void)cache, (void)now_ns;
}
void starvedRetrySlow(Scheduler *scheduler, size_t region)
{
    (void)scheduler, (void)region;
}
size_t stackDefaultSize(void)
{
    return 0;
}
void scheduleReady(Thread *ready, Capability *here)
{
    (void)ready, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}
void scheduleRunThread(Runnable *runnable, Capability *capability)
{
    (void)runnable, (void)capability;
    modelFail(__FILE__, __LINE__, "not reached");
}

void scheduleRunNewborn(Runnable *runnable, Capability *capability)
{
    scheduleRunThread(runnable, capability);
}

/* It has a work of its own, which anyone may take: the Monitor has found it stuck. */
static void setUpLaden(void *at)
{
    State *state = at;
    setUpTwo(at);
    MODEL_WRITE(state->works[0].payload, 1);
    capabilityPush(&state->capabilities[1], &state->works[0].runnable);
    state->capabilities[1].attention = AttentionPoll;
}

/* As rts/Loop.c: run while enabled, hand on while not.  It sleeps in the end, always. */
static void runOrServe(void *at)
{
    State *state = at;
    Capability *capability = &state->capabilities[1];
    for (;;) {
        if (SEQ_CST_LOAD(&capability->mode) != CapabilityEnabled) {
            disabledServe(schedulerOf(capability));
            continue;
        }
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable != NULL)
            run(runnable);
        else
            rest(state, 1);
    }
}

static void sendToSecond(void *at)
{
    State *state = at;
    MODEL_WRITE(state->works[0].payload, 1);
    capabilitySend(&state->capabilities[1], &state->works[0].runnable, true);
}

static void disable(void *at)
{
    (void)at;
    capabilityTableEnable(1);
}

static void disableAndEnable(void *at)
{
    (void)at;
    capabilityTableEnable(1);
    capabilityTableEnable(2);
}

static void setUpDisabled(void *at)
{
    setUpLaden(at);
    capabilityTableEnable(1);
}

/* A thief comes while it is handed on. */
static void steal(void *at)
{
    State *state = at;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    if (runQueueSteal(&state->capabilities[1].queue, 0, stolen) != 0)
        run(stolen[0]);
}

static uint32_t lengthOf(const Runnable *list)
{
    uint32_t length = 0;
    for (; list != NULL; list = list->next)
        length++;
    return length;
}

/* All sleep: nothing is left with capability 1, and what it did not run came to 0, once. */
static bool isServed(void *at)
{
    State *state = at;
    Capability *first = &state->capabilities[0], *second = &state->capabilities[1];
    uint32_t arrived = lengthOf(first->inbox.open) + lengthOf(first->inbox.pinned);
    return second->inbox.open == NULL && second->inbox.pinned == NULL &&
           !capabilityHasReady(second) && state->wakeups[1] == 0 && second->sleep == IdleAsleep &&
           state->works[0].done + arrived == 1;
}

/* ... and it knows that it is disabled: nobody calls it for surplus. */
static bool isServedAside(void *at)
{
    return isServed(at) && idle_disabled.sleeping == 2 && (idle.sleeping & 2) == 0;
}

/* ... and it knows that it is enabled again. */
static bool isServedAndBack(void *at)
{
    return isServed(at) && idle_disabled.sleeping == 0 && (idle.sleeping & 2) != 0;
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"disableAsleep", SIZE, 2, setUpLaden, {runOrServe, disable}, NULL, isServedAside, 0},
    {"disable", SIZE, 3, setUpTwo, {runOrServe, sendToSecond, disable}, NULL, isServedAside, 0},
    {"enable", SIZE, 2, setUpLaden, {runOrServe, disableAndEnable}, NULL, isServedAndBack, 0},
    {"handOnAgainstSteal", SIZE, 2, setUpDisabled, {runOrServe, steal}, NULL, isServedAside, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
