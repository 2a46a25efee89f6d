/* Report.c -- the trace of a failed execution, one line a step.
 *
 * Before  testsuite/model/Explorer.c.      After  Search.c (the steps), Memory.c (the addresses).
 * Tests   testsuite/model/ExplorerTest.c (runTrace).
 */
#include "testsuite/model/Report.h"

#include "testsuite/model/Search.h"
#include "testsuite/model/Site.h"

#include <inttypes.h>
#include <stdio.h>

static void printPlace(const Op *op, const void *state, size_t state_size)
{
    if (op->location < 0)
        return;
    uintptr_t at = (uintptr_t)memoryAddress(op->location), base = (uintptr_t)state;
    if (at - base < state_size)
        printf("  state+0x%02" PRIxPTR, at - base);
    else
        printf("  %#" PRIxPTR, at);
}

static void printOp(int thread, const Op *op, const void *state, size_t state_size)
{
    printf("T%d  %s", thread, op->site);
    if (op->location >= 0 && !op->plain)
        printf(" [%s]", orderName(op->order));
    printPlace(op, state, state_size);
}

static void printStep(int index, const Step *step, const void *state, size_t state_size)
{
    printf("  %4d  ", index);
    printOp(step->thread, &step->op, state, state_size);
    if (step->read) {
        printf("  read %#" PRIx64, step->read_value);
        if (step->read_stamp != step->newest_stamp)
            printf(" (stale, newest %#" PRIx64 ")", step->newest_value);
        if (step->op.kind == OpCas && !step->wrote)
            printf(" failed, expected %#" PRIx64, step->op.expected);
    }
    if (step->wrote)
        printf("  wrote %#" PRIx64, step->written_value);
    printf("\n");
}

void reportTrace(const void *state, size_t state_size)
{
    for (int i = 0; i < searchDepth(); i++)
        printStep(i, searchStep(i), state, state_size);
}

void reportWaiting(int thread, const Op *op, const void *state, size_t state_size)
{
    printf("     -  ");
    printOp(thread, op, state, state_size);
    printf("  (not done)\n");
}
