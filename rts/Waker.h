/* Waker.h -- waking green threads from outside: a runnable that puts a value where it is waited
 * for.
 *
 * Note [Waker word]
 *   word says where the node is, or holds the value that is to be put: any pointer but the four
 *   marks below, which are addresses of ours.
 *     from     on    to       by       order    then
 *     Idle     put   value    anyone   acq_rel  (K1) it alone sends the runnable to an inbox
 *     value    put   value'   anyone   acq_rel  (K1) merged: the runnable is on its way
 *     value    run   Running  carrier  acquire  (K2) takes the value; puts or writes it
 *     Running  put   value    anyone   acq_rel  (K1) the carrier will see it
 *     Running  over  Idle     carrier  release  (K3) the node may be sent again from here on
 *     value    over  value    carrier  -        K3 fails: queues the runnable here once more
 *     Idle     free  Freed    owner    acquire  (K4) the memory is the owner's: to the pool
 *     value    free  Freed    owner    acquire  (K4) it is in a queue: K2 will find it there
 *     Freed    run   Running  carrier  acquire  (K2) to the pool
 *     Running  free  Freed    owner    acquire  (K4) waits for Gone, then to the pool
 *     Freed    over  Gone     carrier  release  (K5) K3 fails: the carrier's last touch
 *   Invariant: the runnable is in one queue at most, and is in one if word is a value or Freed by
 *   a K4 that found a value.  All changes but K5 are read-modify-writes, so each K2 acquires all
 *   puts that were merged into its value.
 *
 * Note [Waker in a signal handler]
 *   A handler may interrupt any instruction of any OS thread, a worker's too, be it inside wakerPut
 *   on the same Waker, an inbox push, a run queue's gate or a lock of ours.  It must not wait for
 *   what it has interrupted, nor touch what only the interrupted one may touch.  So wakerPut never
 *   looks at the capability it happens to run on; it makes these steps only:
 *     the gate     an addition each: no loop
 *     K1           an exchange.  Interrupted between K1 and the push: the handler's K1 finds a
 *                  value, so it is merged, and the interrupted one pushes
 *     inboxPut     a CAS loop that another's success makes fail, never another's delay.  A handler
 *                  pushes another node, in between, whole; `next` of ours is stored anew.  takeAll
 *                  works on a list that its exchange has made private
 *     sleepNotify  a load and one CAS; the winner writes to the eventfd: write(2), errno is kept
 *   The lock of the MVar is taken by the carrier, who runs it from its loop, between two threads.
 *
 * Note [Waker and a full box]
 *   Who tells by an MVar stores its news, then puts; who is told takes, then looks for news.  If
 *   the put finds the box full it is dropped, so the taker must see the news: the carrier decides
 *   under the queue's lock, which the taker takes after it or had before.  A look without the lock
 *   (as mvarTryPut begins with) could find the box full that has just been emptied, by a taker
 *   whose look for news comes too early: nobody would be told.
 */
#ifndef RTS_WAKER_H
#define RTS_WAKER_H

#include "capability/Capability.h"

#include <capri/allocator.h>
#include <capri/waker.h>

typedef enum WakerKind {
    WakerNone = 0, /* in the pool */
    WakerMVar = 1,
    WakerTVar = 2
} WakerKind;

struct Waker {
    Runnable runnable; /* whatever queue holds it */
    void *word;        /* See Note [Waker word] */
    void *variable;    /* constant, as kind and home */
    uint32_t kind;
    uint32_t home; /* capability that performs it, modulo how many are enabled */
    bool held;     /* it counts as a hold: rtsHold */
    void *link;    /* the pool's */
} CACHE_ALIGNED;

/* wakerStart -- wakers can be made and put.   wakerClose -- from now on a put is refused; none is
 * under way when this returns.   wakerEnd -- after that: they are gone. */
void wakerStart(const Allocator *allocator);
void wakerClose(void);
void wakerEnd(void);

/* wakerLockAll, wakerUnlockAll -- around a fork: none is made or freed.
 * wakerSurvive -- its child: what was put and not performed is `kept`'s to perform.
 * wakerForget -- likewise, where there is no runtime: they are refused. */
void wakerLockAll(void);
void wakerUnlockAll(void);
void wakerSurvive(Capability *kept);
void wakerForget(void);

#endif
