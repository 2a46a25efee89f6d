/* TQueueStatusTest.c -- queues without jumps; made and freed inside; undone; without memory. */
#include <capri/tqueue.h>

#include "testsuite/support/Famine.h"

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != 0)                                                                       \
            return try_status;                                                                     \
    } while (0)

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Queues {
    TQueue *queue;
    TBQueue *bounded;
    size_t room;
} Queues;

static int useQueue(Transaction *tx, void *env)
{
    Queues *it = env;
    void *value, *all[4];
    bool yes;
    size_t count;
    TRY(tqueueNewStatus(tx, &it->queue));
    TRY(tqueueIsEmptyStatus(tx, it->queue, &yes));
    CHECK(yes);
    TRY(tqueueTryReadStatus(tx, it->queue, &value, &yes));
    CHECK(!yes);
    for (int i = 1; i <= 4; i++)
        TRY(tqueueWriteStatus(tx, it->queue, V(i)));
    TRY(tqueueUnGetStatus(tx, it->queue, V(0)));
    TRY(tqueuePeekStatus(tx, it->queue, &value));
    CHECK_EQ(value, V(0));
    TRY(tqueueReadStatus(tx, it->queue, &value));
    CHECK_EQ(value, V(0));
    TRY(tqueueTryPeekStatus(tx, it->queue, &value, &yes));
    CHECK(yes);
    CHECK_EQ(value, V(1));
    TRY(tqueueTryReadStatus(tx, it->queue, &value, &yes));
    CHECK(yes);
    TRY(tqueueFlushStatus(tx, it->queue, all, 2, &count));
    CHECK_EQ(count, 2);
    CHECK_EQ(all[1], V(3));
    return 0;
}

static int readLast(Transaction *tx, void *env)
{
    Queues *it = env;
    void *value;
    TRY(tqueueReadStatus(tx, it->queue, &value));
    CHECK_EQ(value, V(4));
    TRY(tqueueFreeStatus(tx, it->queue));
    return tqueueFreeStatus(tx, NULL);
}

static int readTwice(Transaction *tx, void *env)
{
    Queues *it = env;
    void *value, *all[1];
    bool yes;
    size_t count;
    TRY(tqueueReadStatus(tx, it->queue, &value));
    CHECK_NE(tqueueReadStatus(tx, it->queue, &value), 0); /* waits: from here on it is over */
    CHECK_NE(tqueueWriteStatus(tx, it->queue, value), 0);
    CHECK_NE(tqueueUnGetStatus(tx, it->queue, value), 0);
    CHECK_NE(tqueuePeekStatus(tx, it->queue, &value), 0);
    CHECK_NE(tqueueTryReadStatus(tx, it->queue, &value, &yes), 0);
    CHECK_NE(tqueueTryPeekStatus(tx, it->queue, &value, &yes), 0);
    CHECK_NE(tqueueIsEmptyStatus(tx, it->queue, &yes), 0);
    CHECK_NE(tqueueFlushStatus(tx, it->queue, all, 1, &count), 0);
    CHECK_NE(tqueueFreeStatus(tx, it->queue), 0);
    CHECK_NE(tqueueNewStatus(tx, &it->queue), 0);
    return 0;
}

static int runStatus(StmStatusAction *action, void *env)
{
    return stmAtomicallyStatus(action, env, NULL, 0);
}

static void *queues(void *env)
{
    Queues it, copy;
    (void)env;
    CHECK_EQ(runStatus(useQueue, &it), 0);
    copy = it;
    CHECK_EQ(runStatus(readTwice, &copy), -ETIMEDOUT);
    CHECK_EQ(runStatus(readLast, &it), 0);
    return NULL;
}

TEST(TQueueStatus, saysWhatTheJumpsDo)
{
    runCounted(queues, 1);
    greenStart(1);
    queues(NULL);
    greenStop();
}

/* ---- bounded ---- */

static int useBounded(Transaction *tx, void *env)
{
    Queues *it = env;
    void *value, *all[4];
    bool yes;
    size_t count;
    TRY(tbqueueNewStatus(tx, 3, &it->bounded));
    TRY(tbqueueIsEmptyStatus(tx, it->bounded, &yes));
    CHECK(yes);
    TRY(tbqueueTryReadStatus(tx, it->bounded, &value, &yes));
    CHECK(!yes);
    TRY(tbqueueWriteStatus(tx, it->bounded, V(1)));
    TRY(tbqueueWriteStatus(tx, it->bounded, V(2)));
    TRY(tbqueueUnGetStatus(tx, it->bounded, V(0))); /* counts */
    TRY(tbqueueLengthStatus(tx, it->bounded, &count));
    CHECK_EQ(count, 3);
    TRY(tbqueueIsFullStatus(tx, it->bounded, &yes));
    CHECK(yes);
    TRY(tbqueuePeekStatus(tx, it->bounded, &value));
    CHECK_EQ(value, V(0));
    TRY(tbqueueTryPeekStatus(tx, it->bounded, &value, &yes));
    CHECK(yes);
    TRY(tbqueueReadStatus(tx, it->bounded, &value));
    CHECK_EQ(value, V(0));
    TRY(tbqueueIsFullStatus(tx, it->bounded, &yes));
    CHECK(!yes);
    TRY(tbqueueFlushStatus(tx, it->bounded, all, 4, &count)); /* gives the room back */
    CHECK_EQ(count, 2);
    TRY(tbqueueLengthStatus(tx, it->bounded, &count));
    CHECK_EQ(count, 0);
    for (int i = 0; i < 3; i++)
        TRY(tbqueueWriteStatus(tx, it->bounded, V(i)));
    return 0;
}

static int writeMore(Transaction *tx, void *env)
{
    return tbqueueWriteStatus(tx, ((Queues *)env)->bounded, NULL);
}

static int unGetMore(Transaction *tx, void *env)
{
    return tbqueueUnGetStatus(tx, ((Queues *)env)->bounded, NULL);
}

static int freeBounded(Transaction *tx, void *env)
{
    return tbqueueFreeStatus(tx, ((Queues *)env)->bounded);
}

static int makeNone(Transaction *tx, void *env)
{
    return tbqueueNewStatus(tx, 0, &((Queues *)env)->bounded);
}

static void *bounded(void *env)
{
    Queues it;
    (void)env;
    CHECK_EQ(runStatus(useBounded, &it), 0);
    CHECK_EQ(runStatus(writeMore, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(unGetMore, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(freeBounded, &it), 0);
    CHECK_EQ(runStatus(makeNone, &it), 0);
    CHECK_EQ(tbqueueCapacity(it.bounded), 0);
    CHECK_EQ(runStatus(writeMore, &it), -ETIMEDOUT); /* never writable, by either call */
    CHECK_EQ(runStatus(unGetMore, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(freeBounded, &it), 0);
    return NULL;
}

TEST(TQueueStatus, boundedToo)
{
    runCounted(bounded, 1);
}

/* ---- by jumps: undone, without memory ---- */

static void *useBoth(Transaction *tx, void *env)
{
    Queues *it = env;
    it->queue = tqueueNewSTM(tx);
    it->bounded = tbqueueNewSTM(tx, it->room);
    tqueueWrite(tx, it->queue, V(1));
    tqueueUnGet(tx, it->queue, V(0));
    tbqueueWrite(tx, it->bounded, tqueueRead(tx, it->queue));
    CHECK_EQ(tbqueueRead(tx, it->bounded), V(0));
    tbqueueUnGet(tx, it->bounded, V(2));
    return NULL;
}

static void *useAndRetry(Transaction *tx, void *env)
{
    useBoth(tx, env);
    stmRetry(tx);
}

static void *useTwice(Transaction *tx, void *env)
{
    return stmOrElse(tx, useAndRetry, env, useBoth, env);
}

static void *freeBoth(Transaction *tx, void *env)
{
    Queues *it = env;
    CHECK_EQ(tqueueRead(tx, it->queue), V(1));
    CHECK_EQ(tbqueueRead(tx, it->bounded), V(2));
    tqueueFreeSTM(tx, it->queue);
    tbqueueFreeSTM(tx, it->bounded);
    return NULL;
}

static void *useAndThrow(Transaction *tx, void *env)
{
    useTwice(tx, env);
    freeBoth(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *noMemory(void *env)
{
    Queues it = {.room = 1};
    CountingHeap *heap = env;
    for (Famine famine = famineFirst(heap); famineNext(&famine);) {
        famineBegin(&famine);
        int status = stmAtomically(useTwice, &it, NULL);
        famineEnd(&famine, status == 0);
        if (status == 0)
            CHECK_EQ(stmAtomically(freeBoth, &it, NULL), 0);
        else
            CHECK_EQ(status, -ENOMEM);
        CHECK(!famine.over || famine.failures >= 6);
        runQuiescent();
    }
    uint64_t blocks = RELAXED_LOAD(&heap->live_blocks);
    CHECK_EQ(stmAtomically(useAndThrow, &it, NULL), -EDOM);
    CHECK_EQ(RELAXED_LOAD(&heap->live_blocks), blocks);
    return NULL;
}

TEST(TQueueStatus, undoneLeavesNothing)
{
    runCounted(noMemory, 1);
}
