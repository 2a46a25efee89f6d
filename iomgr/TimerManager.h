/* TimerManager.h -- the timeouts of one manager: registered, moved and cancelled by anyone.
 *
 * A Timeout is a type-stable record with a Timer in it.  The manager's own OS thread puts it into
 * the heap of timers by itself.  Anybody else who registers or updates one posts it into the
 * manager's inbox; whoever is inside the heap's gate (the owner or a rescuer) collects the inbox
 * before it looks for what is due, so that only gate holders touch the heap.
 *
 * Note [Timeout home]
 *   Home is the OS thread that owns the heap's gate: under capabilities the capability's carrier
 *   (EventManager.owns tells), of a standalone manager the one that stepped it last (`home`), be it
 *   between two steps.  At home a timeout is armed, moved and cancelled inside the gate, by stores.
 *   home     from  to    by       when
 *            0     T     stepper  the first step
 *            S     T     stepper  T begins to step: as a visitor, inside the gate
 *   S may be about to enter as the owner just then.  A visitor leaves the gate shared; it stays so
 *   from then on (`moved`), so S comes in by the lock, finds that home has moved, and goes the
 *   others' way.  Who is not home never touches `pool.home`, `home_busy` or a word by a store.
 *
 * Note [Timeout inbox]
 *   A list, newest first; `next` is written before the push and only changed under `taking`, by who
 *   collects it whole (T4) or a sweeper, who takes out cancelled ones behind the first.  So a
 *   million timeouts that are registered and cancelled while the owner sleeps or computes do not
 *   pile up, and nobody is woken for them.  Home collects it before it arms one of its own: equal
 *   deadlines fire in order of registration.
 *
 * Note [Timeout sleep]
 *   sleep_until_ns is AWAKE, or until when the owner sleeps.
 *   owner:   collect; store sleep_until_ns (T5); look at the inbox (T6): if it is not empty, no
 *            sleep.  Afterwards: AWAKE.
 *   poster:  push (T1, T2); look at sleep_until_ns (T7); if its deadline is earlier: CAS to AWAKE,
 *            whoever wins it wakes the owner.
 *   T1, T5, T6, T7 are seq_cst: the owner sees the record, or the poster sees the sleep.  One sleep
 *   is ended by one wake-up.
 *   updater: store the deadline (T12); if the record is QUEUED already somebody else pushes it:
 *            tell the owner (T7).
 *   poster:  after the push, look at the deadline again (T13), and tell of the earlier of the two.
 *   T12 and T13 are seq_cst: the poster sees the update, or the updater sees what the poster's push
 *   came after.
 *   rescuer: has collected; store the earliest deadline there is (T14), then T7, as a poster.
 *   owner:   T5, then look at the earliest deadline (T15): earlier than its sleep's end, no sleep.
 *   While the owner is awake posted_ns tells when to look: lowered after
 *   the push, reset before the inbox is taken; a hint that may be too early, never too late.
 *   Home is awake, but its manager may be lent to a foreign loop, which is told like a sleeper.
 */
#ifndef IOMGR_TIMER_MANAGER_H
#define IOMGR_TIMER_MANAGER_H

#include "internal/OsThread.h"
#include "internal/SpinLock.h"
#include "iomgr/TimeoutPool.h"
#include "iomgr/TimeoutWord.h"
#include "iomgr/TimerHeap.h"

#include <capri/timeout.h>

typedef struct TimerManager {
    uintptr_t home; /* stepper stores, anyone loads, relaxed: see Note [Timeout home]; 0: nobody */
    uint64_t epoch; /* constant: the high bits of all keys: See Note [Keys over a fork] */
    bool moved;     /* stepper: home was another OS thread */
    CACHE_ALIGNED Timeout *inbox; /* anyone: see Note [Timeout inbox] */
    int64_t sleep_until_ns;       /* anyone: see Note [Timeout sleep] */
    uint32_t dead;     /* anyone adds and subtracts, relaxed: cancelled ones in the inbox */
    uint32_t sweep_at; /* stored under `taking`, read by anyone, relaxed: a sweep at so many */
    SpinLock taking;   /* whoever changes the inbox but by a push */
    bool stuck;      /* gate stores, owner reads, relaxed: one had no memory and is posted again */
    uint64_t failed; /* anyone adds, relaxed: callbacks that returned less than 0 */
    TimeoutSharing sharing;
    TimeoutPool pool;
} TimerManager;

/* timerManagerOpen, timerManagerClose -- manager->timeouts; what is registered is forgotten. */
void timerManagerOpen(EventManager *manager);
void timerManagerClose(EventManager *manager);

/* timerManagerGive -- new records, at most 64, all zeroes, for the pool; they stay where they
 * are. */
void timerManagerGive(EventManager *manager, Timeout *records, uint32_t count);

/* For iomgr/Timeout.c.
 * timerManagerGrow -- some more records; 0 or -ENOMEM.
 * timerManagerPost -- into the inbox: QUEUED is set, and by the caller.  The owner is told, as by
 * timerManagerTell.   timerManagerPostAgain -- inside the gate: there is no room in the heap.
 * timerManagerPostMoved -- home, inside the gate: likewise, for a deadline that is new.
 * timerManagerCollect -- inside the gate: what is in the inbox is placed.
 * timerManagerSweep -- cancelled ones are taken out of the inbox, except for the newest. */
int timerManagerGrow(EventManager *manager);
void timerManagerPost(EventManager *manager, Timeout *record, int64_t deadline_ns);
void timerManagerPostAgain(EventManager *manager, Timeout *record, uint64_t word,
                           int64_t deadline_ns);
void timerManagerPostMoved(EventManager *manager, Timeout *record, uint64_t word,
                           int64_t deadline_ns);
void timerManagerTell(EventManager *manager, int64_t deadline_ns);
void timerManagerCollect(EventManager *manager);
void timerManagerSweep(EventManager *manager);

/* timerManagerKey -- the key of a record whose word that is. */
static inline TimeoutKey timerManagerKey(const TimerManager *timeouts, Timeout *record,
                                         uint64_t word)
{
    return (TimeoutKey){record, timeouts->epoch | timeoutWordGeneration(word)};
}

/* timerManagerSettle -- the stepper of a standalone manager: it is home from now on. */
void timerManagerSettle(EventManager *manager);

/* timerManagerRest -- owner: I am about to sleep until then, which is timeout_ns from now.  Returns
 * how long to sleep: that, or less if something was posted meanwhile.  timerManagerRise -- owner:
 * awake again. */
int64_t timerManagerRest(EventManager *manager, int64_t until_ns, int64_t timeout_ns);
void timerManagerRise(EventManager *manager);

#endif
