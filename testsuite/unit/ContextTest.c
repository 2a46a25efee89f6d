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
        pass = switchToTest((char *)pass + 1);
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

/* ---- Registers: each side fills all that a call must keep, and finds them again. ---- */

#if defined(__x86_64__)
/* Fill rbx, r12..r15 with seed, seed+1, ...; switch; return 0 when all are as they were. */
NO_INSTRUMENT static uint64_t registersAcross(void **save, void **load, uint64_t seed)
{
    uint64_t bad;
    register uint64_t start __asm__("rbx") = seed;
    void *unused_save = save, *to = *load;
    __asm__ volatile("leaq 1(%%rbx), %%r12\n\t"
                     "leaq 2(%%rbx), %%r13\n\t"
                     "leaq 3(%%rbx), %%r14\n\t"
                     "leaq 4(%%rbx), %%r15\n\t"
                     "movq %%rsp, %%rax\n\t"
                     "subq $128, %%rsp\n\t" /* the red zone */
                     "andq $-16, %%rsp\n\t"
                     "pushq %%rbx\n\t"
                     "pushq %%rax\n\t"
                     "xorl %%edx, %%edx\n\t"
                     "call contextSwap\n\t"
                     "popq %%rcx\n\t"
                     "popq %%rdx\n\t"
                     "movq %%rcx, %%rsp\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "subq %%rdx, %%rbx\n\t"
                     "orq %%rbx, %%rax\n\t"
                     "leaq 1(%%rdx), %%rcx\n\t subq %%rcx, %%r12\n\t orq %%r12, %%rax\n\t"
                     "leaq 2(%%rdx), %%rcx\n\t subq %%rcx, %%r13\n\t orq %%r13, %%rax\n\t"
                     "leaq 3(%%rdx), %%rcx\n\t subq %%rcx, %%r14\n\t orq %%r14, %%rax\n\t"
                     "leaq 4(%%rdx), %%rcx\n\t subq %%rcx, %%r15\n\t orq %%r15, %%rax\n\t"
                     : "=a"(bad), "+r"(start), "+D"(unused_save), "+S"(to)
                     :
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
                       "memory");
    return bad;
}
#else
/* The compiler keeps these in registers across the call as far as they reach, and in the frame beyond. */
NO_INSTRUMENT static uint64_t registersAcross(void **save, void **load, uint64_t seed)
{
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    double g = (double)seed * 0.5, h = (double)seed * 0.25, i = (double)seed * 0.125;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    __asm__ volatile("" : "+w"(g), "+w"(h), "+w"(i));
    contextSwitch(save, *load, NULL);
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    __asm__ volatile("" : "+w"(g), "+w"(h), "+w"(i));
    return (a ^ seed * 3) | (b ^ seed * 5) | (c ^ seed * 7) | (d ^ seed * 11) | (e ^ seed * 13) |
           (f ^ seed * 17) | (uint64_t)(g != (double)seed * 0.5) |
           (uint64_t)(h != (double)seed * 0.25) | (uint64_t)(i != (double)seed * 0.125);
}
#endif

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
