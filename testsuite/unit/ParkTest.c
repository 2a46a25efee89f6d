/* ParkTest.c -- waiting, step by step: every source of a wake-up, before and after the park. */
#include "rts/Park.h"

#include "testsuite/support/Runtime.h"

/* ---- sources on a plain OS thread ------------------------------------------------------------ */

typedef struct Source {
    Thread *thread;
    uint64_t number;
    int result;
} Source;

/* What an event does: tell the node, wherever the thread is by now. */
static void *fireNode(void *env)
{
    Source *source = env;
    source->thread->node.fire(&source->thread->node, source->number, source->result, NULL);
    return NULL;
}

static void *fireParked(void *env)
{
    Source *source = env;
    greenUntil(source->thread, ThreadBlockedOnDelay);
    return fireNode(env);
}

static void *parkForSources(void *env)
{
    Thread *self = scheduleSelf();
    static const int results[] = {0, -EBADF, -ECANCELED, -ENOMEM};
    (void)env;
    for (int i = 0; i < 40; i++) {
        Source source = {self, parkBegin(self), results[i % 4]};
        Source late = {self, source.number, -EINVAL};
        bool before = i % 8 < 4;
        if (before)
            osJoin(osFork(fireNode, &source)); /* won before the park: no park then */
        pthread_t other = before ? 0 : osFork(fireParked, &source);
        CHECK_EQ(parkUntil(self, ThreadBlockedOnDelay, -1, DEADLINE_NEVER), source.result);
        if (!before)
            osJoin(other);
        fireNode(&late); /* the wait is over: nothing happens ... */
        uint64_t next = parkBegin(self);
        CHECK_EQ(next, source.number + 1);
        fireNode(&late); /* ... and an old number does not touch the next wait */
        CHECK_EQ(parkAbandon(self), 0);
    }
    return NULL;
}

TEST(Park, returnsWhatTheSourceSaid)
{
    greenRun(1, parkForSources, NULL);
    greenRun(2, parkForSources, NULL);
}

static void *abandonWaits(void *env)
{
    Thread *self = scheduleSelf();
    (void)env;
    parkBegin(self);
    CHECK_EQ(parkAbandon(self), 0);
    Source source = {self, parkBegin(self), -EBADF};
    fireNode(&source);
    CHECK_EQ(parkAbandon(self), -EBADF); /* it had been claimed: that is what counts */
    CHECK(!parkLinked(self));
    return NULL;
}

TEST(Park, isAbandonedWithWhatCameFirst)
{
    greenRun(1, abandonWaits, NULL);
}

static void *timeOut(void *env)
{
    Thread *self = scheduleSelf();
    (void)env;
    static const int64_t delays_ns[] = {-MS_NS, 0, 1, 1000, MS_NS, 5 * MS_NS};
    for (int i = 0; i < 6; i++) {
        int64_t deadline_ns = rtsNow() + delays_ns[i];
        parkBegin(self);
        CHECK_EQ(parkUntil(self, ThreadBlockedOnDelay, -1, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        CHECK_EQ(threadStatus(self).state, ThreadRunning);
    }
    /* A source that comes first disarms the timer: it does not end a later wait. */
    for (int i = 0; i < 20; i++) {
        Source source = {self, parkBegin(self), 0};
        fireNode(&source);
        CHECK_EQ(parkUntil(self, ThreadBlockedOnDelay, -1, rtsNow() + MS_NS), 0);
        int64_t deadline_ns = rtsNow() + MS_NS + i * 100000;
        parkBegin(self);
        CHECK_EQ(parkUntil(self, ThreadBlockedOnDelay, -1, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    return NULL;
}

TEST(Park, timesOutNeverEarly)
{
    greenRun(1, timeOut, NULL);
    greenRun(2, timeOut, NULL);
}

/* ---- lists ----------------------------------------------------------------------------------- */

typedef struct Shared {
    WatchList list;
    uint32_t changed; /* what `changed` says */
    int result;
    uint16_t generation;
} Shared;

static bool isChanged(void *env)
{
    Shared *shared = env;
    return ACQUIRE_LOAD(&shared->changed) != 0;
}

static void *waitOnList(void *env)
{
    Shared *shared = env;
    return (void *)(intptr_t)parkOnList(&shared->list, shared->generation, isChanged, shared,
                                        ThreadBlockedOnTVar, DEADLINE_NEVER);
}

static void untilWatched(Shared *shared, Thread *thread)
{
    greenUntil(thread, ThreadBlockedOnTVar);
    while (!watchListHasWatchers(&shared->list))
        threadYield();
}

static void *useList(void *env)
{
    Shared shared = {0};
    (void)env;
    for (int i = 0; i < 20; i++) {
        shared.list = 0;
        Thread *one = greenFork(waitOnList, &shared), *two = greenFork(waitOnList, &shared);
        untilWatched(&shared, one);
        untilWatched(&shared, two);
        uint32_t fired =
            watchListFire(watchListTake(&shared.list, 0), i % 2 ? 0 : -EBADF, scheduleHere());
        CHECK_EQ(fired, 2);
        CHECK_EQ((intptr_t)greenJoin(one), i % 2 ? 0 : -EBADF);
        CHECK_EQ((intptr_t)greenJoin(two), i % 2 ? 0 : -EBADF);
        CHECK_EQ(shared.list, 0);
    }
    /* It has happened already: nobody waits, nothing stays behind. */
    shared.changed = 1;
    CHECK_EQ((intptr_t)waitOnList(&shared), 0);
    CHECK_EQ(shared.list, 0);
    CHECK(!parkLinked(scheduleSelf()));
    shared.changed = 0;
    /* Too late: the deadline takes the node out again. */
    for (int i = 0; i < 5; i++) {
        int64_t deadline_ns = rtsNow() + i * 200000;
        CHECK_EQ(parkOnList(&shared.list, 0, isChanged, &shared, ThreadBlockedOnTVar, deadline_ns),
                 -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        CHECK_EQ(shared.list, 0);
        CHECK(!parkLinked(scheduleSelf()));
    }
    /* The list has moved on. */
    CHECK_EQ(watchListClose(&shared.list, 1), NULL);
    CHECK_EQ((intptr_t)waitOnList(&shared), -EALREADY);
    shared.generation = 1;
    shared.changed = 1;
    CHECK_EQ((intptr_t)waitOnList(&shared), 0);
    return NULL;
}

TEST(Park, waitsOnAList)
{
    greenRun(1, useList, NULL);
    greenRun(2, useList, NULL);
}

/* Goal: takers, deadlines and removals in the same moment lose nobody.  Method: two green threads
 * that time out at once or are taken, a plain thread that takes without pause. */
static struct {
    Shared shared;
    uint32_t stop;
} churn;

static void *takeForEver(void *env)
{
    (void)env;
    while (ACQUIRE_LOAD(&churn.stop) == 0) {
        watchListFire(watchListTake(&churn.shared.list, 0), 0, NULL);
        sched_yield();
    }
    return NULL;
}

static void *waitShortly(void *env)
{
    uint32_t rounds = greenScale(400);
    (void)env;
    for (uint32_t i = 0; i < rounds; i++) {
        int result = parkOnList(&churn.shared.list, 0, isChanged, &churn.shared,
                                ThreadBlockedOnTVar, rtsNow() + (i % 7) * 3000);
        CHECK(result == 0 || result == -ETIMEDOUT);
        CHECK(!parkLinked(scheduleSelf()));
    }
    return NULL;
}

TEST(Park, timeOutsMeetTakers)
{
    Thread *threads[4];
    greenStart(2);
    churn.shared = (Shared){0};
    churn.stop = 0;
    for (int i = 0; i < 4; i++)
        threads[i] = greenFork(waitShortly, NULL);
    pthread_t taker = osFork(takeForEver, NULL);
    for (int i = 0; i < 4; i++)
        greenJoin(threads[i]);
    RELEASE_STORE(&churn.stop, 1);
    osJoin(taker);
    CHECK_EQ(churn.shared.list, 0);
    greenStop();
}

/* ---- cancelling everything ------------------------------------------------------------------- */

static void *waitTwice(void *env)
{
    CHECK_EQ((intptr_t)waitOnList(env), -ECANCELED); /* present */
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);    /* and future */
    CHECK_EQ((intptr_t)waitOnList(env), -ECANCELED);
    return NULL;
}

TEST(Park, cancelAllEndsPresentAndFutureWaits)
{
    Shared shared = {0};
    Thread *threads[10];
    greenStart(2);
    for (int i = 0; i < 10; i++)
        threads[i] = greenFork(waitTwice, &shared);
    for (int i = 0; i < 10; i++)
        greenUntil(threads[i], ThreadBlockedOnTVar);
    for (int i = 0; i < 10; i++) {
        while (threadStatus(threads[i]).state != ThreadFinished)
            parkCancelAll();
    }
    CHECK_EQ(shared.list, 0);
    parkCancelReset();
    for (int i = 0; i < 10; i++)
        threadRelease(threads[i]); /* plain OS threads are still cancelled: no join */
    Thread *later =
        greenFork(timeOut, NULL); /* after the reset green threads' waits are waits again */
    greenUntil(later, ThreadFinished);
    threadRelease(later);
    greenStop();
}
