/* FdWaitModel.c -- every interleaving of waiting for an fd, its events, and closing or reusing it.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/ThreadWait.c iomgr/EventManager.c iomgr/FdAwait.c iomgr/WatchList.c
 *
 * One green thread waits for one number through the real code, from threadWaitRead to the claim, on
 * one of two capabilities.  Made up are the switch away (commit, then sleep until queued) and the
 * kernel: which file the number stands for, whether that is readable, and what each of the two
 * managers has registered.  A waiter whose file is gone or readable must not sleep for ever.
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
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/ThreadWait.h"
#include "testsuite/model/Explorer.h"

#include <capri/fd.h>

#include <errno.h>
#include <string.h>

#include "testsuite/model/FdWaitScenes.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/QueueStubs.h"

/* ---- The threads ----------------------------------------------------------------------------- */

/* As fdRead: EAGAIN, then wait, with the count that was seen before. */
static void waitOnceUntil(State *state, int64_t deadline_ns)
{
    FdView view = threadWaitView(FD, FdRead);
    if (!isFileReadable(state)) {
        int result = threadWaitFd(FD, FdRead, &view, deadline_ns);
        MODEL_CHECK(result == 0 || result == -EBADF);
        MODEL_WRITE(state->thread.node.next, NULL); /* ours again */
    }
    RELAXED_STORE(&state->over, 1);
}

static void waitOnce(void *at)
{
    waitOnceUntil(at, DEADLINE_NEVER);
}

/* With a deadline that does not come: by the claim, not by the list. */
static void waitOnceTimed(void *at)
{
    waitOnceUntil(at, DEADLINE_NEVER - 1);
}

/* Without the look at the file: nothing arrives. */
static void waitUntil(int64_t deadline_ns)
{
    FdView view = threadWaitView(FD, FdRead);
    int result = threadWaitFd(FD, FdRead, &view, deadline_ns);
    MODEL_CHECK(result == 0 || result == -EBADF);
}

static void waitNow(void *at)
{
    (void)at;
    waitUntil(DEADLINE_NEVER);
}

static void waitNowTimed(void *at)
{
    (void)at;
    waitUntil(DEADLINE_NEVER - 1);
}

/* Un-adopted, and without a count. */
static void waitBareNow(void *at)
{
    State *state = at;
    MODEL_CHECK(threadWaitRead(FD) == 0);
    RELAXED_STORE(&state->over, 1);
}

static void waitOut(void *at)
{
    State *state = at;
    FdView view = threadWaitView(FD, FdRead);
    int result = threadWaitFd(FD, FdRead, &view, DEADLINE_NEVER - 1);
    MODEL_CHECK(result == 0 || result == -ETIMEDOUT);
    MODEL_WRITE(state->thread.node.next, NULL); /* ours again */
    RELAXED_STORE(&state->over, 1);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"closeLate", SIZE, 2, setUpAdopted, {waitNow, closeLate}, checkEnd, NULL, 0},
    {"closeElsewhere", SIZE, 2, setUpElsewhere, {waitNow, closeLate}, checkEnd, NULL, 0},
    {"reuseElsewhere", SIZE, 2, setUpElsewhere, {waitNow, reuser}, checkEnd, isNewFile, 0},
    {"reuseUntouched", SIZE, 2, setUpUntouched, {waitNow, reuser}, checkEnd, isNewFile, 0},
    {"arrival", SIZE, 2, setUp, {waitBareNow, arrival}, checkEnd, NULL, 0},
    {"arrivalAdopted", SIZE, 2, setUpAdopted, {waitOnce, arrival}, checkEnd, NULL, 0},
    {"moveHome", SIZE, 2, setUpElsewhere, {waitNow, moveHome}, checkEnd, isAtNewHome, 0},
    {"moveToStaleHome",
     SIZE,
     2,
     setUpStaleHome,
     {waitNow, lookAtNewHome},
     checkEnd,
     isAtNewHome,
     0},
    {"arrivalElsewhere", SIZE, 2, setUpElsewhere, {waitOnce, arrival}, checkEnd, NULL, 0},
    {"arrivalTimed", SIZE, 2, setUpElsewhere, {waitOnceTimed, arrival}, checkEnd, NULL, 0},
    {"timeOut", SIZE, 3, setUpElsewhere, {waitOut, timeOut, fireElsewhere}, checkEnd, NULL, 0},
    {"closeTimed", SIZE, 2, setUpElsewhere, {waitNowTimed, closeLate}, checkEnd, NULL, 0},
};

int main(int argc, char **argv)
{
    if (!makeTables())
        return 2;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
