/* TransactionTest.c -- one attempt, step by step: what spoils it, and what it leaves. */
#include "rts/stm/Transaction.h"

#include "testsuite/support/Runtime.h"

enum { WIDE = 40 };

static TVar *vars[WIDE];

static void *V(intptr_t number)
{
    return (void *)number;
}

static void begin(Transaction *tx)
{
    memset(tx, 0, sizeof *tx);
    tx->here = scheduleHere();
    tx->share = &schedulerOf(tx->here)->stm;
    logOpen(&tx->log);
    logReset(&tx->log);
}

/* The read that first meets news after a change ends the attempt, with few reads and with many. */
static void *spoilReads(void *env)
{
    (void)env;
    for (int before = 1; before < WIDE - 2; before++) {
        Transaction tx;
        void *value;
        begin(&tx);
        for (int i = 0; i < before; i++)
            CHECK_EQ(transactionRead(&tx, vars[i], &value), 0);
        tvarWriteIO(vars[WIDE - 1], V(before)); /* unread: no matter */
        CHECK_EQ(transactionRead(&tx, vars[0], &value), 0);
        CHECK_EQ(transactionRead(&tx, vars[WIDE - 1], &value), 0);
        CHECK_EQ(value, V(before));
        tvarWriteIO(vars[before / 2], V(before));
        CHECK_EQ(transactionRead(&tx, vars[0], &value), 0);      /* the old one, from the log */
        CHECK_EQ(transactionRead(&tx, vars[before], &value), 0); /* it stood there with the old */
        tvarWriteIO(vars[WIDE - 2], V(before));
        CHECK_NE(transactionRead(&tx, vars[WIDE - 2], &value), 0);
        CHECK_EQ(tx.fate, FateSpoilt);
        CHECK_EQ(tx.spoilt_by, SpoiltByChange);
        CHECK(!transactionHolds(&tx));
        logClose(&tx.log, tx.share);
    }
    return NULL;
}

/* What the share has seen once is no news to later attempts; its own commits never are. */
static void *readAgain(void *env)
{
    Transaction tx;
    void *value;
    (void)env;
    for (int i = 0; i < WIDE; i++)
        tvarWriteIO(vars[i], V(i));
    for (int attempt = 0; attempt < 3; attempt++) {
        begin(&tx);
        for (int i = 0; i < WIDE; i++)
            CHECK_EQ(transactionRead(&tx, vars[i], &value), 0);
        CHECK_EQ(tx.looks, attempt == 0 ? 2 : 0); /* once, with two read */
        CHECK_EQ(transactionWrite(&tx, vars[attempt], V(7)), 0);
        CHECK(transactionCommit(&tx));
        logClose(&tx.log, tx.share);
    }
    return NULL;
}

/* Versions grow, whoever writes. */
static void *writeInTurn(void *env)
{
    uint64_t before = 0, after;
    (void)env;
    for (int i = 0; i < 100; i++) {
        Transaction tx;
        begin(&tx);
        tx.here = i % 3 == 0 ? NULL : tx.here; /* as a plain OS thread does */
        CHECK_EQ(transactionWrite(&tx, vars[i % 7 == 0 ? 1 : 0], V(i)), 0);
        CHECK_EQ(transactionWrite(&tx, vars[2], V(i)), 0);
        CHECK(transactionCommit(&tx));
        if (i % 5 == 0)
            tvarWriteIO(vars[2], V(i));
        tvarReadVersionIO(vars[2], &after);
        CHECK_GT(after, before);
        CHECK_EQ(after & 1, 0);
        before = after;
    }
    return NULL;
}

/* A commit that cannot be leaves every lock open. */
static void *spoilCommit(void *env)
{
    Transaction tx;
    void *value;
    (void)env;
    for (int which = 0; which < 4; which++) {
        begin(&tx);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(transactionRead(&tx, vars[i], &value), 0);
            if (i != 1)
                CHECK_EQ(transactionWrite(&tx, vars[i], V(77)), 0);
        }
        CHECK_EQ(transactionWrite(&tx, vars[3], V(77)), 0); /* blind */
        if (which < 3)
            tvarWriteIO(vars[which], V(5));
        else
            CHECK(watchListTryLock(&vars[3]->watchers));
        CHECK(!transactionCommit(&tx));
        CHECK_EQ(tx.spoilt_by, which < 3 ? SpoiltByChange : SpoiltByLock);
        if (which == 3)
            watchListUnlockKeep(&vars[3]->watchers);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(RELAXED_LOAD(&vars[i]->watchers), 0);
            CHECK_EQ(RELAXED_LOAD(&vars[i]->version) & 1, 0);
            CHECK_NE(tvarReadIO(vars[i]), V(77));
        }
    }
    return NULL;
}

static void *writeBlindly(void *env)
{
    Transaction tx;
    (void)env;
    begin(&tx);
    CHECK_EQ(transactionWrite(&tx, vars[0], V(8)), 0);
    tvarWriteIO(vars[0], V(9));
    CHECK(transactionCommit(&tx)); /* it had not looked */
    CHECK_EQ(tvarReadIO(vars[0]), V(8));
    return NULL;
}

/* Unrelated commits make it look again; that is bounded, then it wants to be alone. */
static void *looksAreBounded(void *env)
{
    Transaction tx;
    void *value;
    (void)env;
    begin(&tx);
    for (int i = 0; i < WIDE - 1; i++)
        CHECK_EQ(transactionRead(&tx, vars[i], &value), 0);
    int rounds = 0;
    while (tx.fate == FateNone) {
        LogEntry *last = &tx.log.entries[tx.log.count - 1];
        tvarWriteIO(last->tvar, V(rounds++));
        last->flags = 0; /* the log stays as long as it is */
        transactionRead(&tx, last->tvar, &value);
    }
    CHECK_EQ(tx.spoilt_by, SpoiltByLooks);
    CHECK_GT(rounds, 10);
    logClose(&tx.log, tx.share);
    return NULL;
}

static void runWith(ThreadFn *fn)
{
    greenStart(1);
    for (int i = 0; i < WIDE; i++)
        CHECK((vars[i] = tvarNew(NULL)) != NULL);
    greenJoin(greenFork(fn, NULL));
    for (int i = 0; i < WIDE; i++)
        tvarFree(vars[i]);
    greenStop();
}

TEST(Transaction, aChangeSpoilsTheNextRead)
{
    runWith(spoilReads);
}

TEST(Transaction, newsAreNewsOnce)
{
    runWith(readAgain);
}

TEST(Transaction, versionsGrow)
{
    runWith(writeInTurn);
}

TEST(Transaction, aFailedCommitLeavesNothing)
{
    runWith(spoilCommit);
}

TEST(Transaction, blindWritesCompareNothing)
{
    runWith(writeBlindly);
}

TEST(Transaction, lookingAgainIsBounded)
{
    runWith(looksAreBounded);
}
