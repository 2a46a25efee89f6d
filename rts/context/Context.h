/* Context.h -- switching stacks: save here, go on there.
 *
 * A suspended context is one pointer: the top of a stack that holds its callee-saved registers and the
 * address to go on at.  The floating-point control words (MXCSR, x87 CW, FPCR) are not saved: they are
 * the OS thread's (a thread that changes them restores them before it parks).
 */
#ifndef RTS_CONTEXT_H
#define RTS_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

/* contextSwitch -- save the caller's context into *save, go on in the context `load`.  There,
 * contextSwitch returns `pass` (or a fresh context's entry is called with it). */
void *contextSwitch(void **save, void *load, void *pass);

/* contextStart -- the address a fresh context goes on at: calls the entry that contextMake stored. */
void contextStart(void);

/* contextMake -- a fresh context at the top of a stack: entry(pass) will run there; it must not return.
 * top: 16-byte aligned end of the usable area. */
void *contextMake(void *top, void (*entry)(void *pass));

#endif
