/* Serial.h -- the commit token: who holds it runs a transaction that nobody else disturbs.
 *
 * Note [Serial mode]
 *   A transaction that others have spoilt SERIAL_AFTER times takes the token.  While it is taken,
 *   nobody else commits a write: who would, gives its attempt up, waits for the token to be free
 *   and runs again; tvarWriteIO waits likewise.  The holder reads, validates and commits as ever,
 *   so the token is a matter of progress only: a commit that was under way when it was taken, or a
 *   timer's write, may spoil one more attempt of the holder, and each of them only once.
 *   The holder does not wait: if it retries or fails it gives the token back first.  So waiting
 *   for it is parking, but not to be seen from outside: no interrupt and no deadline ends it, for a
 *   transaction that does not retry is one step.  In a runtime that shuts down, where no wait is
 *   long, it spins.
 *     held     0 -> 1   taker    acquire
 *     held     1 -> 0   holder   seq_cst  then it takes the waiting, seq_cst
 *     waiting  add      waiter   seq_cst  then it looks at held, seq_cst
 */
#ifndef RTS_SERIAL_H
#define RTS_SERIAL_H

#include "internal/Assert.h"
#include "internal/SMP.h"

enum { SERIAL_AFTER = 10 };

extern uint32_t serial_held;

/* serialIsHeld -- by somebody; a hint. */
static inline bool serialIsHeld(void)
{
    return UNLIKELY(RELAXED_LOAD(&serial_held) != 0);
}

/* serialTake -- wait until the token is ours.   serialAwait -- wait until nobody holds it. */
void serialTake(void);
void serialAwait(void);
void serialGive(void);

/* serialReset -- the runtime begins, or a fork's child: nobody holds it. */
void serialReset(void);

#endif
