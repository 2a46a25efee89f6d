/* Escape.h -- calling a function that may be left from deep inside, without its frames returning.
 *
 * Note [Escapes]
 *   escapeCall saves what a callee must keep and calls; escapeTo takes the stack back to where that
 *   was and returns from escapeCall.  To the compiler it is one call that returns once, so nothing
 *   is volatile and no function "returns twice".  Same stack, same OS thread.
 *   On x86-64 the call is inline and tells its compiler that every register is lost, as a switch
 *   does (See Note [Switch inline]); its return address, below the stack pointer that it stores, is
 *   where escapeTo jumps.  (A `ret` there would be mispredicted: See Note [Switch by jump].)
 *   The sanitizers must be told of frames that vanish: there it is _setjmp and longjmp, which they
 *   watch.  (ThreadSanitizer does not watch _longjmp: the frames would stay on its shadow call
 *   stack for ever, which overflows.)
 */
#ifndef RTS_ESCAPE_H
#define RTS_ESCAPE_H

#include "internal/Sanitize.h"
#include "rts/context/Clobbers.h"

#include <stddef.h>

#if defined(SANITIZE_ADDRESS) || defined(SANITIZE_THREAD)
#define ESCAPE_BY_LONGJMP
#include <setjmp.h>
typedef struct Escape {
    jmp_buf buffer;
} Escape;
#else
typedef struct Escape {
    void *sp;
    void *frame_pointer; /* x86-64 */
} Escape;
#endif

struct Transaction;
typedef void *EscapeFn(struct Transaction *first, void *second);

/* escapeCall -- fn(first, second); its result, or NULL after an escape.
 * escapeTo -- from inside of it. */
#ifdef ESCAPE_BY_LONGJMP
static inline void *escapeCall(Escape *escape, EscapeFn *fn, struct Transaction *first,
                               void *second)
{
    return _setjmp(escape->buffer) == 0 ? fn(first, second) : NULL;
}

static inline _Noreturn void escapeTo(Escape *escape)
{
    longjmp(escape->buffer, 1); /* as _setjmp has saved no signals, it restores none */
}
#elif defined(__x86_64__)
static inline __attribute__((always_inline)) void *escapeCall(Escape *escape, EscapeFn *fn,
                                                              struct Transaction *first,
                                                              void *second)
{
    void *result;
    register void *sp __asm__("rsp"); /* the frame is set up before it */
    __asm__ __volatile__("movq %%rsp, (%%rcx)\n\t"
                         "movq %%rbp, 8(%%rcx)\n\t"
                         "call *%%rdx"
                         : "=a"(result), "+D"(first), "+S"(second), "+d"(fn), "+c"(escape), "+r"(sp)
                         :
                         : "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
                           "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                           "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                           "xmm15" CLOBBERS_WIDE);
    return result;
}

static inline _Noreturn __attribute__((always_inline)) void escapeTo(Escape *escape)
{
    __asm__ __volatile__("movq 8(%0), %%rbp\n\t"
                         "movq (%0), %%rsp\n\t"
                         "xorl %%eax, %%eax\n\t"
                         "jmp *-8(%%rsp)"
                         :
                         : "D"(escape)
                         : "memory");
    __builtin_unreachable();
}
#else
void *escapeCall(Escape *escape, EscapeFn *fn, struct Transaction *first, void *second);
_Noreturn void escapeTo(Escape *escape);
#endif

#endif
