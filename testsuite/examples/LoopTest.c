/* LoopTest.c -- docs/examples/loop: no call after freeing, none inside of another. */
#include "docs/examples/loop/Loop.h"
#include "internal/SMP.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { ROUNDS = 500 };

typedef struct Caller {
    uint32_t calls, events; /* with the loop locked */
    void (*then)(struct Caller *);
    Watch *watch;
} Caller;

static EventManager *manager;
static Loop *loop;
static uint32_t inside;

static void noteCall(void *env, uint32_t events)
{
    Caller *caller = env;
    CHECK_EQ(inside++, 0);
    caller->calls++;
    caller->events = events;
    if (caller->then != NULL)
        caller->then(caller);
    CHECK_EQ(--inside, 0);
}

static void noteAlarm(void *env)
{
    noteCall(env, 0);
}

static void begin(void)
{
    CHECK_EQ(eventManagerNew(NULL, &manager), 0);
    CHECK((loop = loopNew(manager)) != NULL);
}

static void end(void)
{
    CHECK_EQ(eventManagerFree(manager), 0);
    loopFree(loop);
}

static void watchOne(Caller *caller, int fd)
{
    loopLock(loop);
    CHECK_EQ(watchNew(loop, fd, EventRead, noteCall, caller, &caller->watch), 0);
    loopUnlock(loop);
}

/* ---- on its way in --------------------------------------------------------------------------- */

static uint32_t coming, stop;

static int noteComing(EventManager *at, FdKey key, uint32_t events, void *env)
{
    (void)at, (void)key, (void)events, (void)env;
    RELEASE_STORE(&coming, 1);
    return 0;
}

static void *stepUntilStopped(void *env)
{
    while (ACQUIRE_LOAD(&stop) == 0)
        eventManagerStep(manager, -1);
    return env;
}

/* Until the other thread is, or has been, outside of the loop's callbacks. */
static void awaitStepper(int readable)
{
    RELEASE_STORE(&coming, 0);
    CHECK_EQ(registerFd(manager, noteComing, NULL, readable, EventRead, OneShot, NULL), 0);
    while (ACQUIRE_LOAD(&coming) == 0)
        sched_yield();
}

/* Goal: whoever is on its way into a freed watch calls neither it nor who has its memory now.
 * Method: the lock is held while another thread comes; whether it has come so far is left open. */
TEST(Loop, nobodyComesAfterFreeing)
{
    pthread_t stepper;
    int ends[2], quiet[2], readable[2];
    begin();
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(pipe2(quiet, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(pipe2(readable, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(write(readable[1], "x", 1), 1);
    CHECK_EQ(pthread_create(&stepper, NULL, stepUntilStopped, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        Caller freed = {.calls = 0}, next = {.calls = 0};
        char byte = 'x';
        RELEASE_STORE(&coming, 0);
        loopLock(loop);
        CHECK_EQ(registerFd(manager, noteComing, NULL, ends[0], EventRead, OneShot, NULL), 0);
        watchOne(&freed, ends[0]); /* is called after it */
        CHECK_EQ(write(ends[1], &byte, 1), 1);
        while (ACQUIRE_LOAD(&coming) == 0)
            sched_yield();
        for (int i = 0; i < round; i++)
            SMP_PAUSE();
        watchFree(freed.watch);
        watchOne(&next, quiet[0]);
        CHECK_EQ(next.watch, freed.watch); /* the same memory */
        CHECK_EQ(read(ends[0], &byte, 1), 1);
        loopUnlock(loop);
        awaitStepper(readable[0]);
        loopLock(loop);
        CHECK_EQ(freed.calls + next.calls, 0);
        watchFree(next.watch);
        loopUnlock(loop);
    }
    RELEASE_STORE(&stop, 1);
    eventManagerWake(manager);
    CHECK_EQ(pthread_join(stepper, NULL), 0);
    end();
}

/* ---- inside of another ----------------------------------------------------------------------- */

static Caller closer, closed, dropped;
static int pipes[3][2];

static void closeOthers(Caller *caller)
{
    watchFree(caller->watch);
    CHECK_EQ(eventManagerCloseFd(manager, pipes[1][0]), 0);
    CHECK_EQ(eventManagerCloseFd(manager, pipes[2][0]), 0);
    CHECK_EQ(closed.calls + dropped.calls, 0);
    watchFree(dropped.watch);
}

TEST(Loop, callsWaitUntilTheLockIsGivenBack)
{
    begin();
    closer.then = closeOthers;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pipe2(pipes[i], O_NONBLOCK | O_CLOEXEC), 0);
    watchOne(&closer, pipes[0][0]);
    watchOne(&closed, pipes[1][0]);
    watchOne(&dropped, pipes[2][0]);
    CHECK_EQ(write(pipes[0][1], "x", 1), 1);
    CHECK_EQ(eventManagerStep(manager, -1), 1);
    CHECK_EQ(closer.calls, 1);
    CHECK_EQ(closed.calls, 1);
    CHECK(closed.events & EventClose);
    CHECK_EQ(dropped.calls, 0);
    loopLock(loop);
    watchFree(closed.watch);
    loopUnlock(loop);
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    end();
}

TEST(Loop, whatCannotBeWatched)
{
    Caller caller = {.calls = 0};
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    begin();
    loopLock(loop);
    CHECK_EQ(watchNew(loop, fd, EventRead, noteCall, &caller, &caller.watch), -EPERM);
    CHECK(caller.watch == NULL);
    CHECK_EQ(watchNew(loop, -1, EventRead, noteCall, &caller, &caller.watch), -EBADF);
    watchFree(caller.watch);
    loopUnlock(loop);
    CHECK_EQ(caller.calls, 0);
    CHECK_EQ(close(fd), 0);
    end();
}

/* ---- time ------------------------------------------------------------------------------------ */

TEST(Loop, anAlarmCallsOnceForTheLastTimeSet)
{
    Caller often = {.calls = 0}, stopped = {.calls = 0}, freed = {.calls = 0}, later = {.calls = 0};
    begin();
    loopLock(loop);
    Alarm *first = alarmNew(loop, noteAlarm, &often), *second = alarmNew(loop, noteAlarm, &stopped);
    Alarm *third = alarmNew(loop, noteAlarm, &freed);
    CHECK_EQ(alarmSet(first, INT64_C(1) << 50), 0);
    CHECK_EQ(alarmSet(first, 0), 0); /* not from here */
    CHECK_EQ(alarmSet(second, 0), 0);
    CHECK_EQ(alarmSet(third, 0), 0);
    alarmStop(second);
    alarmFree(third);
    Alarm *fourth = alarmNew(loop, noteAlarm, &later); /* in the third's memory */
    CHECK_EQ(fourth, third);
    CHECK_EQ(often.calls, 0);
    loopUnlock(loop);
    while (often.calls == 0)
        CHECK_GE(eventManagerStep(manager, -1), 0);
    CHECK_EQ(eventManagerStep(manager, 0), 0);
    CHECK_EQ(often.calls, 1);
    CHECK_EQ(stopped.calls + freed.calls + later.calls, 0);
    loopLock(loop);
    CHECK_EQ(alarmSet(second, 1), 0);
    CHECK_EQ(alarmSet(fourth, 1), 0);
    loopUnlock(loop);
    while (stopped.calls + later.calls < 2)
        CHECK_GE(eventManagerStep(manager, -1), 0);
    end();
}
