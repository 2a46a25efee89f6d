/* Message.h -- values of Lua on their way from one state to another.
 *
 * Note [What is copied]
 *   nil, booleans, numbers and strings; tables with all that is in them, of any shape, but without
 *   a metatable; channels, which both states then share; functions of Lua, with the values that
 *   they use from outside (each function gets copies of its own, also of what two share).
 *   Functions of the libraries and loaded modules are not copied but found again on the other side
 *   by their names.  What stays in its state, and is an error here: sockets, coroutines, other
 *   userdata, tables with a metatable.
 */
#ifndef CAPRI_LUA_MESSAGE_H
#define CAPRI_LUA_MESSAGE_H

#include <lua.h>

#include <stddef.h>

struct Channel;

/* It belongs to no state.  Read once, by whoever has it. */
typedef struct Message {
    char *bytes; /* `values` values, one behind the other */
    size_t used, room;
    struct Channel **channels; /* that it speaks of, by number: each a reference */
    size_t channel_count;
    int values;
    struct Message *next; /* of a list that its owner makes */
} Message;

/* messageMake -- of the `count` values from `first` (an absolute index) on; raises where something
 * cannot be copied.   messageFree -- NULL is ignored.
 * messageDrop -- likewise; the channels go where channelDrop puts them. */
Message *messageMake(lua_State *L, int first, int count);
void messageFree(Message *message);
void messageDrop(Message *message, struct Channel **dropped);

/* messageTake -- push what it holds, and free it, also where that raises (of memory that there is
 * not, it may stay); how many. */
int messageTake(lua_State *L, Message *message);

/* ---- between MessageMake.c and MessageTake.c: what the bytes are ----
 *
 * A value is a letter and what is beside it; sizes and numbers are as they lie in memory.  Tables
 * and functions are numbered from 1 as they begin. */
enum {
    MessageNil = 'n',
    MessageTrue = 't',
    MessageFalse = 'f',
    MessageInteger = 'i',  /* lua_Integer */
    MessageNumber = 'd',   /* lua_Number */
    MessageString = 's',   /* size_t, bytes */
    MessageTable = 'T',    /* key, value, key, value, ..., MessageEnd */
    MessageFunction = 'F', /* size_t, binary chunk; its upvalues; MessageEnd */
    MessageAgain = 'R',    /* lua_Integer: a table or function that is there already */
    MessageGlobals = 'G',  /* the table of the global variables */
    MessageModule = 'M',   /* string: what require of it returns */
    MessageLibrary = 'L',  /* two strings: a module and a field of that */
    MessageChannel = 'C',  /* size_t: which of `channels` */
    MessageEnd = 'E'
};

#endif
