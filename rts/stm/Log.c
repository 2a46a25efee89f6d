/* Log.c -- what a transaction has read and will write.
 *
 * Owns    Log: the block, the hash table, the undo list.  One transaction's, never shared.
 * Before  rts/stm/Transaction.c: reading and writing.
 * Tests   testsuite/unit/LogTest.c
 *
 * See Note [Nests].
 */
#include "rts/stm/Log.h"

#include "iomgr/Memory.h"
#include "rts/Startup.h"

enum { TABLE_LEAST = 64, TABLE_GROWS = 4, ROOM_LEAST = 64, UNDO_LEAST = 16 };

/* A block: room entries, then a table of up to 2 * room numbers. */
static size_t blockSize(uint32_t room)
{
    return room * (sizeof(LogEntry) + 2 * sizeof(uint32_t));
}

LogEntry *logFind(const Log *log, const TVar *tvar)
{
    if (log->mask != 0) {
        uint32_t number = *logSlot(log, tvar);
        return number == 0 ? NULL : &log->entries[number - 1];
    }
    for (uint32_t i = 0; i < log->count; i++) {
        if (log->entries[i].tvar == tvar)
            return &log->entries[i];
    }
    return NULL;
}

/* A table of `size` places for what is there. */
static void indexAll(Log *log, uint32_t size)
{
    log->mask = size - 1;
    log->shift = 64 - (uint32_t)__builtin_ctz(size);
    log->most = size / 2 < log->room ? size / 2 : log->room;
    log->table = (uint32_t *)(void *)(log->entries + log->room);
    memset(log->table, 0, size * sizeof(uint32_t));
    for (uint32_t i = 0; i < log->count; i++)
        *logSlot(log, log->entries[i].tvar) = i + 1;
}

static void releaseBlock(LogEntry *entries, uint32_t room)
{
    memoryRelease(startupAllocator(), entries, blockSize(room), CACHE_LINE);
}

/* More room: the share's spare block, or one of twice the size. */
static bool growBlock(Log *log, StmShare *share)
{
    uint32_t room = log->room < ROOM_LEAST ? ROOM_LEAST : log->room * 2;
    LogEntry *entries = NULL;
    if (share != NULL && share->spare != NULL && share->spare_room >= room) {
        entries = share->spare;
        room = share->spare_room;
        share->spare = NULL;
    } else if (log->room < UINT32_MAX / 4) {
        entries = memoryAllocate(startupAllocator(), blockSize(room), CACHE_LINE);
    }
    if (entries == NULL)
        return false;
    memcpy(entries, log->entries, log->count * sizeof(LogEntry));
    if (log->entries != log->here)
        releaseBlock(log->entries, log->room);
    log->entries = entries;
    log->room = room;
    log->mask = 0; /* the table lay behind the old entries */
    return true;
}

/* There is no room for one more, in the block or in the table; or no table yet. */
LogEntry *logPlaceSlow(Log *log, TVar *tvar, StmShare *share)
{
    if (log->count == log->room && !growBlock(log, share))
        return NULL;
    uint32_t size = TABLE_LEAST;
    while (size <= log->count * 2)
        size *= TABLE_GROWS;
    if (size > 2 * log->room)
        size = 2 * log->room;
    if (size > log->mask + 1)
        indexAll(log, size);
    *logSlot(log, tvar) = log->count + 1;
    return logAppend(log, tvar);
}

void logCloseSlow(Log *log, StmShare *share)
{
    if (log->entries != log->here) {
        if (share != NULL && share->spare == NULL && log->room <= LOG_SPARE_MOST) {
            share->spare = log->entries;
            share->spare_room = log->room;
        } else {
            releaseBlock(log->entries, log->room);
        }
    }
    memoryRelease(startupAllocator(), log->undo, log->undo_room * sizeof(LogUndo), CACHE_LINE);
    logOpen(log);
    logReset(log);
}

void logFreeSpare(StmShare *share)
{
    if (share->spare != NULL)
        releaseBlock(share->spare, share->spare_room);
    share->spare = NULL;
}

bool logSave(Log *log, LogEntry *entry)
{
    if (entry->nest == log->nest)
        return true;
    if (log->undo_count == log->undo_room) {
        uint32_t room = log->undo_room == 0 ? UNDO_LEAST : log->undo_room * 2;
        LogUndo *undo = memoryAllocate(startupAllocator(), room * sizeof(LogUndo), CACHE_LINE);
        if (undo == NULL)
            return false;
        if (log->undo != NULL)
            memcpy(undo, log->undo, log->undo_count * sizeof(LogUndo));
        memoryRelease(startupAllocator(), log->undo, log->undo_room * sizeof(LogUndo), CACHE_LINE);
        log->undo = undo;
        log->undo_room = room;
    }
    log->undo[log->undo_count++] = (LogUndo){.value = entry->value,
                                             .entry = (uint32_t)(entry - log->entries),
                                             .flags = entry->flags,
                                             .nest = entry->nest};
    entry->nest = log->nest;
    return true;
}

LogMark logNestBegin(Log *log)
{
    LogMark mark = {log->nest, log->undo_count};
    log->nest = ++log->nests;
    return mark;
}

void logNestKeep(Log *log, LogMark mark)
{
    log->nest = mark.nest;
    if (mark.nest == 0)
        log->undo_count = 0;
}

void logNestDrop(Log *log, LogMark mark)
{
    while (log->undo_count > mark.undo) {
        LogUndo *undo = &log->undo[--log->undo_count];
        LogEntry *entry = &log->entries[undo->entry];
        log->written -= (entry->flags & ~undo->flags & LOG_WROTE) != 0;
        entry->value = undo->value;
        entry->flags = undo->flags;
        entry->nest = undo->nest;
    }
    log->nest = mark.nest;
}

bool logSane(Log *log)
{
    if (log->count > log->room || log->undo_count > log->undo_room || log->nest > log->nests)
        return false;
    uint32_t written = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        if (logFind(log, log->entries[i].tvar) != &log->entries[i] || log->entries[i].flags > 3)
            return false;
        written += (log->entries[i].flags & LOG_WROTE) != 0;
    }
    if (written != log->written)
        return false;
    return log->mask == 0 || log->count * 2 <= log->mask + 1;
}
