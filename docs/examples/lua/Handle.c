/* Handle.c -- coroutines are spawned, joined, killed. */
#include "Handle.h"

#include "Roster.h"
#include "Run.h"

#include <lauxlib.h>

#include <errno.h>
#include <string.h>

static const char handle_name[] = "capri.coroutine";

Coroutine *handleAt(lua_State *L, int index)
{
    Coroutine **box = luaL_testudata(L, index, handle_name);
    return box == NULL ? NULL : *box;
}

static Coroutine *pushNew(lua_State *L, uint32_t capability)
{
    Coroutine **box = lua_newuserdatauv(L, sizeof(Coroutine *), 0);
    *box = NULL;
    luaL_setmetatable(L, handle_name);
    *box = coroutineNew(capability);
    if (*box == NULL)
        luaL_error(L, "out of memory");
    return *box;
}

static int start(lua_State *L, Coroutine *it)
{
    int failed = coroutineStart(it);
    if (failed == -ECANCELED) { /* all of it ends, and the caller with it */
        lua_pushliteral(L, "interrupted");
        return lua_error(L);
    }
    if (failed != 0)
        return luaL_error(L, "cannot spawn: %s", strerror(-failed));
    return 1; /* the handle */
}

static int spawn(lua_State *L)
{
    State *state = stateHere(L);
    int count = lua_gettop(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    coroutineCurrent(L);
    Coroutine *it = pushNew(L, state->capability);
    lua_insert(L, 1);
    coroutineAttach(L, it, count - 1);
    return start(L, it);
}

static int spawnOn(lua_State *L)
{
    lua_Integer which = luaL_checkinteger(L, 1);
    luaL_argcheck(L, which >= 1 && which <= (lua_Integer)runCount(), 1, "no such capability");
    luaL_checktype(L, 2, LUA_TFUNCTION);
    coroutineCurrent(L);
    int count = lua_gettop(L) - 1;
    Coroutine *it = pushNew(L, (uint32_t)which - 1);
    it->message = messageMake(L, 2, count);
    return start(L, it);
}

static Coroutine *check(lua_State *L)
{
    Coroutine *it = *(Coroutine **)luaL_checkudata(L, 1, handle_name);
    if (it == NULL) /* finalizers may meet it */
        luaL_error(L, "this handle is finalized");
    return it;
}

static int finishJoin(lua_State *L, int status, lua_KContext context)
{
    Coroutine *other = (Coroutine *)context, *it = coroutineCurrent(L);
    (void)status;
    int failed = coroutineWoken(L, it); /* it has waited, so `joined` is this one */
    if (failed != 0 && failed != -EPROTO)
        return luaL_error(L, "cannot wait: %s", strerror(-failed));
    if (other->died) { /* not written any more */
        lua_pushnil(L);
        lua_pushstring(L, other->error == NULL ? "out of memory" : other->error);
    } else {
        lua_pushboolean(L, 1);
    }
    int results = other->died ? 2 : 1;
    rosterJoin(it, NULL);
    return results;
}

static int joinIt(lua_State *L)
{
    Coroutine *other = check(L), *it = coroutineHere(L);
    Thread *thread = other->thread; /* written before anybody had the handle */
    if (other == it)
        return luaL_error(L, "a coroutine waits for itself");
    if (thread == NULL)
        return luaL_error(L, "this coroutine is of a run that has ended");
    rosterJoin(it, other); /* their handle may be finalized meanwhile */
    return coroutineAwait(L, it, taskWaitThread(it->context, thread), (lua_KContext)other,
                          finishJoin);
}

/* To kill is to wait until it has happened, which a step cannot do. */
static void *killOne(void *env)
{
    Coroutine *it = env;
    threadKill(it->killed);
    rosterKilled(it);
    return NULL;
}

static int killIt(lua_State *L)
{
    Coroutine *it = check(L);
    int failed = rosterKills(it) ? threadFork(NULL, killOne, it) : 0;
    if (failed != 0) {
        rosterKilled(it);
        return luaL_error(L, "cannot kill: %s", strerror(-failed));
    }
    return 0;
}

static int finalize(lua_State *L)
{
    Coroutine **box = luaL_checkudata(L, 1, handle_name);
    if (*box != NULL)
        rosterRelease(*box);
    *box = NULL;
    return 0;
}

void handleOpen(lua_State *L, State *state)
{
    static const luaL_Reg methods[] = {{"join", joinIt}, {"kill", killIt}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"spawn", spawn}, {"spawn_on", spawnOn}, {NULL, NULL}};
    luaL_newmetatable(L, handle_name);
    lua_pushcfunction(L, finalize);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable"); /* nobody calls __gc but the collector */
    luaL_newlibtable(L, methods);
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, functions, 1);
}
