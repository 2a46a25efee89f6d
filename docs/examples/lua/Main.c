/* Main.c -- capri-lua: a Lua script, run on Capri.
 *
 *     capri-lua [--cpus N] SCRIPT [ARGUMENT...]
 *
 * The script is the first coroutine; the program has ended when all of them have.  Exits with 1 if
 * the script died of an error.
 *
 * not-under: qemu tsan
 * ThreadSanitizer puts off a signal handler as long as its OS thread runs Lua, which it cannot see.
 */
#include "Module.h"
#include "Run.h"

#include <lauxlib.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

typedef struct Options {
    RtsConfig config;
    char **arguments; /* the script's name, and what follows */
    int count;
} Options;

/* arg, as the stock interpreter has it. */
static void setArguments(lua_State *L, const Options *options)
{
    lua_createtable(L, options->count, 1);
    for (int i = 0; i < options->count; i++) {
        lua_pushstring(L, options->arguments[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
}

/* (options): has it died? */
static int runScript(lua_State *L)
{
    const Options *options = lua_touserdata(L, 1);
    luaL_openlibs(L);
    luaL_requiref(L, "capri", luaopen_capri, 0);
    setArguments(L, options);
    lua_settop(L, 0);
    if (luaL_loadfile(L, options->arguments[0]) != LUA_OK)
        return lua_error(L);
    luaL_checkstack(L, options->count + LUA_MINSTACK, "too many arguments");
    for (int i = 1; i < options->count; i++)
        lua_pushstring(L, options->arguments[i]);
    int result = runFunction(L, &options->config);
    if (result < 0)
        return luaL_error(L, "cannot run: %s", strerror(-result));
    lua_pushboolean(L, result == RunDied);
    return 1;
}

static int tell(const char *text)
{
    fprintf(stderr, "capri-lua: %s\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    Options options = {.arguments = argv + 1, .count = argc - 1};
    if (options.count >= 2 && strcmp(options.arguments[0], "--cpus") == 0) {
        options.config.capabilities = (uint32_t)atoi(options.arguments[1]);
        options.arguments += 2;
        options.count -= 2;
    }
    if (options.count < 1)
        return tell("usage: capri-lua [--cpus N] SCRIPT [ARGUMENT...]");
#ifdef CAPRI_WITH_JEMALLOC
    options.config.allocator = jemallocAllocator();
#endif
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return tell("out of memory");
    lua_pushcfunction(L, runScript);
    lua_pushlightuserdata(L, &options);
    int failed;
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        failed = tell(lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error");
    else
        failed = lua_toboolean(L, -1);
    lua_close(L);
    return failed;
}
