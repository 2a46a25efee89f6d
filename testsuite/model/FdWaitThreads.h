/* FdWaitThreads.h -- where FdWaitModel.c and EventModel.c begin, and who comes in between. */
#ifndef MODEL_FD_WAIT_THREADS_H
#define MODEL_FD_WAIT_THREADS_H

#include "testsuite/model/FdWaitStage.h"

static void setUp(void *at)
{
    State *state = at;
    current = state;
    parkCancelReset();
    fdHomeLeave(FD);
    capabilities.count = capabilities.enabled = CAPABILITIES;
    state->file = 1;
    state->thread.id = 1;
    state->capabilities[0].current = &state->thread;
    for (int i = 0; i < CAPABILITIES; i++) {
        EventManager *manager = &state->capabilities[i].manager;
        state->capabilities[i].index = (uint32_t)i;
        capabilities.items[i] = &state->capabilities[i];
        manager->backend = &backend;
        manager->state = &state->epolls[i];
        manager->table = tables[i];
        manager->timers.earliest_ns = manager->timers.posted_ns = DEADLINE_NEVER;
        *fdTableFind(&tables[i], FD) = (FdSlot){.edges = UINT64_C(1) << 32 | 1};
    }
}

/* The number already lives with capability 1, and was waited for there: registered, nobody
 * waits. */
static void setUpElsewhere(void *at)
{
    State *state = at;
    setUp(at);
    MODEL_CHECK(fdHomeFresh(FD, FdAdopted, NULL) == 0);
    MODEL_CHECK(fdHomeSettle(FD, &state->capabilities[1]) != 0);
    EventManager *manager = &state->capabilities[1].manager;
    FdSlot *slot = fdTableFind(&tables[1], FD);
    slot->control = SLOT_EDGE;
    manager->fds = 1;
    state->epolls[1] = (BackendState){.file = 1, .cookie = FD};
}

/* It has a home, where nobody has waited for it yet: the slot believes nothing. */
static void setUpUntouched(void *at)
{
    State *state = at;
    setUp(at);
    MODEL_CHECK(fdHomeFresh(FD, FdAdopted, NULL) == 0);
    MODEL_CHECK(fdHomeSettle(FD, &state->capabilities[1]) != 0);
}

/* A number that was adopted and never waited for. */
static void setUpAdopted(void *at)
{
    setUp(at);
    MODEL_CHECK(fdHomeFresh(FD, FdAdopted, NULL) == 0);
}

/* The second half of closeFd: close(2), then whoever has come since the first half is told.  (With
 * the first half, which is reuser's but for the new file, there are too many interleavings.) */
static void closeLate(void *at)
{
    (void)at;
    closeNumber(FD, NULL);
    EventManager *now = fdHomeManager(fdHomeLook(FD));
    if (now != NULL)
        eventManagerClosedFd(now, FD, NULL);
}

/* Closed behind our back and given out again: the new file's opener says so. */
static void reuser(void *at)
{
    State *state = at;
    enterKernel();
    dropFile();
    state->file = 2;
    MODEL_CHECK(fdHomeFresh(FD, FdAdopted, NULL) == 0);
}

/* Capability 1 is disabled, and another thread, on capability 0, waits for the number: by that it
 * moves. */
static void moveHome(void *at)
{
    State *state = at;
    SEQ_CST_STORE(&capabilities.enabled, 1);
    MODEL_CHECK(fdHomeSettle(FD, &state->capabilities[0]) != 0);
}

static bool isArmedOrOver(void *at)
{
    State *state = at;
    return state->over != 0 || state->epolls[0].armed != 0 || state->epolls[1].armed != 0;
}

/* The event, and then the polls of both managers, on and on until the wait is over. */
static void arrival(void *at)
{
    State *state = at;
    arrive(state);
    for (;;) {
        modelBlock(isArmedOrOver, state);
        if (RELAXED_LOAD(&state->over) != 0)
            return;
        for (int i = 0; i < CAPABILITIES; i++)
            eventManagerRescue(&state->capabilities[i].manager, NULL);
    }
}

#endif
