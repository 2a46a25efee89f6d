/* Sleep.h -- lying down and being woken: the words of the sleep/wake protocol and their moves.
 *
 * Idle.h says when a capability searches, sleeps and whom it wakes; here are only the moves, so
 * that the explorer can run exactly them.
 *
 * Note [Idle states]   Capability.sleep
 *   from      on      to        by     order    then
 *   Awake     sleep   Asleep    owner  seq_cst  (I1) sets its bit in idle.sleeping (seq_cst), looks
 *                                               at its inbox and mode again (seq_cst), at its
 *                                               own and its peers' queues; finds something: I3
 *   Asleep    wake    Notified  waker  seq_cst  (I2) for the inbox or the mode
 *   Asleep    wake    Called    waker  seq_cst  (I2) for surplus: the waker has counted it as a
 *                                               searcher.  One waker wins; it sends the Wakeup
 *   Asleep,   return  Awake     owner  seq_cst  (I3) exchange, then clears its bit; if it was
 *   Notified,                                   Called it searches, and stops counting as a
 *   Called                                      searcher after that
 *   A waker who finds another state than Asleep sends nothing.  Awake: the owner's look after I1
 *   finds what the waker had put.  Notified, Called: another Wakeup is on its way.
 *
 *   idle.searching   +1 by who begins a search (CAS, bounded); 0 -> 1 by a waker for the one it
 *                    calls (CAS: at most one is called at a time); -1 by the searcher when its
 *                    search is over (seq_cst), or by a waker that found nobody to call.
 */
#ifndef CAPABILITY_SLEEP_H
#define CAPABILITY_SLEEP_H

#include "capability/Inbox.h"

typedef enum IdleState {
    IdleAwake = 0,
    IdleAsleep = 1,
    IdleNotified = 2,
    IdleCalled = 3
} IdleState;

typedef struct Idle {
    uint64_t sleeping;  /* bit per capability: changed by its owner (seq_cst), read by anyone */
    uint32_t searching; /* how many capabilities search, see Note [Idle states] */
    uint32_t guard;     /* index + 1 of the guard, 0 none: its own CAS, its own clearing */
} CACHE_ALIGNED Idle;

/* sleepLieDown -- owner (I1).  False: something is in the inbox, or its mode is not `expected` any
 * more: do not sleep.  Either way sleepGetUp follows. */
bool sleepLieDown(Idle *all, uint32_t *state, uint32_t index, Inbox *inbox, uint32_t *mode,
                  uint32_t expected);

/* sleepGetUp -- owner (I3).  Returns the state it was in. */
IdleState sleepGetUp(Idle *all, uint32_t *state, uint32_t index);

/* sleepNotify -- waker (I2), after its seq_cst change of what the owner looks at.  as: IdleNotified
 * or IdleCalled.  True: the caller sends the Wakeup. */
bool sleepNotify(uint32_t *state, IdleState as);

/* sleepSearchBegin -- count as a searcher, unless `most` search already. */
bool sleepSearchBegin(Idle *all, uint32_t most);

/* sleepSearchEnd -- true: it was the last searcher. */
bool sleepSearchEnd(Idle *all);

#endif
