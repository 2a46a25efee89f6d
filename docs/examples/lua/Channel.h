/* Channel.h -- messages between coroutines, be they in one state or in several.
 *
 * In Lua: channel = capri.channel([room]); channel:send(...) waits while there is no room, and is
 * an error once the channel is closed; channel:offer(...) is false where that would have to wait;
 * channel:receive() waits for a message and returns its
 * values, or nil, "closed" when the channel is closed and empty; channel:close().
 * `for value in channel.receive, channel do` reads all.
 *
 * A channel belongs to no state: states refer to it, and messages that speak of it do.  References
 * are counted: one that holds a message that speaks of itself is not freed before the program ends.
 */
#ifndef CAPRI_LUA_CHANNEL_H
#define CAPRI_LUA_CHANNEL_H

#include "Message.h"
#include "State.h"

#include <capri/capri.h>
#include <lua.h>

#include <stdbool.h>

typedef struct Channel Channel;

/* channelRetain -- one more reference; returns channel.   channelRelease -- the last one frees it,
 * with what is in it.
 * channelDrop -- likewise, but puts it onto a list that channelFree frees: what is in a channel may
 * be another one, and so on without end. */
Channel *channelRetain(Channel *channel);
void channelRelease(Channel *channel);
void channelDrop(Channel *channel, Channel **dropped);
void channelFree(Channel *dropped);

/* channelEndAll -- the runtime is about to go: what is in them is freed; they are but names. */
void channelEndAll(void);

/* channelAt -- the one at `index`, or NULL.   channelPush -- one more reference, for Lua. */
Channel *channelAt(lua_State *L, int index);
void channelPush(lua_State *L, Channel *channel);

/* In transactions: both retry while they would have to wait.
 * channelTake -- true, with the first message; false: closed and empty.
 * channelPut -- true: it is in; false: closed. */
bool channelTake(Transaction *tx, Channel *channel, Message **message);
bool channelPut(Transaction *tx, Channel *channel, Message *message);

/* channelIsUp -- its runtime is running. */
bool channelIsUp(const Channel *channel);

/* channelOpen -- the functions of the module: capri.channel; the table is on top of the stack. */
void channelOpen(lua_State *L, State *state);

#endif
