/* Coroutine.c -- a coroutine of Lua that is a task of Capri: begun, resumed step by step, ended.
 *
 * See Note [Coroutines] and Note [Ends of coroutines].
 */
#include "Coroutine.h"

#include "Roster.h"
#include "Run.h"
#include "Ticker.h"

#include <lauxlib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char interrupted[] = "interrupted", timed_out[] = "timeout";
static const char untold[] = "an error that cannot be told"; /* its __tostring fails, say */
static const char resumed_oddly[] =
    "a coroutine that waits was resumed by what is not coroutine.resume";
static const char threads_key = 0; /* registry: the Lua threads of coroutines that have not ended */

/* ---- made and started ------------------------------------------------------------------------ */

Coroutine *coroutineNew(uint32_t capability)
{
    Coroutine *it = calloc(1, sizeof *it);
    if (it == NULL)
        return NULL;
    it->capability = capability;
    it->deadline_ns = INT64_MAX;
    rosterAdd(it);
    return it;
}

static void pushThreads(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &threads_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &threads_key);
}

void coroutineAttach(lua_State *L, Coroutine *it, int arguments)
{
    luaL_checkstack(L, 4, NULL);
    pushThreads(L);
    lua_State *thread = lua_newthread(L);
    if (!lua_checkstack(thread, arguments + LUA_MINSTACK))
        luaL_error(L, "too many arguments");
    lua_pushboolean(L, 1);
    lua_rawset(L, -3); /* threads[thread] = true */
    lua_pop(L, 1);
    lua_xmove(L, thread, arguments + 1);
    it->state = stateFind(L);
    it->L = thread;
    it->arguments = arguments;
}

bool coroutineOwns(lua_State *L, lua_State *thread)
{
    luaL_checkstack(L, 4, NULL);
    if (!lua_checkstack(thread, 1))
        return false;
    pushThreads(L);
    lua_pushthread(thread);
    lua_xmove(thread, L, 1);
    lua_rawget(L, -2);
    bool owns = lua_toboolean(L, -1) != 0;
    lua_pop(L, 2);
    return owns;
}

/* The collector may have the Lua thread. */
static void detach(Coroutine *it)
{
    lua_State *L = it->state->L;
    lua_checkstack(it->L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &threads_key);
    lua_pushthread(it->L);
    lua_xmove(it->L, L, 1);
    lua_pushnil(L);
    lua_rawset(L, -3); /* there is such a field: nothing is allocated */
    lua_pop(L, 1);
    if (it->kept != 0)
        luaL_unref(L, LUA_REGISTRYINDEX, it->kept); /* likewise */
    it->kept = 0;
    it->L = NULL;
}

/* ---- ended ----------------------------------------------------------------------------------- */

/* (it): its error, at the top of its stack, with a traceback, to standard error. */
static int report(lua_State *L)
{
    Coroutine *it = lua_touserdata(L, 1);
    lua_checkstack(it->L, 1);
    lua_pushvalue(it->L, -1); /* what is __close wants it as well */
    lua_xmove(it->L, L, 1);
    const char *text = luaL_tolstring(L, -1, NULL);
    rosterFailed(it, text);
    luaL_traceback(L, it->L, text, 0);
    fprintf(stderr, "capri: a coroutine on capability %d died: %s\n", (int)it->capability + 1,
            lua_tostring(L, -1));
    return 0;
}

static void tell(Coroutine *it)
{
    lua_State *L = it->state->L;
    lua_pushcfunction(L, report);
    lua_pushlightuserdata(L, it);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return;
    lua_pop(L, 1);
    if (!it->died)
        rosterFailed(it, untold);
    fprintf(stderr, "capri: a coroutine on capability %d died: %s\n", (int)it->capability + 1,
            untold);
}

static bool diedQuietly(const Coroutine *it)
{
    const char *text = lua_type(it->L, -1) == LUA_TSTRING ? lua_tostring(it->L, -1) : NULL;
    return text != NULL && strcmp(text, interrupted) == 0;
}

static void closeThread(lua_State *L)
{
#if LUA_VERSION_RELEASE_NUM >= 50406
    lua_closethread(L, NULL);
#else
    lua_resetthread(L);
#endif
}

/* status: of lua_resume; LUA_YIELD: it is cut off.  What runs at this, __tostring and __close, is
 * the coroutine's, but cannot wait: Lua could not leave it. */
static TaskVerdict end(Coroutine *it, int status)
{
    bool loud = status != LUA_OK && status != LUA_YIELD && !diedQuietly(it);
    it->pending = PendingNone;
    it->state->current = it;
    if (loud)
        tell(it);
    else if (status != LUA_OK)
        rosterFailed(it, interrupted);
    if (status != LUA_OK)
        closeThread(it->L);
    it->state->current = NULL;
    tickerLeave(it->capability); /* a nested one may have entered */
    detach(it);
    rosterJoin(it, NULL);
    if (loud && it->first)
        runFail();
    rosterEnded(it);
    return TaskDone;
}

/* ---- its steps ------------------------------------------------------------------------------- */

/* (it): the message becomes a function and what it is called with, in this state. */
static int unpack(lua_State *L)
{
    Coroutine *it = lua_touserdata(L, 1);
    Message *message = it->message;
    it->message = NULL;
    int count = messageTake(L, message);
    coroutineAttach(L, it, count - 1);
    return 0;
}

/* The first step in a state that another one has sent it to, if it is to run at all. */
static bool begin(Coroutine *it)
{
    if (it->status < 0 || it->cut) {
        rosterFailed(it, interrupted);
        return false;
    }
    State *state = runState(it->capability);
    const char *why = "out of memory";
    if (state != NULL) {
        lua_pushcfunction(state->L, unpack);
        lua_pushlightuserdata(state->L, it);
        if (lua_pcall(state->L, 1, 0, 0) == LUA_OK)
            return true;
        if (lua_type(state->L, -1) == LUA_TSTRING)
            why = lua_tostring(state->L, -1);
    }
    fprintf(stderr, "capri: a coroutine for capability %d: %s\n", (int)it->capability + 1, why);
    rosterFailed(it, why);
    if (state != NULL)
        lua_pop(state->L, 1);
    return false;
}

/* -ECANCELED has been said: by whom? */
static void noteInterrupt(Coroutine *it)
{
    int code = InterruptCut; /* the runtime is being cancelled */
    threadCaught(&code, NULL);
    it->cut = it->cut || code == InterruptCut;
}

/* What all are told, and it was not. */
static void hear(Coroutine *it)
{
    int heard = rosterHear(it);
    it->cut = it->cut || heard == InterruptCut;
    it->notice = it->notice || heard == InterruptEnd;
}

static bool takeNotice(Coroutine *it)
{
    bool notice = it->notice;
    it->notice = false;
    return notice;
}

static void takeOutcome(Coroutine *it, TaskContext *context)
{
    it->context = context;
    it->status = taskStatus(context);
    it->value = taskValue(context);
    if (it->found != NULL && it->status == 0)
        *it->found = it->value;
    it->found = NULL;
    if (it->status != -ECANCELED) {
        hear(it); /* who yields before each tick, and hardly ever waits, has this alone */
        return;
    }
    noteInterrupt(it);
    it->notice = it->notice || (!it->cut && it->pending != PendingWait);
}

/* Its next instruction is to be a tick: no wait of it will tell, or only late. */
static bool mustTick(const Coroutine *it)
{
    bool late = it->deadline_ns != INT64_MAX && it->deadline_ns <= rtsNow();
    return it->cut || (it->pending != PendingWait && (it->notice || late));
}

static TaskVerdict step(TaskContext *context, void *env)
{
    Coroutine *it = env;
    takeOutcome(it, context);
    if (it->L == NULL && !begin(it)) {
        rosterEnded(it);
        return TaskDone;
    }
    if (it->cut && (it->pending != PendingWait || it->status != 0))
        return end(it, LUA_YIELD);
    bool must_tick = mustTick(it);
    int results = 0, arguments = it->arguments;
    it->arguments = 0;
    it->pending = PendingNone;
    it->state->current = it;
    it->inside = it->L;
    tickerEnter(it->capability, it->L);
    if (must_tick)
        tickerTick(it->capability, it->L);
    int status = lua_resume(it->L, NULL, arguments, &results);
    tickerLeave(it->capability);
    it->state->current = NULL;
    if (status != LUA_YIELD || it->pending == PendingCut)
        return end(it, status);
    lua_pop(it->L, results);
    return it->pending == PendingWait ? TaskBlocked : TaskYield;
}

int coroutineStart(Coroutine *it)
{
    ThreadAttributes attributes = {.pinned = it->capability + 1};
    Thread *thread = NULL;
    int failed = rosterStarts(it);
    bool starts = failed == 0;
    if (starts)
        failed = taskNew(&thread, &attributes, step, it);
    if (failed == 0) {
        rosterStarted(it, thread);
        return 0;
    }
    if (it->L != NULL)
        detach(it);
    if (starts)
        rosterEnded(it);
    return failed;
}

/* ---- for functions that wait ----------------------------------------------------------------- */

Coroutine *coroutineCurrent(lua_State *L)
{
    State *state = stateHere(L);
    if (state->current == NULL)
        luaL_error(L, "there is no coroutine here (see capri.run)");
    return state->current;
}

Coroutine *coroutineHere(lua_State *L)
{
    Coroutine *it = coroutineCurrent(L);
    if (!lua_isyieldable(L) || it->walls != 0)
        luaL_error(L, "cannot wait inside of a C function that calls Lua");
    if (it->pending != PendingNone)
        luaL_error(L, resumed_oddly);
    if (it->cut) { /* it was told where it could not be left */
        it->pending = PendingCut;
        lua_yield(L, 0); /* does not return */
    }
    if (takeNotice(it)) {
        lua_pushstring(L, interrupted);
        lua_error(L);
    }
    return it;
}

void coroutineKeep(lua_State *L, Coroutine *it, int index)
{
    luaL_checkstack(L, 3, NULL);
    lua_pushvalue(L, index);
    if (it->kept == 0)
        it->kept = luaL_ref(L, LUA_REGISTRYINDEX);
    else
        lua_rawseti(L, LUA_REGISTRYINDEX, it->kept);
}

int coroutineAwait(lua_State *L, Coroutine *it, int recorded, lua_KContext context,
                   lua_KFunction next)
{
    if (recorded != 0) {
        it->found = NULL;
        return luaL_error(L, "cannot wait: %s", strerror(-recorded));
    }
    if (it->deadline_ns != INT64_MAX)
        taskDeadline(it->context, it->deadline_ns);
    it->pending = PendingWait;
    it->waiter = L;
    return lua_yieldk(L, 0, context, next);
}

static void takeWaiter(lua_State *L, Coroutine *it)
{
    if (it->waiter != L || it->pending != PendingNone)
        luaL_error(L, resumed_oddly);
    it->waiter = NULL;
}

int coroutineWoken(lua_State *L, Coroutine *it)
{
    takeWaiter(L, it);
    if (it->status != -ECANCELED && it->status != -ETIMEDOUT)
        return it->status;
    if (it->status == -ECANCELED)
        it->notice = false; /* told once, by whomever */
    lua_pushstring(L, it->status == -ECANCELED ? interrupted : timed_out);
    return lua_error(L);
}

void coroutineOver(lua_State *L)
{
    int failed = coroutineWoken(L, coroutineCurrent(L));
    if (failed != 0)
        luaL_error(L, "cannot wait: %s", strerror(-failed));
}

static int goOnReturning(lua_State *L, int status, lua_KContext results)
{
    Coroutine *it = coroutineCurrent(L);
    (void)status;
    takeWaiter(L, it);
    if (mustTick(it))
        tickerTick(it->capability, L);
    return (int)results;
}

void coroutineTurn(lua_State *L, lua_KContext context, lua_KFunction next)
{
    Coroutine *it = stateHere(L)->current;
    if (it == NULL || !taskMustYield(it->context))
        return;
    if (it->inside != L || it->pending != PendingNone || it->walls != 0 || !lua_isyieldable(L))
        return;
    it->pending = PendingTurn;
    it->waiter = L;
    lua_yieldk(L, 0, context, next);
}

int coroutineReturn(lua_State *L, int results)
{
    coroutineTurn(L, results, goOnReturning);
    return results;
}

bool coroutineIsNotice(lua_State *L, int index)
{
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
    return strcmp(text, interrupted) == 0 || strcmp(text, timed_out) == 0;
}

int coroutineFail(lua_State *L, int code)
{
    char text[128];
    luaL_checkstack(L, 3, NULL);
    lua_pushnil(L);
    lua_pushstring(L, strerror_r(-code, text, sizeof text));
    lua_pushinteger(L, -code);
    return 3;
}

void coroutineTick(lua_State *L, lua_Debug *about)
{
    (void)about;
    State *state = stateFind(L);
    Coroutine *it = state == NULL ? NULL : state->current;
    if (state == NULL)
        lua_sethook(L, NULL, 0, 0);
    else
        tickerTaken(state->capability, L);
    if (it == NULL || it->pending != PendingNone)
        return;
    const char *notice = it->deadline_ns <= rtsNow() ? timed_out : NULL;
    if (threadSafepoint() == -ECANCELED) {
        noteInterrupt(it);
        notice = interrupted;
    }
    hear(it);
    if (takeNotice(it))
        notice = interrupted;
    if (it->cut && lua_isyieldable(L) && it->walls == 0) {
        it->pending = PendingCut;
        lua_yield(L, 0);
    } else if (notice != NULL || it->cut) {
        lua_pushstring(L, notice != NULL ? notice : interrupted);
        lua_error(L);
    }
}
