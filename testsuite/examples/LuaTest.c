/* LuaTest.c -- docs/examples/lua: waits that fail for want of memory, or that Lua's own coroutine
 * functions meet; how a program ends.
 *
 * not-under: qemu tsan
 */
#include "docs/examples/lua/Module.h"
#include "docs/examples/lua/Run.h"
#include "testsuite/support/Runtime.h"

#include <lauxlib.h>
#include <lualib.h>

#include <signal.h>
#include <unistd.h>

enum { ROUNDS = 20 };

static CountingHeap heap;

/* starve(true [, most]) -- the library gets memory `most` times more, or not at all; Lua does.
 * starve(false) -- it gets what it wants. */
static int starve(lua_State *L)
{
    uint64_t most = (uint64_t)luaL_optinteger(L, 2, 0);
    uint64_t from = RELAXED_LOAD(&heap.asked) + most + 1;
    RELAXED_STORE(&heap.fail_from, lua_toboolean(L, 1) ? from : 0);
    return 0;
}

/* signal("INT"), signal("END"), its own -- to this process. */
static int sendSignal(lua_State *L)
{
    CHECK_EQ(kill(getpid(), *luaL_checkstring(L, 1) == 'I' ? SIGINT : SIGRTMAX - 1), 0);
    return 0;
}

/* Run it: how the program has ended. */
static int runText(const char *text, uint32_t capabilities)
{
    RtsConfig config = {.capabilities = capabilities, .allocator = countingAllocator(&heap)};
    lua_State *L = luaL_newstate();
    CHECK(L != NULL);
    luaL_openlibs(L);
    CHECK_EQ(luaL_dostring(L, "own = {resume = coroutine.resume, close = coroutine.close}"),
             LUA_OK);
    luaL_requiref(L, "capri", luaopen_capri, 1);
    lua_register(L, "starve", starve);
    lua_register(L, "signal", sendSignal);
    lua_settop(L, 0);
    CHECK_EQ(luaL_loadstring(L, text), LUA_OK);
    int result = runFunction(L, &config);
    lua_close(L);
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), 0);
    return result;
}

/* They sleep until there is no room for one timer more. */
static const char famine[] =
    "local gate, there, tried, early, failed = capri.channel(), 0, 0, 0, 0\n"
    "local sleeper\n"
    "for i = 1, 3000 do\n"
    "    local one = capri.spawn(function()\n"
    "        there = there + 1\n"
    "        gate:receive()\n"
    "        tried = tried + 1\n"
    "        local ok, why = pcall(capri.sleep, 3600)\n"
    "        if ok then early = early + 1 end\n"
    "        if not ok and why:find('cannot wait', 1, true) then failed = failed + 1 end\n"
    "    end)\n"
    "    sleeper = sleeper or one\n"
    "end\n"
    "while there < 3000 do coroutine.yield() end\n"
    "starve(true)\n"
    "gate:close()\n"
    "while tried < 3000 or failed == 0 and early == 0 do coroutine.yield() end\n"
    "local ok, why = pcall(capri.timeout, 3600, sleeper.join, sleeper)\n"
    "starve(false)\n"
    "assert(early == 0 and failed > 0)\n"
    "assert(not ok and why:find('cannot wait', 1, true), why)\n"
    "signal 'INT'\n"
    "capri.sleep(3600)\n";

TEST(Lua, aWaitThatFailsIsNoneThatHasEnded)
{
    CHECK_EQ(runText(famine, 1), RunAsked);
}

/* What they do is done with less and less memory: they fail, or not, but nothing is lost. */
static const char hunger[] = "local never = capri.channel()\n"
                             "local asleep = capri.spawn(capri.sleep, 3600)\n"
                             "local function go()\n"
                             "    assert(capri.call(string.rep, 'x', 3) == 'xxx')\n"
                             "    local socket, why = capri.connect('localhost', 1)\n"
                             "    assert(socket == nil and why)\n"
                             "    assert(capri.select(never, 0.001) == 2)\n"
                             "    assert(capri.spawn(capri.sleep, 0.001):join())\n"
                             "end\n"
                             "for most = 1, 40 do\n"
                             "    starve(true, most)\n"
                             "    pcall(capri.timeout, 3600, go)\n"
                             "    starve(false)\n"
                             "end\n"
                             "asleep:kill()\n";

TEST(Lua, hunger)
{
    CHECK_EQ(runText(hunger, 2), RunDone);
}

/* A library that was loaded before has Lua's own functions, which know nothing of waits. */
static const char strangers[] =
    "local function wait() capri.select(capri.channel(), {capri.channel(1), 1}, 0.002) end\n"
    "local function waitLong() capri.select(capri.channel(), 0.002) end\n"
    "local function collect() for _ = 1, 3 do collectgarbage() end end\n"
    "local inner = {}\n"
    "local function go(resume, fn)\n"
    "    inner[1] = coroutine.create(fn)\n"
    "    resume(inner[1])\n"
    "    coroutine.yield()\n"
    "end\n"
    "local function join(inner, resume)\n"
    "    inner[1] = coroutine.create(function() capri.spawn(capri.sleep, 0.002):join() end)\n"
    "    resume(inner[1])\n"
    "    coroutine.yield()\n"
    "end\n"
    "for _, resume in ipairs {coroutine.resume, own.resume} do\n"
    "    for _, spoil in ipairs {own.close, own.resume, collect} do\n"
    "        local all = {capri.spawn(go, resume, wait), capri.spawn(go, resume, waitLong),\n"
    "            capri.spawn(join, inner, resume)}\n"
    "        for _ = 1, 3 do\n"
    "            coroutine.yield()\n"
    "            pcall(spoil, inner[1])\n"
    "            inner[1] = nil\n"
    "            collect()\n"
    "        end\n"
    "        for _, one in ipairs(all) do one:join() end\n"
    "    end\n"
    "end\n";

TEST(Lua, itsOwnFunctionsMeetWaits)
{
    CHECK_EQ(runText(strangers, 1), RunDone);
}

static void *runTwice(void *env)
{
    const char *text = "signal 'END' capri.sleep(0.001) signal 'INT' capri.sleep(3600)";
    CHECK_EQ(runText(text, 2), RunAsked);
    CHECK_GE(runText("signal 'INT' signal 'INT'", 1), 0);
    return env;
}

TEST(Lua, endsOnAnyOSThread)
{
    for (int i = 0; i < ROUNDS; i++)
        osJoin(osFork(runTwice, NULL));
}
