/* Select.c -- waiting for the first of several things.
 *
 * Note [Cases of a choice]
 *   What can be had at once is had without leaving Lua: a transaction that gives up where it would
 *   have to wait.  Else the task waits in the same transaction, without giving up.  Its cases lie
 *   in a userdata on the stack of the coroutine, so that the collector finds what the wait needs,
 *   and frees what it has left behind when the coroutine is interrupted: messages not sent.  The
 *   channels are values of that userdata, which is kept while the task waits (coroutineKeep).
 *   Which case it was is noted there by the task's next step, be there still a coroutine that asks
 *   or not: what was sent is the channel's, what was received is not lost.
 */
#include "Select.h"

#include "Coroutine.h"
#include "Handle.h"
#include "Roster.h"
#include "Run.h"
#include "Socket.h"
#include "Timeout.h"

#include <lauxlib.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { CASES_MOST = 200 };

/* See Note [Cases of a choice]. */
typedef struct Choice {
    int count;
    bool alone;  /* selectOne: results are the function's */
    void *found; /* the Case that has succeeded, until it is asked for */
    Case cases[];
} Choice;

static const char choice_name[] = "capri.choice";

/* ---- the transaction ------------------------------------------------------------------------- */

static void *tryCase(Transaction *tx, void *env)
{
    Case *it = env;
    switch (it->kind) {
    case CaseReceive:
        it->closed = !channelTake(tx, it->channel, &it->received);
        break;
    case CaseSend:
        it->closed = !channelPut(tx, it->channel, it->message);
        break;
    case CaseRead:
        threadWaitReadSTM(tx, it->fd);
        break;
    case CaseTime:
        threadDelayUntilSTM(tx, it->deadline_ns);
        break;
    case CaseEnd:
        threadJoinSTM(tx, it->thread, NULL);
        break;
    }
    return it;
}

static void *giveUp(Transaction *tx, void *env)
{
    (void)tx;
    (void)env;
    return NULL;
}

static void *tryFrom(Transaction *tx, void *env)
{
    Case *it = env;
    if (!it->last)
        return stmOrElse(tx, tryCase, it, tryFrom, it + 1);
    return it->patient ? tryCase(tx, it) : stmOrElse(tx, tryCase, it, giveUp, NULL);
}

/* ---- results --------------------------------------------------------------------------------- */

/* One case is there: what its message holds, or that there will be none. */
static int pushOutcome(lua_State *L, Case *it, bool alone)
{
    if (it->kind == CaseReceive && !it->closed)
        return messageTake(L, it->received);
    if (it->kind == CaseSend && !it->closed)
        it->message = NULL; /* the channel's */
    if (it->closed && it->kind == CaseSend)
        return luaL_error(L, "the channel is closed");
    if (!alone)
        return 0;
    if (it->kind == CaseSend) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushliteral(L, "closed");
    return 2;
}

static int finish(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    coroutineOver(L);
    Choice *choice = (Choice *)context;
    Case *found = choice->found;
    choice->found = NULL;
    if (choice->alone)
        return pushOutcome(L, found, true);
    lua_pushinteger(L, (lua_Integer)(found - choice->cases) + 1);
    return 1 + pushOutcome(L, found, false);
}

/* The choice is at `index`. */
static int await(lua_State *L, Choice *choice, int index)
{
    Coroutine *it = coroutineHere(L);
    coroutineKeep(L, it, index);
    it->found = &choice->found;
    return coroutineAwait(L, it, taskWaitSTM(it->context, tryFrom, choice->cases),
                          (lua_KContext)choice, finish);
}

/* ---- made ------------------------------------------------------------------------------------ */

static int freeChoice(lua_State *L)
{
    Choice *choice = lua_touserdata(L, 1);
    Case *found = choice->found;
    if (found != NULL && !found->closed) {
        if (found->kind == CaseReceive)
            messageFree(found->received);
        found->message = NULL; /* the channel's, if there was one */
    }
    choice->found = NULL;
    for (int i = 0; i < choice->count; i++) {
        messageFree(choice->cases[i].message);
        if (runIsUp())
            threadRelease(choice->cases[i].thread);
    }
    choice->count = 0;
    return 0;
}

static Choice *pushChoice(lua_State *L, int count, bool alone)
{
    size_t size = sizeof(Choice) + (size_t)count * sizeof(Case);
    Choice *choice = lua_newuserdatauv(L, size, count);
    memset(choice, 0, size);
    choice->alone = alone;
    if (luaL_newmetatable(L, choice_name)) {
        lua_pushcfunction(L, freeChoice);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return choice;
}

/* It is there at once: 1; -EAGAIN: it would have to be waited for. */
static int tryNow(lua_State *L, Case *one, int *results)
{
    void *found = NULL;
    one->last = true;
    int failed = stmAtomically(tryFrom, one, &found);
    if (failed != 0 || found == NULL)
        return failed != 0 ? failed : -EAGAIN;
    if (one->kind == CaseSend && one->closed)
        messageFree(one->message);
    *results = pushOutcome(L, one, true);
    return 1;
}

int selectNow(lua_State *L, Case one)
{
    int results = 0, found = tryNow(L, &one, &results);
    if (found == 1)
        return coroutineReturn(L, results);
    messageFree(one.message);
    if (found != -EAGAIN)
        return luaL_error(L, "cannot use the channel: %s", strerror(-found));
    lua_pushboolean(L, 0);
    return coroutineReturn(L, 1);
}

/* The channel is at 1. */
int selectOne(lua_State *L, Case one)
{
    int results = 0, failed = tryNow(L, &one, &results);
    if (failed == 1)
        return coroutineReturn(L, results);
    Choice *choice = pushChoice(L, 1, true);
    one.patient = true;
    choice->cases[0] = one;
    choice->count = 1;
    if (failed != -EAGAIN)
        return luaL_error(L, "cannot use the channel: %s", strerror(-failed));
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return await(L, choice, lua_gettop(L));
}

static void readSendCase(lua_State *L, Case *it, int index)
{
    lua_Unsigned size = lua_rawlen(L, index);
    luaL_argcheck(L, size >= 1 && size <= INT_MAX - LUA_MINSTACK, index, "1 to many values");
    int first = lua_gettop(L) + 1, count = (int)size - 1;
    luaL_checkstack(L, count + LUA_MINSTACK, "too many values to send");
    lua_rawgeti(L, index, 1);
    it->channel = channelAt(L, first);
    if (it->channel == NULL || !channelIsUp(it->channel))
        luaL_argerror(L, index, "{channel, value, ...} expected");
    for (int i = 0; i < count; i++)
        lua_rawgeti(L, index, i + 2);
    it->message = messageMake(L, first + 1, count);
    it->kind = CaseSend;
    lua_settop(L, first); /* the channel: the table may change meanwhile */
}

static void readCase(lua_State *L, Case *it, int index)
{
    Coroutine *other = handleAt(L, index);
    it->channel = channelAt(L, index);
    if (lua_type(L, index) == LUA_TTABLE) {
        readSendCase(L, it, index);
    } else if (it->channel != NULL) {
        luaL_argcheck(L, channelIsUp(it->channel), index, "of a run that has ended");
        it->kind = CaseReceive;
    } else if (other != NULL) {
        luaL_argcheck(L, other != stateHere(L)->current, index, "it would wait for itself");
        it->kind = CaseEnd;
        it->thread = rosterThread(other);
        luaL_argcheck(L, it->thread != NULL, index, "of a run that has ended");
    } else if (lua_type(L, index) == LUA_TNUMBER) {
        it->kind = CaseTime;
        it->deadline_ns = timeAfter(lua_tonumber(L, index));
    } else {
        it->kind = socketHasRead(L, index) ? CaseTime : CaseRead; /* a time that was: at once */
        it->fd = socketFd(L, index);
    }
}

static int selectMany(lua_State *L)
{
    int count = lua_gettop(L);
    bool quick = true;
    coroutineHere(L);
    luaL_argcheck(L, count >= 1 && count <= CASES_MOST, 1, "1 to 200 cases");
    Choice *choice = pushChoice(L, count, false);
    for (int i = 0; i < count; i++) {
        Case *it = &choice->cases[i];
        choice->count = i + 1;
        readCase(L, it, i + 1);
        if (it->kind != CaseSend)
            lua_pushvalue(L, i + 1);
        lua_setiuservalue(L, count + 1, i + 1);
        quick = quick && (it->kind == CaseReceive || it->kind == CaseSend);
    }
    Case *last = &choice->cases[count - 1];
    void *found = NULL;
    last->last = true;
    if (quick && stmAtomically(tryFrom, choice->cases, &found) == 0 && found != NULL) {
        lua_pushinteger(L, (lua_Integer)((Case *)found - choice->cases) + 1);
        return coroutineReturn(L, 1 + pushOutcome(L, found, false));
    }
    last->patient = true;
    return await(L, choice, count + 1);
}

void selectOpen(lua_State *L, State *state)
{
    lua_pushlightuserdata(L, state);
    lua_pushcclosure(L, selectMany, 1);
    lua_setfield(L, -2, "select");
}
