/* Search.h -- which thread goes next: depth first over all executions that can differ.
 *
 * Note [Reduction]
 *   Two steps commute unless they touch one location and at least one writes it.  Because a load
 *   may read an old store (See Note [Model memory]), "load, then store by another" is the same
 *   execution as "store, then load of the old value": of the two only the second must be explored.
 *     Backtracking (source sets: Abdulla, Aronis, Jonsson and Sagonas): when a step is made, each
 *   earlier step of another thread with which it does not commute, and which need not come first
 *   (vector clocks), is a race.  At the node before the earlier step one thread is added that
 *   begins what came since and does not depend on it.  Merely adding the later step's own thread is
 *   not enough: it may sleep there.  Where the later step waits (pause, block) and might not be
 *   possible without the earlier one, every thread that can run is added; threads that still wait
 *   at the end are treated so, too.
 *     Sleep sets: a thread whose step was fully explored at a node sleeps in the later siblings
 *   until a step that does not commute with its own.  A load sleeps with a *floor*, the newest
 *   store at that node: a later store wakes it only for what is above the floor.
 *   ReductionTest.c compares outcome sets with and without all this on random programs; each
 *   rule above that sounds fussy was once a program that it found.
 */
#ifndef MODEL_SEARCH_H
#define MODEL_SEARCH_H

#include "testsuite/model/Memory.h"

enum { SearchCut = -1, SearchLong = -2 }; /* nothing new below here; more than STEPS_MAX steps */

/* Begin with a model; `full` turns the reduction off. */
void searchStart(int threads, bool full);

/* Begin an execution. */
void searchRestart(void);

/* Thread `thread` has reached `op` (which stays valid until executed) and waits for its turn. */
void searchAnnounce(int thread, const Op *op);

/* Is the next step already decided (so that searchPick needs no set of enabled threads)? */
bool searchReplays(void);

/* The thread that goes next, among `enabled` (bits, not empty), or a negative verdict. */
int searchPick(unsigned enabled);

/* The step that the picked thread now makes; *from is the store it reads, NULL if none. */
Step *searchBegin(int thread, Store **from);
void searchEnd(Step *step); /* ... and has made */

/* The execution is over; some threads may still wait. */
void searchStop(void);

/* Choose the next execution; false: all are explored. */
bool searchAdvance(void);

int searchDepth(void); /* steps made in this execution */
const Step *searchStep(int index);
uint64_t searchChoices(void); /* nodes of the search tree so far */

#endif
