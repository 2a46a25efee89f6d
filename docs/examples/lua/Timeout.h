/* Timeout.h -- time in Lua: seconds, with fractions.
 *
 * capri.sleep(seconds); capri.now(), a clock that only goes forward; capri.timeout(seconds, fn,
 * ...): true and the results of fn(...), or nil, "timeout": then the wait in which it was, or a
 * loop, has raised the error "timeout", and so does each wait after that.  Limits nest;
 * one in a generator (coroutine.wrap) holds until that yields its next value.
 */
#ifndef CAPRI_LUA_TIMEOUT_H
#define CAPRI_LUA_TIMEOUT_H

#include "State.h"

#include <lua.h>

#include <stdint.h>

/* timeAfter -- when so many seconds have passed; what is no time is for ever. */
int64_t timeAfter(lua_Number seconds);

/* timeoutOpen -- the functions above; the table is on top of the stack. */
void timeoutOpen(lua_State *L, State *state);

#endif
