/* Transaction.c -- one transaction's reads, writes and commit.
 *
 * Owns    Transaction; what TVar.c owns of a variable, while it holds that variable's LOCK.
 * Before  rts/stm/STM.c: running actions.   After  iomgr/WatchList.c: locks and watchers.
 * Tests   testsuite/unit/TransactionTest.c, testsuite/model/CommitModel.c (every interleaving),
 *         testsuite/stress/Histories.c
 *
 * See Note [Opacity] and Note [Commit].
 */
#include "rts/stm/Transaction.h"

#include "rts/Park.h"
#include "rts/stm/Serial.h"

#include <errno.h>

enum {
    LOOKS_FREE = 4096,  /* entries looked at again before that is held against a transaction ... */
    LOOKS_PER_READ = 16 /* ... and then so many per read */
};
#ifndef LOCK_SPINS
#define LOCK_SPINS 32 /* before a commit gives up; models give up at once */
#endif

int transactionSpoil(Transaction *tx, SpoiltBy by)
{
    tx->spoilt_by = by;
    return transactionEnd(tx, FateSpoilt);
}

bool transactionHolds(const Transaction *tx)
{
    for (uint32_t i = 0; i < tx->log.count; i++) {
        const LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_READ) != 0 && !transactionUnchanged(entry))
            return false;
    }
    return true;
}

/* See Note [Opacity]. */
int transactionLook(Transaction *tx)
{
    shareLook(tx->share);
    tx->looks += tx->log.count;
    if (!tx->serial && tx->looks > LOOKS_FREE + (uint64_t)LOOKS_PER_READ * tx->log.count)
        return transactionSpoil(tx, SpoiltByLooks);
    return transactionHolds(tx) ? 0 : transactionSpoil(tx, SpoiltByChange);
}

int transactionRead(Transaction *tx, TVar *tvar, void **value)
{
    LogEntry *entry = logPlace(&tx->log, tvar, tx->share);
    if (UNLIKELY(entry == NULL))
        return transactionEnd(tx, FateNoMemory);
    if (entry->flags == 0) {
        entry->value = tvarLook(tvar, &entry->version);
        entry->flags = LOG_READ;
        bool is_news = !shareHasSeen(tx->share, entry->version);
        if (is_news && tx->log.count == 1)
            shareSee(tx->share, entry->version);
        else if (is_news && transactionLook(tx) != 0)
            return -ECANCELED;
    }
    *value = entry->value;
    return 0;
}

int transactionWrite(Transaction *tx, TVar *tvar, void *value)
{
    if (UNLIKELY(tvar->kind != TVarPlain)) {
        tx->code = -EPERM;
        tx->payload = NULL;
        return transactionEnd(tx, FateThrown);
    }
    LogEntry *entry = logPlace(&tx->log, tvar, tx->share);
    if (UNLIKELY(entry == NULL || (tx->log.nest != 0 && !logSave(&tx->log, entry))))
        return transactionEnd(tx, FateNoMemory);
    logWrite(&tx->log, entry, value);
    return 0;
}

/* ---- commit ---- */

/* Give up: the first `count` entries have been locked. */
static __attribute__((noinline)) bool unlockWrites(Transaction *tx, uint32_t count, SpoiltBy by)
{
    for (uint32_t i = 0; i < count; i++) {
        LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_WROTE) != 0) {
            RELEASE_STORE(&entry->tvar->version, entry->version);
            watchListUnlockKeep(&entry->tvar->watchers);
        }
    }
    transactionSpoil(tx, by);
    return false;
}

static __attribute__((noinline)) bool lockSlow(WatchList *watchers)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        SMP_PAUSE();
        if (watchListTryLock(watchers))
            return true;
    }
    return false;
}

/* T1, T3.  False: spoilt, it is not locked. */
static inline bool lockWrite(Transaction *tx, LogEntry *entry)
{
    WatchList *watchers = &entry->tvar->watchers;
    if (UNLIKELY(!watchListTryLock(watchers) && !lockSlow(watchers))) { /* T1 */
        transactionSpoil(tx, SpoiltByLock);
        return false;
    }
    uint64_t version = RELAXED_LOAD(&entry->tvar->version);
    if (UNLIKELY((entry->flags & LOG_READ) != 0 && version != entry->version)) {
        watchListUnlockKeep(watchers);
        transactionSpoil(tx, SpoiltByChange);
        return false;
    }
    entry->version = version;
    RELEASE_STORE(&entry->tvar->version, version + 1); /* T3 */
    return true;
}

/* newest: becomes the greatest of their versions. */
static inline bool lockWrites(Transaction *tx, uint64_t *newest)
{
    LogEntry *entry = tx->log.entries;
    for (uint32_t i = 0; i < tx->log.count; i++, entry++) {
        if ((entry->flags & LOG_WROTE) == 0)
            continue;
        if (UNLIKELY(!lockWrite(tx, entry)))
            return unlockWrites(tx, i, tx->spoilt_by);
        *newest = entry->version > *newest ? entry->version : *newest;
    }
    return true;
}

static inline bool validateReads(Transaction *tx)
{
    const Log *log = &tx->log;
    if (log->written == log->count)
        return true;
    for (uint32_t i = 0; i < log->count; i++) {
        const LogEntry *entry = &log->entries[i];
        if (entry->flags == LOG_READ && UNLIKELY(!transactionUnchanged(entry))) /* T2 */
            return unlockWrites(tx, log->count, SpoiltByChange);
    }
    return true;
}

/* T4: the version that all are stored with. */
static inline uint64_t countChange(const Transaction *tx, uint64_t newest)
{
    if (UNLIKELY(tx->here == NULL))
        return shareCountOutside(newest);
    uint64_t version = shareCountChange(tx->share, tx->here->index, newest);
    shareSee(tx->share, version);
    return version;
}

/* T5 to T7.  Who watched: for watchListTaken. */
static inline WatchTaken storeWrite(const LogEntry *entry, uint64_t version)
{
    TVar *tvar = entry->tvar;
    RELEASE_STORE(&tvar->value, entry->value); /* T5 */
    RELEASE_STORE(&tvar->version, version);    /* T6 */
    return watchListUnlock(&tvar->watchers);   /* T7 */
}

/* T4 to T7.  True: somebody watches; the lists are in the entries' values. */
static inline bool storeWrites(Transaction *tx, uint64_t newest)
{
    LogEntry *entry = tx->log.entries;
    WatchTaken watched = 0;
    uint64_t version = countChange(tx, newest);
    for (const LogEntry *end = entry + tx->log.count; entry != end; entry++) {
        if ((entry->flags & LOG_WROTE) == 0)
            continue;
        WatchTaken taken = storeWrite(entry, version);
        entry->value = (void *)(uintptr_t)taken;
        watched |= taken;
    }
    return watched != 0;
}

static __attribute__((noinline)) void fireWatchers(Transaction *tx)
{
    for (uint32_t i = 0; i < tx->log.count; i++) {
        LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_WROTE) != 0 && entry->value != NULL)
            parkFire(watchListTaken(&entry->tvar->watchers, (WatchTaken)(uintptr_t)entry->value),
                     tx->here);
    }
}

/* All that it has met is one variable, which it writes: nothing is left to validate. */
static inline bool commitOne(Transaction *tx)
{
    LogEntry *entry = tx->log.entries;
    bool outside = tx->here == NULL;
    WatchTaken taken = 0;
    if (UNLIKELY(outside))
        reclaimCommitLock();
    bool done = lockWrite(tx, entry);
    if (LIKELY(done))
        taken = storeWrite(entry, countChange(tx, entry->version));
    if (UNLIKELY(outside))
        reclaimCommitUnlock();
    if (taken != 0)
        parkFire(watchListTaken(&entry->tvar->watchers, taken), tx->here);
    return done;
}

bool transactionCommit(Transaction *tx)
{
    if (tx->log.written == 0)
        return true;
    if (serialIsHeld() && !tx->serial) {
        transactionSpoil(tx, SpoiltBySerial);
        return false;
    }
    if (tx->log.count == 1)
        return commitOne(tx);
    bool outside = tx->here == NULL, watched = false;
    uint64_t newest = 0;
    if (UNLIKELY(outside))
        reclaimCommitLock();
    bool done = lockWrites(tx, &newest) && validateReads(tx);
    if (LIKELY(done))
        watched = storeWrites(tx, newest);
    if (UNLIKELY(outside))
        reclaimCommitUnlock();
    if (UNLIKELY(watched))
        fireWatchers(tx);
    return done;
}
