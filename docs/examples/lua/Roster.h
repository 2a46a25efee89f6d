/* Roster.h -- all coroutines there are, of all states: who lives, who is told to end.
 *
 * What capabilities share of a coroutine is written under one lock, held for a few stores, and not
 * in a call of Capri that may switch threads.
 */
#ifndef CAPRI_LUA_ROSTER_H
#define CAPRI_LUA_ROSTER_H

#include "Coroutine.h"

/* rosterOpen -- with the runtime: 0 or -ENOMEM.
 * rosterClose -- before it goes: nobody lives; handles that are left are of nothing any more. */
int rosterOpen(void);
void rosterClose(void);

/* rosterAdd -- new, with one reference.   rosterRelease -- the last one frees it.
 * rosterJoin -- it has a reference to `other` from now on, and to nobody else; NULL: to nobody. */
void rosterAdd(Coroutine *it);
void rosterJoin(Coroutine *it, Coroutine *other);
void rosterRelease(Coroutine *it);

/* rosterStarts -- it is about to get a task, and lives from now on: 0; -ECANCELED: the program is
 * ending; -ENXIO: none is running.   rosterStarted -- it has got one: `thread` is the roster's.
 * rosterEnded -- it has ended, and gives its task's reference back. */
int rosterStarts(Coroutine *it);
void rosterStarted(Coroutine *it, Thread *thread);
void rosterEnded(Coroutine *it);

/* rosterHelps, rosterHelped -- a helper's thread is about to begin, is about to end: it counts as
 * what lives, but is not told anything.  0 or as rosterStarts. */
int rosterHelps(void);
void rosterHelped(void);

/* rosterFailed -- it dies of this, or without memory to keep it. */
void rosterFailed(Coroutine *it, const char *text);

/* rosterThread -- a counted handle of its task; NULL: there is none. */
Thread *rosterThread(Coroutine *it);

/* rosterKills -- a kill is about to begin: true; it has a reference, and `killed` is the task,
 * until rosterKilled.  false: there is no task, or one is under way. */
bool rosterKills(Coroutine *it);
void rosterKilled(Coroutine *it);

/* rosterTell -- plain OS threads, one at a time: interrupt all that live with code; nobody starts
 * any more.  Who does not come to a wait until deadline_ns is not told.
 * rosterHear -- one that runs, in a tick or at the begin of a step: the code that it was not told
 * yet, and is now; or 0. */
void rosterTell(int code, int64_t deadline_ns);
int rosterHear(Coroutine *it);

/* rosterWait -- plain OS threads: until nobody lives: 0 or -ETIMEDOUT. */
int rosterWait(int64_t deadline_ns);

#endif
