/* LogTest.c -- the log: found in one step at any size, undone by branch, memory kept and lost. */
#include "rts/stm/Log.h"

#include "testsuite/support/Runtime.h"

enum { MANY = 100000 };

static void *V(uintptr_t number)
{
    return (void *)number;
}

static TVar *fakeTVars(uint32_t count)
{
    TVar *tvars = aligned_alloc(CACHE_LINE, count * sizeof(TVar));
    CHECK(tvars != NULL);
    return tvars;
}

/* Every size, found and not found. */
TEST(Log, findsWhatItHas)
{
    TVar *tvars = fakeTVars(2000);
    StmShare share = {0};
    Log log;
    greenStart(1); /* for its allocator */
    logOpen(&log);
    for (int round = 0; round < 3; round++) {
        logReset(&log);
        for (uint32_t i = 0; i < 1000; i++) {
            CHECK_EQ(logFind(&log, &tvars[2 * i]), NULL);
            LogEntry *entry = logPlace(&log, &tvars[2 * i], &share);
            CHECK(entry != NULL);
            entry->value = V(i);
            entry->flags = LOG_READ;
            if (i < 70 || i % 97 == 0)
                CHECK(logSane(&log));
        }
        for (uint32_t i = 0; i < 1000; i++) {
            CHECK_EQ(logFind(&log, &tvars[2 * i])->value, V(i));
            CHECK_EQ(logFind(&log, &tvars[2 * i + 1]), NULL);
        }
    }
    CHECK_EQ(share.spare, NULL);
    logClose(&log, &share);
    CHECK(share.spare != NULL);
    logPlace(&log, tvars, &share);
    logClose(&log, &share); /* nothing to give back */
    logFreeSpare(&share);
    CHECK_EQ(share.spare, NULL);
    greenStop();
    free(tvars);
}

static void writeTo(Log *log, LogEntry *entry, uintptr_t value)
{
    CHECK(log->nest == 0 || logSave(log, entry));
    logWrite(log, entry, V(value));
}

TEST(Log, nestsAreUndone)
{
    enum { WIDE = 50 };
    TVar *tvars = fakeTVars(WIDE);
    StmShare share = {0};
    Log log;
    greenStart(1);
    logOpen(&log);
    logReset(&log);
    LogEntry *first = logPlace(&log, &tvars[0], &share);
    first->flags = LOG_READ;
    writeTo(&log, first, 1);
    LogMark outer = logNestBegin(&log);
    for (uint32_t i = 1; i < WIDE; i++)
        writeTo(&log, logPlace(&log, &tvars[i], &share), 2);
    first = logFind(&log, &tvars[0]);
    LogMark inner = logNestBegin(&log);
    writeTo(&log, first, 3);
    writeTo(&log, first, 4);
    logNestDrop(&log, inner);
    CHECK_EQ(first->value, V(1));
    inner = logNestBegin(&log);
    for (uint32_t i = 0; i < WIDE; i++)
        writeTo(&log, &log.entries[i], 5);
    logNestKeep(&log, inner);
    writeTo(&log, first, 6);
    logNestDrop(&log, outer);
    CHECK_EQ(first->value, V(1));
    CHECK_EQ(first->flags, LOG_READ | LOG_WROTE);
    for (uint32_t i = 1; i < WIDE; i++)
        CHECK_EQ(log.entries[i].flags, 0); /* only the nest had made them */
    CHECK_EQ(log.undo_count, 0);
    CHECK(logSane(&log));
    logClose(&log, NULL);
    greenStop();
    free(tvars);
}

/* ---- in a transaction ---- */

static void *writeMany(Transaction *tx, void *env)
{
    TVar **tvars = env;
    for (uint32_t i = 0; i < MANY; i++)
        tvarWrite(tx, tvars[i], V(i + 1));
    for (uint32_t i = 0; i < MANY; i++)
        CHECK_EQ(tvarRead(tx, tvars[i]), V(i + 1));
    return NULL;
}

static void *aHundredThousand(void *env)
{
    static TVar *tvars[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        CHECK((tvars[i] = tvarNew(NULL)) != NULL);
    CHECK_EQ(stmAtomically(writeMany, tvars, NULL), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_EQ(tvarReadIO(tvars[i]), V(i + 1));
        tvarFree(tvars[i]);
    }
    return env;
}

TEST(Log, aTransactionMayBeLarge)
{
    greenRun(1, aHundredThousand, NULL);
}
