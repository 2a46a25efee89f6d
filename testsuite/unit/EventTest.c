/* EventTest.c -- transactions that wait for fds, and leave nothing behind. */
#include "rts/stm/Event.h"

#include "testsuite/support/Select.h"

#include <fcntl.h>

/* ---- one fd ---- */

static void *readinessComes(void *env)
{
    (void)env;
    for (int kind = PLAIN; kind < KINDS; kind++) {
        int ends[2];
        char byte;
        makePair(kind, ends);
        Wait it = {.fd = ends[0]};
        for (int round = 0; round < 3; round++) {
            it.runs = 0;
            Thread *thread = greenFork(waitForAny, &it);
            greenUntil(thread, ThreadBlockedOnTVar);
            CHECK(eventIsAwaited());
            CHECK_EQ(eventLiving(), 1);
            CHECK_EQ(write(ends[1], "x", 1), 1);
            CHECK_EQ(greenJoin(thread), V(1));
            CHECK_EQ(it.runs, 2);            /* once to wait, once to see */
            CHECK_EQ(waitForAny(&it), V(1)); /* at once: nobody has read */
            CHECK_EQ(it.runs, 3);
            CHECK_EQ(read(ends[0], &byte, 1), 1);
            CHECK_EQ(eventLiving(), 0);
            CHECK(nobodyWaits(ends[0]) && !eventIsAwaited());
        }
        Wait writable = {.fd = ends[1], .writes = true};
        CHECK_EQ(waitForAny(&writable), V(1));
        closePair(ends);
    }
    return NULL;
}

TEST(Event, readinessComes)
{
    greenRun(1, readinessComes, NULL);
    greenRun(2, readinessComes, NULL);
}

/* Goal: who could write waits for room.  Method: fill it, wait, make room. */
static void *roomComes(void *env)
{
    (void)env;
    for (int kind = PLAIN; kind < KINDS; kind++) {
        int ends[2];
        char bytes[4096] = "";
        makePair(kind, ends);
        while (write(ends[1], bytes, sizeof bytes) > 0)
            continue;
        Wait it = {.fd = ends[1], .writes = true};
        Thread *thread = greenFork(waitForAny, &it);
        greenUntil(thread, ThreadBlockedOnTVar);
        while (read(ends[0], bytes, sizeof bytes) > 0)
            continue;
        CHECK_EQ(greenJoin(thread), V(1));
        closePair(ends);
    }
    CHECK_EQ(eventLiving(), 0);
    return NULL;
}

TEST(Event, roomComes)
{
    greenRun(1, roomComes, NULL);
}

static void *onBadFds(void *env)
{
    (void)env;
    int ends[2];
    Wait it = {.fd = -1};
    CHECK_EQ(waitForAny(&it), V(-EBADF));
    makePair(PLAIN, ends);
    it.fd = ends[0];
    closePair(ends);
    CHECK_EQ(waitForAny(&it), V(-EBADF));
    it.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC); /* cannot be polled: ready */
    CHECK_GE(it.fd, 0);
    CHECK_EQ(waitForAny(&it), V(1));
    CHECK_EQ(closeFd(it.fd), 0);
    CHECK_EQ(eventLiving(), 0);
    return NULL;
}

TEST(Event, badFdsAreTold)
{
    greenRun(1, onBadFds, NULL);
    greenStart(1);
    onBadFds(NULL);
    greenStop();
}

/* ---- what was seen stays so ---- */

static void *drainInTheMiddle(Transaction *tx, void *env)
{
    Wait *it = env;
    char byte;
    threadWaitReadSTM(tx, it->fd);
    if (it->runs++ == 0)
        CHECK_EQ(read(it->fd, &byte, 1), 1);
    threadWaitReadSTM(tx, it->fd);
    CHECK_EQ(stmOrElse(tx, onFd, env, onTVar, env), V(1));
    if (it->runs < 3)
        tvarPut(it->tvar, NULL, scheduleHere()); /* spoils the attempt */
    tvarWrite(tx, it->tvar, tvarRead(tx, it->tvar));
    if (it->runs < 3)
        tvarPut(it->tvar, NULL, scheduleHere());
    return V(it->runs);
}

static void *staysReady(void *env)
{
    (void)env;
    for (int kind = PLAIN; kind < KINDS; kind++) {
        int ends[2];
        void *result;
        makePair(kind, ends);
        Wait it = {.fd = ends[0], .tvar = tvarNew(NULL)};
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ(stmAtomically(drainInTheMiddle, &it, &result), 0);
        CHECK_EQ(result, V(3));
        CHECK_EQ(stmAtomicallyUntil(onFd, &it, NULL, 0), -ETIMEDOUT); /* the next one looks anew */
        CHECK_EQ(eventLiving(), 0);
        tvarFree(it.tvar);
        closePair(ends);
    }
    return NULL;
}

TEST(Event, oneTransactionSeesOneThing)
{
    greenRun(1, staysReady, NULL);
}

/* ---- closing ---- */

static void *giveCode(Transaction *tx, int code, void *payload, void *env)
{
    (void)tx, (void)payload, (void)env;
    return V(code);
}

static void *catchBad(Transaction *tx, void *env)
{
    ((Wait *)env)->runs++;
    return stmCatch(tx, onFdOrTVar, env, giveCode, NULL);
}

static void *waitAndCatch(void *env)
{
    void *result = NULL;
    CHECK_EQ(stmAtomically(catchBad, env, &result), 0);
    return result;
}

static void *closingTells(void *env)
{
    (void)env;
    for (int i = 0; i < 2 * KINDS; i++) {
        int ends[2];
        makePair(i % KINDS, ends);
        Wait it = {.fd = ends[0], .tvar = tvarNew(NULL)};
        Thread *thread = greenFork(i < KINDS ? waitForAny : waitAndCatch, &it);
        greenUntil(thread, ThreadBlockedOnTVar);
        CHECK_EQ(closeFd(ends[0]), 0);
        int next = open("/dev/zero", O_RDONLY | O_CLOEXEC); /* always readable */
        CHECK_EQ(next, ends[0]);
        CHECK_EQ(greenJoin(thread), V(-EBADF));
        CHECK_EQ(closeFd(next), 0);
        CHECK_EQ(closeFd(ends[1]), 0);
        CHECK_EQ(eventLiving(), 0);
        tvarFree(it.tvar);
    }
    return NULL;
}

TEST(Event, closingIsTold)
{
    greenRun(1, closingTells, NULL);
    greenRun(2, closingTells, NULL);
}

/* The event has come, and then the fd is closed and its number given out before the thread runs. */
static void *wokenThenClosed(void *env)
{
    (void)env;
    for (int kind = PLAIN; kind < KINDS; kind++) {
        int ends[2];
        makePair(kind, ends);
        Wait it = {.fd = ends[0]};
        Thread *thread = greenFork(waitForAny, &it);
        greenUntil(thread, ThreadBlockedOnTVar);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        Capability *here = scheduleHere();
        while (claimState(SEQ_CST_LOAD(&thread->claim)) != ClaimFired)
            eventManagerPoll(&here->manager, 0, here);
        CHECK_EQ(closeFd(ends[0]), 0);
        CHECK_EQ(greenJoin(thread), V(-EBADF));
        CHECK_EQ(closeFd(ends[1]), 0);
    }
    return NULL;
}

TEST(Event, wokenThenClosedIsTold)
{
    greenRun(1, wokenThenClosed, NULL);
}

/* ---- whoever loses leaves nothing ---- */

static void *loserLeavesNothing(void *env)
{
    (void)env;
    for (int kind = PLAIN; kind < KINDS; kind++) {
        int ends[2];
        makePair(kind, ends);
        Wait it = {.fd = ends[0], .tvar = tvarNew(NULL)};
        Thread *thread = greenFork(waitForAny, &it);
        greenUntil(thread, ThreadBlockedOnTVar);
        tvarWriteIO(it.tvar, V(1));
        CHECK_EQ(greenJoin(thread), V(2));
        CHECK(nobodyWaits(ends[0]) && !eventIsAwaited());
        tvarWriteIO(it.tvar, NULL);
        thread = greenFork(waitForAny, &it);
        greenUntil(thread, ThreadBlockedOnTVar);
        CHECK_EQ(threadKill(thread), 0);
        CHECK_EQ(greenJoin(thread), V(-ECANCELED));
        CHECK(nobodyWaits(ends[0]));
        CHECK_EQ(stmAtomicallyUntil(onAny, &it, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
        CHECK(nobodyWaits(ends[0]));
        CHECK_EQ(eventLiving(), 0);
        /* The kernel knows the fd still: the plain wait beside it works. */
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ(threadWaitRead(ends[0]), 0);
        tvarFree(it.tvar);
        closePair(ends);
    }
    return NULL;
}

TEST(Event, losersLeaveNothing)
{
    greenRun(1, loserLeavesNothing, NULL);
    greenRun(2, loserLeavesNothing, NULL);
}

enum { MANY = 100 };

typedef struct Crowd {
    int ends[MANY][2];
    CountingHeap heap;
} Crowd;

static Crowd crowd;

static void *onManyFds(Transaction *tx, void *env)
{
    Wait each = {.fd = crowd.ends[(intptr_t)env][0]};
    if ((intptr_t)env == MANY - 1)
        return onFd(tx, &each);
    return stmOrElse(tx, onFd, &each, onManyFds, V((intptr_t)env + 1));
}

/* An unoptimised frame a branch is too much for a common stack. */
static Thread *forkDeep(ThreadFn *fn, void *env)
{
    ThreadAttributes deep = {.stack_size = (size_t)1 << 20};
    Thread *thread = NULL;
    CHECK_EQ(threadForkWith(&thread, &deep, fn, env), 0);
    return thread;
}

static void *runMany(void *env)
{
    CHECK_EQ(stmAtomically(onManyFds, NULL, NULL), 0);
    return env;
}

static void *anyOfMany(void *env)
{
    for (int i = 0; i < MANY; i++)
        makePair(i % KINDS, crowd.ends[i]);
    for (int i = 0; i < MANY; i += 9) {
        char byte;
        Thread *thread = forkDeep(runMany, NULL);
        greenUntil(thread, ThreadBlockedOnTVar);
        CHECK_EQ(eventLiving(), MANY);
        CHECK_EQ(write(crowd.ends[i][1], "x", 1), 1);
        greenJoin(thread);
        CHECK_EQ(eventLiving(), 0);
        CHECK_EQ(read(crowd.ends[i][0], &byte, 1), 1);
    }
    for (int i = 0; i < MANY; i++)
        closePair(crowd.ends[i]);
    return env;
}

TEST(Event, manyAtOnce)
{
    greenRun(1, anyOfMany, NULL);
}

static void *noMemory(void *env)
{
    for (int i = 0; i < MANY; i++)
        makePair(i % KINDS, crowd.ends[i]);
    int status = -ENOMEM;
    for (uint64_t n = 1; status == -ENOMEM; n++) {
        RELAXED_STORE(&crowd.heap.fail_from, RELAXED_LOAD(&crowd.heap.asked) + n);
        status = stmAtomicallyUntil(onManyFds, NULL, NULL, 0);
        RELAXED_STORE(&crowd.heap.fail_from, 0);
        CHECK_EQ(eventLiving(), 0);
    }
    CHECK_EQ(status, -ETIMEDOUT);
    for (int i = 0; i < MANY; i++) {
        CHECK(nobodyWaits(crowd.ends[i][0]));
        closePair(crowd.ends[i]);
    }
    return env;
}

TEST(Event, noMemoryEndsIt)
{
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&crowd.heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(forkDeep(noMemory, NULL));
    greenStop();
    CHECK_EQ(crowd.heap.live_blocks, 0);
}

/* ---- plain OS threads ---- */

static void *byteLater(void *env)
{
    CHECK_EQ(threadDelay(2000), 0);
    CHECK_EQ(write(*(int *)env, "x", 1), 1);
    return NULL;
}

static void *closeLater(void *env)
{
    CHECK_EQ(threadDelay(2000), 0);
    CHECK_EQ(closeFd(*(int *)env), 0);
    return NULL;
}

TEST(Event, onPlainOsThreads)
{
    greenStart(2);
    for (int kind = PLAIN; kind < KINDS; kind++) {
        int ends[2];
        makePair(kind, ends);
        Wait it = {.fd = ends[0], .tvar = tvarNew(NULL)};
        Thread *writer = greenFork(byteLater, &ends[1]);
        CHECK_EQ(waitForAny(&it), V(1));
        CHECK(!eventIsAwaited()); /* an OS thread is none of those who block each other for ever */
        greenJoin(writer);
        it.fd = ends[1];
        CHECK_EQ(stmAtomicallyUntil(onAny, &it, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
        Thread *closer = greenFork(closeLater, &ends[1]);
        CHECK_EQ(waitForAny(&it), V(-EBADF));
        greenJoin(closer);
        CHECK_EQ(closeFd(ends[0]), 0);
        CHECK_EQ(eventLiving(), 0);
        tvarFree(it.tvar);
    }
    greenStop();
}

/* A shutdown ends the wait, and waits until all of it has been given back. */
TEST(Event, shutdownEndsIt)
{
    for (int i = 0; i < 20; i++) {
        int ends[2];
        RtsConfig config = {.capabilities = 2};
        CHECK_EQ(rtsInit(&config), 0);
        makePair(i % KINDS, ends);
        Wait green = {.fd = ends[0]}, plain = {.fd = ends[0]};
        Thread *thread = greenFork(waitForAny, &green);
        pthread_t os = osFork(waitForAny, &plain);
        greenUntil(thread, ThreadBlockedOnTVar);
        while (i % 3 != 0 && RELAXED_LOAD(&plain.runs) == 0)
            sched_yield();
        threadRelease(thread);
        CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
        intptr_t status = (intptr_t)osJoin(os);
        CHECK(status == -ECANCELED || status == -ESHUTDOWN || status == -ENXIO);
        close(ends[0]);
        close(ends[1]);
    }
}
