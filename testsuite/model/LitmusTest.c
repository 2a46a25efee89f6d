/* LitmusTest.c -- does the explorer find what weak memory allows, and nothing else?
 *
 * not-under: tsan asan valgrind
 *
 * Both ways: with the orders that forbid an outcome it is never found, with weaker ones it is, and
 * all that with and without the reduction.  Then races of plain data and threads that wait.
 */
#include "testsuite/model/Litmus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int failures;
static ModelResult result;

static void expect(bool holds, const char *name, const char *what)
{
    if (holds)
        return;
    failures++;
    printf("%s: expected %s; verdict %d \"%s\", %d outcomes:", name, what, (int)result.verdict,
           result.reason, result.outcome_count);
    for (int i = 0; i < result.outcome_count; i++)
        printf(" %#" PRIx64, result.outcomes[i]);
    printf("\n");
}

/* ---- Litmus tests --------------------------------------------------------------------------- */

typedef struct Case {
    const char *name;
    uint64_t outcome; /* first read in the lowest four bits */
    bool found;
    Litmus litmus;
} Case;

static const Case cases[] = {
    /* Message passing: the flag is seen, the data is not. */
    {"MP release/acquire",
     0x01,
     false,
     {2, {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)}, {LD(Y, ACQUIRE), LD(X, RELAXED)}}}},
    {"MP relaxed store",
     0x01,
     true,
     {2, {{ST(X, 1, RELAXED), ST(Y, 1, RELAXED)}, {LD(Y, ACQUIRE), LD(X, RELAXED)}}}},
    {"MP relaxed load",
     0x01,
     true,
     {2, {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)}, {LD(Y, RELAXED), LD(X, RELAXED)}}}},
    {"MP awaited, relaxed",
     0x0,
     true,
     {2, {{ST(X, 1, RELAXED), ST(Y, 1, RELAXED)}, {AWAIT(Y, 1, ACQUIRE), LD(X, RELAXED)}}}},
    {"MP awaited",
     0x0,
     false,
     {2, {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)}, {AWAIT(Y, 1, ACQUIRE), LD(X, RELAXED)}}}},
    {"MP through a sleep",
     0x0,
     false,
     {2, {{ST(X, 1, RELAXED), ST(Y, 1, RELAXED)}, {BLOCK(Y), LD(X, RELAXED)}}}},
    /* Store buffering: both miss.  See Note [StoreLoad]. */
    {"SB seq_cst",
     0x00,
     false,
     {2, {{ST(X, 1, SEQ_CST), LD(Y, SEQ_CST)}, {ST(Y, 1, SEQ_CST), LD(X, SEQ_CST)}}}},
    {"SB release/acquire",
     0x00,
     true,
     {2, {{ST(X, 1, RELEASE), LD(Y, ACQUIRE)}, {ST(Y, 1, RELEASE), LD(X, ACQUIRE)}}}},
    {"SB seq_cst RMW and load",
     0x0000,
     false,
     {2, {{ADD(X, 1, SEQ_CST), LD(Y, SEQ_CST)}, {ADD(Y, 1, SEQ_CST), LD(X, SEQ_CST)}}}},
    {"SB seq_cst RMW, relaxed load",
     0x0000,
     true,
     {2, {{ADD(X, 1, SEQ_CST), LD(Y, RELAXED)}, {ADD(Y, 1, SEQ_CST), LD(X, RELAXED)}}}},
    {"SB one relaxed load",
     0x0000,
     true,
     {2, {{ADD(X, 1, SEQ_CST), LD(Y, SEQ_CST)}, {ADD(Y, 1, SEQ_CST), LD(X, RELAXED)}}}},
    {"SB acq_rel RMW, seq_cst load",
     0x0000,
     true,
     {2, {{ADD(X, 1, ACQ_REL), LD(Y, SEQ_CST)}, {ADD(Y, 1, SEQ_CST), LD(X, SEQ_CST)}}}},
    {"SB failed seq_cst CAS as the load",
     0x00,
     false,
     {2, {{ST(X, 1, SEQ_CST), CAS(Y, 5, 6, SEQ_CST)}, {ST(Y, 1, SEQ_CST), LD(X, SEQ_CST)}}}},
    {"SB failed acq_rel CAS as the load",
     0x00,
     true,
     {2, {{ST(X, 1, SEQ_CST), CAS(Y, 5, 6, ACQ_REL)}, {ST(Y, 1, SEQ_CST), LD(X, SEQ_CST)}}}},
    /* A compiler fence against a membarrier.  See Note [Asymmetric fence]. */
    {"SB membarrier on one side",
     0x00,
     false,
     {2, {{ST(X, 1, RELAXED), LD(Y, RELAXED)}, {ST(Y, 1, RELAXED), BARRIER, LD(X, RELAXED)}}}},
    {"SB membarrier left out",
     0x00,
     true,
     {2, {{ST(X, 1, RELAXED), LD(Y, RELAXED)}, {ST(Y, 1, RELAXED), LD(X, RELAXED)}}}},
    {"membarrier too early",
     0x00,
     true,
     {2, {{ST(X, 1, RELAXED), LD(Y, RELAXED)}, {BARRIER, ST(Y, 1, RELAXED), LD(X, RELAXED)}}}},
    /* Read-modify-writes are atomic. */
    {"two additions, both read 0", 0x00, false, {2, {{ADD(X, 1, RELAXED)}, {ADD(X, 1, RELAXED)}}}},
    {"two CAS, both succeed", 0x88, false, {2, {{CAS(X, 0, 1, RELAXED)}, {CAS(X, 0, 2, RELAXED)}}}},
    {"two CAS, the second fails",
     0x18,
     true,
     {2, {{CAS(X, 0, 1, RELAXED)}, {CAS(X, 0, 2, RELAXED)}}}},
    {"a failed CAS reads what was expected",
     0x00,
     false,
     {2, {{ST(X, 1, RELAXED)}, {CAS(X, 0, 2, RELAXED), LD(Y, RELAXED)}}}},
    {"a failed CAS is a load: stale",
     0x21,
     true,
     {2,
      {{ST(X, 2, RELAXED), ST(X, 3, RELAXED), ST(Y, 1, RELAXED)},
       {LD(Y, RELAXED), CAS(X, 0, 4, RELAXED)}}}},
    {"a failed CAS is a load: acquired",
     0x21,
     false,
     {2,
      {{ST(X, 2, RELAXED), ST(X, 3, RELAXED), ST(Y, 1, RELEASE)},
       {LD(Y, ACQUIRE), CAS(X, 0, 4, RELAXED)}}}},
    /* Release sequences: y is released as 1; a relaxed RMW goes on, a plain store does not. */
    {"release sequence through a relaxed RMW",
     0x021,
     false,
     {3,
      {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
       {ADD(Y, 1, RELAXED)},
       {LD(Y, ACQUIRE), LD(X, RELAXED)}}}},
    {"release sequence broken by a store",
     0x021,
     true,
     {3,
      {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
       {LD(Y, RELAXED), ST(Y, 2, RELAXED)},
       {LD(Y, ACQUIRE), LD(X, RELAXED)}}}},
    {"acquire RMW releases nothing",
     0x0211,
     true,
     {3,
      {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
       {LD(Y, RELAXED), ADD(Y, 1, ACQUIRE), ST(Z, 1, RELAXED)},
       {LD(Y, RELAXED), LD(X, RELAXED)}}}},
    /* Coherence. */
    {"CoRR", 0x01, false, {2, {{ST(X, 1, RELAXED)}, {LD(X, RELAXED), LD(X, RELAXED)}}}},
    {"CoRR forward", 0x10, true, {2, {{ST(X, 1, RELAXED)}, {LD(X, RELAXED), LD(X, RELAXED)}}}},
    {"CoWR", 0x0, false, {2, {{ST(X, 1, RELAXED), LD(X, RELAXED)}, {ST(X, 2, RELAXED)}}}},
    {"CoRW",
     0x2,
     false,
     {2, {{LD(X, RELAXED), ST(X, 1, RELAXED)}, {AWAIT(X, 1, RELAXED), ST(X, 2, RELAXED)}}}},
    /* C11 allows this one: the third thing that Note [Model memory] leaves out. */
    {"MP of a seq_cst store",
     0x01,
     false,
     {2, {{ST(X, 1, SEQ_CST), ST(Y, 1, RELAXED)}, {LD(Y, RELAXED), LD(X, SEQ_CST)}}}},
    /* Independent reads of independent writes. */
    {"IRIW seq_cst",
     0x0101,
     false,
     {4,
      {{ST(X, 1, SEQ_CST)},
       {ST(Y, 1, SEQ_CST)},
       {LD(X, SEQ_CST), LD(Y, SEQ_CST)},
       {LD(Y, SEQ_CST), LD(X, SEQ_CST)}}}},
    {"IRIW acquire",
     0x0101,
     true,
     {4,
      {{ST(X, 1, SEQ_CST)},
       {ST(Y, 1, SEQ_CST)},
       {LD(X, ACQUIRE), LD(Y, ACQUIRE)},
       {LD(Y, ACQUIRE), LD(X, ACQUIRE)}}}},
    {"IRIW seq_cst reads of relaxed writes",
     0x0101,
     false,
     {4,
      {{ST(X, 1, RELAXED)},
       {ST(Y, 1, RELAXED)},
       {LD(X, SEQ_CST), LD(Y, SEQ_CST)},
       {LD(Y, SEQ_CST), LD(X, SEQ_CST)}}}},
    /* Write-to-read causality: a release passes on what was acquired. */
    {"WRC release/acquire",
     0x011,
     false,
     {3,
      {{ST(X, 1, RELEASE)},
       {LD(X, ACQUIRE), ST(Y, 1, RELEASE)},
       {LD(Y, ACQUIRE), LD(X, RELAXED)}}}},
    {"WRC: a relaxed read hands on what it read",
     0x011,
     false,
     {3,
      {{ST(X, 1, RELAXED)},
       {LD(X, RELAXED), ST(Y, 1, RELEASE)},
       {LD(Y, ACQUIRE), LD(X, RELAXED)}}}},
    {"ISA2 release/acquire",
     0x011,
     false,
     {3,
      {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
       {LD(Y, ACQUIRE), ST(Z, 1, RELEASE)},
       {LD(Z, ACQUIRE), LD(X, RELAXED)}}}},
    {"ISA2 relaxed in the middle",
     0x011,
     true,
     {3,
      {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
       {LD(Y, RELAXED), ST(Z, 1, RELEASE)},
       {LD(Z, ACQUIRE), LD(X, RELAXED)}}}},
};

/* The outcome is found or not, with and without the reduction. */
static void runCases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int full = 0; full < 2; full++) {
            litmusRun(&cases[i].litmus, false, (ModelOptions){.full = full != 0}, &result);
            expect(result.verdict == ModelHolds, cases[i].name, "to hold");
            bool found = litmusFound(&result, cases[i].outcome);
            expect(found == cases[i].found, cases[i].name,
                   cases[i].found ? "the outcome" : "no such outcome");
        }
        printf("%-40s %6" PRIu64 " executions without, ", cases[i].name, result.executions);
        litmusRun(&cases[i].litmus, false, (ModelOptions){0}, &result);
        printf("%4" PRIu64 " with reduction, %" PRIu64 " cut\n", result.executions, result.cut);
    }
}

/* ---- Races of plain data, waiting, being stuck ---------------------------------------------- */

typedef struct Ending {
    const char *name;
    ModelVerdict verdict;
    const char *reason; /* part of it */
    Litmus litmus;
} Ending;

static const Ending endings[] = {
    {"ordered plain data",
     ModelHolds,
     "",
     {2, {{WRITE(X, 1), ST(Y, 1, RELEASE)}, {AWAIT(Y, 1, ACQUIRE), READ(X), WRITE(X, 2)}}}},
    {"read race",
     ModelFailed,
     "race",
     {2, {{WRITE(X, 1), ST(Y, 1, RELEASE)}, {AWAIT(Y, 1, RELAXED), READ(X)}}}},
    {"read race, the read comes first", ModelFailed, "race", {2, {{READ(X)}, {WRITE(X, 1)}}}},
    {"write race",
     ModelFailed,
     "race",
     {2, {{WRITE(X, 1), ST(Y, 1, RELAXED)}, {AWAIT(Y, 1, ACQUIRE), WRITE(X, 2)}}}},
    {"spinlock",
     ModelHolds,
     "",
     {2,
      {{WRITE(X, 1), ST(Y, 1, RELEASE), AWAIT(Y, 2, ACQUIRE), READ(X)},
       {AWAIT(Y, 1, ACQUIRE), WRITE(X, 2), ST(Y, 2, RELEASE)}}}},
    {"pause for ever", ModelFailed, "stuck", {2, {{ST(X, 1, RELAXED)}, {AWAIT(X, 2, RELAXED)}}}},
    {"two wait for each other",
     ModelFailed,
     "stuck",
     {2, {{AWAIT(X, 1, ACQUIRE), ST(Y, 1, RELEASE)}, {AWAIT(Y, 1, ACQUIRE), ST(X, 1, RELEASE)}}}},
    {"sleep for ever", ModelFailed, "stuck", {2, {{BLOCK(X)}, {ST(Y, 1, RELAXED)}}}},
    {"sleep, woken", ModelHolds, "", {2, {{BLOCK(X)}, {ST(X, 1, RELAXED)}}}},
    {"a wait for a value that passes by",
     ModelFailed,
     "stuck",
     {2, {{ST(X, 1, RELAXED), ST(X, 2, RELAXED)}, {AWAIT(X, 1, RELAXED)}}}},
};

static void runEndings(void)
{
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        for (int full = 0; full < 2; full++) {
            ModelOptions options = {.full = full != 0, .quiet = true};
            litmusRun(&endings[i].litmus, false, options, &result);
            expect(result.verdict == endings[i].verdict, endings[i].name, "another verdict");
            expect(strstr(result.reason, endings[i].reason), endings[i].name, endings[i].reason);
        }
    }
}

int main(void)
{
    runCases();
    runEndings();
    printf("%s\n", failures ? "FAILED" : "ok");
    return failures ? 1 : 0;
}
