/* RegisterModel.c -- every interleaving of registering, events, unregistering and closing.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/FdRegister.c iomgr/Registration.c iomgr/FdAwait.c iomgr/EventManager.c
 *
 * One number in one manager, through the real code.  Made up is the kernel: whether the file is
 * open and readable, and what is asked for, level-triggered or one-shot.  A callback reads, which
 * makes the file unreadable.  What must hold: a registration is called by one thread at a time and
 * never after its env was freed; whoever waits while there is something to read is watched for;
 * a close calls each registration once, and as the last.
 */
#include "iomgr/FdSlot.c"
#include "iomgr/FdTable.c"
#include "iomgr/WatchList.c"

#include "iomgr/FdAwait.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/ManagerStubs.h"

#include <errno.h>
#include <string.h>

enum { FD = 5, MOST = 3 };

struct BackendState {
    bool known, level;
    uint32_t interest;
    uint64_t cookie;
};

typedef struct Env {
    uint64_t memory; /* read and written by calls, written by who frees it: a race fails */
    uint32_t calls, closes;
    FdKey key;
} Env;

typedef struct State {
    EventManager manager;
    BackendState epoll;
    uint32_t kernel; /* its calls come one after the other: what they change is plain */
    bool open, readable;
    Registration memory[MOST];
    uint32_t allocated, released;
    Env envs[MOST];
} State;

static State *current;
static FdTable table; /* made once, with the slot of FD */

/* ---- the kernel ------------------------------------------------------------------------------ */

static void enterKernel(void)
{
    ADD_SEQ_CST(&current->kernel, 1);
}

static int changeFd(BackendState *epoll, WatchMode mode, uint32_t interest, uint64_t cookie,
                    bool known)
{
    enterKernel();
    if (!current->open)
        return -EBADF;
    if (epoll->known != known)
        return known ? -ENOENT : -EEXIST;
    *epoll = (BackendState){true, mode == WatchLevel, interest, cookie};
    return 0;
}

static int addFd(BackendState *epoll, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    (void)fd;
    return changeFd(epoll, mode, interest, cookie, false);
}

static int modifyFd(BackendState *epoll, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    (void)fd;
    return changeFd(epoll, mode, interest, cookie, true);
}

static int removeFd(BackendState *epoll, int fd)
{
    (void)fd;
    enterKernel();
    if (!epoll->known)
        return current->open ? -ENOENT : -EBADF;
    *epoll = (BackendState){.known = false};
    return 0;
}

static int pollFds(BackendState *epoll, int64_t timeout_ns, EventRecord *records, int most)
{
    (void)timeout_ns, (void)most;
    enterKernel();
    if (!epoll->known || !current->readable || (epoll->interest & EventRead) == 0)
        return 0;
    records[0] = (EventRecord){epoll->cookie, EventRead};
    if (!epoll->level)
        epoll->interest = 0;
    return 1;
}

static const Backend backend = {
    .name = "model",
    .levels = true,
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

int backendOpen(const Backend **opened, BackendState **state, int wake_fd, const Allocator *from)
{
    (void)opened, (void)state, (void)wake_fd, (void)from;
    return -ENOSYS; /* the manager is put together by hand */
}

static void closeNumber(void)
{
    enterKernel();
    current->open = false;
    current->epoll = (BackendState){.known = false};
}

/* ---- memory, and what is linked but never reached -------------------------------------------- */

static void *allocateOne(void *context, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    return &current->memory[ADD_RELAXED(&current->allocated, 1)];
}

static void releaseOne(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    ((Registration *)memory)->callback = NULL;
    ADD_RELAXED(&current->released, 1);
}

static const Allocator allocator = {allocateOne, releaseOne, NULL};

const Clock clockMonotonic = {NULL, NULL};

/* ---- the threads ----------------------------------------------------------------------------- */

static int noteCall(EventManager *manager, FdKey key, uint32_t events, void *at)
{
    Env *env = at;
    (void)manager, (void)key;
    uint64_t before = MODEL_READ(env->memory);
    if (events & EventClose) {
        MODEL_CHECK(ADD_RELAXED(&env->closes, 1) == 0);
        MODEL_WRITE(env->memory, before + 1);
        return 0;
    }
    MODEL_CHECK(RELAXED_LOAD(&env->closes) == 0);
    ADD_RELAXED(&env->calls, 1);
    enterKernel();
    current->readable = false;
    MODEL_WRITE(env->memory, before + 1); /* after the kernel's call, which orders as well */
    return 0;
}

static int registerAs(int index, Lifetime lifetime)
{
    Env *env = &current->envs[index];
    return registerFd(&current->manager, noteCall, env, FD, EventRead, lifetime, &env->key);
}

static void setUp(void *at)
{
    State *state = at;
    current = state;
    state->open = true;
    state->manager.backend = &backend;
    state->manager.state = &state->epoll;
    state->manager.allocator = &allocator;
    state->manager.timers.earliest_ns = state->manager.timers.posted_ns = DEADLINE_NEVER;
    state->manager.table = table;
    *fdTableFind(&table, FD) = (FdSlot){.edges = UINT64_C(1) << 32 | 1};
    modelForget(fdTableFind(&table, FD), sizeof(FdSlot));
}

/* One is registered, and there is something to read. */
static void setUpMulti(void *at)
{
    setUp(at);
    MODEL_CHECK(registerAs(0, MultiShot) == 0);
    current->readable = true;
}

static void setUpOnce(void *at)
{
    setUp(at);
    MODEL_CHECK(registerAs(0, OneShot) == 0);
    current->readable = true;
}

static void setUpAlone(void *at)
{
    setUp(at);
    current->manager.exclusive = true;
    MODEL_CHECK(registerAs(0, MultiShot) == 0);
    current->readable = true;
}

static void pollOnce(void *at)
{
    (void)at;
    eventManagerRescue(&current->manager, NULL);
}

/* Twice, so that what was armed again is looked at. */
static void pollTwice(void *at)
{
    pollOnce(at);
    pollOnce(at);
}

static void arrive(void *at)
{
    (void)at;
    enterKernel();
    current->readable = true;
}

static void registerSecond(void *at)
{
    (void)at;
    int result = registerAs(1, MultiShot);
    MODEL_CHECK(result == 0 || (result == -EBADF && !current->open));
}

static void unregisterFirst(void *at)
{
    Env *env = &current->envs[0];
    (void)at;
    int result = unregisterFd(&current->manager, env->key);
    MODEL_CHECK(result == 0 || result == 1 || result == -EINPROGRESS);
    if (result == 1)
        MODEL_WRITE(env->memory, 99); /* freed: a race with any call, and none may come later */
    modelOutcome((uint64_t)(result + 200));
}

static void closeIt(void *at)
{
    (void)at;
    eventManagerClosingFd(&current->manager, FD, NULL);
    closeNumber();
    eventManagerClosedFd(&current->manager, FD, NULL);
}

/* As closeIt, for where nobody comes to register meanwhile. */
static void closeOnly(void *at)
{
    (void)at;
    eventManagerClosingFd(&current->manager, FD, NULL);
    closeNumber();
}

static void exchange(void *at)
{
    unregisterFirst(at);
    registerSecond(at);
}

/* Whoever is registered while there is something to read is watched for. */
static void checkWatched(void *at)
{
    State *state = at;
    FdSlot *slot = fdTableFind(&table, FD);
    MODEL_CHECK(registrationSane(slot) && fdSlotSane(slot));
    for (Registration *r = slot->registrations; r != NULL; r = r->next) {
        MODEL_CHECK(r->state == RegistrationWaiting);
        MODEL_CHECK(state->epoll.known && (state->epoll.interest & EventRead) != 0);
    }
    uint32_t living = 0;
    for (Registration *r = slot->registrations; r != NULL; r = r->next)
        living++;
    MODEL_CHECK(state->manager.registered == living);
    MODEL_CHECK(state->allocated - state->released == living);
}

static void checkUnregistered(void *at)
{
    State *state = at;
    checkWatched(at);
    MODEL_CHECK(state->envs[0].closes == 0 && state->envs[0].calls <= 1);
    MODEL_CHECK(state->envs[0].memory == 99 || state->envs[0].calls == 1);
    MODEL_CHECK(state->manager.registered == 0 && state->epoll.interest == 0);
}

/* Beside a second one that stays. */
static void checkSecondStays(void *at)
{
    State *state = at;
    checkWatched(at);
    MODEL_CHECK(state->manager.registered == 1);
}

static void checkClosed(void *at)
{
    State *state = at;
    checkWatched(at);
    MODEL_CHECK(state->manager.registered == 0 && state->manager.fds == 0);
    for (int i = 0; i < MOST; i++)
        MODEL_CHECK(state->envs[i].closes <= 1 && state->envs[i].calls <= 2);
}

static void checkMultiClosed(void *at)
{
    checkClosed(at);
    MODEL_CHECK(((State *)at)->envs[0].closes == 1);
}

/* A OneShot is called, or hears of the close. */
static void checkOnceClosed(void *at)
{
    State *state = at;
    checkClosed(at);
    MODEL_CHECK(state->envs[0].closes + state->envs[0].calls == 1);
}

static void checkOnce(void *at)
{
    State *state = at;
    checkWatched(at);
    MODEL_CHECK(state->envs[0].calls == 1 && state->manager.registered == 0);
}

/* Unregistered or closed, whoever came first. */
static void checkEnded(void *at)
{
    State *state = at;
    checkClosed(at);
    MODEL_CHECK((state->envs[0].memory == 99) + state->envs[0].closes == 1);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"registerAgainstEvent",
     SIZE,
     3,
     setUp,
     {registerSecond, pollOnce, arrive},
     checkWatched,
     NULL,
     0},
    {"secondAgainstEvent", SIZE, 2, setUpMulti, {registerSecond, pollOnce}, checkWatched, NULL, 0},
    {"twoPollers", SIZE, 3, setUpMulti, {pollOnce, pollTwice, arrive}, checkWatched, NULL, 0},
    {"oneShotTwoPollers", SIZE, 3, setUpOnce, {pollOnce, pollOnce, arrive}, checkOnce, NULL, 0},
    {"unregisterAgainstDispatch",
     SIZE,
     2,
     setUpMulti,
     {unregisterFirst, pollOnce},
     checkUnregistered,
     NULL,
     0},
    {"unregisterOneShot",
     SIZE,
     2,
     setUpOnce,
     {unregisterFirst, pollOnce},
     checkUnregistered,
     NULL,
     0},
    {"unregisterAlone",
     SIZE,
     2,
     setUpAlone,
     {unregisterFirst, pollTwice},
     checkUnregistered,
     NULL,
     0},
    {"registerAlone", SIZE, 2, setUpAlone, {registerSecond, pollTwice}, checkWatched, NULL, 0},
    {"exchangeAgainstDispatch",
     SIZE,
     2,
     setUpMulti,
     {exchange, pollOnce},
     checkSecondStays,
     NULL,
     0},
    {"closeAgainstDispatch", SIZE, 2, setUpMulti, {closeOnly, pollOnce}, checkMultiClosed, NULL, 0},
    {"closeOneShot", SIZE, 2, setUpOnce, {closeOnly, pollOnce}, checkOnceClosed, NULL, 0},
    {"closeAlone", SIZE, 2, setUpAlone, {closeOnly, pollOnce}, checkMultiClosed, NULL, 0},
    {"closeAgainstRegister",
     SIZE,
     2,
     setUpMulti,
     {closeIt, registerSecond},
     checkMultiClosed,
     NULL,
     0},
    {"unregisterThenClose", SIZE, 2, setUpMulti, {closeIt, unregisterFirst}, checkEnded, NULL, 0},
};

int main(int argc, char **argv)
{
    if (fdTableInit(&table, NULL) < 0 || fdTableGet(&table, FD) == NULL)
        return 1;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
