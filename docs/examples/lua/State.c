/* State.c -- a Lua state: found, opened, closed. */
#include "State.h"

#include "Module.h"

#include <lauxlib.h>
#include <lualib.h>

static const char registry_key = 0;

State *stateHere(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

State *stateFind(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    State *state = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return state;
}

static lua_State *mainThread(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_State *main = lua_tothread(L, -1);
    lua_pop(L, 1);
    return main;
}

State *stateMake(lua_State *L)
{
    State *state = stateFind(L);
    if (state != NULL)
        return state;
    state = lua_newuserdatauv(L, sizeof *state, 0);
    state->L = mainThread(L);
    state->capability = 0;
    state->current = NULL;
    state->waiting = 0;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    return state;
}

static int openLibraries(lua_State *L)
{
    luaL_openlibs(L);
    luaL_requiref(L, "capri", luaopen_capri, 0);
    return 0;
}

State *stateOpen(uint32_t capability)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return NULL;
    lua_pushcfunction(L, openLibraries);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    State *state = stateFind(L);
    state->capability = capability;
    return state;
}

void stateClose(State *state)
{
    lua_close(state->L); /* `state` is gone with it */
}
