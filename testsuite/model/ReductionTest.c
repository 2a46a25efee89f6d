/* ReductionTest.c -- the reduction loses no outcome: random programs with and without it.
 *
 * not-under: tsan asan valgrind
 *
 * Each program (See Note [Reduction]) is small enough to run without reduction; the sets of
 * outcomes, those of threads that wait for ever included, must be equal; a race of plain data is
 * found by both or by neither.  --seed N and --programs N.
 */
#include "testsuite/model/Litmus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FULL_LIMIT = 30000 }; /* executions; a larger program is left out */

static uint64_t random_state;

static uint64_t randomBelow(uint64_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % bound;
}

static int randomOrder(LitmusKind kind)
{
    static const int load_orders[] = {SMP_RELAXED, SMP_ACQUIRE, SMP_SEQ_CST};
    static const int store_orders[] = {SMP_RELAXED, SMP_RELEASE, SMP_SEQ_CST};
    if (kind == LitmusLoad || kind == LitmusAwait)
        return load_orders[randomBelow(3)];
    if (kind == LitmusStore)
        return store_orders[randomBelow(3)];
    return (int)randomBelow(5);
}

static LitmusOp randomOp(int words, bool plain)
{
    static const LitmusKind kinds[] = {
        LitmusLoad, LitmusLoad, LitmusLoad, LitmusStore, LitmusStore, LitmusStore,  LitmusXchg,
        LitmusAdd,  LitmusCas,  LitmusCas,  LitmusAwait, LitmusBlock, LitmusBarrier};
    LitmusOp op = {.kind = kinds[randomBelow(sizeof kinds / sizeof kinds[0])]};
    op.word = (int)randomBelow((uint64_t)words);
    if (plain && op.word == X)
        op.kind = randomBelow(2) ? LitmusRead : LitmusWrite;
    op.order = randomOrder(op.kind);
    op.value = 1 + randomBelow(2);
    op.expected = randomBelow(3);
    return op;
}

static Litmus randomProgram(void)
{
    Litmus program = {.threads = 2 + (int)randomBelow(3)};
    uint64_t length = program.threads == 2 ? 4 : program.threads == 3 ? 3 : 2;
    int words = 1 + (int)randomBelow(3);
    bool plain = words > 1 && randomBelow(4) == 0; /* X holds plain data: there may be races */
    for (int i = 0; i < program.threads; i++)
        for (uint64_t j = 1 + randomBelow(length); j > 0; j--)
            program.code[i][j - 1] = randomOp(words, plain);
    return program;
}

static void printProgram(const Litmus *program)
{
    static const char *const names[] = {"-",       "load",  "store", "xchg", "add",  "cas",
                                        "barrier", "await", "block", "read", "write"};
    for (int i = 0; i < program->threads; i++) {
        printf("  T%d:", i);
        for (int j = 0; j < LITMUS_CODE_MAX && program->code[i][j].kind != LitmusEnd; j++) {
            const LitmusOp *op = &program->code[i][j];
            printf(" %s(%c, %" PRIu64 "<-%" PRIu64 ", order %d)", names[op->kind], 'X' + op->word,
                   op->value, op->expected, op->order);
        }
        printf("\n");
    }
}

static void printOutcomes(const char *what, const ModelResult *result)
{
    printf("  %s: verdict %d, %" PRIu64 " executions:", what, (int)result->verdict,
           result->executions);
    for (int i = 0; i < result->outcome_count; i++)
        printf(" %" PRIx64, result->outcomes[i]);
    printf("\n");
}

static bool sameOutcomes(const ModelResult *left, const ModelResult *right)
{
    size_t bytes = (size_t)left->outcome_count * sizeof left->outcomes[0];
    if (left->verdict == ModelFailed)
        return right->verdict == ModelFailed; /* both found a race */
    return left->verdict == ModelHolds && right->verdict == ModelHolds &&
           left->outcome_count == right->outcome_count &&
           memcmp(left->outcomes, right->outcomes, bytes) == 0;
}

static uint64_t parseOption(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    static ModelResult full, reduced;
    uint64_t seed = parseOption(argc, argv, "--seed", 1);
    uint64_t programs = parseOption(argc, argv, "--programs", 3000);
    uint64_t full_total = 0, reduced_total = 0, cut_total = 0, compared = 0, different = 0;
    for (uint64_t i = 0; i < programs; i++) {
        random_state = seed * UINT64_C(1000003) + i;
        Litmus program = randomProgram();
        ModelOptions options = {.full = true, .quiet = true, .limit = FULL_LIMIT};
        litmusRun(&program, true, options, &full);
        if (full.verdict == ModelTruncated)
            continue;
        litmusRun(&program, true, (ModelOptions){.quiet = true}, &reduced);
        compared++;
        full_total += full.executions;
        reduced_total += reduced.executions;
        cut_total += reduced.cut;
        if (sameOutcomes(&full, &reduced))
            continue;
        if (different++ > 3)
            continue;
        printf("program %" PRIu64 " of seed %" PRIu64 ":\n", i, seed);
        printProgram(&program);
        printOutcomes("without reduction", &full);
        printOutcomes("with reduction", &reduced);
    }
    printf("%" PRIu64 " programs compared, %" PRIu64 " differ; %" PRIu64
           " executions without, %" PRIu64 " with reduction (%" PRIu64 " cut)\n",
           compared, different, full_total, reduced_total, cut_total);
    return different || compared < programs / 2 ? 1 : 0;
}
