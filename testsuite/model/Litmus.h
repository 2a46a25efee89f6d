/* Litmus.h -- tiny programs as data, run by the explorer: what can their threads read?
 *
 * A program is up to four threads of instructions on up to four words, all 0 at first.  The outcome
 * of an execution is what the reading instructions got, four bits each, thread by thread, the first
 * lowest; for threads that wait for ever, what they had read until then.
 */
#ifndef MODEL_LITMUS_H
#define MODEL_LITMUS_H

#include "testsuite/model/Explorer.h"

enum { LITMUS_CODE_MAX = 6, LITMUS_WORDS = 4 };

typedef enum LitmusKind {
    LitmusEnd,
    LitmusLoad,
    LitmusStore,
    LitmusXchg,
    LitmusAdd,
    LitmusCas, /* reads the old value, + 8 if it was exchanged */
    LitmusBarrier,
    LitmusAwait, /* loads and pauses until the word is `value`; reads nothing */
    LitmusBlock, /* modelBlock until the word is not 0; reads nothing */
    LitmusRead,  /* MODEL_READ */
    LitmusWrite  /* MODEL_WRITE */
} LitmusKind;

typedef struct LitmusOp {
    LitmusKind kind;
    int word, order;
    uint64_t value, expected;
} LitmusOp;

typedef struct Litmus {
    int threads;
    LitmusOp code[4][LITMUS_CODE_MAX]; /* ended by LitmusEnd unless full */
} Litmus;

enum { X, Y, Z, W };
#define LD(word, order)                                                                            \
    {                                                                                              \
        LitmusLoad, word, SMP_##order, 0, 0                                                        \
    }
#define ST(word, value, order)                                                                     \
    {                                                                                              \
        LitmusStore, word, SMP_##order, value, 0                                                   \
    }
#define XCHG(word, value, order)                                                                   \
    {                                                                                              \
        LitmusXchg, word, SMP_##order, value, 0                                                    \
    }
#define ADD(word, value, order)                                                                    \
    {                                                                                              \
        LitmusAdd, word, SMP_##order, value, 0                                                     \
    }
#define CAS(word, old, new, order)                                                                 \
    {                                                                                              \
        LitmusCas, word, SMP_##order, new, old                                                     \
    }
#define BARRIER                                                                                    \
    {                                                                                              \
        LitmusBarrier, 0, 0, 0, 0                                                                  \
    }
#define AWAIT(word, value, order)                                                                  \
    {                                                                                              \
        LitmusAwait, word, SMP_##order, value, 0                                                   \
    }
#define BLOCK(word)                                                                                \
    {                                                                                              \
        LitmusBlock, word, 0, 0, 0                                                                 \
    }
#define READ(word)                                                                                 \
    {                                                                                              \
        LitmusRead, word, 0, 0, 0                                                                  \
    }
#define WRITE(word, value)                                                                         \
    {                                                                                              \
        LitmusWrite, word, 0, value, 0                                                             \
    }

/* Run it; with stuck_allowed, threads that wait for ever are an outcome too. */
ModelVerdict litmusRun(const Litmus *litmus, bool stuck_allowed, ModelOptions options,
                       ModelResult *result);

bool litmusFound(const ModelResult *result, uint64_t outcome);

#endif
