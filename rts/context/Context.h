/* Context.h -- switching stacks: save here, go on there.
 *
 * A suspended context is one pointer: the top of a stack that holds its callee-saved registers and
 * the
 * address to go on at.  The floating-point control words (MXCSR, x87 CW, FPCR) are not saved: they
 *                       are
 * the OS thread's (a thread that changes them restores them before it parks).
 */
#ifndef RTS_CONTEXT_H
#define RTS_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

/* contextSwap -- the machine's part of contextSwitch, in Context_<machine>.S.  Entered by a jump
 * with the resume address where a call would have put it: See Note [Switch by jump]. */
void contextSwap(void);

/* contextSwitch -- save the caller's context into *save, go on in the context `load`.  There,
 * contextSwitch returns `pass` (or a fresh context's entry is called with it). */
static inline __attribute__((always_inline)) void *contextSwitch(void **save, void *load,
                                                                 void *pass)
{
#if defined(__x86_64__)
    void *result;
    __asm__ __volatile__("leaq -128(%%rsp), %%rsp\n\t" /* below the red zone */
                         "leaq 1f(%%rip), %%rcx\n\t"
                         "pushq %%rcx\n\t"
                         "jmp contextSwap\n"
                         "1:\tleaq 128(%%rsp), %%rsp"
                         : "=a"(result), "+D"(save), "+S"(load), "+d"(pass)
                         :
                         : "rcx", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2",
                           "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                           "xmm12", "xmm13", "xmm14", "xmm15");
    return result;
#else
    register void *x0 __asm__("x0") = save;
    register void *x1 __asm__("x1") = load;
    register void *x2 __asm__("x2") = pass;
    __asm__ __volatile__("adr x30, 1f\n\t"
                         "b contextSwap\n"
                         "1:"
                         : "+r"(x0), "+r"(x1), "+r"(x2)
                         :
                         : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                           "x14", "x15", "x16", "x17", "x18", "x30", "memory", "cc", "v0", "v1",
                           "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
                           "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22",
                           "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
    return x0;
#endif
}

/* contextStart -- the address a fresh context goes on at: calls the entry that contextMake
 * stored. */
void contextStart(void);

/* contextMake -- a fresh context at the top of a stack: entry(pass) will run there; it must not
 * return. top: 16-byte aligned end of the usable area. */
void *contextMake(void *top, void (*entry)(void *pass));

#endif
