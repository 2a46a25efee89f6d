/* Coroutine.h -- a coroutine of Lua that is a task of Capri.
 *
 * Note [Coroutines]
 *   Each capri.spawn makes a Lua thread and a task, whose step resumes it.
 *     a function that has to wait   records the wait (taskWait...), says so by coroutineAwait, and
 *                                   yields with a continuation (lua_yieldk)
 *     the step                      finds itself behind lua_resume, and returns TaskBlocked
 *     the next step                 keeps status and value of the wait, and resumes
 *     the continuation              asks coroutineWoken, and goes on
 *   While nothing but the task refers to the Lua thread, a table in the registry keeps it from the
 *   collector; all that a wait needs lies on its stack, and so is kept as well.
 *   Unless the wait is in a nested coroutine, which other Lua code may resume, close or drop
 *   meanwhile.  Nested.c refuses that, but code that has kept Lua's own functions does not ask it.
 *   So the continuation looks whether the wait that is over is its own (`waiter`), and what the
 *   task's wait refers to is kept by the registry as well (coroutineKeep).
 *   A function that need not wait gives way all the same when the time slice is over, before it
 *   returns: who always finds something to read would keep the state for itself.  Not below a
 *   resume that Nested.c does not know, which would take that for a value.
 *   A C function on the stack that Lua cannot yield across (table.sort, string.gsub, a finalizer)
 *   is told from a place to wait in before anything is recorded: coroutineHere.
 *
 * Note [Ends of coroutines]
 *   done          its function has returned
 *   error         reported with its traceback; nobody else is ended by it, unless it was the first
 *                 one, which ends the program as an error ends a plain Lua program
 *   interrupted   handle:kill, or the program is ending: the wait it is in, or the next one, or the
 *                 next tick (Ticker.h) raises the error "interrupted", which it may catch to clean
 *                 up; not reported
 *   cut off       the program is ending and it has not ended in time: its Lua code does not run any
 *                 more, but for what its variables have as __close; those of a coroutine that is
 *                 nested in it do not even do that
 *   Who was not in a wait when it was told has `notice`: its next wait raises the error, or a hook
 *   at the next instruction, if there is one in its own Lua thread.  A wait that has succeeded is
 *   never cut off: its function takes first what it is owed.
 */
#ifndef CAPRI_LUA_COROUTINE_H
#define CAPRI_LUA_COROUTINE_H

#include "Message.h"
#include "State.h"

#include <capri/capri.h>
#include <lua.h>

#include <stdbool.h>

/* How a coroutine is told to end: codes of threadThrowTo, beside threadKill. */
enum { InterruptEnd = 1, InterruptCut = 2 };

typedef enum Pending {
    PendingNone,
    PendingWait, /* a wait was recorded, by a function that has yielded */
    PendingTurn, /* others have theirs before a function that need not wait returns */
    PendingCut   /* it is cut off in the middle of Lua code */
} Pending;

typedef struct Coroutine {
    /* its step's */
    State *state;         /* NULL: in another state that is not there yet */
    lua_State *L;         /* its Lua thread; NULL: not begun */
    TaskContext *context; /* the present step's */
    int64_t deadline_ns;  /* capri.timeout: every wait ends then; INT64_MAX: none */
    Message *message;     /* what begins in another state: a function and what it is called with */
    void *value;          /* of the wait that is over */
    int status;
    lua_State *waiter;        /* whose function waits, or is to ask how it went; only compared */
    lua_State *inside;        /* in a step: L, or who is nested in it, as far as Nested.c knows */
    struct Coroutine *joined; /* NULL, or whose end it waits for: a reference */
    int kept;                 /* where in the registry is what the wait refers to; 0: nowhere yet */
    void **found;             /* NULL, or where in that goes the value of a wait that succeeds */
    int arguments;            /* values on top of L's stack that it is resumed with */
    Pending pending;
    uint32_t walls; /* resumes on the stack that it cannot yield across */
    bool cut;
    bool notice; /* it is interrupted, and does not know it yet */
    uint32_t capability;
    bool first; /* the program's */
    /* anybody's, under the roster's lock */
    struct Coroutine *next, *prev;
    Thread *thread; /* NULL: not started yet, or the runtime has ended */
    Thread *killed; /* likewise, while a kill is under way; else NULL */
    uint32_t references, round;
    int told;    /* InterruptEnd, InterruptCut, or 0 */
    bool starts; /* it has a task, or is about to */
    bool died;   /* it and `error` stay when `ended` is set */
    char *error; /* what it has died of; NULL: out of memory */
    bool ended;
} Coroutine;

/* coroutineNew -- one that is not started, with one reference; NULL: out of memory.
 * coroutineStart -- let its task begin, which has a reference of its own: 0 or -E.... */
Coroutine *coroutineNew(uint32_t capability);
int coroutineStart(Coroutine *it);

/* coroutineAttach -- it is to run in the state of L: the function below `arguments` values on top
 * of L's stack, called with these, all of which are taken.  May raise. */
void coroutineAttach(lua_State *L, Coroutine *it, int arguments);

/* ---- for functions that wait ----------------------------------------------------------------- */

/* coroutineHere -- the one that has called; raises where it cannot wait. */
Coroutine *coroutineHere(lua_State *L);

/* coroutineAwait -- a wait has been recorded (recorded: 0): `next` goes on when it is over.  The
 * caller returns its result. */
int coroutineAwait(lua_State *L, Coroutine *it, int recorded, lua_KContext context,
                   lua_KFunction next);

/* coroutineTurn -- a function goes on without having waited: if its time slice is over others have
 * their turn first, then `next` goes on, and this does not return.   May be called anywhere.
 * coroutineReturn -- likewise, before it returns `results`: the caller returns its result. */
void coroutineTurn(lua_State *L, lua_KContext context, lua_KFunction next);
int coroutineReturn(lua_State *L, int results);

/* coroutineKeep -- the value at `index` is kept from the collector until the task's wait is over,
 * whatever becomes of L. */
void coroutineKeep(lua_State *L, Coroutine *it, int index);

/* coroutineWoken -- how the wait went: 0 or -E....  Raises "interrupted" and "timeout", and where
 * what has woken it is not the end of its wait.   coroutineOver -- likewise of the present one, but
 * a failure is raised as well. */
int coroutineWoken(lua_State *L, Coroutine *it);
void coroutineOver(lua_State *L);

/* coroutineCurrent -- the one that has called, where it need not wait; raises if no step runs. */
Coroutine *coroutineCurrent(lua_State *L);

/* coroutineIsNotice -- is the error at `index` one of coroutineWoken's? */
bool coroutineIsNotice(lua_State *L, int index);

/* coroutineOwns -- is `thread` the Lua thread of one in the state of L? */
bool coroutineOwns(lua_State *L, lua_State *thread);

/* coroutineFail -- the results nil, message and number of error `code`: how many. */
int coroutineFail(lua_State *L, int code);

/* coroutineTick -- the hook: Lua code has run for too long. */
void coroutineTick(lua_State *L, lua_Debug *about);

#endif
