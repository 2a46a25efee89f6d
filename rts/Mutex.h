/* Mutex.h -- one holder at a time, handed on in order.
 *
 * Note [Mutex states]
 *   Under the queue's lock: `holder` is 0 (then nobody waits) or who has it.  Unlocking makes the
 *   first waiter that can be won the holder, before it runs.
 */
#ifndef RTS_MUTEX_H
#define RTS_MUTEX_H

#include "rts/Holder.h"
#include "rts/WaitQueue.h"

#include <capri/lock.h>

struct Mutex {
    WaitQueue queue;
    Holder holder; /* stored under the lock; read by anyone: is it me? */
};

_Static_assert(sizeof(Mutex) <= WAIT_QUEUE_BYTES, "the pool's items");

/* mutexHandOn -- under the lock: the holder gives it away. */
void mutexHandOn(Mutex *mutex, Woken *woken);

/* mutexLockInLife -- mutexLock, but -EINVAL if it was freed since queue.life was that. */
int mutexLockInLife(Mutex *mutex, uint32_t life);

#endif
