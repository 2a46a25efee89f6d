/* Nested.c -- coroutine.resume and coroutine.wrap that let waits pass.
 *
 * See Note [Nested coroutines].
 */
#include "Nested.h"

#include "Coroutine.h"
#include "Ticker.h"

#include <lauxlib.h>
#include <lualib.h>

/* resume: the inner one is argument 1; wrap: upvalue 2. */
enum { IsResume = 0, IsWrap = 1 };

/* Registry: inner ones that wait -> whose wait it is; weak: the latter's stack keeps them. */
static const char waiting_key = 0;

static int innerAt(lua_KContext kind)
{
    return kind == IsWrap ? lua_upvalueindex(2) : 1;
}

static lua_State *innerOf(lua_State *L, lua_KContext kind)
{
    return lua_tothread(L, innerAt(kind));
}

static void mark(lua_State *L, lua_KContext kind, bool waits)
{
    luaL_checkstack(L, 4, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key);
    lua_pushvalue(L, innerAt(kind));
    if (waits)
        lua_pushthread(L);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    if (waits)
        stateHere(L)->waiting++;
    else
        stateHere(L)->waiting--;
}

/* Is it in a wait?  If whose wait that was has been cut off, it is not any more. */
static bool isWaiting(lua_State *L, lua_KContext kind)
{
    if (stateHere(L)->waiting == 0)
        return false;
    luaL_checkstack(L, 3, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key);
    lua_pushvalue(L, innerAt(kind));
    lua_rawget(L, -2);
    lua_State *outer = lua_tothread(L, -1);
    lua_pop(L, 2);
    return outer != NULL && lua_status(outer) == LUA_YIELD;
}

/* Why nobody but its task may touch it; NULL: whoever likes. */
static const char *whyNot(lua_State *L, lua_KContext kind)
{
    if (coroutineOwns(L, innerOf(L, kind)))
        return "a coroutine of capri.spawn";
    return isWaiting(L, kind) ? "a coroutine that waits" : NULL;
}

static int goOn(lua_State *L, int status, lua_KContext kind);

/* What its variables have as __close must not wait. */
static void closeInner(lua_State *L, lua_State *inner)
{
    Coroutine *it = stateHere(L)->current;
    if (it != NULL)
        it->walls++;
#if LUA_VERSION_RELEASE_NUM >= 50406
    lua_closethread(inner, L);
#else
    lua_resetthread(inner);
#endif
    if (it != NULL)
        it->walls--;
}

/* An error of the inner one is on top of its stack. */
static int pushError(lua_State *L, lua_State *inner, lua_KContext kind)
{
    if (kind == IsResume) {
        lua_pushboolean(L, 0);
        lua_xmove(inner, L, 1);
        return 2;
    }
    int status = lua_status(inner);
    if (status != LUA_OK && status != LUA_YIELD) /* an error in it, not in resuming it */
        closeInner(L, inner);
    lua_xmove(inner, L, 1);
    if (lua_type(L, -1) == LUA_TSTRING && !coroutineIsNotice(L, -1)) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int pushResults(lua_State *L, lua_State *inner, lua_KContext kind, int count)
{
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(inner, count);
        return luaL_error(L, "too many results to resume");
    }
    if (kind == IsResume)
        lua_pushboolean(L, 1);
    lua_xmove(inner, L, count);
    return count + (kind == IsResume);
}

/* deadline_ns: the outer one's. */
static int resumeInner(lua_State *L, int arguments, lua_KContext kind, int64_t deadline_ns)
{
    lua_State *inner = innerOf(L, kind);
    State *state = stateHere(L);
    Coroutine *it = state->current;
    int results = 0;
    if (it == NULL) {
        int status = lua_resume(inner, L, arguments, &results);
        return status == LUA_OK || status == LUA_YIELD ? pushResults(L, inner, kind, results)
                                                       : pushError(L, inner, kind);
    }
    uint32_t wall = lua_isyieldable(L) ? 0 : 1;
    lua_State *inside = it->inside;
    it->walls += wall;
    if (inside == L)
        it->inside = inner;
    tickerSwitch(state->capability, inner);
    int status = lua_resume(inner, L, arguments, &results);
    tickerSwitch(state->capability, L);
    it->inside = inside;
    it->walls -= wall;
    if (status == LUA_YIELD && it->pending != PendingNone) {
        lua_pop(inner, results);
        mark(L, kind, true);
        lua_pushinteger(L, deadline_ns);
        return lua_yieldk(L, 0, kind, goOn);
    }
    it->deadline_ns = deadline_ns; /* a limit that begins in there does not hold here */
    return status == LUA_OK || status == LUA_YIELD ? pushResults(L, inner, kind, results)
                                                   : pushError(L, inner, kind);
}

static int goOn(lua_State *L, int status, lua_KContext kind)
{
    lua_Integer deadline_ns = lua_tointeger(L, -1);
    (void)status;
    lua_pop(L, 1);
    mark(L, kind, false);
    return resumeInner(L, 0, kind, deadline_ns);
}

/* As Lua's own: an error of wrap's function, but a result of resume. */
static int refuse(lua_State *L, lua_KContext kind, const char *why)
{
    if (kind == IsWrap)
        return luaL_error(L, "%s", why);
    lua_pushboolean(L, 0);
    lua_pushstring(L, why);
    return 2;
}

static int begin(lua_State *L, int arguments, lua_KContext kind)
{
    lua_State *inner = innerOf(L, kind);
    Coroutine *it = stateHere(L)->current;
    const char *why = whyNot(L, kind);
    if (why != NULL)
        return refuse(L, kind, lua_pushfstring(L, "cannot resume %s", why));
    if (inner == L) /* its error would lie below our results */
        return refuse(L, kind, "cannot resume non-suspended coroutine");
    if (!lua_checkstack(inner, arguments))
        return refuse(L, kind, "too many arguments to resume");
    lua_xmove(L, inner, arguments);
    return resumeInner(L, arguments, kind, it == NULL ? 0 : it->deadline_ns);
}

static int resume(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    return begin(L, lua_gettop(L) - 1, IsResume);
}

static int resumeWrapped(lua_State *L)
{
    return begin(L, lua_gettop(L), IsWrap);
}

static int wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushvalue(L, lua_upvalueindex(1)); /* the state */
    lua_State *inner = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, inner, 1);
    lua_pushcclosure(L, resumeWrapped, 2);
    return 1;
}

/* Lua's own close is upvalue 2. */
static int closeIt(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    const char *why = whyNot(L, IsResume);
    if (why != NULL)
        return luaL_error(L, "cannot close %s", why);
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, 1, LUA_MULTRET);
    return lua_gettop(L);
}

static void makeWaiting(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &waiting_key);
}

void nestedOpen(lua_State *L, State *state)
{
    static const luaL_Reg functions[] = {{"resume", resume}, {"wrap", wrap}, {NULL, NULL}};
    makeWaiting(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) {
        lua_pushlightuserdata(L, state);
        luaL_setfuncs(L, functions, 1);
        lua_pushlightuserdata(L, state);
        lua_getfield(L, -2, "close");
        lua_pushcclosure(L, closeIt, 2);
        lua_setfield(L, -2, "close");
    }
    lua_pop(L, 2);
}
