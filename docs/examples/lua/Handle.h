/* Handle.h -- what capri.spawn returns: a name for a coroutine.
 *
 * In Lua: capri.spawn(fn, ...) runs fn(...) in this state; capri.spawn_on(n, fn, ...) in the state
 * of capability n, 1 to capri.cpus(), with copies (Message.h).  handle:join() waits until it has
 * ended: true, or nil and what it has died of.  handle:kill() interrupts it, once; while that is
 * under way another one adds nothing.
 */
#ifndef CAPRI_LUA_HANDLE_H
#define CAPRI_LUA_HANDLE_H

#include "Coroutine.h"

/* handleAt -- whose handle is at `index`; NULL: none. */
Coroutine *handleAt(lua_State *L, int index);

/* handleOpen -- capri.spawn, capri.spawn_on; the table is on top of the stack. */
void handleOpen(lua_State *L, State *state);

#endif
