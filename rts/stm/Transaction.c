/* Transaction.c -- one transaction's reads, writes and commit.
 *
 * Owns    Transaction; what TVar.c owns of a variable, while it holds that variable's LOCK.
 * Before  rts/stm/STM.c: running actions.   After  iomgr/WatchList.c: locks and watchers.
 * Tests   testsuite/unit/TransactionTest.c, testsuite/stress/Histories.c
 *
 * See Note [Opacity] and Note [Commit].
 */
#include "rts/stm/Transaction.h"

#include "rts/Park.h"
#include "rts/stm/Serial.h"

#include <errno.h>

enum {
    LOOKS_FREE = 4096,   /* entries looked at again before that is held against a transaction ... */
    LOOKS_PER_READ = 16, /* ... and then so many per read */
    LOCK_SPINS = 32
};

int transactionEnd(Transaction *tx, Fate fate)
{
    tx->fate = fate;
    return -ECANCELED; /* any negative number: the fate is what counts */
}

int transactionSpoil(Transaction *tx, SpoiltBy by)
{
    tx->spoilt_by = by;
    return transactionEnd(tx, FateSpoilt);
}

/* T2; and each look at what was read before. */
static inline bool isUnchanged(const LogEntry *entry)
{
    return (SEQ_CST_LOAD(&entry->tvar->watchers) & WATCH_LOCK) == 0 &&
           RELAXED_LOAD(&entry->tvar->version) == entry->version;
}

bool transactionHolds(const Transaction *tx)
{
    for (uint32_t i = 0; i < tx->log.count; i++) {
        const LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_READ) != 0 && !isUnchanged(entry))
            return false;
    }
    return true;
}

/* Many reads: See Note [Counting changes]. */
static __attribute__((noinline)) int validateByCount(Transaction *tx)
{
    uint64_t changes = shareChanges();
    if (LIKELY(tx->counting && changes == tx->changes))
        return 0;
    tx->counting = true;
    tx->changes = changes;
    tx->looks += tx->log.count;
    if (!tx->serial && tx->looks > LOOKS_FREE + (uint64_t)LOOKS_PER_READ * tx->log.count)
        return transactionSpoil(tx, SpoiltByLooks);
    return transactionHolds(tx) ? 0 : transactionSpoil(tx, SpoiltByChange);
}

int transactionReadFresh(Transaction *tx, TVar *tvar, LogEntry *entry, void **value)
{
    if (entry == NULL) {
        entry = logAdd(&tx->log, tvar, tx->share);
        if (UNLIKELY(entry == NULL))
            return transactionEnd(tx, FateNoMemory);
    }
    *value = entry->value = tvarLook(tvar, &entry->version);
    entry->flags = LOG_READ;
    if (++tx->reads == 1)
        return 0;
    if (UNLIKELY(tx->reads > FEW_READS))
        return validateByCount(tx);
    return LIKELY(transactionHolds(tx)) ? 0 : transactionSpoil(tx, SpoiltByChange);
}

int transactionWrite(Transaction *tx, TVar *tvar, void *value)
{
    if (UNLIKELY(tvar->kind != TVarPlain)) {
        tx->code = -EPERM;
        tx->payload = NULL;
        return transactionEnd(tx, FateThrown);
    }
    LogEntry *entry = logFind(&tx->log, tvar);
    if (entry == NULL)
        entry = logAdd(&tx->log, tvar, tx->share);
    if (UNLIKELY(entry == NULL || (tx->log.nest != 0 && !logSave(&tx->log, entry))))
        return transactionEnd(tx, FateNoMemory);
    entry->value = value;
    entry->flags |= LOG_WROTE;
    tx->log.writes++;
    return 0;
}

/* ---- commit ---- */

/* T1: give back the locks of the first `count` entries. */
static void unlockWrites(Transaction *tx, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_WROTE) != 0)
            watchListUnlockKeep(&entry->tvar->watchers);
    }
}

static bool lockSlow(WatchList *watchers)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        SMP_PAUSE();
        if (watchListTryLock(watchers))
            return true;
    }
    return false;
}

static inline bool lockWrites(Transaction *tx)
{
    Log *log = &tx->log;
    for (uint32_t i = 0; i < log->count; i++) {
        LogEntry *entry = &log->entries[i];
        if ((entry->flags & LOG_WROTE) == 0)
            continue;
        WatchList *watchers = &entry->tvar->watchers;
        if (UNLIKELY(!watchListTryLock(watchers) && !lockSlow(watchers))) { /* T1 */
            unlockWrites(tx, i);
            transactionSpoil(tx, SpoiltByLock);
            return false;
        }
        uint64_t version = RELAXED_LOAD(&entry->tvar->version);
        if (UNLIKELY((entry->flags & LOG_READ) != 0 && version != entry->version)) {
            unlockWrites(tx, i + 1);
            transactionSpoil(tx, SpoiltByChange);
            return false;
        }
        entry->version = version;
    }
    return true;
}

static inline bool validateReads(Transaction *tx)
{
    Log *log = &tx->log;
    for (uint32_t i = 0; i < log->count; i++) {
        LogEntry *entry = &log->entries[i];
        if (entry->flags == LOG_READ && UNLIKELY(!isUnchanged(entry))) { /* T2 */
            unlockWrites(tx, log->count);
            transactionSpoil(tx, SpoiltByChange);
            return false;
        }
    }
    return true;
}

/* T3 to T7.  True: somebody watches; the lists are in the entries' values. */
static inline bool storeWrites(Transaction *tx)
{
    Log *log = &tx->log;
    uintptr_t watched = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        LogEntry *entry = &log->entries[i];
        if ((entry->flags & LOG_WROTE) != 0)
            RELAXED_STORE(&entry->tvar->version, entry->version + 1); /* T3 */
    }
    shareCountChange(tx->here == NULL ? NULL : tx->share); /* T4 */
    for (uint32_t i = 0; i < log->count; i++) {
        LogEntry *entry = &log->entries[i];
        TVar *tvar = entry->tvar;
        if ((entry->flags & LOG_WROTE) == 0)
            continue;
        RELEASE_STORE(&tvar->value, entry->value);         /* T5 */
        RELEASE_STORE(&tvar->version, entry->version + 2); /* T6 */
        WatchNode *watchers = watchListHead(RELAXED_LOAD(&tvar->watchers));
        watchListUnlock(&tvar->watchers); /* T7 */
        entry->value = watchers;
        watched |= (uintptr_t)watchers;
    }
    return watched != 0;
}

static __attribute__((noinline)) void fireWatchers(Transaction *tx)
{
    for (uint32_t i = 0; i < tx->log.count; i++) {
        LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_WROTE) != 0 && entry->value != NULL)
            parkFire(entry->value, tx->here);
    }
}

bool transactionCommit(Transaction *tx)
{
    if (tx->log.writes == 0)
        return true;
    if (serialIsHeld() && !tx->serial) {
        transactionSpoil(tx, SpoiltBySerial);
        return false;
    }
    bool outside = tx->here == NULL, watched = false;
    if (UNLIKELY(outside))
        reclaimCommitLock();
    bool done = lockWrites(tx) && validateReads(tx);
    if (LIKELY(done))
        watched = storeWrites(tx);
    if (UNLIKELY(outside))
        reclaimCommitUnlock();
    if (UNLIKELY(watched))
        fireWatchers(tx);
    return done;
}
