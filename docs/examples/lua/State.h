/* State.h -- a Lua state: the interpreter of one capability.
 *
 * Note [Who touches a Lua state]
 *   Each capability has a state of its own, made when something is first run there; all its
 *   coroutines are tasks pinned to that capability, and only their steps touch it: one at a time,
 *   and no lock is needed.  From one state to another goes nothing but messages (Message.h).
 *   The first state is the program's, or the one that called capri.run, which stands still in that
 *   call meanwhile.  The others are closed by the thread that ran them all, when every coroutine
 *   has ended.
 *   A function that is called while no step runs (`current` is NULL: in a finalizer of lua_close,
 *   in the state of a capri.call, before capri.run) may not wait, and says so (coroutineCurrent,
 *   coroutineHere): sockets also where there would be nothing to wait for, since an fd would block;
 *   a channel's send, offer and receive only where they would have to wait.
 */
#ifndef CAPRI_LUA_STATE_H
#define CAPRI_LUA_STATE_H

#include <lua.h>

#include <stdint.h>

struct Coroutine;

enum { SCRATCH_SIZE = 64 * 1024 };

/* In the registry of its Lua state, as long as that. */
typedef struct State {
    lua_State *L;               /* for what belongs to no coroutine */
    uint32_t capability;        /* that its coroutines are pinned to */
    struct Coroutine *current;  /* whose step runs, else NULL */
    uint32_t waiting;           /* nested coroutines that wait, or were cut off in that */
    char scratch[SCRATCH_SIZE]; /* for one read: nobody waits with something in it */
} State;

/* stateHere -- the state of the function of this module that runs: its first upvalue.
 * stateFind -- the same of any Lua code; NULL: the module was never loaded. */
State *stateHere(lua_State *L);
State *stateFind(lua_State *L);

/* stateMake -- find or make it; may raise. */
State *stateMake(lua_State *L);

/* stateOpen -- a new Lua state for a capability, with the libraries and this one; NULL: out of
 * memory.   stateClose -- that is closed, with all that is in it. */
State *stateOpen(uint32_t capability);
void stateClose(State *state);

#endif
