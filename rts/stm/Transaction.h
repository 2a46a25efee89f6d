/* Transaction.h -- one transaction: its attempt, what it has read, how it ends.
 *
 * Note [Opacity]
 *   Each read leaves the transaction with values that stood together at one moment, whatever comes
 *   of it later.  A read takes value and version of an unlocked variable.  If the version is no
 *   news to the share (Note [Counting changes]), the variable has had its value since before the
 *   moment at which all earlier ones stood together (their last look, or else the first read): so
 *   it was there with them.  If it is news, the share looks at all counts, then the transaction at
 *   all that it has read, the new one included: when everything is still unlocked and of the
 *   version it had, all stood together at the moment of the look at the counts.  The first read has
 *   no others to go with: its version, acquired, is a look at the one count that it names, and that
 *   comes before the moment at which it stands alone.  Where looking costs too much, because others
 *   commit all the time, it runs in serial mode (Note [Serial mode]).
 *
 * Note [Commit]
 *   step        by           order     meaning
 *   lock        each write   seq_cst   (T1) LOCK of its watchers; taken for long: give up
 *   compare     each write   -         it was read: still of that version, else give up
 *   odd         each write   release   (T3) V1 of Note [TVar versions]
 *   validate    each read    seq_cst   (T2) not LOCKed, and of the version it was read with
 *   count       the share    release   (T4) Note [Counting changes]
 *   value       each write   release   (T5) V2
 *   even        each write   release   (T6) V3
 *   unlock      each write   release   (T7) its watchers are ours
 *   fire        each write   -         oldest first, once nothing is locked any more
 *   Who gives up puts the versions back, then unlocks.  While one lock is held another is waited
 *   for but a bounded moment, so there is no order among them.  Blind writes compare nothing.  A
 *   transaction that has written nothing is over with its last read.
 *
 *   Why it is serialisable, in real time: the moment of a commit is any one between its last T1 and
 *   its first T2.  All it has read held then: T2 finds it neither changed nor locked.  Of two
 *   commits that each read what the other writes one sees the other's lock: both lock (seq_cst)
 *   before they look (seq_cst).  A reader looks at LOCK as well as at the version, so it sees
 *   nothing of what is between T1 and T7, neither old nor new: it waits.  Who finds a value of T5
 *   finds all of T3 (release, acquire), so never one variable of a commit without the others.
 */
#ifndef RTS_TRANSACTION_H
#define RTS_TRANSACTION_H

#include "rts/context/Escape.h"
#include "rts/stm/Effects.h"
#include "rts/stm/Log.h"

#include <errno.h>

enum { EVENT_BUCKETS = 16 };

typedef struct Event Event; /* Event.h */

/* How an attempt ends, if not by its action's return. */
typedef enum Fate {
    FateNone,
    FateSpoilt, /* others have changed what it read: again */
    FateRetry,
    FateThrown,
    FateNoMemory
} Fate;

typedef enum SpoiltBy { SpoiltByChange, SpoiltByLock, SpoiltBySerial, SpoiltByLooks } SpoiltBy;

struct Transaction {
    Escape *escape;   /* the innermost frame that may be left; NULL: status calls */
    Capability *here; /* during an attempt */
    StmShare *share;  /* likewise */
    Fate fate;
    SpoiltBy spoilt_by;
    int code;                /* FateThrown */
    bool serial;             /* it holds the token */
    bool eventful;           /* it has Events */
    bool stays;              /* a plain OS thread's, which a shutdown waits for */
    bool timed;              /* the attempt has asked for the time: */
    uint64_t looks;          /* entries looked at again */
    void *payload;           /* FateThrown */
    int64_t now_ns, wake_ns; /* timed: its time; the first that it would wait for */
    Log log;                 /* begins near what is above: the lines that a waiter comes back to */
    Effects effects;
    Event *events[EVENT_BUCKETS]; /* eventful: See Note [Events in transactions] */
};

/* transactionEnd -- the attempt ends so.  Returns what a status call returns. */
static inline int transactionEnd(Transaction *tx, Fate fate)
{
    tx->fate = fate;
    return -ECANCELED; /* any negative number: the fate is what counts */
}

int transactionSpoil(Transaction *tx, SpoiltBy by);

/* transactionUnchanged -- T2, and each look at what was read before. */
static inline bool transactionUnchanged(const LogEntry *entry)
{
    return (SEQ_CST_LOAD(&entry->tvar->watchers) & WATCH_LOCK) == 0 &&
           RELAXED_LOAD(&entry->tvar->version) == entry->version;
}

/* transactionRead, transactionWrite -- 0, or the attempt has ended. */
int transactionRead(Transaction *tx, TVar *tvar, void **value);
int transactionWrite(Transaction *tx, TVar *tvar, void *value);

/* transactionTake -- read into a new entry.  False: it is locked, or news. */
static inline __attribute__((always_inline)) bool transactionTake(const Transaction *tx, TVar *tvar,
                                                                  LogEntry *entry)
{
    uint64_t version = ACQUIRE_LOAD(&tvar->version); /* as tvarLook */
    entry->value = ACQUIRE_LOAD(&tvar->value);
    entry->tvar = tvar;
    entry->version = tvarEven(version);
    entry->flags = LOG_READ;
    entry->nest = 0;
    if (UNLIKELY((SEQ_CST_LOAD(&tvar->watchers) & WATCH_LOCK) != 0 ||
                 RELAXED_LOAD(&tvar->version) != version))
        return false;
    if (LIKELY(shareHasSeen(tx->share, version)))
        return true;
    if (tx->log.count != 0)
        return false;
    shareSee(tx->share, version); /* the first: it goes with nothing else yet */
    return true;
}

/* transactionReadQuick, transactionWriteQuick -- the same for a log without a hash table, with
 * nothing in the way; transactionReadHashed -- for one with a table.  False: nothing is done. */
static inline __attribute__((always_inline)) bool transactionReadQuick(Transaction *tx, TVar *tvar,
                                                                       void **value)
{
    if (UNLIKELY(tx->log.mask != 0))
        return false;
    LogEntry *entry = tx->log.entries, *end = entry + tx->log.count;
    for (; entry != end; entry++) {
        if (entry->tvar == tvar) {
            *value = entry->value;
            return LIKELY(entry->flags != 0);
        }
    }
    if (UNLIKELY(tx->log.count >= LOG_INLINE || !transactionTake(tx, tvar, end)))
        return false;
    tx->log.count++;
    *value = end->value;
    return true;
}

static inline __attribute__((always_inline)) bool transactionReadHashed(Transaction *tx, TVar *tvar,
                                                                        void **value)
{
    Log *log = &tx->log;
    if (UNLIKELY(log->mask == 0))
        return false;
    uint32_t *slot = logSlot(log, tvar);
    LogEntry *entry = &log->entries[log->count];
    if (*slot != 0) {
        entry = &log->entries[*slot - 1];
        *value = entry->value;
        return LIKELY(entry->flags != 0);
    }
    if (UNLIKELY(log->count >= log->most || !transactionTake(tx, tvar, entry)))
        return false;
    *slot = ++log->count;
    *value = entry->value;
    return true;
}

static inline __attribute__((always_inline)) bool transactionWriteQuick(Transaction *tx, TVar *tvar,
                                                                        void *value)
{
    if (UNLIKELY((tx->log.mask | tx->log.nest | tvar->kind) != 0)) /* TVarPlain is 0 */
        return false;
    LogEntry *entry = tx->log.entries, *end = entry + tx->log.count;
    for (; entry != end; entry++) {
        if (entry->tvar == tvar) {
            logWrite(&tx->log, entry, value);
            return true;
        }
    }
    if (UNLIKELY(tx->log.count >= LOG_INLINE))
        return false;
    *end = (LogEntry){.tvar = tvar, .value = value, .flags = LOG_WROTE};
    tx->log.count++;
    tx->log.written++;
    return true;
}

/* transactionHolds -- is all it has read still so?
 * transactionLook -- it has met news: all it has read stands together now (0), or it is spoilt. */
bool transactionHolds(const Transaction *tx);
int transactionLook(Transaction *tx);

/* transactionCommit -- true: all is visible and everybody who watches is woken.  False: fate and
 * spoilt_by say why not. */
bool transactionCommit(Transaction *tx);

#endif
