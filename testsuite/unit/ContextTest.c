/* ContextTest.c -- switching stacks by hand: values, registers, alignment. */
#include "rts/context/Context.h"

#include "rts/context/Sanitizer.h"
#include "testsuite/support/Test.h"

#include <stdlib.h>
#include <string.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

enum { STACK_BYTES = 64 * 1024 };

/* Two contexts: the test's own, and one on a stack of its own. */
typedef struct Pair {
    char *memory;
    unsigned valgrind_id;
    void *test_sp, *other_sp;
} Pair;

static Pair pair; /* the test and the contexts it made, all on one OS thread */

/* ThreadSanitizer is not told of these stacks: what switches keeps no frame in its shadow. */
NO_INSTRUMENT static void *switchToOther(void *pass)
{
    return contextSwitch(&pair.test_sp, pair.other_sp, pass);
}

NO_INSTRUMENT static void *switchToTest(void *pass)
{
    return contextSwitch(&pair.other_sp, pair.test_sp, pass);
}

static void makeOther(void (*entry)(void *pass))
{
    pair.memory = aligned_alloc(64, STACK_BYTES);
    CHECK(pair.memory != NULL);
    memset(pair.memory, 0x5a, STACK_BYTES);
    pair.valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(pair.memory, pair.memory + STACK_BYTES);
    pair.other_sp = contextMake(pair.memory + STACK_BYTES, entry);
}

static void freeOther(void)
{
    VALGRIND_STACK_DEREGISTER(pair.valgrind_id);
    free(pair.memory);
}

NO_INSTRUMENT static void addOneForEver(void *pass)
{
    for (;;)
        pass = switchToTest((void *)((uintptr_t)pass + 1));
}

TEST(Context, passesValuesBothWays)
{
    makeOther(addOneForEver);
    CHECK((char *)pair.other_sp > pair.memory);
    CHECK((char *)pair.other_sp < pair.memory + STACK_BYTES);
    for (uintptr_t i = 0; i < 1000; i++)
        CHECK_EQ((uintptr_t)switchToOther((void *)(i * 3)), i * 3 + 1);
    freeOther();
}

NO_INSTRUMENT static void tellFrame(void *pass)
{
    char local[16] __attribute__((aligned(16)));
    (void)pass;
    for (;;) {
        local[0] = 0;
        __asm__ volatile("" : : "r"(local) : "memory");
        switchToTest(__builtin_frame_address(0));
    }
}

TEST(Context, startsOnItsOwnStackAligned)
{
    makeOther(tellFrame);
    char *frame = switchToOther(NULL);
    CHECK(frame > pair.memory);
    CHECK(frame < pair.memory + STACK_BYTES);
    CHECK_EQ((uintptr_t)frame % 16, 0);
    CHECK_EQ(switchToOther(NULL), frame);
    freeOther();
}

/* ---- Registers: each side keeps more values than there are registers, and finds them again. -- */

#if defined(__x86_64__)
#define FLOAT_REGISTER "x"
#else
#define FLOAT_REGISTER "w"
#endif
#define HIDE(value) __asm__ volatile("" : "+r"(value)) /* it may be anything now ... */
#define HIDE_FLOAT(value) __asm__ volatile("" : "+" FLOAT_REGISTER(value)) /* ... in a register */
#define HIDE_ALL()                                                                                 \
    do {                                                                                           \
        HIDE(a);                                                                                   \
        HIDE(b);                                                                                   \
        HIDE(c);                                                                                   \
        HIDE(d);                                                                                   \
        HIDE(e);                                                                                   \
        HIDE(f);                                                                                   \
        HIDE(j);                                                                                   \
        HIDE(k);                                                                                   \
        HIDE(l);                                                                                   \
        HIDE(m);                                                                                   \
        HIDE_FLOAT(g);                                                                             \
        HIDE_FLOAT(h);                                                                             \
        HIDE_FLOAT(i);                                                                             \
    } while (0)

/* Returns 0 when all that was there before the switch is there after it. */
NO_INSTRUMENT static uint64_t registersAcross(void **save, void **load, uint64_t seed)
{
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    uint64_t j = seed * 19, k = seed * 23, l = seed * 29, m = seed * 31;
    double g = (double)seed * 0.5, h = (double)seed * 0.25, i = (double)seed * 0.125;
    HIDE_ALL();
    contextSwitch(save, *load, NULL);
    HIDE_ALL();
    return (a ^ seed * 3) | (b ^ seed * 5) | (c ^ seed * 7) | (d ^ seed * 11) | (e ^ seed * 13) |
           (f ^ seed * 17) | (j ^ seed * 19) | (k ^ seed * 23) | (l ^ seed * 29) | (m ^ seed * 31) |
           (uint64_t)(g != (double)seed * 0.5) | (uint64_t)(h != (double)seed * 0.25) |
           (uint64_t)(i != (double)seed * 0.125);
}

static uint64_t bad_there;

NO_INSTRUMENT static void fillRegisters(void *pass)
{
    (void)pass;
    for (uint64_t seed = UINT64_C(0xdead00000000);; seed += 1000)
        bad_there |= registersAcross(&pair.other_sp, &pair.test_sp, seed);
}

TEST(Context, keepsTheRegistersACallKeeps)
{
    bad_there = 0;
    makeOther(fillRegisters);
    for (uint64_t seed = UINT64_C(0xbeef00000000), i = 0; i < 100; i++, seed += 77)
        CHECK_EQ(registersAcross(&pair.test_sp, &pair.other_sp, seed), 0);
    CHECK_EQ(bad_there, 0);
    freeOther();
}

/* Frames below a switch are as they were after it, however deep. */
NO_INSTRUMENT static uint64_t sumDown(uint64_t depth)
{
    volatile uint64_t here = depth;
    if (depth == 0) {
        switchToTest(NULL);
        return 0;
    }
    return sumDown(depth - 1) + here;
}

NO_INSTRUMENT static void sumForEver(void *pass)
{
    for (;;)
        pass = switchToTest((void *)(uintptr_t)sumDown((uintptr_t)pass));
}

TEST(Context, keepsDeepFrames)
{
    makeOther(sumForEver);
    for (uintptr_t depth = 1; depth <= 200; depth += 33) {
        CHECK_EQ(switchToOther((void *)depth), NULL); /* it is down there */
        CHECK_EQ((uintptr_t)switchToOther(NULL), depth * (depth + 1) / 2);
    }
    freeOther();
}
