/* Run.h -- the runtime, from the first coroutine to the last.
 *
 * Note [The end of a program]
 *   It has ended when no coroutine lives.  SIGINT, SIGTERM, and an error of the first coroutine ask
 *   for that: nobody may spawn any more, all that live are interrupted, and who has not ended after
 *   GRACE_MS is cut off.  Who does not even come to that, because a C function does not return, is
 *   not waited for: the process exits.
 *   The OS thread that does all this is there from the start: an end must not fail for want of one.
 *   Then the states are closed, the program's own one is freed of what belongs to the runtime by a
 *   full collection, and the runtime is shut down.
 */
#ifndef CAPRI_LUA_RUN_H
#define CAPRI_LUA_RUN_H

#include "State.h"

#include <capri/capri.h>
#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

enum { CAPABILITIES_MOST = 64 };

typedef enum RunEnd {
    RunDone,  /* every coroutine has ended */
    RunAsked, /* likewise, by a signal */
    RunDied   /* likewise, since the first one died of an error, which was reported */
} RunEnd;

/* runFunction -- the function at the bottom of L's stack, with what is above it, as the first
 * coroutine; all are taken.  Returns when the program has ended: a RunEnd; or -E...: nothing has
 * run; -EALREADY: a program is running.  May raise.  config: NULL: defaults. */
int runFunction(lua_State *L, const RtsConfig *config);

/* runCount -- how many capabilities; without a runtime 0.
 * runState -- the state of one; on that capability only.  NULL: out of memory.
 * runIsUp -- is there a runtime? */
uint32_t runCount(void);
State *runState(uint32_t capability);
bool runIsUp(void);

/* runFail -- a step: the first coroutine has died; the program is to end. */
void runFail(void);

#endif
