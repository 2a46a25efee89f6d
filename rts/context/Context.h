/* Context.h -- switching stacks: save here, go on there.
 *
 * A suspended context is one pointer: the top of a stack that holds the frame pointer and the
 * address to go on at (on aarch64 all registers that a callee saves).  The floating-point control
 * words (MXCSR, x87 CW, FPCR) are not saved: they are the OS thread's, and a thread that changes
 * them restores them before it parks.
 *
 * Note [Switch by jump]
 *   The processor predicts returns with a stack of its own that is fed by calls.  A `ret` that goes
 *   on elsewhere is mispredicted (11 ns), and a call that is never returned from leaves an entry
 *   too many, so that every later return of the resumed thread is mispredicted instead (25 ns a
 *   yield).  So there is neither: the resume address is pushed, popped on the other side and jumped
 *   to; a fresh context's entry is jumped to as well.
 *
 * Note [Switch inline]
 *   On x86-64 the switch is a few instructions in the function that switches, which tells its
 *   compiler that every register is lost: so it saves, once, what its own caller wants back, and
 *   nothing else.  The frame pointer cannot be given up that way: the switch saves it, and
 *   unwinders find their way by it.
 */
#ifndef RTS_CONTEXT_H
#define RTS_CONTEXT_H

#include "internal/Assert.h"
#include "internal/Sanitize.h"
#include "rts/context/Clobbers.h"

#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__)
/* contextSwap -- the machine's part of contextSwitch, in Context_<machine>.S.  Entered by a jump
 * with the resume address where a call would have put it: See Note [Switch by jump]. */
void contextSwap(void);
#endif

/* contextSwitch -- save the caller's context into *save, go on in the context `load`.  There,
 * contextSwitch returns `pass` (or a fresh context's entry is called with it). */
static inline __attribute__((always_inline)) void *contextSwitch(void **save, void *load,
                                                                 void *pass)
{
#if defined(__x86_64__)
    void *result;                                      /* See Note [Switch inline] */
    __asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\t" /* below the red zone */
                         "leaq 1f(%%rip), %%rcx\n\t"
                         "pushq %%rcx\n\t"
                         "pushq %%rbp\n\t"
                         "movq %%rsp, (%%rdi)\n\t"
                         "movq %%rsi, %%rsp\n\t"
                         "popq %%rbp\n\t"
                         "popq %%rcx\n\t"
                         "jmp *%%rcx\n"
                         "1:\tleaq 128(%%rsp), %%rsp"
                         : "=a"(result), "+D"(save), "+S"(load)
                         : "0"(pass)
                         : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                           "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                           "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                           "xmm14", "xmm15" CLOBBERS_WIDE);
    return result;
#else
    register void *x0 __asm__("x0") = save;
    register void *x1 __asm__("x1") = load;
    register void *x2 __asm__("x2") = pass;
    __asm__ __volatile__(
        "adr x30, 1f\n\t"
        "b contextSwap\n"
        "1:"
        : "+r"(x0), "+r"(x1), "+r"(x2)
        :
        : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
          "x17", "x18", "x30", "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8",
          "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
          "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31" CLOBBERS_WIDE);
    return x0;
#endif
}

/* contextCall -- fn(arg) on another stack, whose free part ends at `top` (16-byte aligned), on this
 * OS thread; then on as usual.  Unwinders find their way by the frame pointer. */
static inline __attribute__((always_inline)) void *contextCall(void *top, void *(*fn)(void *),
                                                               void *arg)
{
#if defined(__x86_64__)
    void *result;
    __asm__ __volatile__("movq %%rsp, %%rbx\n\t"
                         "movq %%rsi, %%rsp\n\t"
                         "call *%%rdx\n\t"
                         "movq %%rbx, %%rsp"
                         : "=a"(result), "+D"(arg), "+S"(top), "+d"(fn)
                         :
                         : "rbx", "rcx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1",
                           "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" CLOBBERS_WIDE);
    return result;
#else
    register void *x0 __asm__("x0") = arg;
    register void *x1 __asm__("x1") = top;
    register void *(*x2)(void *)__asm__("x2") = fn;
    __asm__ __volatile__("mov x19, sp\n\t"
                         "mov sp, x1\n\t"
                         "blr x2\n\t"
                         "mov sp, x19"
                         : "+r"(x0), "+r"(x1), "+r"(x2)
                         :
                         : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                           "x14", "x15", "x16", "x17", "x18", "x19", "x30", "memory", "cc", "v0",
                           "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
                           "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
                           "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
                           "v31" CLOBBERS_WIDE);
    return x0;
#endif
}

/* contextKeep -- the registers that a callee saves, but for the frame pointer, as they are now:
 * CONTEXT_KEPT words. */
#if defined(__x86_64__)
enum { CONTEXT_KEPT = 5 };
#else
enum { CONTEXT_KEPT = 10 };
#endif

static inline __attribute__((always_inline)) void contextKeep(void **words)
{
#if defined(__x86_64__)
    __asm__ __volatile__("movq %%rbx, (%0)\n\t"
                         "movq %%r12, 8(%0)\n\t"
                         "movq %%r13, 16(%0)\n\t"
                         "movq %%r14, 24(%0)\n\t"
                         "movq %%r15, 32(%0)"
                         :
                         : "a"(words)
                         : "memory");
#else
    register void **x9 __asm__("x9") = words;
    __asm__ __volatile__("stp x19, x20, [%0]\n\t"
                         "stp x21, x22, [%0, #16]\n\t"
                         "stp x23, x24, [%0, #32]\n\t"
                         "stp x25, x26, [%0, #48]\n\t"
                         "stp x27, x28, [%0, #64]"
                         :
                         : "r"(x9)
                         : "memory");
#endif
}

#if defined(SANITIZE_ADDRESS) || defined(SANITIZE_THREAD)
static inline __attribute__((always_inline)) void *contextBody(void *(*fn)(void *), void *arg)
{
    return fn(arg);
}
#else
/* contextBody -- fn(arg), called in one place only: See Note [Active frames]. */
static inline __attribute__((always_inline)) void *contextBody(void *(*fn)(void *), void *arg)
{
#define BODY_ENTRY                                                                                 \
    "1:\n\t"                                                                                       \
    ".pushsection capri_bodies,\"aR\",%%progbits\n\t"                                              \
    ".balign 8\n\t"                                                                                \
    ".quad 1b - .\n\t"                                                                             \
    ".popsection"
#if defined(__x86_64__)
    void *result;
    register void *sp __asm__("rsp"); /* the frame is set up before it */
    __asm__ __volatile__("call *%%rdx\n" BODY_ENTRY
                         : "=a"(result), "+D"(arg), "+d"(fn), "+r"(sp)
                         :
                         : "rcx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1",
                           "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" CLOBBERS_WIDE);
    return result;
#else
    register void *x0 __asm__("x0") = arg;
    register void *(*x1)(void *)__asm__("x1") = fn;
    __asm__ __volatile__("blr x1\n" BODY_ENTRY
                         : "+r"(x0), "+r"(x1)
                         :
                         : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
                           "x13", "x14", "x15", "x16", "x17", "x18", "x30", "memory", "cc", "v0",
                           "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
                           "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
                           "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
                           "v31" CLOBBERS_WIDE);
    return x0;
#endif
}
#endif

/* contextStart -- the address a fresh context goes on at: calls the entry that contextMake
 * stored. */
void contextStart(void);

/* contextMake -- a fresh context at the top of a stack: entry(pass) will run there; it must not
 * return. top: 16-byte aligned end of the usable area. */
static inline void *contextMake(void *top, void (*entry)(void *pass))
{
#if defined(__x86_64__)
    enum { WORDS = 5, ENTRY = 2, RESUME = 1 }; /* rbp, resume address, entry, two to align */
#else
    enum { WORDS = 20, ENTRY = 0, RESUME = 11 }; /* x19..x28 x29 x30 d8..d15 */
#endif
    uint64_t *frame = (uint64_t *)top - WORDS;
    ASSERT_CMP((uintptr_t)top % 16, ==, 0);
    for (int i = 0; i < WORDS; i++)
        frame[i] = 0;
    frame[ENTRY] = (uint64_t)(uintptr_t)entry;
    frame[RESUME] = (uint64_t)(uintptr_t)contextStart;
    return frame;
}

#endif
