/* Memory.h -- weak memory: the stores of each location, and which of them a thread must see.
 *
 * Note [Model memory]
 *   Operational C11 without load buffering.  A location is a list of stores, oldest first; a store
 *   goes to the end.  A thread's *view* says, per location, the oldest store it may still read: a
 *   load picks any store from there on and moves the view up to it.
 *     release   the store carries the writer's view        acquire   the load joins what it carries
 *     RMW       reads the newest store; carries on what that one carried (release sequence)
 *     CAS       succeeds on the newest store only; a failed one is a load of any store it may see
 *               that differs from what was expected (C11 grants a failure no more than that)
 *     seq_cst   also release/acquire; each location has a bound that seq_cst stores and reads move
 *               up, and below which no seq_cst load reads.  So two sides that store and then load,
 *               all seq_cst, cannot both miss; a *relaxed* load after a seq_cst RMW may.
 *     membarrier  every thread's view moves up to the newest store of every location
 *   C11 allows three things more, which are not explored:
 *     - relaxed stores of two threads to two locations that settle in opposite orders (2+2W);
 *     - a relaxed load that sees a store which comes after it in its own thread's future (load
 *       buffering);
 *     - a seq_cst load that misses a seq_cst store though that was executed before it.  The bound
 *       moves in the order of execution; C++20's single order of seq_cst accesses follows only what
 *       happens before, and the order of reads and stores of each location.  So who has read, by
 *       relaxed accesses, of something that came after a seq_cst store sees that store here, if it
 *       looks by a seq_cst load, and may miss it there.  An order that hands on nothing else
 *       cannot be shown to be needed.
 *   A location starts with what memory holds when it is first touched; memory itself always holds
 *   the newest value, so that setup, check and predicates are plain C.
 */
#ifndef MODEL_MEMORY_H
#define MODEL_MEMORY_H

#include "testsuite/model/Step.h"

#include <stddef.h>

typedef struct Store Store;

/* Forget all locations: a new model begins. */
void memoryClear(void);

/* Begin an execution: the locations keep their numbers and lose their stores. */
void memoryReset(int threads);

/* The number of a location, or -1 after *problem was set to what is wrong. */
int memoryLocate(volatile void *at, unsigned size, const char **problem);

/* The bytes were made anew (freed, initialised by plain stores): all may see only what is there
 * now. Returns false when there is no room for more stores. */
bool memoryForget(const volatile void *at, size_t size);

/* The index-th store, newest first, that op (a load or compare-and-swap) of the thread may read,
 * leaving out those up to floor; NULL when there are no more. */
Store *memoryCandidate(int thread, const Op *op, int floor, int index);

/* Do a load, store, RMW or CAS; `from` is the store to read (NULL for OpStore).  Fills the step's
 * results.  Returns NULL or what is wrong. */
const char *memoryApply(int thread, Step *step, Store *from, int step_index);

void memoryBarrier(int threads);       /* everybody sees everything */
void memoryRefresh(int thread);        /* the thread sees everything */
LocationSet memoryWatched(int thread); /* read by the thread since its last memoryRenew */
bool memoryChanged(int thread);        /* does one of them hold another value now? */
void memoryRenew(int thread, const LocationSet *watched); /* see their newest; watch none */

Stamp memoryNewestStamp(int location);
int memoryNewestStep(int location); /* which step made the newest store; -1: setup */
const volatile void *memoryAddress(int location);
int memoryLocationCount(void);

/* Plain access by size, also used for what runs outside the model threads. */
uint64_t memoryPeek(const volatile void *at, unsigned size);
void memoryPoke(volatile void *at, unsigned size, uint64_t value);
uint64_t memoryArithmetic(int arithmetic, uint64_t old, uint64_t operand);

#endif
