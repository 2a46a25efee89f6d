/* Deadlock.h -- is anybody left who can wake anybody?
 *
 * Note [Blocked for ever]
 *   Asked by the Monitor when it goes dormant: all capabilities have slept for MONITOR_QUIET_NS.
 *   Nothing is counted while threads run; what tells is looked at here, on the Monitor's OS thread:
 *     D1  every capability sleeps in its back-end without a deadline, with nothing ready and no
 *         mail: sleep == Asleep, sleep_until_ns == never (seq_cst).  Before each look is added up
 *         how often it has switched to a thread (acquire).
 *     D2  nothing is outstanding that could wake a thread: no hold, no job of the blocking pool, no
 *         watch of signals, no registration with a manager, no fd that a transaction waits for
 *     D3  each living thread waits for a variable, a queue or a thread's end, has no timer for
 *         that wait, and nobody has claimed it
 *     D4  D1 again, and counted after each look, no capability has switched since
 *   Threads are run by capabilities only, so between D1 and D4 none ran: each slept at its first
 *   look, and by the second one whoever ran a thread since has counted its switch.  (Counted after
 *   the first look, a switch in between would be missed: the explorer found that.)  What is not a
 *   thread and could wake one is a source of D2, which ends only after its wake-up is in an inbox
 *   and the sleeper notified: looked at before that, it is outstanding; after that, D4 finds the
 *   mail or who fetched it.  A manager's timers and timeouts keep D1 from being so: who expires
 *   them has said that it is awake before.  So with D1 to D4 no thread can be woken but by a plain
 *   OS thread.
 *   A source that ends later than D2 rouses the Monitor (monitorNote), which asks again: it has
 *   stored `dormant` before D1, the source looks at `dormant` after its end.  Idle capabilities are
 *   not woken for any of this.
 *   A sleeper's deadline may be that of a timer which has been disarmed on another core since.  If
 *   all else holds it is woken, once until something has run, and looks at its timers again.
 *   In a closed world there are no plain OS threads, so what was found stays so.  Before the waits
 *   are ended the world stands still (See Note [Standing still]) and D2, D3 are looked at once
 *   more: as nobody runs, each wait that is ended is the one that was found, not a later one of a
 *   thread that was woken a moment before.
 *   What cannot be told: see rtsHold.
 */
#ifndef RTS_DEADLOCK_H
#define RTS_DEADLOCK_H

#include "rts/Thread.h"

/* deadlockStart -- before the Monitor runs: nothing has been told. */
void deadlockStart(void);

/* deadlockLook -- the Monitor: if all are blocked for ever tell it, or tell them. */
void deadlockLook(void);

/* deadlockFound -- D1 to D4, on any OS thread.  witness: where to look first, and who was found to
 * be able to go on; starts as NULL. */
bool deadlockFound(Thread **witness);

#endif
