/* Run.c -- the runtime, from the first coroutine to the last.
 *
 * See Note [The end of a program] and Note [Who touches a Lua state].
 */
#include "Run.h"

#include "Channel.h"
#include "Coroutine.h"
#include "Roster.h"
#include "Ticker.h"

#include <lauxlib.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GRACE_MS = 1000 };

static const int64_t ms_ns = 1000 * 1000;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool up, ending, over, failed; /* under the lock, which wakes who waits for ending or over */
    uint32_t count;
    State *states[CAPABILITIES_MOST]; /* each its capability's, until all coroutines have ended */
    Coroutine *first;
    SignalWatch *watch;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

uint32_t runCount(void)
{
    return run.count;
}

bool runIsUp(void)
{
    pthread_mutex_lock(&run.lock);
    bool up = run.up;
    pthread_mutex_unlock(&run.lock);
    return up;
}

State *runState(uint32_t capability)
{
    if (run.states[capability] == NULL)
        run.states[capability] = stateOpen(capability);
    return run.states[capability];
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Is it asked to end (true), or over by itself? */
static bool waitForEnd(void)
{
    pthread_mutex_lock(&run.lock);
    while (!run.ending && !run.over)
        pthread_cond_wait(&run.changed, &run.lock);
    bool ending = run.ending;
    pthread_mutex_unlock(&run.lock);
    return ending;
}

/* On an OS thread of its own: all capabilities may be kept busy. */
static void *endAll(void *env)
{
    (void)env;
    if (!waitForEnd())
        return NULL;
    int64_t deadline_ns = rtsNow() + GRACE_MS * ms_ns;
    rosterTell(InterruptEnd, deadline_ns);
    if (rosterWait(deadline_ns) == 0)
        return NULL;
    deadline_ns = rtsNow() + GRACE_MS * ms_ns;
    rosterTell(InterruptCut, deadline_ns);
    if (rosterWait(deadline_ns) == 0)
        return NULL;
    fprintf(stderr, "capri: a C function does not return; the process exits\n");
    _exit(1);
}

static void beginEnd(bool failed)
{
    pthread_mutex_lock(&run.lock);
    run.failed = run.failed || failed;
    run.ending = true;
    pthread_cond_broadcast(&run.changed);
    pthread_mutex_unlock(&run.lock);
}

void runFail(void)
{
    beginEnd(true);
}

static bool isOver(void)
{
    pthread_mutex_lock(&run.lock);
    bool over = run.over;
    pthread_mutex_unlock(&run.lock);
    return over;
}

static void setOver(void)
{
    pthread_mutex_lock(&run.lock);
    run.over = true;
    pthread_cond_broadcast(&run.changed);
    pthread_mutex_unlock(&run.lock);
}

/* Valgrind has SIGRTMAX. */
static int endSignal(void)
{
    return SIGRTMAX - 1;
}

/* A watch may be released only when nobody is about to wait for it: endSignal, sent by ourselves,
 * ends this, and has come when this has ended: unwatched it would kill the process. */
static void *watchSignals(void *env)
{
    SignalInfo info;
    (void)env;
    while (signalWait(run.watch, &info) == 0) {
        if (info.number != endSignal())
            beginEnd(false);
        else if (isOver())
            break;
    }
    return NULL;
}

/* From the first coroutine's begin to the last one's end; endAll stands by. */
static int runWatched(void)
{
    pthread_t watcher;
    int failed = -pthread_create(&watcher, NULL, watchSignals, NULL);
    if (failed != 0)
        return failed;
    failed = coroutineStart(run.first);
    if (failed == 0)
        rosterWait(INT64_MAX);
    setOver();
    kill(getpid(), endSignal());
    pthread_join(watcher, NULL);
    return failed;
}

static int runAll(void)
{
    const int numbers[] = {SIGINT, SIGTERM, endSignal()};
    pthread_t ender;
    int failed = signalWatch(numbers, 3, &run.watch);
    if (failed != 0)
        return failed;
    failed = -pthread_create(&ender, NULL, endAll, NULL);
    if (failed == 0) {
        failed = runWatched();
        setOver();
        pthread_join(ender, NULL);
    }
    signalRelease(run.watch);
    return failed;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int begin(lua_State *L, const RtsConfig *config)
{
    int failed = rtsInit(config);
    if (failed != 0)
        return failed;
    failed = rosterOpen();
    run.count = capabilityCount();
    memset(run.states, 0, sizeof run.states);
    run.states[0] = stateFind(L);
    run.states[0]->L = L;
    run.states[0]->capability = 0;
    run.failed = run.ending = run.over = false;
    run.first = coroutineNew(0);
    tickerStart(coroutineTick);
    pthread_mutex_lock(&run.lock);
    run.up = true;
    pthread_mutex_unlock(&run.lock);
    return run.first == NULL ? -ENOMEM : failed;
}

static int attachFirst(lua_State *L)
{
    run.first->first = true;
    coroutineAttach(L, run.first, lua_gettop(L) - 1);
    return 0;
}

/* What is left in L's state must not refer to what the runtime had. */
static void finish(lua_State *L)
{
    if (run.first != NULL)
        rosterRelease(run.first);
    for (uint32_t i = 1; i < run.count; i++)
        if (run.states[i] != NULL)
            stateClose(run.states[i]);
    lua_gc(L, LUA_GCCOLLECT);
    channelEndAll();
    rosterClose();
    tickerEnd();
    pthread_mutex_lock(&run.lock);
    run.up = false;
    run.count = 0;
    pthread_mutex_unlock(&run.lock);
    rtsShutdown(Cancel, INT64_MAX);
}

int runFunction(lua_State *L, const RtsConfig *config)
{
    if (runIsUp())
        return -EALREADY;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int failed = begin(L, config), attached = LUA_OK;
    if (failed != 0 && !runIsUp())
        return failed;
    if (failed == 0) {
        lua_pushcfunction(L, attachFirst);
        lua_insert(L, 1);
        attached = lua_pcall(L, lua_gettop(L) - 1, 0, 0);
        if (attached == LUA_OK)
            failed = runAll();
    }
    RunEnd how = run.failed ? RunDied : run.ending ? RunAsked : RunDone;
    finish(L);
    if (attached != LUA_OK)
        return lua_error(L);
    return failed != 0 ? failed : (int)how;
}
