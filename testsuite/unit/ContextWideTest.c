/* ContextWideTest.c -- what a compiler keeps in AVX-512's registers outlives switches and calls.
 *
 * The registers are there for this file alone, on a processor that has them.
 * not-under: tsan asan valgrind qemu
 */
#include "rts/context/Sanitizer.h"
#include "testsuite/support/Test.h"

#include <stdlib.h>

#if defined(__x86_64__) && !defined(__clang__)

#pragma GCC push_options
#pragma GCC target("avx512f")
#pragma GCC optimize("O2")
#include "rts/context/Context.h"
#include "rts/context/Escape.h"

enum { STACK_BYTES = 64 * 1024 };
typedef enum Crossing { BySwitch, ByCall, ByBody, ByEscape } Crossing;

static char *memory;
static void *test_sp, *other_sp;

static __attribute__((noinline)) void spoil(void)
{
    __asm__ volatile("vpxord %%zmm16, %%zmm16, %%zmm16\n\t"
                     "vpxord %%zmm17, %%zmm17, %%zmm17\n\t"
                     "vpxord %%zmm18, %%zmm18, %%zmm18\n\t"
                     "vpxord %%zmm19, %%zmm19, %%zmm19\n\t"
                     "vpxord %%zmm20, %%zmm20, %%zmm20\n\t"
                     "vpxord %%zmm31, %%zmm31, %%zmm31\n\t"
                     "kxorw %%k1, %%k1, %%k1\n\t"
                     "kxorw %%k7, %%k7, %%k7"
                     :
                     :
                     : "memory" CLOBBERS_WIDE);
}

static void *spoilAndReturn(void *arg)
{
    spoil();
    return arg;
}

static void *spoilAndEscape(struct Transaction *first, void *second)
{
    (void)first;
    spoil();
    escapeTo(second);
}

static void spoilForEver(void *pass)
{
    for (;;) {
        spoil();
        pass = contextSwitch(&other_sp, test_sp, pass);
    }
}

static inline __attribute__((always_inline)) void cross(Crossing by)
{
    Escape escape;
    switch (by) {
    case BySwitch:
        contextSwitch(&test_sp, other_sp, NULL);
        break;
    case ByCall:
        contextCall(memory + STACK_BYTES / 2, spoilAndReturn, NULL);
        break;
    case ByBody:
        contextBody(spoilAndReturn, NULL);
        break;
    case ByEscape:
        escapeCall(&escape, spoilAndEscape, NULL, &escape);
        break;
    }
}

#define HIDE_ALL() __asm__ volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d))

/* How many of four values are others on the far side.  As those who use these in the library it
 * makes calls, so it has no red zone. */
static inline __attribute__((always_inline)) int lostAcross(Crossing by, double seed)
{
    double a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11;
    spoil();
    HIDE_ALL();
    cross(by);
    HIDE_ALL();
    return (a != seed * 3) + (b != seed * 5) + (c != seed * 7) + (d != seed * 11);
}

static __attribute__((noinline)) int lostBySwitch(double seed)
{
    return lostAcross(BySwitch, seed);
}

static __attribute__((noinline)) int lostByCall(double seed)
{
    return lostAcross(ByCall, seed);
}

static __attribute__((noinline)) int lostByBody(double seed)
{
    return lostAcross(ByBody, seed);
}

static __attribute__((noinline)) int lostByEscape(double seed)
{
    return lostAcross(ByEscape, seed);
}
#pragma GCC pop_options

static volatile double seed = 1.5; /* so that no compiler knows it */

TEST(ContextWide, keepsWhatWideRegistersHold)
{
    if (!__builtin_cpu_supports("avx512f"))
        SKIP("no AVX-512 here");
    memory = aligned_alloc(64, STACK_BYTES);
    CHECK(memory != NULL);
    other_sp = contextMake(memory + STACK_BYTES, spoilForEver);
    CHECK_EQ(lostBySwitch(seed), 0);
    CHECK_EQ(lostByCall(seed), 0);
    CHECK_EQ(lostByBody(seed), 0);
    CHECK_EQ(lostByEscape(seed), 0);
    free(memory);
}

#else

TEST(ContextWide, keepsWhatWideRegistersHold)
{
    SKIP("not for this compiler and processor");
}

#endif
