/* TVarTest.c -- variables: versions, waiting for a write, no lost wake-up, freeing. */
#include "rts/stm/TVar.h"
#include "rts/stm/Share.h"

#include "testsuite/support/Runtime.h"

static int values[8]; /* addresses to store */

TEST(TVar, needsARuntimeAndMemory)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(tvarNew(NULL), NULL);
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&heap.fail_from, 1);
    CHECK_EQ(tvarNew(NULL), NULL);
    RELAXED_STORE(&heap.fail_from, 0);
    tvarFree(tvarNew(NULL)); /* memory of its kind is kept */
    uint64_t blocks = RELAXED_LOAD(&heap.live_blocks);
    TVar *tvar = tvarNew(values);
    CHECK(tvar != NULL);
    CHECK_EQ((uintptr_t)tvar % CACHE_LINE, 0);
    CHECK_EQ(tvarReadIO(tvar), (void *)values);
    tvarFree(tvar);
    tvarFree(NULL);
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), blocks);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}

static void *writeAndRead(void *env)
{
    uint64_t before, after;
    TVar *tvar = tvarNew(&values[0]);
    (void)env;
    CHECK_EQ(tvarReadVersionIO(tvar, &before), (void *)&values[0]);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(tvarWriteIO(tvar, &values[i % 8]), 0);
        CHECK_EQ(tvarReadVersionIO(tvar, &after), (void *)&values[i % 8]);
        CHECK_GT(after, before);              /* an equal value is a write as well */
        CHECK_EQ(tvarAwait(tvar, before), 0); /* it has been written: no wait */
        CHECK_EQ(tvarAwaitUntil(tvar, before, INT64_MIN), 0);
        before = after;
    }
    CHECK_EQ(tvarAwaitUntil(tvar, after, INT64_MIN), -ETIMEDOUT);
    for (int i = 0; i < 5; i++) {
        int64_t deadline_ns = rtsNow() + i * 300000;
        CHECK_EQ(tvarAwaitUntil(tvar, after, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    CHECK(!watchListHasWatchers(&tvar->watchers));
    tvarFree(tvar);
    return NULL;
}

TEST(TVar, versionsGrow)
{
    greenRun(1, writeAndRead, NULL);
    greenStart(1);
    writeAndRead(NULL); /* a plain OS thread */
    greenStop();
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void *awaitOnce(void *env)
{
    return (void *)(intptr_t)greenAwaitNext(env);
}

static void *wakeMany(void *env)
{
    enum { WAITERS = 10 };
    Thread *threads[WAITERS];
    (void)env;
    for (int round = 0; round < 20; round++) {
        TVar *tvar = tvarNew(NULL);
        for (int i = 0; i < WAITERS; i++) {
            threads[i] = greenFork(awaitOnce, tvar);
            greenUntil(threads[i], ThreadBlockedOnTVar);
        }
        if (round % 2 == 0) {
            CHECK_EQ(tvarWriteIO(tvar, NULL), 0);
            for (int i = 0; i < WAITERS; i++)
                CHECK_EQ((intptr_t)greenJoin(threads[i]), 0);
            tvarFree(tvar);
        } else {
            threadDelay(1); /* those on another capability are in the list by now, or soon */
            while (!watchListHasWatchers(&tvar->watchers))
                threadYield();
            CHECK_EQ(tvarWriteIO(tvar, NULL), 0);
            for (int i = 0; i < WAITERS; i++)
                CHECK_EQ((intptr_t)greenJoin(threads[i]), 0);
            tvarFree(tvar);
        }
    }
    return NULL;
}

TEST(TVar, aWriteWakesEverybody)
{
    greenRun(1, wakeMany, NULL);
    greenRun(2, wakeMany, NULL);
}

static void *freeUnderWaiters(void *env)
{
    Thread *threads[4];
    (void)env;
    for (int round = 0; round < 10; round++) {
        TVar *tvar = tvarNew(NULL);
        for (int i = 0; i < 4; i++) {
            threads[i] = greenFork(awaitOnce, tvar);
            greenUntil(threads[i], ThreadBlockedOnTVar); /* one capability: parked, not about to */
        }
        tvarFree(tvar);
        for (int i = 0; i < 4; i++)
            CHECK_EQ((intptr_t)greenJoin(threads[i]), -EINVAL);
    }
    return NULL;
}

TEST(TVar, freeingEndsItsWaits)
{
    greenRun(1, freeUnderWaiters, NULL);
}

/* ---- no lost wake-up: two threads, each write is the only thing that ends the other's wait --- */

typedef struct Player {
    TVar *mine, *other;
    uintptr_t rounds;
} Player;

static void *play(void *env)
{
    Player *player = env;
    for (uintptr_t i = 1; i <= player->rounds; i++) {
        uint64_t seen;
        CHECK_EQ(tvarWriteIO(player->mine, (void *)i), 0);
        while ((uintptr_t)tvarReadVersionIO(player->other, &seen) < i)
            CHECK_EQ(tvarAwait(player->other, seen), 0);
    }
    return NULL;
}

static void playOn(uint32_t capabilities, bool plain)
{
    greenStart(capabilities);
    TVar *a = tvarNew(NULL), *b = tvarNew(NULL);
    Player one = {a, b, greenScale(plain ? 1000 : 5000)}, two = {b, a, one.rounds};
    Thread *first = greenFork(play, &one);
    pthread_t os_thread = plain ? osFork(play, &two) : 0;
    Thread *second = plain ? NULL : greenFork(play, &two);
    greenJoin(first);
    if (plain)
        osJoin(os_thread);
    else
        greenJoin(second);
    tvarFree(a);
    tvarFree(b);
    greenStop();
}

TEST(TVar, losesNoWakeUp)
{
    playOn(1, false);
    playOn(2, false);
    playOn(1, true);
    playOn(2, true);
}

/* ---- several writers: no version and no value is torn or repeated ---------------------------- */

typedef struct Writers {
    TVar *tvar;
    uint32_t rounds, done;
} Writers;

static void *writeMany(void *env)
{
    Writers *writers = env;
    for (uint32_t i = 0; i < writers->rounds; i++)
        CHECK_EQ(tvarWriteIO(writers->tvar, &values[i % 8]), 0);
    ADD_SEQ_CST(&writers->done, 1);
    return NULL;
}

TEST(TVar, countsTheWritesOfAll)
{
    enum { WRITERS = 3 };
    greenStart(2);
    Writers writers = {tvarNew(&values[0]), greenScale(3000), 0};
    uint64_t seen, last, first;
    tvarReadVersionIO(writers.tvar, &first);
    last = first;
    pthread_t plain = osFork(writeMany, &writers);
    Thread *green[WRITERS - 1];
    for (int i = 0; i < WRITERS - 1; i++)
        green[i] = greenFork(writeMany, &writers);
    while (SEQ_CST_LOAD(&writers.done) != WRITERS) {
        int *value = tvarReadVersionIO(writers.tvar, &seen);
        CHECK(value >= &values[0] && value < &values[8]);
        CHECK_EQ(seen % 2, 0);
        CHECK_GE(seen, last);
        last = seen;
    }
    osJoin(plain);
    for (int i = 0; i < WRITERS - 1; i++)
        greenJoin(green[i]);
    tvarReadVersionIO(writers.tvar, &seen);
    CHECK_GE((seen - first) / VERSION_STEP, (uint64_t)WRITERS * writers.rounds);
    tvarFree(writers.tvar);
    greenStop();
}
