/* SpinLock.h -- for the few short lists that everybody shares: Concurrency Kit's fetch-and-store
 * lock.
 *
 * Held for some loads and stores, never over a system call, an upcall or a switch.
 */
#ifndef INTERNAL_SPIN_LOCK_H
#define INTERNAL_SPIN_LOCK_H

#include <stdbool.h>
#include <stddef.h>

#include <spinlock/fas.h>

typedef ck_spinlock_fas_t SpinLock;
#define SPIN_LOCK_INIT CK_SPINLOCK_FAS_INITIALIZER

static inline void spinLock(SpinLock *lock)
{
#ifdef SMP_MODEL
    ck_spinlock_fas_lock(lock); /* the explorer knows when to look again */
#else
    ck_spinlock_fas_lock_eb(lock);
#endif
}

static inline void spinUnlock(SpinLock *lock)
{
    ck_spinlock_fas_unlock(lock);
}

#endif
