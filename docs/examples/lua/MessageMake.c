/* MessageMake.c -- values of Lua are written down.   See Note [What is copied]. */
#include "Channel.h"
#include "Message.h"

#include <lauxlib.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 150, ROOM_FIRST = 64 };

typedef struct Writer {
    lua_State *L;
    Message *message;
    int known; /* where on the stack: a table of what has a number, or nil as long as nothing has */
    lua_Integer count;
    int depth;
} Writer;

static const char box_name[] = "capri.message.made";

void messageDrop(Message *message, Channel **dropped)
{
    if (message == NULL)
        return;
    for (size_t i = 0; i < message->channel_count; i++)
        channelDrop(message->channels[i], dropped);
    free(message->channels);
    free(message->bytes);
    free(message);
}

void messageFree(Message *message)
{
    Channel *dropped = NULL;
    messageDrop(message, &dropped);
    channelFree(dropped);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void put(Writer *writer, const void *bytes, size_t size)
{
    Message *message = writer->message;
    if (message->room - message->used < size) {
        size_t room = message->room * 2 + size + ROOM_FIRST;
        char *more = realloc(message->bytes, room);
        if (more == NULL) {
            luaL_error(writer->L, "out of memory");
            return;
        }
        message->bytes = more;
        message->room = room;
    }
    memcpy(message->bytes + message->used, bytes, size);
    message->used += size;
}

static void putLetter(Writer *writer, char letter)
{
    put(writer, &letter, 1);
}

static void putInteger(Writer *writer, char letter, lua_Integer value)
{
    putLetter(writer, letter);
    put(writer, &value, sizeof value);
}

static void putText(Writer *writer, char letter, const char *text, size_t size)
{
    putLetter(writer, letter);
    put(writer, &size, sizeof size);
    put(writer, text, size);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void writeValue(Writer *writer, int index);

/* A table or function that is there already; else it gets the next number. */
static bool writeAgain(Writer *writer, int index)
{
    lua_State *L = writer->L;
    if (lua_isnil(L, writer->known)) {
        lua_newtable(L);
        lua_replace(L, writer->known);
    }
    lua_pushvalue(L, index);
    if (lua_rawget(L, writer->known) == LUA_TNUMBER) {
        putInteger(writer, MessageAgain, lua_tointeger(L, -1));
        lua_pop(L, 1);
        return true;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, index);
    lua_pushinteger(L, ++writer->count);
    lua_rawset(L, writer->known);
    return false;
}

static void enter(Writer *writer)
{
    luaL_checkstack(writer->L, LUA_MINSTACK, NULL);
    if (++writer->depth > DEPTH_MOST)
        luaL_error(writer->L, "cannot copy: tables in tables, more than %d", DEPTH_MOST);
}

static void writeTable(Writer *writer, int index)
{
    lua_State *L = writer->L;
    if (writeAgain(writer, index))
        return;
    if (lua_getmetatable(L, index))
        luaL_error(L, "cannot copy a table with a metatable");
    enter(writer);
    putLetter(writer, MessageTable);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        int top = lua_gettop(L);
        writeValue(writer, top - 1);
        writeValue(writer, top);
        lua_pop(L, 1);
    }
    putLetter(writer, MessageEnd);
    writer->depth--;
}

/* Is the value at `index` that of a field of the table at `module`?  Pushes the field's name. */
static bool findField(lua_State *L, int module, int index)
{
    lua_pushnil(L);
    while (lua_next(L, module) != 0) {
        bool found = lua_rawequal(L, -1, index) && lua_type(L, -2) == LUA_TSTRING;
        lua_pop(L, 1);
        if (found)
            return true;
    }
    return false;
}

static void putTextAt(Writer *writer, char letter, int index)
{
    size_t size;
    const char *text = lua_tolstring(writer->L, index, &size);
    putText(writer, letter, text, size);
}

/* A loaded module, or with `inside` a function of one: by its name. */
static bool writeNamed(Writer *writer, int index, bool inside)
{
    lua_State *L = writer->L;
    int top = lua_gettop(L);
    bool found = false;
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(L);
    while (!found && lua_next(L, top + 1) != 0) {
        bool named = lua_type(L, top + 2) == LUA_TSTRING;
        if (named && !inside && lua_rawequal(L, top + 3, index)) {
            putTextAt(writer, MessageModule, top + 2);
            found = true;
        } else if (named && inside && lua_istable(L, top + 3) && findField(L, top + 3, index)) {
            putTextAt(writer, MessageLibrary, top + 2);
            putTextAt(writer, MessageString, top + 4);
            found = true;
        }
        lua_settop(L, top + 2);
    }
    lua_settop(L, top);
    return found;
}

/* What a function uses from outside. */
static void writeUpvalue(Writer *writer, int index)
{
    lua_State *L = writer->L;
    bool globals = false;
    if (lua_istable(L, index)) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
        globals = lua_rawequal(L, -1, index) != 0;
        lua_pop(L, 1);
    }
    if (globals)
        putLetter(writer, MessageGlobals);
    else if (!lua_istable(L, index) || !writeNamed(writer, index, false))
        writeValue(writer, index);
}

static int putChunk(lua_State *L, const void *bytes, size_t size, void *env)
{
    (void)L;
    put(env, bytes, size);
    return 0;
}

static void writeFunction(Writer *writer, int index)
{
    lua_State *L = writer->L;
    size_t size = 0;
    if (lua_iscfunction(L, index)) {
        if (!writeNamed(writer, index, true))
            luaL_error(L, "cannot copy a C function that is in no module");
        return;
    }
    if (writeAgain(writer, index))
        return;
    enter(writer);
    putLetter(writer, MessageFunction);
    size_t place = writer->message->used;
    put(writer, &size, sizeof size);
    lua_pushvalue(L, index);
    lua_dump(L, putChunk, writer, 0);
    lua_pop(L, 1);
    size = writer->message->used - place - sizeof size;
    memcpy(writer->message->bytes + place, &size, sizeof size);
    for (int i = 1; lua_getupvalue(L, index, i) != NULL; i++) {
        writeUpvalue(writer, lua_gettop(L));
        lua_pop(L, 1);
    }
    putLetter(writer, MessageEnd);
    writer->depth--;
}

static void writeUserdata(Writer *writer, int index)
{
    lua_State *L = writer->L;
    Message *message = writer->message;
    Channel *channel = channelAt(L, index);
    if (channel == NULL)
        luaL_error(L, "cannot copy: a %s stays in its state", luaL_typename(L, index));
    struct Channel **more = realloc(message->channels, (message->channel_count + 1) * sizeof *more);
    if (more == NULL)
        luaL_error(L, "out of memory");
    message->channels = more;
    putLetter(writer, MessageChannel);
    put(writer, &message->channel_count, sizeof message->channel_count);
    message->channels[message->channel_count++] = channelRetain(channel);
}

static void writeValue(Writer *writer, int index)
{
    lua_State *L = writer->L;
    lua_Number number;
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        putLetter(writer, MessageNil);
        break;
    case LUA_TBOOLEAN:
        putLetter(writer, lua_toboolean(L, index) ? MessageTrue : MessageFalse);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            putInteger(writer, MessageInteger, lua_tointeger(L, index));
            break;
        }
        number = lua_tonumber(L, index);
        putLetter(writer, MessageNumber);
        put(writer, &number, sizeof number);
        break;
    case LUA_TSTRING:
        putTextAt(writer, MessageString, index);
        break;
    case LUA_TTABLE:
        writeTable(writer, index);
        break;
    case LUA_TFUNCTION:
        writeFunction(writer, index);
        break;
    default:
        writeUserdata(writer, index);
        break;
    }
}

/* ---- made, even if something raises on the way ----------------------------------------------- */

static int freeBox(lua_State *L)
{
    Message **box = lua_touserdata(L, 1);
    messageFree(*box);
    *box = NULL;
    return 0;
}

static Message **pushBox(lua_State *L)
{
    Message **box = lua_newuserdatauv(L, sizeof(Message *), 0);
    *box = NULL;
    if (luaL_newmetatable(L, box_name)) {
        lua_pushcfunction(L, freeBox);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

Message *messageMake(lua_State *L, int first, int count)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int top = lua_gettop(L);
    Message **box = pushBox(L);
    lua_pushnil(L);
    Message *message = *box = calloc(1, sizeof *message);
    if (message == NULL)
        luaL_error(L, "out of memory");
    Writer writer = {.L = L, .message = message, .known = top + 2};
    for (int i = first; i < first + count; i++)
        writeValue(&writer, i);
    message->values = count;
    *box = NULL;
    lua_settop(L, top);
    return message;
}
