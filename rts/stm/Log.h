/* Log.h -- what a transaction has read and will write: one entry a variable, found in O(1).
 *
 * The first entries are on the caller's stack and are searched one by one; more are in a block of
 * memory, with a hash table behind the entries.
 *
 * Note [Nests]
 *   A branch of orElse or catch is a nest.  It writes into the same entries; what an entry was
 *   before the nest's first write to it is kept in `undo`.  Giving the branch up restores that,
 *   newest first; what it has read stays.  An entry that only a dropped write had made is left with
 *   flags 0: nothing is known of that variable.  A branch that succeeds leaves its undo entries to
 *   the nest around it.
 */
#ifndef RTS_LOG_H
#define RTS_LOG_H

#include "internal/Assert.h"
#include "rts/stm/Share.h"
#include "rts/stm/TVar.h"

enum {
    LOG_INLINE = 8,         /* entries on the stack */
    LOG_SPARE_MOST = 16384, /* entries of a block that is kept for the next transaction */
    LOG_READ = 1,
    LOG_WROTE = 2
};

typedef struct LogEntry {
    TVar *tvar;
    uint64_t version; /* LOG_READ: when it was read.  In a commit: before the write */
    void *value;      /* what reading gives */
    uint32_t flags;
    uint32_t nest; /* See Note [Nests]: this nest has saved it */
} LogEntry;

typedef struct LogUndo {
    void *value;
    uint32_t entry, flags, nest;
} LogUndo;

typedef struct Log {
    LogEntry *entries;
    uint32_t count;   /* this one to undo_count: logReset's */
    uint32_t mask;    /* of the hash table behind the entries; 0: there is none */
    uint32_t written; /* entries with LOG_WROTE */
    uint32_t nest;    /* the innermost that runs; 0: none */
    uint32_t nests;   /* begun */
    uint32_t undo_count, undo_room;
    uint32_t room;
    LogUndo *undo;
    LogEntry here[LOG_INLINE];
    uint32_t shift;  /* a table: the upper bits of a hash are the place */
    uint32_t most;   /* a table: so many entries fit into it and into the block */
    uint32_t *table; /* a table: numbers of entries from 1, 0 for none */
} Log;

static inline void logOpen(Log *log)
{
    log->entries = log->here;
    log->room = LOG_INLINE;
    log->undo = NULL;
    log->undo_room = 0;
}

/* logReset -- empty; memory is kept. */
static inline void logReset(Log *log)
{
    log->count = log->mask = log->written = log->nest = log->nests = log->undo_count = 0;
}

/* logClose -- empty; memory goes back, a big block to `share` if it wants one (NULL: none does).
 * logHasMemory -- is there any? */
void logCloseSlow(Log *log, StmShare *share);

static inline bool logHasMemory(const Log *log)
{
    return log->entries != log->here || log->undo != NULL;
}

static inline void logClose(Log *log, StmShare *share)
{
    if (UNLIKELY(logHasMemory(log)))
        logCloseSlow(log, share);
}

/* logFreeSpare -- likewise of what a share keeps. */
void logFreeSpare(StmShare *share);

/* logSlot -- where in the table tvar is, or belongs. */
static inline uint32_t *logSlot(const Log *log, const TVar *tvar)
{
    uint64_t hash = (uintptr_t)tvar / sizeof(TVar) * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t *table = log->table, at = (uint32_t)(hash >> log->shift);
    while (table[at] != 0 && log->entries[table[at] - 1].tvar != tvar)
        at = (at + 1) & log->mask;
    return &table[at];
}

/* logFind -- the entry of tvar, or NULL. */
LogEntry *logFind(const Log *log, const TVar *tvar);

/* logPlace -- the entry of tvar, or a new one with flags 0; NULL: out of memory. */
LogEntry *logPlaceSlow(Log *log, TVar *tvar, StmShare *share);

static inline LogEntry *logAppend(Log *log, TVar *tvar)
{
    LogEntry *entry = &log->entries[log->count++];
    entry->tvar = tvar;
    entry->flags = entry->nest = 0;
    return entry;
}

static inline LogEntry *logPlace(Log *log, TVar *tvar, StmShare *share)
{
    if (log->mask != 0) {
        uint32_t *slot = logSlot(log, tvar);
        if (*slot != 0)
            return &log->entries[*slot - 1];
        if (UNLIKELY(log->count >= log->most))
            return logPlaceSlow(log, tvar, share);
        *slot = log->count + 1;
        return logAppend(log, tvar);
    }
    for (uint32_t i = 0; i < log->count; i++) {
        if (log->entries[i].tvar == tvar)
            return &log->entries[i];
    }
    if (UNLIKELY(log->count >= LOG_INLINE))
        return logPlaceSlow(log, tvar, share);
    return logAppend(log, tvar);
}

/* logWrite -- entry's value will be this; it has been saved, if need be. */
static inline void logWrite(Log *log, LogEntry *entry, void *value)
{
    log->written += (entry->flags & LOG_WROTE) == 0;
    entry->flags |= LOG_WROTE;
    entry->value = value;
}

/* logSave -- before a write to entry inside of a nest.  False: out of memory. */
bool logSave(Log *log, LogEntry *entry);

/* logNestBegin, logNestKeep, logNestDrop -- See Note [Nests]. */
typedef struct LogMark {
    uint32_t nest, undo;
} LogMark;

LogMark logNestBegin(Log *log);
void logNestKeep(Log *log, LogMark mark);
void logNestDrop(Log *log, LogMark mark);

/* logSane -- walker for tests. */
bool logSane(Log *log);

#endif
