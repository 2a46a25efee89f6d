/* RunQueueTest.c -- the run queue against a list, its order, its thieves. */
#include "capability/RunQueue.h"

#include "testsuite/support/Test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef struct Item {
    Runnable runnable;
    uint32_t seen; /* times it was popped or stolen; anyone adds */
} Item;

static Item *itemOf(Runnable *runnable)
{
    return (Item *)(void *)runnable;
}

/* ---- A list that says what the queue should hold, oldest first. ---- */

enum { LIST_MOST = 4096 };

typedef struct List {
    Runnable *items[LIST_MOST];
    uint32_t first, end; /* [first, end) is in the queue */
    uint32_t ring;       /* of these, the youngest that are in the ring */
} List;

static void listPush(List *list, Runnable *runnable)
{
    CHECK_LT(list->end, LIST_MOST);
    if (list->ring == RUN_QUEUE_CAPACITY)
        list->ring -= RUN_QUEUE_CAPACITY / 2;
    list->items[list->end++] = runnable;
    list->ring++;
}

static Runnable *listPopOld(List *list)
{
    if (list->first == list->end)
        return NULL;
    if (list->end - list->first == list->ring)
        list->ring--;
    return list->items[list->first++];
}

static Runnable *listPopYoung(List *list)
{
    if (list->ring == 0)
        return listPopOld(list);
    list->ring--;
    return list->items[--list->end];
}

static void stepBoth(RunQueue *queue, List *list, Item *item, uint64_t choice, uint32_t growing)
{
    if (choice % 16 < growing) {
        runQueuePush(queue, &item->runnable);
        listPush(list, &item->runnable);
    } else if (choice % 64 < 40) {
        CHECK_EQ(runQueuePopOld(queue), listPopOld(list));
    } else if (choice % 64 < 63) {
        CHECK_EQ(runQueuePopYoung(queue), listPopYoung(list));
    } else {
        Runnable *stolen[RUN_QUEUE_STEAL_MOST];
        uint32_t length = list->end - list->first, leave = (uint32_t)(choice >> 32) % 3;
        uint32_t half = (length + 1) / 2, most = length > leave ? length - leave : 0;
        uint32_t expected = half < most ? half : most;
        if (expected > RUN_QUEUE_STEAL_MOST)
            expected = RUN_QUEUE_STEAL_MOST;
        CHECK_EQ(runQueueSteal(queue, leave, stolen), expected);
        for (uint32_t i = 0; i < expected; i++)
            CHECK_EQ(stolen[i], listPopOld(list));
        runQueueRebias(queue);
        runQueueRebias(queue);
    }
}

/* Goal: any sequence of operations gives what a list would.  Method: phases that grow and
 * shrink. */
TEST(RunQueue, equalsAList)
{
    static List list;
    static Item items[LIST_MOST];
    static RunQueue queue;
    ownerGateStart();
    for (int round = 0; round < 12; round++) {
        memset(&list, 0, sizeof list);
        runQueueInit(&queue);
        for (uint32_t i = 0; i < LIST_MOST; i++) {
            stepBoth(&queue, &list, &items[i], testRandom(), i % 1500 < 900 ? 13 : 3);
            CHECK_EQ(runQueueLength(&queue), list.end - list.first);
            CHECK(runQueueSane(&queue));
        }
        while (list.first != list.end)
            CHECK_EQ(runQueuePopOld(&queue), listPopOld(&list));
        CHECK_EQ(runQueuePopOld(&queue), NULL);
        CHECK_EQ(runQueuePopYoung(&queue), NULL);
        CHECK(runQueueSane(&queue));
    }
}

static void fill(RunQueue *queue, Item *items, uint32_t count)
{
    ownerGateStart();
    runQueueInit(queue);
    for (uint32_t i = 0; i < count; i++)
        runQueuePush(queue, &items[i].runnable);
}

TEST(RunQueue, keepsTheOrderThroughTheOverflowList)
{
    enum { COUNT_ = 5 * RUN_QUEUE_CAPACITY + 3 };
    static Item items[COUNT_];
    static RunQueue queue;
    fill(&queue, items, COUNT_);
    CHECK_GT(queue.overflow, 0);
    for (uint32_t i = 0; i < COUNT_; i++)
        CHECK_EQ(runQueuePopOld(&queue), &items[i].runnable);
    CHECK_EQ(runQueuePopOld(&queue), NULL);
}

TEST(RunQueue, thiefTakesTheOlderHalfRoundedUp)
{
    static Item items[7];
    static RunQueue queue;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    fill(&queue, items, 7);
    CHECK_EQ(runQueueSteal(&queue, 0, stolen), 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(stolen[i], &items[i].runnable);
    CHECK_EQ(runQueuePopOld(&queue), &items[4].runnable);
    CHECK_EQ(runQueuePopYoung(&queue), &items[6].runnable);
}

TEST(RunQueue, thiefLeavesTheYoungest)
{
    static Item items[3];
    static RunQueue queue;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    fill(&queue, items, 1);
    CHECK_EQ(runQueueSteal(&queue, 1, stolen), 0);
    CHECK_EQ(queue.gate.visits, 0); /* and did not disturb the owner for it */
    CHECK_EQ(runQueueSteal(&queue, 0, stolen), 1);
    CHECK_EQ(stolen[0], &items[0].runnable);
    fill(&queue, items, 3);
    CHECK_EQ(runQueueSteal(&queue, 2, stolen), 1);
    CHECK_EQ(runQueueSteal(&queue, 2, stolen), 0);
    CHECK_EQ(runQueueLength(&queue), 2);
}

TEST(RunQueue, thiefTakesFromTheOverflowListFirstAndBoundedly)
{
    enum { COUNT_ = 4 * RUN_QUEUE_CAPACITY };
    static Item items[COUNT_];
    static RunQueue queue;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    fill(&queue, items, COUNT_);
    uint32_t at = 0;
    for (uint32_t n; (n = runQueueSteal(&queue, 1, stolen)) != 0;) {
        CHECK_LE(n, RUN_QUEUE_STEAL_MOST);
        for (uint32_t i = 0; i < n; i++)
            CHECK_EQ(stolen[i], &items[at++].runnable);
        CHECK(runQueueSane(&queue));
    }
    CHECK_EQ(at, COUNT_ - 1);
    CHECK_EQ(runQueuePopOld(&queue), &items[COUNT_ - 1].runnable);
}

TEST(RunQueue, ownerGetsItsGateBackWhenThievesStayAway)
{
    static Item items[4];
    static RunQueue queue;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    fill(&queue, items, 4);
    if (queue.gate.shared != 0)
        SKIP("no membarrier: the gate is always shared");
    CHECK_EQ(runQueueSteal(&queue, 0, stolen), 2);
    CHECK_EQ(queue.gate.shared, 1);
    runQueueRebias(&queue); /* sees the visit */
    CHECK_EQ(queue.gate.shared, 1);
    runQueueRebias(&queue); /* and no new one */
    CHECK_EQ(queue.gate.shared, 0);
}

TEST(RunQueue, saneSeesABrokenList)
{
    static Item items[2 * RUN_QUEUE_CAPACITY];
    static RunQueue queue;
    fill(&queue, items, 2 * RUN_QUEUE_CAPACITY);
    CHECK(runQueueSane(&queue));
    queue.overflow++;
    CHECK(!runQueueSane(&queue));
    queue.overflow--;
    queue.ring[queue.head % RUN_QUEUE_CAPACITY] = NULL;
    CHECK(!runQueueSane(&queue));
}

/* ---- An owner and two thieves. ---- */

enum { STORM_ITEMS = 4000, STORM_ROUNDS = 12, THIEVES = 2 };

static struct {
    RunQueue queue;
    Item items[STORM_ITEMS];
    uint32_t done;   /* owner sets (release), thieves read */
    uint32_t stolen; /* thieves add */
} storm;

static void *stealAll(void *unused)
{
    (void)unused;
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    for (;;) {
        bool done = ACQUIRE_LOAD(&storm.done) != 0;
        uint32_t count = runQueueSteal(&storm.queue, done ? 0 : 1, stolen);
        for (uint32_t i = 0; i < count; i++)
            ADD_RELAXED(&itemOf(stolen[i])->seen, 1);
        ADD_RELAXED(&storm.stolen, count);
        if (done && runQueueLength(&storm.queue) == 0)
            return NULL;
        for (int i = 0; i < 50; i++)
            SMP_PAUSE();
    }
}

static void popOne(bool young)
{
    Runnable *popped = young ? runQueuePopYoung(&storm.queue) : runQueuePopOld(&storm.queue);
    if (popped != NULL)
        ADD_RELAXED(&itemOf(popped)->seen, 1);
}

/* Goal: with thieves at work every runnable comes out exactly once.  Method: count each one. */
TEST(RunQueue, everyRunnableIsSeenOnceUnderThieves)
{
    ownerGateStart();
    for (int round = 0; round < STORM_ROUNDS; round++) {
        memset(&storm, 0, sizeof storm);
        runQueueInit(&storm.queue);
        pthread_t thieves[THIEVES];
        for (int i = 0; i < THIEVES; i++)
            CHECK_EQ(pthread_create(&thieves[i], NULL, stealAll, NULL), 0);
        for (uint32_t i = 0; i < STORM_ITEMS; i++) {
            runQueuePush(&storm.queue, &storm.items[i].runnable);
            uint64_t choice = testRandom();
            if (choice % 8 < 3)
                popOne(choice % 16 < 8);
            if (choice % 512 == 0)
                runQueueRebias(&storm.queue);
        }
        RELEASE_STORE(&storm.done, 1);
        while (runQueueLength(&storm.queue) != 0)
            popOne(false);
        for (int i = 0; i < THIEVES; i++)
            CHECK_EQ(pthread_join(thieves[i], NULL), 0);
        CHECK(runQueueSane(&storm.queue));
        for (uint32_t i = 0; i < STORM_ITEMS; i++)
            CHECK_EQ(storm.items[i].seen, 1);
        printf("  stolen %u of %d\n", storm.stolen, STORM_ITEMS);
    }
}
