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
#include "iomgr/FdSlot.c"
#include "iomgr/FdTable.c"
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

enum { FD = 5, CAPABILITIES = 2 };

struct BackendState {
    uint32_t file; /* which file is registered under FD; 0: none */
    uint32_t armed;
    uint64_t cookie;
};

typedef struct State {
    Capability capabilities[CAPABILITIES];
    BackendState epolls[CAPABILITIES];
    uint32_t calls;    /* of the kernel: they come one after the other */
    uint32_t file;     /* what the number stands for; 0: closed */
    uint32_t readable; /* bit per file */
    Thread thread;
    uint32_t queued; /* times the thread was made ready */
    uint32_t parks;  /* the thread's own */
    uint32_t over;   /* relaxed: its wait is over */
    WatchNode other; /* another thread's, which waits for the same number */
} State;

static State *current;               /* the one state of this execution */
static FdTable tables[CAPABILITIES]; /* made once, each with the slot of FD */

CapabilityTable capabilities;

/* ---- The kernel ------------------------------------------------------------------------------ */

/* One step of the explorer is a whole call: what follows it, up to the thread's next step, nobody
 * can come between.  So the kernel's fields are plain. */
static void enterKernel(void)
{
    ADD_SEQ_CST(&current->calls, 1);
}

static bool isReadable(uint32_t file)
{
    return file != 0 && (current->readable >> file & 1) != 0;
}

static void registerFile(BackendState *epoll, uint32_t file, uint64_t cookie)
{
    epoll->file = file;
    epoll->cookie = cookie;
    epoll->armed = isReadable(file); /* a change is also a look */
}

static int addFd(BackendState *epoll, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    (void)fd, (void)mode, (void)interest;
    enterKernel();
    uint32_t file = current->file;
    if (file == 0)
        return -EBADF;
    if (epoll->file == file)
        return -EEXIST;
    registerFile(epoll, file, cookie);
    return 0;
}

static int modifyFd(BackendState *epoll, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    (void)fd, (void)mode, (void)interest;
    enterKernel();
    uint32_t file = current->file;
    if (file == 0 || epoll->file != file)
        return file == 0 ? -EBADF : -ENOENT;
    registerFile(epoll, file, cookie);
    return 0;
}

static int removeFd(BackendState *epoll, int fd)
{
    (void)fd;
    enterKernel();
    uint32_t file = current->file;
    if (file == 0 || epoll->file != file)
        return file == 0 ? -EBADF : -ENOENT;
    epoll->file = 0;
    epoll->armed = 0;
    return 0;
}

static int pollFds(BackendState *epoll, int64_t timeout_ns, EventRecord *records, int most)
{
    (void)timeout_ns, (void)most;
    enterKernel();
    bool ready = epoll->armed != 0;
    if (ready) {
        records[0] = (EventRecord){epoll->cookie, EventRead};
        epoll->armed = 0;
    }
    return ready ? 1 : 0;
}

static const Backend backend = {
    .name = "model",
    .edges = true,
    .add = addFd,
    .modify = modifyFd,
    .remove = removeFd,
    .poll = pollFds,
};

const Backend *backendByName(const char *name)
{
    (void)name;
    return &backend;
}

/* The last reference to the file goes, and with it what is registered for it. */
static void dropFile(void)
{
    uint32_t file = current->file;
    for (int i = 0; i < CAPABILITIES; i++) {
        if (current->epolls[i].file != file)
            continue;
        current->epolls[i].file = 0;
        current->epolls[i].armed = 0;
    }
}

static int closeNumber(int fd, void *env)
{
    (void)fd, (void)env;
    enterKernel();
    dropFile();
    current->file = 0;
    return 0;
}

/* Data for the file that the number stands for now. */
static void arrive(State *state)
{
    enterKernel();
    uint32_t file = state->file;
    if (file != 0) {
        state->readable = state->readable | 1u << file;
        for (int i = 0; i < CAPABILITIES; i++)
            if (state->epolls[i].file == file)
                state->epolls[i].armed = 1;
    }
}

/* ---- The scheduler --------------------------------------------------------------------------- */

/* Model thread 0 carries capability 0 and runs the green thread; the others are plain OS
 * threads. */
Worker *workerSelf(void)
{
    static Worker worker;
    worker.capability = &current->capabilities[0];
    return modelThread() == 0 ? &worker : NULL;
}

Thread *scheduleSelf(void)
{
    return modelThread() == 0 ? &current->thread : NULL;
}

static bool isQueued(void *at)
{
    State *state = at;
    return state->queued == state->parks;
}

Capability *schedulePark(Capability *capability)
{
    if (claimCommit(&current->thread.claim)) {
        current->parks++;
        modelBlock(isQueued, current);
    }
    return capability;
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->thread);
    ADD_RELAXED(&current->queued, 1);
}

#include "testsuite/model/FdWaitUnreached.h"

/* ---- The threads ----------------------------------------------------------------------------- */

static void setUp(void *at)
{
    State *state = at;
    current = state;
    parkCancelReset();
    fdHomeLeave(FD);
    capabilities.count = capabilities.enabled = CAPABILITIES;
    state->file = 1;
    state->thread.id = 1;
    for (int i = 0; i < CAPABILITIES; i++) {
        EventManager *manager = &state->capabilities[i].manager;
        state->capabilities[i].index = (uint32_t)i;
        capabilities.items[i] = &state->capabilities[i];
        manager->backend = &backend;
        manager->state = &state->epolls[i];
        manager->table = tables[i];
        manager->timers.earliest_ns = DEADLINE_NEVER;
        *fdTableFind(&tables[i], FD) = (FdSlot){.edges = {1, 1}};
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

static bool isFileReadable(State *state)
{
    enterKernel();
    bool readable = isReadable(state->file);
    return readable;
}

/* As fdRead: EAGAIN, then wait, with the count that was seen before. */
static void waitOnce(void *at)
{
    State *state = at;
    FdView view = threadWaitView(FD, FdRead);
    if (!isFileReadable(state)) {
        int result = threadWaitFd(FD, FdRead, view.edges, DEADLINE_NEVER);
        MODEL_CHECK(result == 0 || result == -EBADF);
    }
    RELAXED_STORE(&state->over, 1);
}

/* Without the looks before it: nothing arrives. */
static void waitNow(void *at)
{
    (void)at;
    int result = threadWaitFd(FD, FdRead, 1, DEADLINE_NEVER);
    MODEL_CHECK(result == 0 || result == -EBADF);
}

/* Un-adopted, and without a count. */
static void waitBareNow(void *at)
{
    State *state = at;
    MODEL_CHECK(threadWaitRead(FD) == 0);
    RELAXED_STORE(&state->over, 1);
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

static void fireOther(WatchNode *node, uint64_t number, int result, void *sink)
{
    (void)node, (void)number, (void)result, (void)sink;
}

/* Capability 1 is disabled, and another thread, on capability 0, waits for the number: by that it
 * moves. */
static void moveHome(void *at)
{
    State *state = at;
    SEQ_CST_STORE(&capabilities.enabled, 1);
    MODEL_CHECK(fdHomeSettle(FD, &state->capabilities[0]) != 0);
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
};

int main(int argc, char **argv)
{
    for (int i = 0; i < CAPABILITIES; i++) {
        if (fdTableInit(&tables[i], NULL) != 0 || fdTableGet(&tables[i], FD) == NULL)
            return 2;
    }
    capabilities.count = capabilities.enabled = 1;
    static Capability first;
    capabilities.items[0] = &first;
    if (fdHomeStart(NULL) != 0 || fdHomeSettle(FD, &first) == 0)
        return 2;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
