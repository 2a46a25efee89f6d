/* Timeout.c -- sleeping, and limits of time.
 *
 * Note [Limits of time]
 *   A limit is a deadline that every wait of the coroutine has beside its own (coroutineAwait), and
 *   that ticks look at.  capri.timeout remembers the one before on its own stack, and puts it back
 *   however fn ends, unless fn has left a generator meanwhile, and has been resumed under the limit
 *   of who has asked for the next value.  An inner limit that is later than an outer one does not
 *   count; and whose deadline it was tells whose "timeout" it is: all others let it pass.
 */
#include "Timeout.h"

#include "Coroutine.h"

#include <lauxlib.h>

#include <string.h>

static const lua_Number second_ns = 1e9;

int64_t timeAfter(lua_Number seconds)
{
    int64_t now = rtsNow();
    lua_Number delay = seconds * second_ns;
    if (delay <= 0)
        return now;
    return delay < (lua_Number)(INT64_MAX / 2) ? now + (int64_t)delay : INT64_MAX;
}

static int tellTime(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)rtsNow() / second_ns);
    return 1;
}

static int finishSleep(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    coroutineOver(L);
    return 0;
}

static int sleepFor(lua_State *L)
{
    int64_t until_ns = timeAfter(luaL_checknumber(L, 1));
    Coroutine *it = coroutineHere(L);
    return coroutineAwait(L, it, taskWaitDelayUntil(it->context, until_ns), 0, finishSleep);
}

/* See Note [Limits of time].  Stack: the deadline before, the one of this limit, then what fn has
 * returned or raised. */
static int finishTimeout(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    Coroutine *it = coroutineCurrent(L);
    lua_Integer before = lua_tointeger(L, 1), own = lua_tointeger(L, 2);
    if (it->deadline_ns == own)
        it->deadline_ns = before;
    luaL_checkstack(L, 1, "too many results");
    if (status == LUA_OK || status == LUA_YIELD) {
        lua_pushboolean(L, 1);
        lua_replace(L, 2);
        return lua_gettop(L) - 1;
    }
    bool expired = own < before && own <= rtsNow() && lua_type(L, -1) == LUA_TSTRING &&
                   strcmp(lua_tostring(L, -1), "timeout") == 0;
    if (!expired)
        return lua_error(L);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int limit(lua_State *L)
{
    int64_t own = timeAfter(luaL_checknumber(L, 1));
    Coroutine *it = coroutineHere(L);
    int count = lua_gettop(L) - 2;
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushinteger(L, it->deadline_ns);
    lua_replace(L, 1);
    lua_pushinteger(L, own);
    lua_insert(L, 2);
    if (own < it->deadline_ns)
        it->deadline_ns = own;
    return finishTimeout(L, lua_pcallk(L, count, LUA_MULTRET, 0, 0, finishTimeout), 0);
}

void timeoutOpen(lua_State *L, State *state)
{
    static const luaL_Reg functions[] = {
        {"sleep", sleepFor}, {"timeout", limit}, {"now", tellTime}, {NULL, NULL}};
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, functions, 1);
}
