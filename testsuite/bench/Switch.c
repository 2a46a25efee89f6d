/* Switch.c -- row 1: two contexts switch to each other and back.
 *
 * No runtime: rts/context/Context.h alone, on the main thread's stack and one of 64 KiB.
 */
#include "rts/context/Context.h"
#include "testsuite/bench/support/Bench.h"

#include <stdlib.h>

enum { STACK_BYTES = 64 * 1024 };

static void *here_sp, *there_sp; /* saved stack pointers; one OS thread */

static void answer(void *pass)
{
    for (;;)
        pass = contextSwitch(&there_sp, here_sp, pass);
}

static void switchBothWays(uint64_t count, void *env)
{
    for (uint64_t i = 0; i < count; i++)
        env = contextSwitch(&here_sp, there_sp, env);
}

int main(void)
{
    char *stack = aligned_alloc(64, STACK_BYTES);
    BENCH_CHECK(stack != NULL);
    there_sp = contextMake(stack + STACK_BYTES, answer);
    benchPrint("switch", benchRate(switchBothWays, NULL), "ns");
    free(stack);
    return 0;
}
