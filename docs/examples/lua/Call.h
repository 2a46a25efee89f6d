/* Call.h -- functions that block, off the core.
 *
 * In Lua: capri.call(fn, ...) returns what fn(...) does, or raises its error.  fn runs on an OS
 * thread of its own, where it may block: os.execute, io.read, any C function.  There it has a Lua
 * state of its own, so it and what it gets and returns are copied (Message.h).
 */
#ifndef CAPRI_LUA_CALL_H
#define CAPRI_LUA_CALL_H

#include "State.h"

/* callOpen -- capri.call; the table is on top of the stack. */
void callOpen(lua_State *L, State *state);

#endif
