/* Transaction.h -- one transaction: its attempt, what it has read, how it ends.
 *
 * Note [Opacity]
 *   Each read leaves the transaction with values that stood together at one moment, whatever comes
 *   of it later.  The n-th read takes value and version of an unlocked variable, then looks whether
 *   all earlier ones are still unlocked and of the version they had: then all of them were so at
 *   the moment of the n-th read.  Up to FEW_READS that is what is done; after that the sum of the
 *   counters says whether anything was changed at all (Note [Counting changes]), and only if so
 *   everything is looked at again.  Where that costs too much, because others commit all the time,
 *   the transaction runs in serial mode (Note [Serial mode]).
 *
 * Note [Commit]
 *   step        by           order     meaning
 *   lock        each write   seq_cst   (T1) LOCK of its watchers; taken already: give up
 *   compare     each write   -         it was read: still of that version, else give up
 *   odd         each write   release   (T3) V1 of Note [TVar versions]
 *   validate    each read    seq_cst   (T2) not LOCKed, and of the version it was read with
 *   count       the share    release   (T4) Note [Counting changes]
 *   value       each write   release   (T5) V2
 *   even        each write   release   (T6) V3
 *   unlock      each write   release   (T7) its watchers are ours
 *   fire        each write   -         oldest first, once nothing is locked any more
 *   Who gives up puts the versions back, then unlocks.  A lock is never waited for while one is
 *   held, so there is no order among them.  Blind writes compare nothing.  A transaction that has
 *   written nothing is over with its last read.
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

enum { FEW_READS = 4 }; /* entries in the log, to be exact */

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
    bool counting;           /* See Note [Opacity] */
    bool timed;              /* the attempt has asked for the time: */
    uint64_t changes;        /* counting: the sum that goes with what was read */
    uint64_t looks;          /* counting: entries looked at again */
    void *payload;           /* FateThrown */
    int64_t now_ns, wake_ns; /* timed: its time; the first that it would wait for */
    Effects effects;
    Log log;
    Event *events[EVENT_BUCKETS]; /* eventful: See Note [Events in transactions] */
};

/* transactionEnd -- the attempt ends so.  Returns what a status call returns. */
int transactionEnd(Transaction *tx, Fate fate);
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

/* transactionReadQuick, transactionWriteQuick -- the same for the first few entries of a log, with
 * nothing in the way.  False: nothing is done. */
static inline __attribute__((always_inline)) bool transactionReadQuick(Transaction *tx, TVar *tvar,
                                                                       void **value)
{
    LogEntry *entry = tx->log.here, *end = entry + tx->log.count;
    if (UNLIKELY(tx->log.entries != entry))
        return false;
    for (; entry != end; entry++) {
        if (entry->tvar == tvar) {
            *value = entry->value;
            return LIKELY(entry->flags != 0);
        }
    }
    if (UNLIKELY(end >= tx->log.here + FEW_READS))
        return false;
    uint64_t version = ACQUIRE_LOAD(&tvar->version);
    void *seen = ACQUIRE_LOAD(&tvar->value);
    end->tvar = tvar;
    end->version = version;
    end->value = seen;
    end->flags = LOG_READ;
    end->nest = 0;
    for (entry = end; entry >= tx->log.here; entry--) { /* itself first: See tvarLook */
        if (UNLIKELY((entry->flags & LOG_READ) != 0 && !transactionUnchanged(entry)))
            return false;
    }
    tx->log.count++;
    *value = seen;
    return true;
}

static inline __attribute__((always_inline)) bool transactionWriteQuick(Transaction *tx, TVar *tvar,
                                                                        void *value)
{
    LogEntry *entry = tx->log.here, *end = entry + tx->log.count;
    if (UNLIKELY(tx->log.entries != entry || tx->log.nest != 0 || tvar->kind != TVarPlain))
        return false;
    for (; entry != end; entry++) {
        if (entry->tvar == tvar) {
            logWrite(&tx->log, entry, value);
            return true;
        }
    }
    return false;
}

/* transactionHolds -- is all it has read still so? */
bool transactionHolds(const Transaction *tx);

/* transactionCommit -- true: all is visible and everybody who watches is woken.  False: fate and
 * spoilt_by say why not. */
bool transactionCommit(Transaction *tx);

#endif
