/* Nested.h -- coroutine.resume and coroutine.wrap that let waits pass.
 *
 * Note [Nested coroutines]
 *   A script may make coroutines of its own, generators say, inside of one of Capri's.  What waits
 *   in there yields; Lua's own coroutine.resume would take that for the generator's next value.
 *   These tell the two apart (Coroutine.pending): a wait, and the end of a time slice, go on to the
 *   step, and when it is over the inner coroutine is resumed where it was.
 *   Meanwhile nobody else may resume or close it, though Lua calls it suspended: a table in the
 *   registry has it, and whose wait it is.  The limit of time of a wait in there is the inner one's
 *   (Note [Limits of time]); the outer one's lies on the outer one's stack until then.
 */
#ifndef CAPRI_LUA_NESTED_H
#define CAPRI_LUA_NESTED_H

#include "State.h"

/* nestedOpen -- put them, and a coroutine.close that knows of waits, into the table `coroutine`, if
 * there is one. */
void nestedOpen(lua_State *L, State *state);

#endif
