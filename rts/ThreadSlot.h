/* ThreadSlot.h -- what a thread's end, and a fork's child, do about its values.
 *
 * Note [Thread slots]
 *   Slots are numbered and belong to the process; slot i is `slots[i]`.  A thread's values are in a
 *   table of its own, by number, made when it sets the first one: a green thread's hangs off its
 *   Stack and comes from the runtime's allocator, any other's off a pthread key and comes from the
 *   C library.  No other thread looks at it.
 *   Slot.life is odd while the slot is in use and grows with each change, so a value counts only
 *   if it was set in the same life: nobody has to go through all tables when a slot is freed.
 *     life  2n    new   2n+1  under the lock, after `end` is stored   release
 *     life  2n+1  free  2n+2  under the lock                          release
 *   A thread that ends reads life, `end`, life again (acquire): if it is the life of its value both
 *   times, that destructor is the one, because who stores another one has stored 2n+2 before.
 */
#ifndef RTS_THREAD_SLOT_H
#define RTS_THREAD_SLOT_H

#include "rts/context/Stack.h"

/* threadSlotEndAll -- the green thread on `stack` ends: its values go, on the thread itself; they
 * may wait, so it may be on another capability afterwards. */
void threadSlotEndAll(Stack *stack);

/* threadSlotLost -- child of a fork: likewise, of a thread that is lost; no destructor is called.
 * threadSlotSurvive -- the lock is free. */
void threadSlotLost(Stack *stack);
void threadSlotSurvive(void);

#endif
