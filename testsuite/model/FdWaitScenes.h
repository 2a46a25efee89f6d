/* FdWaitScenes.h -- what FdWaitModel.c and TaskFdModel.c have in common: who comes in between, and
 * what must hold in the end.
 */
#ifndef MODEL_FD_WAIT_SCENES_H
#define MODEL_FD_WAIT_SCENES_H

#include "testsuite/model/FdWaitThreads.h"

static bool isFileReadable(State *state)
{
    enterKernel();
    return isReadable(state->file);
}

static void fireOther(WatchNode *node, uint64_t number, int result, void *sink)
{
    (void)node, (void)number, (void)result, (void)sink;
}

/* The other thread has just moved the number to capability 0, whose slot believes that it knows the
 * file: it did once. */
static void setUpStaleHome(void *at)
{
    State *state = at;
    setUpElsewhere(at);
    moveHome(at);
    fdTableFind(&tables[0], FD)->control = SLOT_EDGE;
    state->capabilities[0].manager.fds = 1;
}

/* Now its wait makes the new home's kernel look. */
static void lookAtNewHome(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->other.fire, fireOther);
    int result = eventManagerAwait(&state->capabilities[0].manager, FD, FdAdopted | FdNewHome,
                                   FdRead, (FdSeen){.who = 2}, &state->other, NULL);
    MODEL_CHECK(result == 0 || result == 1);
}

/* Waiting for the new file, which is not readable, is no mistake: its waiter is where its home
 * is. */
static bool isNewFile(void *at)
{
    State *state = at;
    uint32_t home = fdHomeLook(FD) & 0xffff;
    return home != 0 && state->file == 2 && state->epolls[home - 1].file == 2 &&
           state->thread.node.linked == 1 &&
           watchListHasWatchers(&fdTableFind(&tables[home - 1], FD)->waiters[FdRead]);
}

/* A timed wait ends while an event takes its node. */
static bool isTimedOrOver(void *at)
{
    State *state = at;
    return state->timed != 0 || state->over != 0;
}

static void timeOut(void *at)
{
    State *state = at;
    modelBlock(isTimedOrOver, state);
    uint64_t number = ACQUIRE_LOAD(&state->timed);
    if (number != 0)
        parkTimerFired(&state->thread.timer, number, NULL);
}

static void fireElsewhere(void *at)
{
    (void)at;
    fdSlotFire(fdTableFind(&tables[1], FD), FdRead, 0, NULL);
}

static void checkEnd(void *at)
{
    State *state = at;
    MODEL_CHECK(state->queued == state->parks && state->thread.node.linked == 0);
    for (int i = 0; i < CAPABILITIES; i++)
        MODEL_CHECK(fdSlotSane(fdTableFind(&tables[i], FD)));
}

/* Nothing arrives: the thread waits where the number lives now, and that kernel knows the file. */
static bool isAtNewHome(void *at)
{
    State *state = at;
    return (fdHomeLook(FD) & HOME_MASK) == 1 && state->thread.node.linked == 1 &&
           state->epolls[0].file == 1 &&
           watchListHasWatchers(&fdTableFind(&tables[0], FD)->waiters[FdRead]);
}

/* Once, before the models run. */
static bool makeTables(void)
{
    static Capability first;
    for (int i = 0; i < CAPABILITIES; i++) {
        if (fdTableInit(&tables[i], NULL) != 0 || fdTableGet(&tables[i], FD) == NULL)
            return false;
    }
    capabilities.count = capabilities.enabled = 1;
    capabilities.items[0] = &first;
    return fdHomeStart(NULL) == 0 && fdHomeSettle(FD, &first) != 0;
}

#endif
