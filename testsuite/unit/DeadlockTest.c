/* DeadlockTest.c -- threads that are blocked for ever: told, and in a closed world told themselves;
 * and all that keeps them from being so.
 */
#include "rts/Deadlock.h"
#include "capability/Monitor.h"
#include "rts/BlockingPool.h"
#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What the runtime has said; the Monitor writes, others look when it rests. */
static struct {
    uint32_t lines, reports; /* relaxed add */
    char text[16384];        /* of the last report */
} said;

static void hear(const char *line)
{
    if (strstr(line, "all threads are blocked") != NULL) {
        said.text[0] = 0;
        ADD_RELAXED(&said.reports, 1);
    }
    CHECK_LT(strlen(said.text) + strlen(line) + 2, sizeof said.text);
    strcat(strcat(said.text, line), "\n");
    ADD_RELEASE(&said.lines, 1);
}

static void forget(void)
{
    memset(&said, 0, sizeof said);
}

static bool hasSaid(const char *words)
{
    return strstr(said.text, words) != NULL;
}

/* fn(env) as the main thread of a closed world. */
static void runClosed(uint32_t count, ThreadFn *fn, void *env)
{
    RtsConfig config = {.capabilities = count, .closed_world = true, .log = hear};
    forget();
    CHECK_EQ(rtsMain(&config, fn, env, NULL), 0);
}

/* On an OS thread: until the Monitor has looked and gone dormant. */
static void awaitDormant(void)
{
    while (SEQ_CST_LOAD(&monitor.dormant) == 0)
        usleep(1000);
}

/* ---- closed: each wait is told --------------------------------------------------------------- */

static void *takeNever(void *env)
{
    CHECK_EQ(mvarTake(env, NULL), -EDEADLK);
    return NULL;
}

static void *awaitNever(void *env)
{
    CHECK_EQ(greenAwaitNext(env), -EDEADLK);
    return NULL;
}

static void *lockNever(void *env)
{
    CHECK_EQ(mutexLock(env), -EDEADLK);
    return NULL;
}

static void *joinNever(void *env)
{
    CHECK_EQ(threadJoin(env, NULL), -EDEADLK);
    return NULL;
}

static void *blockEachOther(void *env)
{
    MVar *mvar = mvarNewEmpty();
    TVar *tvar = tvarNew(NULL);
    Mutex *mutex = mutexNew();
    Thread *threads[5];
    ThreadAttributes attributes = {.label = "taker", .pinned = 2};
    CHECK_EQ(mutexLock(mutex), 0);
    CHECK_EQ(threadForkWith(&threads[0], &attributes, takeNever, mvar), 0);
    threads[1] = greenFork(awaitNever, tvar);
    threads[2] = greenFork(lockNever, mutex);
    threads[3] = greenFork(joinNever, threadSelf());
    threads[4] = greenFork(joinNever, threads[3]);
    for (int round = 0; round < 2; round++) { /* the second time by itself */
        CHECK_EQ(threadJoinUntil(threads[4], NULL, INT64_MAX), round == 0 ? -EDEADLK : 0);
        for (int i = 0; round == 0 && i < 4; i++)
            CHECK_EQ(threadJoin(threads[i], NULL), 0);
    }
    CHECK_EQ(RELAXED_LOAD(&said.reports), 1);
    CHECK(hasSaid("\"main\": BlockedOnThread"));
    CHECK(hasSaid("\"taker\": BlockedOnMVar 0x"));
    CHECK(hasSaid(": BlockedOnTVar 0x"));
    CHECK(hasSaid(": BlockedOnLock 0x"));
    CHECK(hasSaid("\"main\"\n"));
    CHECK(hasSaid("returns -EDEADLK"));
    for (int i = 0; i < 5; i++)
        threadRelease(threads[i]);
    takeNever(mvar); /* once more: it is told each time */
    CHECK_EQ(RELAXED_LOAD(&said.reports), 2);
    return env;
}

TEST(Deadlock, closedWorldsAreTold)
{
    runClosed(1, blockEachOther, NULL);
    runClosed(2, blockEachOther, NULL);
}

enum { MANY = 300 };

static void *blockMany(void *env)
{
    Thread *threads[MANY];
    MVar *mvar = mvarNewEmpty();
    for (int i = 0; i < MANY; i++)
        threads[i] = greenFork(takeNever, mvar);
    CHECK_EQ(threadJoin(threads[0], NULL), -EDEADLK);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ((uintptr_t)greenJoin(threads[i]), 0);
    CHECK_EQ(RELAXED_LOAD(&said.reports), 1);
    CHECK(hasSaid("and 201 more"));
    return env;
}

TEST(Deadlock, manyAreNamedInPart)
{
    runClosed(2, blockMany, NULL);
}

/* ---- open: told once ------------------------------------------------------------------------- */

static void *takeOne(void *env)
{
    return (void *)(intptr_t)mvarTake(env, NULL);
}

TEST(Deadlock, openWorldsAreToldOfOnce)
{
    RtsConfig config = {.capabilities = 2, .closed_world = true, .log = hear};
    forget();
    CHECK_EQ(rtsInit(&config), 0); /* closed only under rtsMain */
    for (int round = 0; round < 2; round++) {
        MVar *mvar = mvarNewEmpty();
        Thread *thread = greenFork(takeOne, mvar);
        greenUntil(thread, ThreadBlockedOnMVar);
        if (round == 0)
            while (ACQUIRE_LOAD(&said.lines) < 3)
                usleep(1000);
        awaitDormant();
        CHECK_EQ(threadStatus(thread).state, ThreadBlockedOnMVar);
        CHECK_EQ(mvarPut(mvar, mvar), 0);
        CHECK_EQ((intptr_t)greenJoin(thread), 0);
        CHECK_EQ(RELAXED_LOAD(&said.reports), 1);
    }
    CHECK(hasSaid(": BlockedOnMVar 0x"));
    CHECK(hasSaid("rtsHold"));
    greenStop();
}

/* It needs no wake-up: sleepers sleep on, the Monitor too. */
TEST(Deadlock, wakesNobody)
{
    RtsConfig config = {.capabilities = 2, .log = hear};
    RtsStats before, after;
    forget();
    CHECK_EQ(rtsInit(&config), 0);
    MVar *mvar = mvarNewEmpty();
    Thread *thread = greenFork(takeOne, mvar);
    while (ACQUIRE_LOAD(&said.lines) < 3)
        usleep(1000);
    awaitDormant();
    uint64_t ticks = RELAXED_LOAD(&monitor.ticks);
    CHECK_EQ(rtsStats(0, &before), 0);
    for (int i = 0; i < 20; i++) {
        Thread *witness = NULL;
        CHECK(deadlockFound(&witness));
        usleep(20000);
    }
    CHECK_EQ(rtsStats(0, &after), 0);
    CHECK_EQ(after.polls, before.polls);
    CHECK_EQ(after.woken, before.woken);
    CHECK_EQ(RELAXED_LOAD(&monitor.ticks), ticks);
    CHECK_EQ(mvarPut(mvar, mvar), 0);
    greenJoin(thread);
    greenStop();
}

/* ---- what keeps them from being blocked for ever --------------------------------------------- */

/* A hold, and an OS thread that comes in under it after the Monitor has looked. */
static void *putLater(void *env)
{
    awaitDormant();
    CHECK_EQ(mvarPut(env, env), 0);
    return NULL;
}

static void *holdAndWait(void *env)
{
    MVar *mvar = mvarNewEmpty();
    CHECK_EQ(rtsHold(), 0);
    CHECK_EQ(rtsHold(), 0);
    pthread_t outside = osFork(putLater, mvar);
    CHECK_EQ(mvarTake(mvar, NULL), 0);
    osJoin(outside);
    rtsRelease();
    outside = osFork(putLater, mvar);
    CHECK_EQ(mvarTake(mvar, NULL), 0);
    osJoin(outside);
    CHECK_EQ(RELAXED_LOAD(&said.reports), 0);
    rtsRelease();
    takeNever(mvar);
    return env;
}

/* The hold ends while everybody sleeps. */
static void *releaseLater(void *env)
{
    (void)env;
    awaitDormant();
    rtsRelease();
    return NULL;
}

static void *waitForRelease(void *env)
{
    MVar *mvar = mvarNewEmpty();
    CHECK_EQ(rtsHold(), 0);
    pthread_t outside = osFork(releaseLater, NULL);
    takeNever(mvar);
    osJoin(outside);
    return env;
}

TEST(Deadlock, holdsAreHeeded)
{
    CHECK_EQ(rtsHold(), -ENXIO);
    runClosed(2, holdAndWait, NULL);
    runClosed(2, waitForRelease, NULL);
}

/* Deadlines: of the wait itself, of another thread's, of a variable. */
static void *sleepThenPut(void *env)
{
    CHECK_EQ(threadDelay(300 * 1000), 0);
    CHECK_EQ(mvarPut(env, env), 0);
    return NULL;
}

static void *waitForTime(void *env)
{
    MVar *mvar = mvarNewEmpty();
    TVar *later;
    CHECK_EQ(mvarTakeUntil(mvar, NULL, rtsNow() + 300 * MS_NS), -ETIMEDOUT);
    Thread *thread = greenFork(sleepThenPut, mvar);
    CHECK_EQ(mvarTake(mvar, NULL), 0);
    greenJoin(thread);
    CHECK_EQ(registerDelay(300 * 1000, &later), 0);
    if (tvarReadIO(later) == NULL)
        CHECK_EQ(greenAwaitNext(later), 0);
    tvarFree(later);
    CHECK_EQ(RELAXED_LOAD(&said.reports), 0);
    /* A timer that was disarmed is none. */
    thread = greenFork(takeOne, mvar);
    CHECK_EQ(threadJoinUntil(thread, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(mvarPut(mvar, mvar), 0);
    CHECK_EQ(threadJoinUntil(thread, NULL, rtsNow() + 3600 * 1000 * MS_NS), 0);
    threadRelease(thread);
    takeNever(mvar);
    return env;
}

/* Armed on one core, which then sleeps until then; disarmed on another one. */
static void *waitLong(void *env)
{
    CHECK_EQ(mvarTakeUntil(env, NULL, rtsNow() + 3600 * 1000 * MS_NS), 0);
    return NULL;
}

static void *disarmElsewhere(void *env)
{
    MVar *mvar = mvarNewEmpty();
    Thread *threads[8];
    for (uint32_t i = 0; i < 8; i++)
        CHECK_EQ(threadForkOn(&threads[i], i, waitLong, mvar), 0);
    for (int i = 0; i < 8; i++)
        greenUntil(threads[i], ThreadBlockedOnMVar);
    CHECK_EQ(threadDelay(50 * 1000), 0); /* the cores lie down with that deadline */
    for (int i = 0; i < 8; i++)
        CHECK_EQ(mvarPut(mvar, mvar), 0);
    for (int i = 0; i < 8; i++)
        greenJoin(threads[i]);
    for (int i = 0; i < 100; i++) { /* and where they would have to look by themselves */
        Thread *thread = greenFork(waitLong, mvar);
        threadYield();
        CHECK_EQ(mvarPut(mvar, mvar), 0);
        greenJoin(thread);
    }
    takeNever(mvar);
    return env;
}

TEST(Deadlock, disarmedTimersHideNothing)
{
    runClosed(4, disarmElsewhere, NULL);
}

TEST(Deadlock, deadlinesAreHeeded)
{
    runClosed(1, waitForTime, NULL);
    runClosed(2, waitForTime, NULL);
}

/* A callback of an fd, a callback of a timeout, a watch of a signal. */
static int putOnEvent(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager, (void)key, (void)events;
    return mvarTryPut(env, env);
}

static int putOnTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key;
    return mvarTryPut(env, env);
}

static void *writeLater(void *env)
{
    awaitDormant();
    CHECK_EQ(write(((int *)env)[1], "x", 1), 1);
    return NULL;
}

static void *signalLater(void *env)
{
    (void)env;
    awaitDormant();
    CHECK_EQ(raise(SIGUSR1), 0); /* ThreadSanitizer would keep it from who sits in a futex */
    return NULL;
}

static void *waitForEvents(void *env)
{
    MVar *mvar = mvarNewEmpty();
    int ends[2], number = SIGUSR1;
    FdKey key;
    TimeoutKey timeout;
    SignalWatch *watch;
    SignalInfo info;
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(registerFd(capabilityManager(), putOnEvent, mvar, ends[0], EventRead, OneShot, &key),
             0);
    pthread_t outside = osFork(writeLater, ends);
    CHECK_EQ(mvarTake(mvar, NULL), 0);
    osJoin(outside);
    CHECK_EQ(registerTimeout(capabilityManager(), 300 * 1000, putOnTime, mvar, &timeout), 0);
    CHECK_EQ(mvarTake(mvar, NULL), 0);
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    outside = osFork(signalLater, NULL);
    CHECK_EQ(signalWait(watch, &info), 0);
    osJoin(outside);
    signalRelease(watch);
    CHECK_EQ(RELAXED_LOAD(&said.reports), 0);
    close(ends[0]);
    close(ends[1]);
    takeNever(mvar);
    return env;
}

TEST(Deadlock, eventsAreHeeded)
{
    runClosed(2, waitForEvents, NULL);
}

/* A thread that waits for an fd: whatever others wait for. */
static void *readThenPut(void *env)
{
    int *ends = ((void **)env)[0];
    char byte;
    CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
    CHECK_EQ(mvarPut(((void **)env)[1], ends), 0);
    return NULL;
}

static void *waitForReader(void *env)
{
    int ends[2];
    MVar *mvar = mvarNewEmpty();
    void *both[2] = {ends, mvar};
    CHECK_EQ(fdPipe(ends), 0);
    Thread *reader = greenFork(readThenPut, both);
    pthread_t outside = osFork(writeLater, ends);
    CHECK_EQ(mvarTake(mvar, NULL), 0);
    greenJoin(reader);
    osJoin(outside);
    CHECK_EQ(RELAXED_LOAD(&said.reports), 0);
    takeNever(mvar); /* the adopted fds that nobody waits for hide nothing */
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return env;
}

TEST(Deadlock, readersAreHeeded)
{
    runClosed(2, waitForReader, NULL);
}

/* A call on another OS thread, for which nobody waits any more, ends while everybody sleeps. */
static char fifo[64];

static void *openLater(void *env)
{
    (void)env;
    awaitDormant();
    CHECK_EQ(RELAXED_LOAD(&said.reports), 0);
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    close(fd);
    return NULL;
}

static void openNow(BlockingJob *job)
{
    (void)job;
    int fd = open(fifo, O_RDONLY | O_CLOEXEC); /* until the other end is opened */
    CHECK_GE(fd, 0);
    close(fd);
}

static void *waitForCall(void *env)
{
    MVar *mvar = mvarNewEmpty();
    BlockingJob job = {.run = openNow};
    CHECK_EQ(blockingPoolSubmit(&job), 0);
    pthread_t outside = osFork(openLater, NULL);
    takeNever(mvar);
    osJoin(outside);
    return env;
}

TEST(Deadlock, callsAreHeeded)
{
    snprintf(fifo, sizeof fifo, "/tmp/capri-deadlock-%d", (int)getpid());
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    runClosed(2, waitForCall, NULL);
    CHECK_EQ(unlink(fifo), 0);
}
