/* Frames.h -- is a frame of the library active on an interrupted stack?
 *
 * Note [Active frames]
 *   An active frame of ours is the interrupted one, or has called something and left a return
 *   address: on the stack, or (aarch64, a leaf) in a register.  So there is none if the program
 *   counter (aarch64: every register that may have a return address) is outside of the library's
 *   text (internal/Text.h), and so is every word of the stack's used part, up to where the body of
 *   the thread was called, that follows a call there, or may have been saved by a signal that has
 *   interrupted the library.  A tail call leaves no address and needs none: nothing of ours follows
 *   it.  A word that a call of long ago has left, in a frame's part that has not been written
 *   since, makes the answer yes, never no; who gets it asks again later.  What came before the body
 *   has used the same stack, and a body that computes for ever would keep it: it is wiped first.
 *   Return addresses may be signed (aarch64): the signature is taken off.
 *   The bottom: the one call of a thread's body (contextBody) notes its return address in a table,
 *   and the highest word with that value is the one that the call has left: below it is the body,
 *   above it threadMain, which calls nothing else meanwhile.
 *   A stack pointer outside of the thread's stack is a host's own stack, or a signal's: yes.
 *   Where it cannot be told -- under a sanitizer, whose frames are its own -- the answer is yes.
 */
#ifndef RTS_FRAMES_H
#define RTS_FRAMES_H

#include "rts/context/Stack.h"

/* framesStart -- find the library's text.  False: unknown, the answer is always yes. */
bool framesStart(void);

/* framesAreActive -- a signal handler, on any stack.  context: its ucontext_t. */
bool framesAreActive(Stack *stack, const void *context);

/* framesWatch -- whether any thread will be asked about; before there is one.
 * framesWipe -- at the bottom of a stack, before the body: nothing old lies below if it is. */
void framesWatch(bool watch);
void framesWipeSlow(void);

extern bool frames_watched; /* framesWatch writes it */

static inline void framesWipe(void)
{
    if (__builtin_expect(frames_watched, 0))
        framesWipeSlow();
}

/* framesHoldText -- does this address lie in the library's text, or just behind it? */
bool framesHoldText(uintptr_t address);

#endif
