/* MessageTake.c -- values of Lua are made of what was written down.   See Note [What is copied]. */
#include "Channel.h"
#include "Message.h"

#include <lauxlib.h>

#include <string.h>

typedef struct Reader {
    lua_State *L;
    Message *message;
    const char *at;
    int known; /* where on the stack: tables and functions by number, or nil as long as there are
                * none */
    lua_Integer count;
} Reader;

static const char box_name[] = "capri.message.taken";

static void get(Reader *reader, void *to, size_t size)
{
    memcpy(to, reader->at, size);
    reader->at += size;
}

static void pushText(Reader *reader)
{
    size_t size;
    get(reader, &size, sizeof size);
    lua_pushlstring(reader->L, reader->at, size);
    reader->at += size;
}

static void readValue(Reader *reader, char letter);

static void readNext(Reader *reader)
{
    readValue(reader, *reader->at++);
}

/* What is on top has the next number. */
static void know(Reader *reader)
{
    lua_State *L = reader->L;
    if (lua_isnil(L, reader->known)) {
        lua_newtable(L);
        lua_replace(L, reader->known);
    }
    lua_pushvalue(L, -1);
    lua_rawseti(L, reader->known, ++reader->count);
}

static void readTable(Reader *reader)
{
    lua_State *L = reader->L;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_newtable(L);
    know(reader);
    for (char letter; (letter = *reader->at++) != MessageEnd;) {
        readValue(reader, letter);
        readNext(reader);
        lua_rawset(L, -3);
    }
}

static void readFunction(Reader *reader)
{
    lua_State *L = reader->L;
    size_t size;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    get(reader, &size, sizeof size);
    if (luaL_loadbufferx(L, reader->at, size, "=copy", "b") != LUA_OK)
        lua_error(L);
    reader->at += size;
    know(reader);
    int i = 1;
    for (char letter; (letter = *reader->at++) != MessageEnd; i++) {
        readValue(reader, letter);
        lua_setupvalue(L, -2, i);
    }
}

/* A module's name is on top: what require of it returns takes its place. */
static void requireIt(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
}

static void readLibrary(Reader *reader)
{
    lua_State *L = reader->L;
    pushText(reader);
    requireIt(L);
    reader->at++; /* the letter of a string */
    pushText(reader);
    lua_gettable(L, -2);
    lua_remove(L, -2);
}

static void readChannel(Reader *reader)
{
    size_t which;
    get(reader, &which, sizeof which);
    channelPush(reader->L, reader->message->channels[which]);
}

static void readNumber(Reader *reader, char letter)
{
    lua_Integer integer;
    lua_Number number;
    if (letter == MessageInteger) {
        get(reader, &integer, sizeof integer);
        lua_pushinteger(reader->L, integer);
    } else {
        get(reader, &number, sizeof number);
        lua_pushnumber(reader->L, number);
    }
}

static void readAgain(Reader *reader)
{
    lua_Integer which;
    get(reader, &which, sizeof which);
    lua_rawgeti(reader->L, reader->known, which);
}

static void readValue(Reader *reader, char letter)
{
    lua_State *L = reader->L;
    switch (letter) {
    case MessageTrue:
    case MessageFalse:
        lua_pushboolean(L, letter == MessageTrue);
        break;
    case MessageInteger:
    case MessageNumber:
        readNumber(reader, letter);
        break;
    case MessageString:
        pushText(reader);
        break;
    case MessageTable:
        readTable(reader);
        break;
    case MessageFunction:
        readFunction(reader);
        break;
    case MessageAgain:
        readAgain(reader);
        break;
    case MessageGlobals:
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
        break;
    case MessageModule:
        pushText(reader);
        requireIt(L);
        break;
    case MessageLibrary:
        readLibrary(reader);
        break;
    case MessageChannel:
        readChannel(reader);
        break;
    default:
        lua_pushnil(L);
        break;
    }
}

static int freeBox(lua_State *L)
{
    Message **box = lua_touserdata(L, 1);
    messageFree(*box);
    *box = NULL;
    return 0;
}

int messageTake(lua_State *L, Message *message)
{
    if (!lua_checkstack(L, message->values + LUA_MINSTACK)) {
        messageFree(message);
        return luaL_error(L, "too many values in a message");
    }
    int top = lua_gettop(L), count = message->values;
    Message **box = lua_newuserdatauv(L, sizeof(Message *), 0);
    *box = message;
    if (luaL_newmetatable(L, box_name)) {
        lua_pushcfunction(L, freeBox);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_pushnil(L);
    Reader reader = {.L = L, .message = message, .at = message->bytes, .known = top + 2};
    for (int i = 0; i < count; i++)
        readNext(&reader);
    *box = NULL;
    messageFree(message);
    lua_remove(L, top + 1);
    lua_remove(L, top + 1);
    return count;
}
