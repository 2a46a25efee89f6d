/* Litmus.c -- interpreting tiny programs on the explorer.
 *
 * Before  testsuite/model/LitmusTest.c, ReductionTest.c.      After  Explorer.c.
 */
#include "testsuite/model/Litmus.h"

#include "internal/Assert.h"

#include <string.h>

typedef struct LitmusState {
    uint64_t words[LITMUS_WORDS];
    uint8_t reads[4][LITMUS_CODE_MAX]; /* each thread its own row */
    int read_count[4];
} LitmusState;

static const Litmus *program; /* that runs now */

static bool wordIsSet(void *word)
{
    return *(uint64_t *)word != 0;
}

static uint64_t runCas(uint64_t *word, const LitmusOp *op)
{
    uint64_t old = op->expected;
    bool done = smpModelCas(word, sizeof *word, &old, op->value, op->order, "CAS");
    return old | (done ? 8 : 0);
}

/* Returns whether *read was set. */
static bool runOp(uint64_t *word, const LitmusOp *op, uint64_t *read)
{
    switch (op->kind) {
    case LitmusLoad:
        *read = smpModelLoad(word, sizeof *word, op->order, "LOAD");
        return true;
    case LitmusXchg:
        *read = smpModelRmw(word, sizeof *word, SMP_XCHG, op->value, op->order, "XCHG");
        return true;
    case LitmusAdd:
        *read = smpModelRmw(word, sizeof *word, SMP_ADD, op->value, op->order, "ADD");
        return true;
    case LitmusCas:
        *read = runCas(word, op);
        return true;
    case LitmusRead:
        *read = MODEL_READ(*word);
        return true;
    case LitmusStore:
        smpModelStore(word, sizeof *word, op->value, op->order, "STORE");
        break;
    case LitmusWrite:
        MODEL_WRITE(*word, op->value);
        break;
    case LitmusBarrier:
        SMP_MEMBARRIER();
        break;
    case LitmusBlock:
        modelBlock(wordIsSet, word);
        break;
    case LitmusAwait:
        while (smpModelLoad(word, sizeof *word, op->order, "AWAIT") != op->value)
            SMP_PAUSE();
        break;
    case LitmusEnd:
        break;
    }
    return false;
}

static void runCode(void *at)
{
    LitmusState *state = at;
    int self = modelThread();
    for (int i = 0; i < LITMUS_CODE_MAX; i++) {
        const LitmusOp *op = &program->code[self][i];
        uint64_t read = 0;
        if (runOp(&state->words[op->word], op, &read)) {
            ASSERT(read < 16);
            state->reads[self][state->read_count[self]++] = (uint8_t)read;
        }
    }
}

static void noteOutcome(void *at)
{
    const LitmusState *state = at;
    uint64_t outcome = 0;
    int shift = 0;
    for (int i = 0; i < program->threads; i++)
        for (int j = 0; j < state->read_count[i]; j++, shift += 4)
            outcome |= (uint64_t)state->reads[i][j] << shift;
    modelOutcome(outcome);
}

static bool noteStuck(void *at)
{
    noteOutcome(at);
    return true;
}

ModelVerdict litmusRun(const Litmus *litmus, bool stuck_allowed, ModelOptions options,
                       ModelResult *result)
{
    program = litmus;
    Model model = {.name = "litmus",
                   .state_size = sizeof(LitmusState),
                   .threads = litmus->threads,
                   .run = {runCode, runCode, runCode, runCode},
                   .check = noteOutcome,
                   .stuck = stuck_allowed ? noteStuck : NULL};
    return modelRun(&model, options, result);
}

bool litmusFound(const ModelResult *result, uint64_t outcome)
{
    for (int i = 0; i < result->outcome_count; i++)
        if (result->outcomes[i] == outcome)
            return true;
    return false;
}
