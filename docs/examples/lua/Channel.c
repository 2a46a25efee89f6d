/* Channel.c -- messages between coroutines: a bounded queue, and whether it is closed. */
#include "Channel.h"

#include "Coroutine.h"
#include "Select.h"

#include <lauxlib.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { ROOM_DEFAULT = 64, ROOM_MOST = 1 << 20 };

struct Channel {
    TBQueue *queue; /* of Message; NULL: its runtime has ended */
    TVar *closed;
    Channel *next, *prev; /* all there are; with `references` under the lock */
    unsigned references;
};

static const char channel_name[] = "capri.channel";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Channel *first;

static Channel *make(size_t room)
{
    Channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return NULL;
    channel->queue = tbqueueNew(room);
    channel->closed = tvarNew(NULL);
    if (channel->queue == NULL || channel->closed == NULL) {
        tbqueueFree(channel->queue);
        tvarFree(channel->closed);
        free(channel);
        return NULL;
    }
    channel->references = 1;
    pthread_mutex_lock(&lock);
    channel->next = first;
    if (first != NULL)
        first->prev = channel;
    first = channel;
    pthread_mutex_unlock(&lock);
    return channel;
}

static void *takeOne(Transaction *tx, void *env)
{
    void *message = NULL;
    tbqueueTryRead(tx, env, &message);
    return message;
}

/* With the lock, or by the last who knows it. */
static Message *empty(Channel *channel)
{
    void *message = NULL;
    if (channel->queue != NULL)
        stmAtomically(takeOne, channel->queue, &message);
    return message;
}

static void endQueue(Channel *channel)
{
    tbqueueFree(channel->queue);
    tvarFree(channel->closed);
    channel->queue = NULL;
    channel->closed = NULL;
}

Channel *channelRetain(Channel *channel)
{
    pthread_mutex_lock(&lock);
    channel->references++;
    pthread_mutex_unlock(&lock);
    return channel;
}

/* With the lock. */
static void unlinkIt(Channel *channel)
{
    if (channel->next != NULL)
        channel->next->prev = channel->prev;
    if (channel->prev != NULL)
        channel->prev->next = channel->next;
    else
        first = channel->next;
}

void channelDrop(Channel *channel, Channel **dropped)
{
    pthread_mutex_lock(&lock);
    bool last = --channel->references == 0;
    if (last)
        unlinkIt(channel);
    pthread_mutex_unlock(&lock);
    if (!last)
        return;
    channel->next = *dropped;
    *dropped = channel;
}

void channelFree(Channel *dropped)
{
    while (dropped != NULL) {
        Channel *channel = dropped;
        dropped = channel->next;
        for (Message *message; (message = empty(channel)) != NULL;)
            messageDrop(message, &dropped);
        endQueue(channel);
        free(channel);
    }
}

void channelRelease(Channel *channel)
{
    Channel *dropped = NULL;
    channelDrop(channel, &dropped);
    channelFree(dropped);
}

void channelEndAll(void)
{
    Message *all = NULL;
    pthread_mutex_lock(&lock);
    for (Channel *channel = first; channel != NULL; channel = channel->next) {
        for (Message *message; (message = empty(channel)) != NULL; all = message)
            message->next = all;
        endQueue(channel);
    }
    pthread_mutex_unlock(&lock);
    while (all != NULL) {
        Message *message = all;
        all = message->next;
        messageFree(message);
    }
}

bool channelIsUp(const Channel *channel)
{
    return channel->queue != NULL;
}

bool channelTake(Transaction *tx, Channel *channel, Message **message)
{
    void *value;
    if (tbqueueTryRead(tx, channel->queue, &value)) {
        *message = value;
        return true;
    }
    stmCheck(tx, tvarRead(tx, channel->closed) != NULL);
    return false;
}

bool channelPut(Transaction *tx, Channel *channel, Message *message)
{
    if (tvarRead(tx, channel->closed) != NULL)
        return false;
    tbqueueWrite(tx, channel->queue, message);
    return true;
}

/* ---- in Lua ---------------------------------------------------------------------------------- */

Channel *channelAt(lua_State *L, int index)
{
    Channel **box = luaL_testudata(L, index, channel_name);
    return box == NULL ? NULL : *box;
}

void channelPush(lua_State *L, Channel *channel)
{
    Channel **box = lua_newuserdatauv(L, sizeof(Channel *), 0);
    *box = NULL;
    luaL_setmetatable(L, channel_name);
    *box = channelRetain(channel);
}

static Channel *check(lua_State *L)
{
    Channel *channel = *(Channel **)luaL_checkudata(L, 1, channel_name);
    if (channel == NULL || channel->queue == NULL)
        luaL_error(L, "this channel is of a run that has ended");
    return channel;
}

static int makeChannel(lua_State *L)
{
    lua_Integer room = luaL_optinteger(L, 1, ROOM_DEFAULT);
    luaL_argcheck(L, room >= 1 && room <= ROOM_MOST, 1, "room for 1 to 1048576 messages");
    Channel **box = lua_newuserdatauv(L, sizeof(Channel *), 0);
    *box = NULL;
    luaL_setmetatable(L, channel_name);
    *box = make((size_t)room);
    if (*box == NULL)
        return luaL_error(L, "no channel: out of memory, or outside of capri.run");
    return 1;
}

static int sendMessage(lua_State *L)
{
    Channel *channel = check(L);
    Message *message = messageMake(L, 2, lua_gettop(L) - 1);
    return selectOne(L, (Case){.kind = CaseSend, .channel = channel, .message = message});
}

static int offerMessage(lua_State *L)
{
    Channel *channel = check(L);
    Message *message = messageMake(L, 2, lua_gettop(L) - 1);
    return selectNow(L, (Case){.kind = CaseSend, .channel = channel, .message = message});
}

static int receiveMessage(lua_State *L)
{
    return selectOne(L, (Case){.kind = CaseReceive, .channel = check(L)});
}

static int closeIt(lua_State *L)
{
    tvarWriteIO(check(L)->closed, &first); /* whatever is not NULL */
    return 0;
}

static int finalize(lua_State *L)
{
    Channel **box = luaL_checkudata(L, 1, channel_name);
    if (*box != NULL)
        channelRelease(*box);
    *box = NULL;
    return 0;
}

void channelOpen(lua_State *L, State *state)
{
    static const luaL_Reg methods[] = {{"send", sendMessage},
                                       {"offer", offerMessage},
                                       {"receive", receiveMessage},
                                       {"close", closeIt},
                                       {NULL, NULL}};
    luaL_newmetatable(L, channel_name);
    lua_pushcfunction(L, finalize);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable"); /* nobody calls __gc but the collector */
    luaL_newlibtable(L, methods);
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushcfunction(L, makeChannel);
    lua_setfield(L, -2, "channel");
}
