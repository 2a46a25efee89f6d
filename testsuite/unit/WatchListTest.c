/* WatchListTest.c -- every node leaves once, whoever adds, takes, removes and closes. */
#include "iomgr/WatchList.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

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

/* ---- long lists: See Note [WatchList places] ---- */

enum { CROWD = 1000 };

static Watcher crowd[CROWD];

/* Steps that removers have taken so far. */
static uint64_t stepsNow(void)
{
#ifdef WATCH_STEPS
    return RELAXED_LOAD(&watch_list_steps);
#else
    return 0;
#endif
}

static void addCrowd(WatchList *list, int count)
{
    for (int i = 0; i < count; i++)
        CHECK(watchListAdd(list, watchListGeneration(*list), &watcherInit(&crowd[i])->node));
}

static void removeOne(WatchList *list, int index)
{
    CHECK(watchListRemove(list, watchListGeneration(*list), &crowd[index].node, NULL));
    CHECK_EQ(crowd[index].node.linked, 0);
    CHECK(watchListSane(list));
}

/* Goal: n removals in any order take steps linear in n.  Method: count them. */
TEST(WatchList, oneWalkTellsAll)
{
    WatchList list = 0;
    uint64_t before = stepsNow();
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    CHECK((list & WATCH_INDEXED) != 0);
    CHECK_LE(stepsNow() - before, 2 * CROWD);
    before = stepsNow();
    for (int i = 1; i < CROWD - 1; i++)
        removeOne(&list, 1 + (int)((uint64_t)i * 617 % (CROWD - 2))); /* 617: no common factor */
    CHECK_EQ(stepsNow(), before);
    removeOne(&list, CROWD - 1);
    CHECK_EQ(stepsNow(), before);
    CHECK_EQ(list, 0);
}

TEST(WatchList, newcomersAreWalkedOverOnce)
{
    WatchList list = 0;
    addCrowd(&list, CROWD / 2);
    removeOne(&list, 0);
    uint64_t before = stepsNow();
    for (int i = CROWD / 2; i < CROWD - 2; i++) { /* each time one comes and an old one goes */
        CHECK(watchListAdd(&list, 0, &watcherInit(&crowd[i])->node));
        removeOne(&list, i - CROWD / 2 + 1);
    }
    CHECK_EQ(stepsNow(), before);
    removeOne(&list, CROWD / 2 - 1); /* it was the head when the others were told */
    CHECK_LE(stepsNow() - before, CROWD);
    before = stepsNow();
    for (int i = CROWD / 2; i < CROWD - 2; i++)
        removeOne(&list, i);
    CHECK_EQ(stepsNow(), before);
    CHECK_EQ(list, 0);
}

TEST(WatchList, theHeadIsReplaced)
{
    WatchList list = 0;
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    uint64_t before = stepsNow();
    for (int i = CROWD - 1; i > 0; i--)
        removeOne(&list, i);
    CHECK_EQ(stepsNow(), before);
    CHECK_EQ(list, 0);
}

/* What a node knew is forgotten by the time its taker lets others at the list. */
static void checkForgotten(WatchList *list, WatchNode *taken)
{
    for (WatchNode *at = taken; at != NULL; at = at->next)
        CHECK_EQ(at->linked, 1);
    CHECK_EQ(*list & (WATCH_FLAGS | WATCH_POINTER), 0);
    CHECK_EQ(watchListFire(taken, 0, NULL), CROWD - 1);
}

TEST(WatchList, whoIsTakenForgets)
{
    WatchList list = 0;
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    checkForgotten(&list, watchListTake(&list, 0));
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    watchListLock(&list);
    WatchTaken taken = watchListUnlock(&list);
    CHECK((list & WATCH_BUSY) != 0);
    checkForgotten(&list, watchListTaken(&list, taken));
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    CHECK(watchListMark(&list, 0));
    WatchNode *closed;
    CHECK(watchListCloseMarked(&list, 1, &closed));
    CHECK_EQ(watchListGeneration(list), 1);
    checkForgotten(&list, closed);
}

TEST(WatchList, aKeptListStaysIndexed)
{
    WatchList list = 0;
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    uint64_t before = stepsNow();
    CHECK(watchListTryLock(&list));
    CHECK(!watchListTryLock(&list));
    watchListUnlockKeep(&list);
    CHECK(watchListHold(&list, 0));
    watchListLetGo(&list, NULL);
    for (int i = 1; i < CROWD; i++)
        removeOne(&list, i);
    CHECK_EQ(stepsNow(), before);
}

TEST(WatchList, aStrangerNeedsAProof)
{
    WatchList list = 0, other = 0;
    uint64_t wait = 5;
    addCrowd(&list, CROWD);
    removeOne(&list, 0);
    uint64_t before = stepsNow();
    for (int i = 1; i < CROWD / 2; i++)
        CHECK(watchListTakeOut(&list, 0, &crowd[i].node, &(WatchProof){&wait, 5}, NULL));
    CHECK_EQ(stepsNow(), before);
    CHECK(watchListTakeOut(&list, 0, &crowd[CROWD / 2].node, &(WatchProof){&wait, 4}, NULL));
    CHECK(watchListRetract(&list, 0, &crowd[CROWD / 2 + 1].node, NULL, -EINTR, NULL));
    CHECK_EQ(crowd[CROWD / 2 + 1].result, -EINTR);
    CHECK(watchListSane(&list));
    for (int i = 1; i <= CROWD / 2; i++) /* out of it, they know nothing any more */
        CHECK_EQ(crowd[i].node.linked, 1);
    CHECK(!watchListTakeOut(&list, 0, &crowd[1].node, &(WatchProof){&wait, 5}, NULL));
    for (int i = 1; i < 20; i++) /* nodes that have been told in another list */
        CHECK(watchListAdd(&other, 0, &watcherInit(&crowd[i])->node));
    CHECK(watchListRemove(&other, 0, &crowd[1].node, NULL));
    CHECK_GT(crowd[2].node.linked, 1);
    CHECK(!watchListTakeOut(&list, 0, &crowd[2].node, &(WatchProof){&wait, 4}, NULL));
    CHECK(watchListSane(&list) && watchListSane(&other));
}

/* More than 32 GiB between two nodes: no number says how far, and the list is walked. */
TEST(WatchList, tooFarToSay)
{
    size_t size = (size_t)40 << 30;
    char *low = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED)
        return; /* no room for that here */
    Watcher *far = (Watcher *)(void *)(low + size - 4096);
    Watcher *near = (Watcher *)(void *)low;
    WatchList list = 0;
    for (int i = 0; i < 12; i++) {
        CHECK(watchListAdd(&list, 0, &watcherInit(&near[i])->node));
        CHECK(watchListAdd(&list, 0, &watcherInit(&far[i])->node));
    }
    CHECK(watchListRemove(&list, 0, &near[0].node, NULL));
    CHECK(watchListSane(&list));
    for (int i = 11; i > 0; i--) {
        CHECK(watchListRemove(&list, 0, &near[12 - i].node, NULL));
        CHECK(watchListSane(&list));
        CHECK(watchListRemove(&list, 0, &far[i].node, NULL));
        CHECK(watchListSane(&list));
    }
    CHECK(watchListRemove(&list, 0, &far[0].node, NULL));
    CHECK_EQ(list, 0);
    munmap(low, size);
}

/* ---- a crowd that gives up, and is fired, at once ---- */

enum { LEAVERS = 3, EACH = 64, TURNS = 300 };

static struct {
    WatchList list;
    uint64_t left, fired; /* relaxed */
    uint32_t running;
} shove;

static void *addAllRemoveAll(void *arg)
{
    static Watcher all[LEAVERS][EACH];
    Watcher *mine = all[(uintptr_t)arg];
    uint64_t left = 0, fired = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < EACH; i++)
            CHECK(watchListAdd(&shove.list, 0, &watcherInit(&mine[i])->node));
        if (turn % 8 == 0)
            sched_yield();
        for (int i = 0; i < EACH; i++) {
            if (watchListRemove(&shove.list, 0, &mine[i].node, NULL)) {
                left++;
                continue;
            }
            fired++;
            while (ACQUIRE_LOAD(&mine[i].fired) == 0)
                sched_yield();
        }
    }
    ADD_RELAXED(&shove.left, left);
    ADD_RELAXED(&shove.fired, fired);
    ADD_RELEASE(&shove.running, UINT32_MAX);
    return NULL;
}

/* Takes in all ways, so that places are told and forgotten all the time. */
TEST(WatchList, stormOfPlaces)
{
    pthread_t leavers[LEAVERS];
    uint64_t fired = 0;
    shove.running = LEAVERS;
    for (uintptr_t i = 0; i < LEAVERS; i++)
        CHECK_EQ(pthread_create(&leavers[i], NULL, addAllRemoveAll, (void *)i), 0);
    for (uint64_t turn = 0; ACQUIRE_LOAD(&shove.running) != 0; turn++) {
        if (turn % 3 == 0) { /* removers fire for it, if they are at work */
            fired += watchListFire(watchListTake(&shove.list, 0), 0, NULL);
        } else if (watchListHold(&shove.list, 0)) {
            watchListLetGo(&shove.list, NULL);
        }
        for (int i = 0; i < 8; i++)
            sched_yield();
    }
    for (int i = 0; i < LEAVERS; i++)
        pthread_join(leavers[i], NULL);
    CHECK_EQ(shove.list & (WATCH_POINTER | WATCH_FLAGS), 0);
    CHECK_LE(fired, shove.fired);
    CHECK_EQ(shove.left + shove.fired, (uint64_t)LEAVERS * EACH * TURNS);
}
