/* STMHooksTest.c -- hooks, variables made and freed inside, what is retired; and no memory. */
#include "rts/stm/STM.h"

#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

static char told[64]; /* what the hooks of one test have said, in order */
static uint32_t told_count;

static void tell(void *env)
{
    told[told_count++] = *(const char *)env;
    told[told_count] = 0;
}

static void forget(void)
{
    told[told_count = 0] = 0;
}

static void *dropped(Transaction *tx, void *env)
{
    (void)env;
    stmOnAbort(tx, tell, "b");
    stmOnAbort(tx, tell, "c");
    stmOnCommit(tx, tell, "x");
    tvarNewSTM(tx, NULL);
    stmRetry(tx);
}

static void *kept(Transaction *tx, void *env)
{
    stmOnAbort(tx, tell, "y");
    stmOnCommit(tx, tell, "2");
    return env;
}

static void *commitIt(Transaction *tx, void *env)
{
    stmOnAbort(tx, tell, "a");
    stmOnCommit(tx, tell, "1");
    stmOrElse(tx, dropped, env, kept, env);
    stmOnCommit(tx, tell, "3");
    return NULL;
}

static void *throwIt(Transaction *tx, void *env)
{
    commitIt(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *hookOrder(void *env)
{
    (void)env;
    forget();
    CHECK_EQ(stmAtomically(commitIt, NULL, NULL), 0);
    CHECK_EQ(strcmp(told, "cb123"), 0);
    forget();
    CHECK_EQ(stmAtomically(throwIt, NULL, NULL), -EDOM);
    CHECK_EQ(strcmp(told, "cbya"), 0);
    return NULL;
}

TEST(STMHooks, runInOrder)
{
    greenRun(1, hookOrder, NULL);
}

static void *badHook(Transaction *tx, void *env)
{
    stmOnAbort(tx, NULL, env);
    return NULL;
}

static void tryNested(void *env)
{
    CHECK_EQ(stmAtomically(commitIt, env, NULL), -EPERM);
}

static void *nestingHook(Transaction *tx, void *env)
{
    stmOnCommit(tx, tryNested, env);
    return NULL;
}

static void *refuse(void *env)
{
    CHECK_EQ(stmAtomically(badHook, env, NULL), -EINVAL);
    CHECK_EQ(stmAtomically(nestingHook, env, NULL), 0);
    return NULL;
}

TEST(STMHooks, refuseNothingAndNesting)
{
    greenRun(1, refuse, NULL);
}

/* ---- variables ---- */

static void *makeTwo(Transaction *tx, void *env)
{
    TVar **at = env;
    at[0] = tvarNewSTM(tx, V(1));
    at[1] = tvarNewSTM(tx, V(2));
    CHECK_EQ(tvarRead(tx, at[0]), V(1));
    tvarWrite(tx, at[0], V(3));
    return NULL;
}

static void *makeAndThrow(Transaction *tx, void *env)
{
    makeTwo(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *freeTwo(Transaction *tx, void *env)
{
    TVar **at = env;
    tvarFreeSTM(tx, at[0]);
    tvarFreeSTM(tx, at[1]);
    tvarFreeSTM(tx, NULL);
    return NULL;
}

static void *makeAndFree(void *env)
{
    TVar *at[2], *gone[2];
    (void)env;
    CHECK_EQ(stmAtomically(makeTwo, at, NULL), 0);
    CHECK_EQ(tvarReadIO(at[0]), V(3));
    CHECK_EQ(stmAtomically(makeAndThrow, gone, NULL), -EDOM);
    CHECK_EQ(watchListGeneration(gone[0]->watchers), 1); /* freed */
    CHECK_EQ(watchListGeneration(gone[1]->watchers), 1);
    CHECK_EQ(stmAtomically(freeTwo, at, NULL), 0);
    for (int i = 0; i < 200; i++) { /* so that it pays to look */
        CHECK_EQ(stmAtomically(makeTwo, gone, NULL), 0);
        CHECK_EQ(stmAtomically(freeTwo, gone, NULL), 0);
    }
    StmStats stats;
    CHECK_EQ(stmStats(0, &stats), 0);
    CHECK_EQ(stats.retired, 402);
    CHECK_GT(stats.freed, 200);
    return NULL;
}

TEST(STMHooks, variablesGoWithTheirTransaction)
{
    greenRun(1, makeAndFree, NULL);
}

/* ---- retiring ---- */

static uint64_t freed; /* relaxed add */

static void countFreed(void *pointer)
{
    free(pointer);
    ADD_RELAXED(&freed, 1);
}

static void *replace(Transaction *tx, void *env)
{
    void *old = tvarSwap(tx, env, malloc(8));
    if (old != NULL)
        stmRetire(tx, old, countFreed);
    return NULL;
}

static void *replaceOften(void *env)
{
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(stmAtomically(replace, env, NULL), 0);
    return NULL;
}

TEST(STMHooks, whatIsRetiredIsFreedOnce)
{
    RELAXED_STORE(&freed, 0);
    greenStart(1);
    TVar *tvar = tvarNew(NULL);
    greenJoin(greenFork(replaceOften, tvar));
    CHECK_GE(RELAXED_LOAD(&freed), 800);
    replaceOften(tvar);
    void *last = tvarReadIO(tvar);
    tvarFree(tvar);
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&freed), 1999);
    free(last);
}

/* ---- out of memory ---- */

enum { WIDE = 200 };

typedef struct Wide {
    TVar *of[WIDE];
    CountingHeap heap;
} Wide;

static void ignore(void *env)
{
    (void)env;
}

static void *countAbort(Transaction *tx, void *env)
{
    Wide *it = env;
    stmOnAbort(tx, tell, "a");
    for (int i = 0; i < EFFECTS_HERE; i++)
        stmOnCommit(tx, ignore, it); /* one more than are kept without memory */
    for (int i = 0; i < WIDE; i++)
        tvarWrite(tx, it->of[i], V((intptr_t)tvarRead(tx, it->of[i]) + 1));
    TVar *made = tvarNewSTM(tx, NULL);
    tvarFreeSTM(tx, made);
    return NULL;
}

static void *branchOut(Transaction *tx, void *env)
{
    return stmOrElse(tx, countAbort, env, countAbort, env);
}

static void *failEverywhere(void *env)
{
    Wide *it = env;
    CHECK_EQ(stmAtomically(branchOut, it, NULL), 0); /* what is kept, is there */
    logFreeSpare(&schedulerOf(scheduleHere())->stm);
    int failed = 0, status = -ENOMEM;
    for (uint64_t n = 1; status == -ENOMEM; n++) {
        uint64_t blocks = RELAXED_LOAD(&it->heap.live_blocks);
        forget();
        RELAXED_STORE(&it->heap.fail_from, RELAXED_LOAD(&it->heap.asked) + n);
        status = stmAtomically(branchOut, it, NULL);
        RELAXED_STORE(&it->heap.fail_from, 0);
        if (status != 0) {
            CHECK_EQ(status, -ENOMEM);
            CHECK_EQ(tvarReadIO(it->of[0]), V(1)); /* nothing was changed */
            CHECK_EQ(strcmp(told, "a"), 0);
            logFreeSpare(&schedulerOf(scheduleHere())->stm);
            CHECK_LE(RELAXED_LOAD(&it->heap.live_blocks), blocks);
            failed++;
        }
    }
    CHECK_EQ(status, 0);
    CHECK_GE(failed, 5); /* hooks, three blocks, undo, what is retired */
    CHECK_EQ(tvarReadIO(it->of[WIDE - 1]), V(2));
    return NULL;
}

TEST(STMHooks, noMemoryChangesNothing)
{
    static Wide wide;
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&wide.heap)};
    CHECK_EQ(rtsInit(&config), 0);
    for (int i = 0; i < WIDE; i++)
        CHECK((wide.of[i] = tvarNew(NULL)) != NULL);
    greenJoin(greenFork(failEverywhere, &wide));
    for (int i = 0; i < WIDE; i++)
        tvarFree(wide.of[i]);
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&wide.heap.live_blocks), 0);
}
