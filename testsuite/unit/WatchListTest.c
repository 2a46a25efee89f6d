/* WatchListTest.c -- every node leaves once, whoever adds, takes, removes and closes. */
#include "iomgr/WatchList.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>

static Watcher *add(WatchList *list, uint16_t generation, Watcher *watcher, uint64_t number)
{
    watcherInit(watcher)->node.number = number;
    CHECK(watchListAdd(list, generation, &watcher->node));
    CHECK(watchListSane(list));
    return watcher;
}

TEST(WatchList, takenOldestFirstWithNumberAndSink)
{
    WatchList list = 0;
    Watcher watchers[3];
    int sink;
    CHECK(!watchListHasWatchers(&list));
    CHECK_EQ(watchListTake(&list, 0), NULL);
    for (uint64_t i = 0; i < 3; i++)
        add(&list, 0, &watchers[i], 10 + i);
    CHECK(watchListHasWatchers(&list));
    WatchNode *taken = watchListTake(&list, 0);
    CHECK_EQ(taken, &watchers[2].node);
    CHECK(!watchListHasWatchers(&list));
    CHECK_EQ(watchListFire(taken, -EBADF, &sink), 3);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_EQ(watchers[i].fired, 1);
        CHECK_EQ(watchers[i].number, 10 + i);
        CHECK_EQ(watchers[i].result, -EBADF);
        CHECK_EQ(watchers[i].sink, &sink);
        CHECK_EQ(watchers[i].node.linked, 0);
    }
}

static WatchList refire_list;

static void fireAgain(WatchNode *node, uint64_t number, int result, void *sink)
{
    watcherFire(node, number, result, sink);
    if (((Watcher *)node)->fired == 1)
        CHECK(watchListAdd(&refire_list, 0, node)); /* it waits again before fire returns */
}

TEST(WatchList, aNodeMayWaitAgainInsideItsCallback)
{
    Watcher watchers[2];
    for (int i = 0; i < 2; i++) {
        watcherInit(&watchers[i])->node.fire = fireAgain;
        CHECK(watchListAdd(&refire_list, 0, &watchers[i].node));
    }
    CHECK_EQ(watchListFire(watchListTake(&refire_list, 0), 0, NULL), 2);
    CHECK_EQ(watchListFire(watchListTake(&refire_list, 0), 0, NULL), 2);
    CHECK_EQ(watchListTake(&refire_list, 0), NULL);
}

TEST(WatchList, removeFromHeadMiddleAndEnd)
{
    WatchList list = 0;
    Watcher watchers[5];
    for (uint64_t i = 0; i < 5; i++)
        add(&list, 0, &watchers[i], i);
    const int order[5] = {2, 4, 0, 3, 1}; /* middle, head, end, ... */
    for (int i = 0; i < 5; i++) {
        CHECK(watchListRemove(&list, 0, &watchers[order[i]].node, NULL));
        CHECK(watchListSane(&list));
        CHECK_EQ(watchers[order[i]].node.linked, 0);
    }
    CHECK(!watchListHasWatchers(&list));
    CHECK(!watchListRemove(&list, 0, &watchers[0].node, NULL));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(watchers[i].fired, 0);
}

TEST(WatchList, generationsKeepStrangersOut)
{
    WatchList list = 0;
    Watcher older, newer;
    add(&list, 0, &older, 1);
    CHECK_EQ(watchListTake(&list, 1), NULL); /* an event for another file */
    WatchNode *closed = watchListClose(&list, 1);
    CHECK_EQ(closed, &older.node);
    CHECK_EQ(watchListGeneration(list), 1);
    watcherInit(&newer);
    CHECK(!watchListAdd(&list, 0, &newer.node));
    CHECK_EQ(newer.node.linked, 0);
    add(&list, 1, &newer, 2);
    CHECK_EQ(watchListTake(&list, 0), NULL);
    CHECK_EQ(watchListFire(closed, -EBADF, NULL), 1);
    CHECK(!watchListRemove(&list, 0, &older.node, NULL));
    CHECK(watchListRemove(&list, 1, &newer.node, NULL));
    CHECK_EQ(watchListFire(watchListClose(&list, 0xffff), 0, NULL), 0);
    CHECK_EQ(watchListGeneration(list), 0xffff);
}

/* ---- storms ---- */

enum { WAITERS = 3, WAITS = 20000, CLOSE_EVERY = 64 };

static struct {
    WatchList list;
    uint32_t running;        /* waiters at work */
    uint64_t events;         /* taker: how many it fired */
    uint64_t removed, fired; /* waiters, at their end */
    bool close;
} storm;

static uint64_t pickFrom(uint64_t *state)
{
    return testRandomFrom(state);
}

static void *waitAndGiveUp(void *arg)
{
    uint64_t seed = (uintptr_t)arg * 7919 + testSeed(), removed = 0, fired = 0;
    Watcher watcher;
    watcherInit(&watcher);
    for (int i = 0; i < WAITS; i++) {
        uint32_t before = ACQUIRE_LOAD(&watcher.fired);
        uint16_t generation = watchListGeneration(SEQ_CST_LOAD(&storm.list));
        if (!watchListAdd(&storm.list, generation, &watcher.node))
            continue;
        if (pickFrom(&seed) % 4 == 0)
            sched_yield();
        if (watchListRemove(&storm.list, generation, &watcher.node, NULL)) {
            removed++;
            CHECK_EQ(ACQUIRE_LOAD(&watcher.fired), before);
        } else {
            fired++;
            while (ACQUIRE_LOAD(&watcher.fired) == before) /* let go of, but not called yet */
                sched_yield();
            CHECK_EQ(ACQUIRE_LOAD(&watcher.fired), before + 1);
        }
    }
    ADD_RELAXED(&storm.removed, removed);
    ADD_RELAXED(&storm.fired, fired);
    ADD_RELEASE(&storm.running, UINT32_MAX);
    return NULL;
}

static void runStorm(bool close)
{
    pthread_t waiters[WAITERS];
    memset(&storm, 0, sizeof storm);
    storm.running = WAITERS;
    for (uintptr_t i = 0; i < WAITERS; i++)
        CHECK_EQ(pthread_create(&waiters[i], NULL, waitAndGiveUp, (void *)(i + 1)), 0);
    for (uint64_t turn = 0; ACQUIRE_LOAD(&storm.running) != 0; turn++) {
        uint16_t generation = watchListGeneration(SEQ_CST_LOAD(&storm.list));
        WatchNode *taken = close && turn % CLOSE_EVERY == 0
                               ? watchListClose(&storm.list, (uint16_t)(generation + 1))
                               : watchListTake(&storm.list, generation);
        storm.events += watchListFire(taken, 0, NULL);
        if (turn % 16 == 0)
            sched_yield();
    }
    for (int i = 0; i < WAITERS; i++)
        pthread_join(waiters[i], NULL);
    CHECK(!watchListHasWatchers(&storm.list));
    CHECK_LE(storm.events, storm.fired); /* the rest was fired by removers in the taker's stead */
    CHECK_LE(storm.removed + storm.fired, (uint64_t)WAITERS * WAITS);
    CHECK_GT(storm.removed, 0);
    if (!close)
        CHECK_EQ(storm.removed + storm.fired, (uint64_t)WAITERS * WAITS);
}

TEST(WatchList, stormOfAddTakeRemove)
{
    runStorm(false);
}

TEST(WatchList, stormWithClose)
{
    runStorm(true);
}

/* ---- an event while somebody else removes ---- */

enum { PATIENT_WAITS = 20000, REMOVERS = 2 };

static struct {
    WatchList list;
    bool stop;
} busy;

static void *addAndRemove(void *arg)
{
    Watcher watcher;
    (void)arg;
    watcherInit(&watcher);
    while (!ACQUIRE_LOAD(&busy.stop)) {
        uint32_t before = ACQUIRE_LOAD(&watcher.fired);
        CHECK(watchListAdd(&busy.list, 0, &watcher.node));
        if (!watchListRemove(&busy.list, 0, &watcher.node, NULL)) {
            while (ACQUIRE_LOAD(&watcher.fired) == before)
                sched_yield();
        }
    }
    return NULL;
}

/* One event for each wait: the taker finds the list, or a remover fires in its stead. */
TEST(WatchList, anEventDuringARemovalIsNotLost)
{
    pthread_t removers[REMOVERS];
    Watcher patient, still[4];
    for (int i = 0; i < REMOVERS; i++)
        CHECK_EQ(pthread_create(&removers[i], NULL, addAndRemove, NULL), 0);
    for (int wait = 0; wait < PATIENT_WAITS; wait++) {
        CHECK(watchListAdd(&busy.list, 0, &watcherInit(&patient)->node));
        for (int i = 0; i < 4; i++) /* something for the removers to walk past */
            CHECK(watchListAdd(&busy.list, 0, &watcherInit(&still[i])->node));
        watchListFire(watchListTake(&busy.list, 0), 0, NULL);
        while (ACQUIRE_LOAD(&patient.fired) == 0)
            sched_yield();
        for (int i = 0; i < 4; i++) {
            while (ACQUIRE_LOAD(&still[i].fired) == 0)
                sched_yield();
        }
    }
    RELEASE_STORE(&busy.stop, true);
    for (int i = 0; i < REMOVERS; i++)
        pthread_join(removers[i], NULL);
    CHECK(!watchListHasWatchers(&busy.list));
}
