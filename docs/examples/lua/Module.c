/* Module.c -- the module `capri`: what a script sees. */
#include "Module.h"

#include "Call.h"
#include "Channel.h"
#include "Connect.h"
#include "Coroutine.h"
#include "Handle.h"
#include "Nested.h"
#include "Run.h"
#include "Select.h"
#include "Socket.h"
#include "Timeout.h"

#include <lauxlib.h>

static int cpus(lua_State *L)
{
    lua_pushinteger(L, runCount());
    return 1;
}

static int cpu(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)stateHere(L)->capability + 1);
    return 1;
}

static int run(lua_State *L)
{
    static const char *const texts[] = {NULL, "ended by a signal", "the first coroutine has died"};
    luaL_checktype(L, 1, LUA_TFUNCTION);
    int result = runFunction(L, NULL);
    if (result == RunDone) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (result < 0)
        return coroutineFail(L, result);
    lua_pushnil(L);
    lua_pushstring(L, texts[result]);
    return 2;
}

int luaopen_capri(lua_State *L)
{
    static const luaL_Reg functions[] = {{"cpus", cpus}, {"cpu", cpu}, {"run", run}, {NULL, NULL}};
    State *state = stateMake(L);
    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, functions, 1);
    handleOpen(L, state);
    timeoutOpen(L, state);
    channelOpen(L, state);
    selectOpen(L, state);
    socketOpen(L, state);
    connectOpen(L, state);
    callOpen(L, state);
    nestedOpen(L, state);
    return 1;
}
