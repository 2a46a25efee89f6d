/* Ticker.h -- telling Lua code that has run for too long.
 *
 * Note [Ticks]
 *   A hook that counts instructions would slow all of them down, so there is none until it is
 *   needed.  The OS thread that carries a capability has a timer of its own processor time: an idle
 *   program is never woken by it.  Every TICK_MS of that, a signal handler looks whether the same
 *   step of the same coroutine has run since the last tick, and if so sets a hook for the next
 *   instruction, which is what lua_sethook may be called for by a signal handler.  The hook lets
 *   due events in, and is where an interrupt or a time limit reaches a loop that never waits.  It
 *   does not let others of the same state run: between two calls that may wait a coroutine has its
 *   state for itself, as Lua programs are used to; a long computation calls coroutine.yield.  One
 *   that does so before each tick is told at the begin of its steps (mustTick).
 *   A hook of the script's own (debug.sethook) is put back by the tick, or when the thread is left
 *   before that; what it counts begins anew.
 *   The handler runs on the OS thread that runs the step, so that the two need no atomics; a signal
 *   that comes late, on an OS thread that has lost the capability, is dropped.
 */
#ifndef CAPRI_LUA_TICKER_H
#define CAPRI_LUA_TICKER_H

#include <lua.h>

#include <stdint.h>

/* tickerStart -- before the first step: `hook` is called in Lua code that has run for too long. */
void tickerStart(lua_Hook hook);
void tickerEnd(void);

/* tickerEnter, tickerLeave -- around the Lua code of a step, which begins with thread L.
 * tickerSwitch -- within it, another thread of the same state runs. */
void tickerEnter(uint32_t capability, lua_State *L);
void tickerSwitch(uint32_t capability, lua_State *L);
void tickerLeave(uint32_t capability);

/* tickerTick -- the thread that runs: its next instruction is a tick.
 * tickerTaken -- in the hook: this was it; the script's own hook, if it has one, is back. */
void tickerTick(uint32_t capability, lua_State *L);
void tickerTaken(uint32_t capability, lua_State *L);

#endif
