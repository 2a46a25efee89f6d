/* Call.c -- functions that block, off the core. */
#include "Call.h"

#include "Coroutine.h"
#include "Helper.h"
#include "Message.h"

#include <lauxlib.h>

#include <stdlib.h>
#include <string.h>

typedef struct Call {
    HelperJob job; /* first */
    Message *question, *answer;
    char *error; /* if there is no answer; NULL: out of memory */
} Call;

static int addTraceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* (call): in its own state. */
static int answer(lua_State *L)
{
    Call *call = lua_touserdata(L, 1);
    Message *question = call->question;
    call->question = NULL;
    lua_settop(L, 0);
    int count = messageTake(L, question);
    lua_call(L, count - 1, LUA_MULTRET);
    call->answer = messageMake(L, 1, lua_gettop(L));
    return 0;
}

/* On the big stack of an OS thread, which nobody waits for. */
static void *runHere(void *env)
{
    Call *call = env;
    State *state = stateOpen(0);
    if (state == NULL)
        return NULL;
    lua_State *L = state->L;
    lua_pushcfunction(L, addTraceback);
    lua_pushcfunction(L, answer);
    lua_pushlightuserdata(L, call);
    if (lua_pcall(L, 1, 0, 1) != LUA_OK && lua_type(L, -1) == LUA_TSTRING)
        call->error = strdup(lua_tostring(L, -1));
    stateClose(state);
    return NULL;
}

static void run(HelperJob *job)
{
    Call *call = (Call *)job;
    int failed = foreignCall(runHere, call, NULL);
    if (failed != 0)
        call->error = strdup(strerror(-failed));
}

static void freeCall(HelperJob *job)
{
    Call *call = (Call *)job;
    messageFree(call->question);
    messageFree(call->answer);
    free(call->error);
}

static int finish(lua_State *L, int status, lua_KContext context)
{
    Call *call = (Call *)helperJob((Helper *)context); /* kept by the stack */
    (void)status;
    coroutineOver(L); /* from here on the helper does not write it any more */
    Message *message = call->answer;
    call->answer = NULL;
    if (message != NULL)
        return messageTake(L, message);
    lua_pushstring(L, call->error == NULL ? "out of memory" : call->error);
    return lua_error(L);
}

static int callIt(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    Coroutine *it = coroutineHere(L);
    Message *question = messageMake(L, 1, lua_gettop(L));
    Call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        messageFree(question);
        return luaL_error(L, "out of memory");
    }
    *call = (Call){.job = {run, freeCall}, .question = question};
    Helper *helper = helperPush(L, &call->job);
    coroutineKeep(L, it, -1);
    return coroutineAwait(L, it, taskWaitThread(it->context, helperThread(helper)),
                          (lua_KContext)helper, finish);
}

void callOpen(lua_State *L, State *state)
{
    lua_pushlightuserdata(L, state);
    lua_pushcclosure(L, callIt, 1);
    lua_setfield(L, -2, "call");
}
