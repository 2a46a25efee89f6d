/* TimerManager.h -- the timeouts of one manager: registered, moved and cancelled by anyone.
 *
 * A Timeout is a type-stable record with a Timer in it.  Whoever registers or updates one posts it
 * into the manager's inbox; whoever is inside the heap's gate (the owner or a rescuer) collects the
 * inbox before it looks for what is due, so that only gate holders touch the heap.
 *
 * Note [Timeout word]
 *   63..19 generation, 18..3 version, bit 2 BUSY, bit 1 QUEUED, bit 0 ARMED.  The key has the
 *   generation; the heap knows a placement by the number (generation, version).
 *   from      on         to         by         order    meaning
 *   -         register   g+1,AQ     registrar  relaxed  out of the pool; then pushed (T1)
 *   g,v,A     update     g,v,AB     updater    acquire  Q stays as it is; deadline written under B
 *   g,v,AB    updated    g,v+1,AQ   updater    release  pushed if Q was not set (T2)
 *   g,v,A(Q)  cancel     g,v,(Q)    canceller  acquire  without Q: back to the pool at once
 *   g,v,AQ    collect    g,v,A      gate       acq_rel  then placed as number (g,v) (T3)
 *   g,v,Q     collect,   g,v        gate or    acq_rel  cancelled in the inbox: to the pool
 *             sweep                 sweeper
 *   g,v,A     fire(g,v)  g,v        gate       relaxed  then to the pool, then the callback
 *   Who meets B waits: it is held for one store.  fire(g,v) that meets Q, or another number, leaves
 *   it alone: a newer deadline is on its way.
 * Invariants: of cancel and fire one wins.  Only who has cleared A without Q, or Q without A, gives
 *   the record to the pool.  A live one with a deadline is in the inbox or placed, or the gate
 *   holder is between T3 and placing it, after which a newer generation comes out of the inbox.
 *
 * Note [Timeout inbox]
 *   A list, newest first; `next` is written before the push and only changed under `taking`, by who
 *   collects it whole (T4) or a sweeper, who takes out cancelled ones behind the first.  So a
 *   million timeouts that are registered and cancelled while the owner sleeps or computes do not
 *   pile up, and nobody is woken for them.
 *
 * Note [Timeout sleep]
 *   sleep_until_ns is AWAKE, or until when the owner sleeps.
 *   owner:   collect; store sleep_until_ns (T5); look at the inbox (T6): if it is not empty, no
 *            sleep.  Afterwards: AWAKE.
 *   poster:  push (T1, T2); look at sleep_until_ns (T7); if its deadline is earlier: CAS to AWAKE,
 *            whoever wins it wakes the owner.
 *   T1, T5, T6, T7 are seq_cst: the owner sees the record, or the poster sees the sleep.  One sleep
 *   is ended by one wake-up.  While the owner is awake posted_ns tells when to look: lowered after
 *   the push, reset before the inbox is taken; a hint that may be too early, never too late.
 */
#ifndef IOMGR_TIMER_MANAGER_H
#define IOMGR_TIMER_MANAGER_H

#include "internal/SpinLock.h"
#include "iomgr/TimerHeap.h"

#include <capri/timeout.h>

typedef struct Timeout Timeout;
typedef struct TimeoutChunk TimeoutChunk;

struct Timeout {
    Timer timer;         /* gate of the manager's heap; number also by cancel */
    uint64_t word;       /* see Note [Timeout word] */
    int64_t deadline_ns; /* stored by registrar and BUSY's holder, read by the gate: relaxed */
    TimeoutCallback *callback; /* registrar, before T1; who has won the word */
    void *env;                 /* likewise */
    Timeout *next;             /* pool: lock; inbox: see Note [Timeout inbox] */
    EventManager *manager;     /* constant */
};

typedef struct TimerManager {
    Timeout *inbox;         /* anyone: see Note [Timeout inbox] */
    int64_t sleep_until_ns; /* anyone: see Note [Timeout sleep] */
    uint32_t dead;          /* anyone adds and subtracts, relaxed: cancelled ones in the inbox */
    uint32_t sweep_at;      /* stored under `taking`, read by anyone, relaxed: a sweep at so many */
    SpinLock taking;        /* whoever changes the inbox but by a push */
    bool stuck;    /* gate stores, owner reads, relaxed: one had no memory and is posted again */
    SpinLock lock; /* the pool's */
    Timeout *free; /* lock */
    TimeoutChunk *chunks; /* lock */
    uint32_t records;     /* lock: how many there are; they only become more */
    uint64_t failed;      /* anyone adds, relaxed: callbacks that returned less than 0 */
} TimerManager;

/* timerManagerOpen, timerManagerClose -- manager->timeouts; what is registered is forgotten. */
void timerManagerOpen(EventManager *manager);
void timerManagerClose(EventManager *manager);

/* timerManagerGive -- new records, all zeroes, for the pool; they stay where they are. */
void timerManagerGive(EventManager *manager, Timeout *records, uint32_t count);

/* timerManagerRest -- owner: I am about to sleep until then, which is timeout_ns from now.  Returns
 * how long to sleep: that, or less if something was posted meanwhile.  timerManagerRise -- owner:
 * awake again. */
int64_t timerManagerRest(EventManager *manager, int64_t until_ns, int64_t timeout_ns);
void timerManagerRise(EventManager *manager);

#endif
