/* StepConformance.c -- time, wakeups, other OS threads, rescuers and the guard.
 *
 * Run once per back-end: --backend epoll, --backend poll.
 */
#include "testsuite/conformance/Conformance.h"

#include <pthread.h>

/* ---- time and other OS threads ------------------------------------------------------------- */

enum { TIMERS = 40 };
static struct {
    uint32_t count;
    uint64_t order[TIMERS];
    int64_t late_ns[TIMERS];
    int64_t deadline_ns[TIMERS];
} fired_timers;

static void noteTimer(Timer *timer, uint64_t number, void *sink)
{
    (void)timer, (void)sink;
    CHECK_LT(fired_timers.count, TIMERS);
    fired_timers.late_ns[fired_timers.count] =
        clockRead(&clockMonotonic) - fired_timers.deadline_ns[number - 1];
    fired_timers.order[fired_timers.count++] = number;
}

TEST(EventManager, timersAreNeverEarlyAndInOrder)
{
    static Timer timers[TIMERS];
    openManager();
    int64_t start = clockRead(&clockMonotonic);
    for (uint64_t i = 0; i < TIMERS; i++) {
        uint64_t turn = i * 17 % TIMERS; /* not sorted; 50 us apart, the last one after 30 ms */
        int64_t delay_us = turn == TIMERS - 1 ? 30000 : (int64_t)turn * 50;
        fired_timers.deadline_ns[turn] = start + delay_us * 1000;
        timers[turn].fire = noteTimer;
        CHECK_EQ(
            timerHeapArm(&manager.timers, &timers[turn], turn + 1, fired_timers.deadline_ns[turn]),
            0);
    }
    while (fired_timers.count < TIMERS)
        eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
    for (uint64_t i = 0; i < TIMERS; i++) {
        CHECK_EQ(fired_timers.order[i], i + 1);
        CHECK_GE(fired_timers.late_ns[i], 0);
    }
    eventManagerClose(&manager);
}

TEST(EventManager, stepSleepsUntilItsDeadline)
{
    openManager();
    int64_t deadline = clockRead(&clockMonotonic) + 25000000; /* above 20 ms: slept in two parts */
    CHECK_EQ(eventManagerPoll(&manager, deadline, NULL), 0);
    CHECK_GE(clockRead(&clockMonotonic), deadline);
    eventManagerClose(&manager);
}

typedef struct Helper {
    pthread_t thread;
    int fd;
    int result;
    Watcher *watcher;
} Helper;

static void *wakeManager(void *arg)
{
    (void)arg;
    eventManagerWake(&manager);
    return NULL;
}

TEST(EventManager, wakeFromAnotherThread)
{
    pthread_t thread;
    openManager();
    for (uint64_t round = 1; round <= 20; round++) {
        CHECK_EQ(pthread_create(&thread, NULL, wakeManager, NULL), 0);
        CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 0);
        pthread_join(thread, NULL);
        CHECK_EQ(manager.stats.wakeups, round);
    }
    CHECK_EQ(manager.stats.events, 0);
    eventManagerClose(&manager);
}

static void *parkElsewhere(void *arg)
{
    Helper *helper = arg;
    helper->result = park(helper->watcher, helper->fd, 0, FdRead);
    return NULL;
}

/* The owner sleeps for ever; another OS thread arms an fd that is ready already. */
TEST(EventManager, aChangeIsSeenByASleepingPoll)
{
    int ends[2];
    Watcher reader;
    openManager();
    pipeOpen(ends);
    byteSend(ends[1]);
    for (int round = 0; round < 20; round++) {
        Helper helper = {.fd = ends[0], .watcher = &reader};
        CHECK_EQ(pthread_create(&helper.thread, NULL, parkElsewhere, &helper), 0);
        uint32_t fired = eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
        pthread_join(helper.thread, NULL);
        if (helper.result == 0 && fired == 0) /* that was what an earlier round had left armed */
            fired = eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
        CHECK_EQ(helper.result, fired == 0); /* the event came before it had published: ready */
        CHECK_EQ(reader.fired, fired);
    }
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, rescuersTakeEventsAndTimersButNoWakeups)
{
    int ends[2];
    Watcher reader;
    Timer timer = {.fire = noteTimer};
    openManager();
    pipeOpen(ends);
    fired_timers.count = 0;
    fired_timers.deadline_ns[0] = clockRead(&clockMonotonic);
    CHECK_EQ(park(&reader, ends[0], 0, FdRead), 0);
    CHECK_EQ(timerHeapArm(&manager.timers, &timer, 1, fired_timers.deadline_ns[0]), 0);
    byteSend(ends[1]);
    eventManagerWake(&manager);
    CHECK_EQ(eventManagerRescue(&manager, NULL), 2);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(fired_timers.count, 1);
    CHECK_EQ(manager.stats.rescues, 2);
    CHECK_EQ(manager.stats.wakeups, 0);
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 0); /* the wakeup is still there */
    CHECK_EQ(manager.stats.wakeups, 1);
    pairClose(ends);
    eventManagerClose(&manager);
}

/* A back-end without a pollable fd is looked at by time. */
TEST(EventManager, stepOverSeesTheOthers)
{
    static EventManager other;
    int ends[2];
    uint64_t ready;
    Watcher reader;
    openManager();
    bool pollable = eventManagerPollable(&manager) >= 0;
    CHECK_EQ(pollable, manager.backend->edges);
    CHECK_EQ(eventManagerOpen(&other, manager.backend, NULL, NULL), 0);
    pipeOpen(ends);
    CHECK_EQ(watcherAwait(&other, &reader, ends[0], 0, FdRead, 0, 1), 0);
    byteSend(ends[1]);
    int pollables[2] = {-1, eventManagerPollable(&other)};
    int64_t until = pollable ? DEADLINE_NEVER : clockRead(&clockMonotonic) + 2000000;
    CHECK_EQ(eventManagerPollOver(&manager, until, pollables, 2, &ready, NULL), 0);
    CHECK_EQ(ready, pollable ? 2 : 0);
    CHECK_EQ(reader.fired, 0);
    CHECK_EQ(eventManagerRescue(&other, NULL), 1);
    CHECK_EQ(reader.fired, 1);
    eventManagerWake(&manager);
    CHECK_EQ(eventManagerPollOver(&manager, DEADLINE_NEVER, pollables, 2, &ready, NULL), 0);
    CHECK_EQ(ready, 0);
    CHECK_EQ(manager.stats.wakeups, 1);
    int64_t deadline = clockRead(&clockMonotonic) + 2000000;
    CHECK_EQ(eventManagerPollOver(&manager, deadline, pollables, 2, &ready, NULL), 0);
    CHECK_GE(clockRead(&clockMonotonic), deadline);
    pairClose(ends);
    eventManagerClose(&other);
    eventManagerClose(&manager);
}
