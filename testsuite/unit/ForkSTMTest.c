/* ForkSTMTest.c -- fork(2): what transactions have looked at, in the child.
 *
 * not-under: tsan asan qemu
 *
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several; qemu-user 7.2
 * aborts when a child does.)
 */
#include "testsuite/support/Forked.h"

#include <capri/stm.h>

/* ---- Goal: a transaction of the child sees no values that never stood together, though in the
 * parent much has been changed and looked at.  Method: one that has read the first of two variables
 * waits until another capability has written both, then reads the second.  Its changes must be
 * news, whatever the parent's capability of that number has counted. */

enum { PARENTS_CHANGES = 1000 };

typedef struct Pair {
    TVar *first, *second;
    uint32_t go; /* 1: write; 2: written */
    uint32_t attempts;
} Pair;

static void *readOne(Transaction *tx, void *env)
{
    return tvarRead(tx, env);
}

static void *changeOften(void *env)
{
    for (int i = 0; i < PARENTS_CHANGES; i++)
        CHECK_EQ(tvarWriteIO(env, NULL), 0);
    return env;
}

/* Runs where what `env` tells of was not changed: looks as far as that has counted. */
static void *lookAt(void *env)
{
    CHECK_EQ(stmAtomically(readOne, env, NULL), 0);
    return env;
}

static void *writeBoth(Transaction *tx, void *env)
{
    Pair *pair = env;
    tvarWrite(tx, pair->first, pair);
    tvarWrite(tx, pair->second, pair);
    return env;
}

static void *writeWhenTold(void *env)
{
    Pair *pair = env;
    while (ACQUIRE_LOAD(&pair->go) != 1)
        threadYield();
    CHECK_EQ(stmAtomically(writeBoth, pair, NULL), 0);
    RELEASE_STORE(&pair->go, 2);
    return env;
}

static void *readBoth(Transaction *tx, void *env)
{
    Pair *pair = env;
    void *first = tvarRead(tx, pair->first);
    if (pair->attempts++ == 0) {
        RELEASE_STORE(&pair->go, 1);
        while (ACQUIRE_LOAD(&pair->go) != 2)
            sched_yield();
    }
    CHECK_EQ(first, tvarRead(tx, pair->second));
    return first;
}

static void *runOn(uint32_t capability, ThreadFn *fn, void *env)
{
    Thread *thread;
    CHECK_EQ(threadForkOn(&thread, capability, fn, env), 0);
    return greenJoin(thread);
}

static void *readPair(void *env)
{
    (void)env;
    Pair pair = {.first = tvarNew(NULL), .second = tvarNew(NULL)};
    uint32_t other = 1 - (uint32_t)threadCapability();
    Thread *writer;
    void *seen = NULL;
    CHECK_EQ(threadForkOn(&writer, other, writeWhenTold, &pair), 0);
    CHECK_EQ(stmAtomically(readBoth, &pair, &seen), 0);
    CHECK_EQ(seen, &pair);
    greenJoin(writer);
    tvarFree(pair.first);
    tvarFree(pair.second);
    return NULL;
}

static void *forkAfterChanges(void *env)
{
    (void)env;
    pid_t child = forkFlushed();
    if (child == 0) {
        UNTIL(capabilityCount() == 2);
        for (uint32_t i = 0; i < 2; i++)
            runOn(i, readPair, NULL);
        _exit(CODE);
    }
    expectExit(child, CODE);
    return NULL;
}

/* changer: where the parent's changes are made.  forker: where it forks. */
static void tryPlaces(uint32_t changer, uint32_t forker)
{
    greenStart(2);
    TVar *changed = tvarNew(NULL);
    runOn(changer, changeOften, changed);
    for (uint32_t i = 0; i < 2; i++)
        runOn(i, lookAt, changed);
    runOn(forker, readPair, NULL);
    runOn(forker, forkAfterChanges, NULL);
    tvarFree(changed);
    greenStop();
}

TEST(ForkSTM, countsGoOn)
{
    for (uint32_t changer = 0; changer < 2; changer++) {
        for (uint32_t forker = 0; forker < 2; forker++)
            tryPlaces(changer, forker);
    }
}
