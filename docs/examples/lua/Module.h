/* Module.h -- the module `capri`: what a script sees.
 *
 *     local capri = require "capri"
 *
 * Coroutines (Handle.h), time (Timeout.h), channels (Channel.h), choices (Select.h), sockets
 * (Connect.h, Socket.h), calls that block (Call.h), and
 *   capri.cpus()   how many capabilities there are, each with a Lua state
 *   capri.cpu()    the number of this one, from 1
 *   capri.run(fn, ...)   in a stock interpreter: start the runtime, run fn(...) as the first
 *                        coroutine, return true when all have ended; nil and a message if fn died
 *                        or a signal ended them
 */
#ifndef CAPRI_LUA_MODULE_H
#define CAPRI_LUA_MODULE_H

#include <lua.h>

__attribute__((visibility("default"))) int luaopen_capri(lua_State *L);

#endif
