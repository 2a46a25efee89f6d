/* WakerForkTest.c -- Wakers over a fork: what was put and not performed.
 *
 * not-under: tsan qemu
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several; qemu-user 7.2
 * aborts when a child does.)
 */
#include "rts/Waker.h"

#include "testsuite/support/Forked.h"

static void *const first = (void *)1, *const second = (void *)2, *const third = (void *)3;

static void *takeOnce(void *env)
{
    void *value = NULL;
    CHECK_EQ(mvarTake(env, &value), 0);
    return value;
}

typedef struct Forking {
    MVar *mvar;
    Waker *waker, *freed;
} Forking;

/* Goal: what was put before and not performed is performed in parent and child; what was freed in a
 * queue is free in both. */
static void *forkWithPending(void *env)
{
    Forking *forking = env;
    CHECK_EQ(wakerPut(forking->waker, second), 0); /* this capability has it, and runs us */
    CHECK_EQ(wakerPut(forking->freed, first), 0);
    wakerFree(forking->freed);
    pid_t child = forkFlushed();
    CHECK_EQ(takeOnce(forking->mvar), second);
    CHECK_EQ(wakerPut(forking->waker, third), 0);
    CHECK_EQ(takeOnce(forking->mvar), third);
    Waker *fresh = wakerNewMVar(forking->mvar);
    CHECK_EQ(wakerPut(fresh, first), 0);
    CHECK_EQ(takeOnce(forking->mvar), first);
    if (child == 0)
        exit(CODE);
    expectExit(child, CODE);
    return NULL;
}

TEST(WakerFork, isThereInAForksChild)
{
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    Forking forking = {mvar, wakerNewMVar(mvar), wakerNewMVar(mvar)};
    greenJoin(greenFork(forkWithPending, &forking));
    pid_t child = forkFlushed(); /* by a plain OS thread: its workers start with the first wait */
    if (child == 0) {
        CHECK_EQ(wakerPut(forking.waker, first), 0);
        CHECK_EQ(takeOnce(mvar), first);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(wakerPut(forking.waker, first), -ENXIO);
        _exit(CODE);
    }
    expectExit(child, CODE);
    greenStop();
    child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(wakerPut(forking.waker, first), -ENXIO);
        _exit(CODE);
    }
    expectExit(child, CODE);
}
