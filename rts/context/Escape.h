/* Escape.h -- calling a function that may be left from deep inside, without its frames returning.
 *
 * Note [Escapes]
 *   escapeCall saves what a callee must keep and calls; escapeTo takes the stack back to where that
 *   was and returns from escapeCall.  To the compiler it is one call that returns once, so nothing
 *   is volatile and no function "returns twice".  Same stack, same OS thread.
 *   The sanitizers must be told of frames that vanish: there it is _setjmp and longjmp, which they
 *   watch.  (ThreadSanitizer does not watch _longjmp: the frames would stay on its shadow call
 *   stack for ever, which overflows.)
 */
#ifndef RTS_ESCAPE_H
#define RTS_ESCAPE_H

#include "internal/Sanitize.h"

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
#else
void *escapeCall(Escape *escape, EscapeFn *fn, struct Transaction *first, void *second);
_Noreturn void escapeTo(Escape *escape);
#endif

#endif
