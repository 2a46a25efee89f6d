/* Explorer.h -- writing a model: real code, run through every interleaving of 2 to 4 threads.
 *
 * The code under test and the model are compiled with -DSMP_MODEL, so that each atomic of SMP.h is
 * a step.  A model gives a state, what the threads do with it, and what must hold in the end; the
 * explorer runs all executions that weak memory (See Note [Model memory]) and the scheduler can
 * tell apart (See Note [Reduction]).
 *
 *     // The build links what this names:    model-sources: iomgr/OwnerGate.c
 *     #include "iomgr/OwnerGate.h"
 *     #include "testsuite/model/Explorer.h"
 *
 *     typedef struct State { OwnerGate gate; uint64_t guarded; } State;
 *
 *     static void setUp(void *at)                     // the state is zero
 *     {
 *         State *state = at;
 *         ownerGateStart();
 *         ownerGateInit(&state->gate);
 *     }
 *     static void own(void *at)                       // thread 0
 *     {
 *         State *state = at;
 *         GateWay way = ownerGateEnter(&state->gate);
 *         MODEL_WRITE(state->guarded, MODEL_READ(state->guarded) + 1); // fails on a race
 *         ownerGateLeave(&state->gate, way);
 *     }
 *     static void visit(void *at)                     // thread 1
 *     {
 *         State *state = at;
 *         if (!ownerGateVisit(&state->gate)) return;
 *         MODEL_WRITE(state->guarded, MODEL_READ(state->guarded) + 1);
 *         ownerGateVisitEnd(&state->gate);
 *     }
 *     static void checkEnd(void *at)
 *     {
 *         State *state = at;
 *         MODEL_CHECK(state->guarded >= 1 && state->gate.lock == 0);
 *     }
 *
 *     static const Model models[] = {
 *         {"ownerAgainstVisitor", sizeof(State), 2, setUp, {own, visit}, checkEnd, NULL, 0},
 *     };
 *     int main(int argc, char **argv) { return modelMain(argc, argv, models, 1); }
 *
 * Rules
 *   - All that an execution changes lies in the state (zeroed before setup) or is reset by setup:
 *     executions are abandoned in the middle, stacks are not unwound, nothing is freed.
 *   - Between threads only SMP.h and MODEL_READ/MODEL_WRITE; setup, check, stuck and `until`
 *     are plain.
 *   - Loops that wait call SMP_PAUSE (or modelYield); a pause lasts until something read since the
 *     last pause holds another value.  Hence no "give up after n pauses": make n a
 *     parameter, 0 here.
 *   - MODEL_CHECK in a thread judges what the thread has read, not plain memory of others.
 *   - An execution has at most STEPS_MAX steps, a model THREADS_MAX threads, LOCATIONS_MAX
 *     addresses (Step.h); going over one is reported as truncated, never as success.
 *   - No real locks, no system calls that wait, no sanitizers, no other OS threads.
 */
#ifndef MODEL_EXPLORER_H
#define MODEL_EXPLORER_H

#ifndef SMP_MODEL
#error "models are compiled with -DSMP_MODEL"
#endif

#include "internal/SMP.h"

#include <stddef.h>

typedef struct Model {
    const char *name;
    size_t state_size;           /* bytes, zeroed before each setup, aligned to a page */
    int threads;                 /* 1 .. 4 */
    void (*setup)(void *state);  /* may be NULL; sees and is seen by all */
    void (*run[4])(void *state); /* the threads */
    void (*check)(void *state);  /* may be NULL; after all threads have ended */
    bool (*stuck)(void *state); /* NULL: being stuck fails; true: these threads may wait for ever */
    uint64_t limit;             /* executions; 0: MODEL_LIMIT_DEFAULT.  More is "truncated" */
} Model;

enum { MODEL_LIMIT_DEFAULT = 2000000, MODEL_OUTCOMES_MAX = 4096 };

/* Run the models: --list, --only NAME, --full (without reduction), --limit EXECUTIONS.
 * Prints "name: N executions, M choices, ok" or the reason and the trace.  Returns the exit status:
 * 0 all hold, 1 one failed or was truncated, 2 usage.  Environment: Site.h. */
int modelMain(int argc, char **argv, const Model *models, int count);

/* Judge in a thread, setup or check: a failure ends the search and prints the trace. */
#define MODEL_CHECK(condition)                                                                     \
    (__builtin_expect(!!(condition), 1) ? (void)0 : modelFail(__FILE__, __LINE__, #condition))
_Noreturn void modelFail(const char *file, int line, const char *text);

/* Plain data shared between threads: an access that is not ordered after every earlier write
 * fails. */
#define MODEL_READ(lvalue)                                                                         \
    SMP_TYPED(&(lvalue), modelRead(&(lvalue), sizeof(lvalue), SMP_SITE("MODEL_READ")))
#define MODEL_WRITE(lvalue, value)                                                                 \
    modelWrite(&(lvalue), sizeof(lvalue), SMP_VALUE(&(lvalue), value), SMP_SITE("MODEL_WRITE"))
uint64_t modelRead(const volatile void *at, unsigned size, const char *site);
void modelWrite(volatile void *at, unsigned size, uint64_t value, const char *site);

/* Sleep in the kernel: the thread goes on when until(arg) is true of the newest memory, and then
 * sees everything (the kernel's wake-up is a full fence).  `until` may only read what SMP.h or
 * MODEL_WRITE change. */
void modelBlock(bool (*until)(void *arg), void *arg);

/* Let others run until something this thread has read changes (SMP_PAUSE by another name). */
void modelYield(void);

/* These bytes were freed, allocated or initialised by plain stores of their only owner. */
void modelForget(const volatile void *at, size_t size);

/* Which thread calls: 0 .. 3, or -1 in setup, check, stuck and until. */
int modelThread(void);

/* Remember a number in the result: what different executions have led to. */
void modelOutcome(uint64_t outcome);

/* ---- Underneath modelMain, for tests of the explorer itself --------------------------------- */

typedef enum ModelVerdict { ModelHolds, ModelFailed, ModelTruncated } ModelVerdict;

typedef struct ModelResult {
    ModelVerdict verdict;
    uint64_t executions; /* that ended or got stuck as they may */
    uint64_t cut;        /* left in the middle: the rest was explored elsewhere */
    uint64_t choices;    /* nodes of the search tree */
    uint64_t steps;      /* executed, replays included */
    char reason[256];    /* of what is not ModelHolds */
    int outcome_count;   /* sorted, each once; MODEL_OUTCOMES_MAX: there may be more */
    uint64_t outcomes[MODEL_OUTCOMES_MAX];
} ModelResult;

typedef struct ModelOptions {
    bool full;      /* no reduction: every interleaving */
    bool quiet;     /* do not print the trace of a failure */
    uint64_t limit; /* executions; 0: the model's */
} ModelOptions;

ModelVerdict modelRun(const Model *model, ModelOptions options, ModelResult *result);

#endif
