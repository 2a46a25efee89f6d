/* TaskFdModel.c -- every interleaving of a task's wait for an fd, its events, closing and reusing.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/TaskFd.c rts/TaskWait.c rts/ThreadWait.c
 * model-sources: iomgr/EventManager.c iomgr/FdAwait.c iomgr/WatchList.c
 *
 * FdWaitModel.c with a task in place of the green thread: its step has seen EAGAIN, or nothing, and
 * has returned; the real code arms the wait, and finishes it when the task has been queued.  How
 * the task is carried from step to step: TaskModel.c.
 */
#include "capability/FdHome.c"
#include "iomgr/Clock.c"
#include "iomgr/FdRegister.c"
#include "iomgr/FdSlot.c"
#include "iomgr/FdTable.c"
#include "iomgr/Registration.c"
#include "rts/Park.c"
#include "rts/Wait.c"

#include "iomgr/FdAwait.h"
#include "rts/MVar.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/TaskWait.h"
#include "testsuite/model/Explorer.h"

#include <capri/fd.h>

#include <errno.h>
#include <string.h>

#include "testsuite/model/FdWaitScenes.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/QueueStubs.h"
#include "testsuite/model/TaskSTMStubs.h"
#include "testsuite/model/TaskStubs.h"

/* ---- How it begins --------------------------------------------------------------------------- */

static void becomeTask(State *state)
{
    state->thread.node.tag = TAG_TASK;
    state->thread.interrupts = INTERRUPTS_TASK;
}

static void begin(void *at)
{
    setUp(at);
    becomeTask(at);
}

static void beginElsewhere(void *at)
{
    setUpElsewhere(at);
    becomeTask(at);
}

static void beginUntouched(void *at)
{
    setUpUntouched(at);
    becomeTask(at);
}

static void beginAdopted(void *at)
{
    setUpAdopted(at);
    becomeTask(at);
}

static void beginStaleHome(void *at)
{
    setUpStaleHome(at);
    becomeTask(at);
}

/* ---- The task -------------------------------------------------------------------------------- */

/* From the end of a step that has recorded the wait to the beginning of the next. */
static int waitForFd(State *state, const FdView *view, int64_t deadline_ns)
{
    Capability *here = &state->capabilities[0];
    TaskContext step = {.task = &state->thread,
                        .kind = TaskWaitFd,
                        .records = 1,
                        .deadline_ns = deadline_ns,
                        .view_fd = -1,
                        .direction = FdRead,
                        .fd = FD};
    TaskContext next = {.task = &state->thread};
    if (view != NULL) {
        step.view = *view;
        step.view_fd = FD;
        step.view_direction = FdRead;
    }
    state->parks++;
    if (!taskWaitArm(&step, here))
        scheduleReady(&state->thread, here);
    modelBlock(isQueued, state);
    MODEL_CHECK(taskWaitFinish(&next, here));
    MODEL_WRITE(state->thread.node.next, NULL); /* ours again */
    return next.status;
}

/* Its step has met EAGAIN. */
static void waitOnceUntil(State *state, int64_t deadline_ns)
{
    FdView view = threadWaitView(FD, FdRead);
    if (!isFileReadable(state)) {
        int result = waitForFd(state, &view, deadline_ns);
        MODEL_CHECK(result == 0 || result == -EBADF);
    }
    RELAXED_STORE(&state->over, 1);
}

static void waitOnce(void *at)
{
    waitOnceUntil(at, DEADLINE_NEVER);
}

static void waitOnceTimed(void *at)
{
    waitOnceUntil(at, DEADLINE_NEVER - 1);
}

/* Without the look at the file: nothing arrives. */
static void waitUntil(State *state, int64_t deadline_ns)
{
    FdView view = threadWaitView(FD, FdRead);
    int result = waitForFd(state, &view, deadline_ns);
    MODEL_CHECK(result == 0 || result == -EBADF);
}

static void waitNow(void *at)
{
    waitUntil(at, DEADLINE_NEVER);
}

static void waitNowTimed(void *at)
{
    waitUntil(at, DEADLINE_NEVER - 1);
}

/* Un-adopted, and its step has not looked. */
static void waitBareNow(void *at)
{
    State *state = at;
    MODEL_CHECK(waitForFd(state, NULL, DEADLINE_NEVER) == 0);
    RELAXED_STORE(&state->over, 1);
}

static void waitOut(void *at)
{
    State *state = at;
    FdView view = threadWaitView(FD, FdRead);
    int result = waitForFd(state, &view, DEADLINE_NEVER - 1);
    MODEL_CHECK(result == 0 || result == -ETIMEDOUT);
    RELAXED_STORE(&state->over, 1);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"closeLate", SIZE, 2, beginAdopted, {waitNow, closeLate}, checkEnd, NULL, 0},
    {"closeElsewhere", SIZE, 2, beginElsewhere, {waitNow, closeLate}, checkEnd, NULL, 0},
    {"closeTimed", SIZE, 2, beginElsewhere, {waitNowTimed, closeLate}, checkEnd, NULL, 0},
    {"reuseElsewhere", SIZE, 2, beginElsewhere, {waitNow, reuser}, checkEnd, isNewFile, 0},
    {"reuseUntouched", SIZE, 2, beginUntouched, {waitNow, reuser}, checkEnd, isNewFile, 0},
    {"arrival", SIZE, 2, begin, {waitBareNow, arrival}, checkEnd, NULL, 0},
    {"arrivalAdopted", SIZE, 2, beginAdopted, {waitOnce, arrival}, checkEnd, NULL, 0},
    {"arrivalElsewhere", SIZE, 2, beginElsewhere, {waitOnce, arrival}, checkEnd, NULL, 0},
    {"arrivalTimed", SIZE, 2, beginElsewhere, {waitOnceTimed, arrival}, checkEnd, NULL, 0},
    {"moveHome", SIZE, 2, beginElsewhere, {waitNow, moveHome}, checkEnd, isAtNewHome, 0},
    {"moveToStaleHome",
     SIZE,
     2,
     beginStaleHome,
     {waitNow, lookAtNewHome},
     checkEnd,
     isAtNewHome,
     0},
    {"timeOut", SIZE, 3, beginElsewhere, {waitOut, timeOut, fireElsewhere}, checkEnd, NULL, 0},
};

int main(int argc, char **argv)
{
    if (!makeTables())
        return 2;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
