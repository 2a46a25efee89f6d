/* BlockingPoolTest.c -- BlockingPool.c of rts/: order, bound, retiring, waiting for the rest. */
#include "rts/BlockingPool.h"

#include "testsuite/support/Runtime.h"

enum { JOBS = 20 };

typedef struct Work {
    BlockingJob job; /* first */
    int number;
} Work;

static uint32_t gate;          /* jobs return once it is open */
static uint32_t running, most; /* jobs inside run, and how many at once at most */
static uint32_t done;          /* jobs that have run */
static int order[JOBS];        /* their numbers; with one OS thread only */

static void runWork(BlockingJob *job)
{
    Work *work = (Work *)(void *)job;
    uint32_t now = ADD_SEQ_CST(&running, 1) + 1, seen = RELAXED_LOAD(&most);
    while (now > seen && !CAS_SEQ_CST(&most, &seen, now)) {
    }
    while (ACQUIRE_LOAD(&gate) == 0)
        sched_yield();
    ADD_SEQ_CST(&running, (uint32_t)-1);
    order[ADD_SEQ_CST(&done, 1) % JOBS] = work->number;
}

static Work works[JOBS];

static void submitAll(int count)
{
    for (int i = 0; i < count; i++) {
        works[i] = (Work){{.run = runWork}, i};
        CHECK_EQ(blockingPoolSubmit(&works[i].job), 0);
    }
}

static void openPool(uint32_t bound, uint32_t idle_ms)
{
    gate = running = most = done = 0;
    CHECK_EQ(blockingPoolStart(bound, idle_ms), 0);
}

static void closePool(void)
{
    RELEASE_STORE(&gate, 1);
    CHECK(blockingPoolAwait(INT64_MAX));
    blockingPoolEnd();
    CHECK_EQ(blockingPoolState().threads, 0);
}

TEST(BlockingPool, aFullPoolQueuesInOrder)
{
    openPool(1, 0);
    submitAll(JOBS);
    while (SEQ_CST_LOAD(&running) == 0)
        sched_yield();
    CHECK_EQ(blockingPoolState().threads, 1);
    CHECK_EQ(blockingPoolState().queued, JOBS - 1);
    closePool();
    CHECK_EQ(done, JOBS);
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(order[i], i);
}

TEST(BlockingPool, neverMoreThanTheBound)
{
    openPool(3, 0);
    submitAll(JOBS);
    while (SEQ_CST_LOAD(&running) < 3)
        sched_yield();
    CHECK_EQ(blockingPoolState().threads, 3);
    CHECK_EQ(blockingPoolState().queued, JOBS - 3);
    closePool();
    CHECK_EQ(most, 3);
    CHECK_EQ(done, JOBS);
    CHECK_EQ(blockingPoolStart(BLOCKING_POOL_MOST + 1, 0), -EINVAL);
}

/* One job at a time needs one OS thread, however many jobs there are. */
TEST(BlockingPool, anIdleOneIsUsedAgain)
{
    openPool(8, 0);
    RELEASE_STORE(&gate, 1);
    for (uint32_t i = 0; i < greenScale(200); i++) {
        submitAll(1);
        while (SEQ_CST_LOAD(&done) != i + 1 || blockingPoolState().idle != 1)
            sched_yield();
        CHECK_EQ(blockingPoolState().threads, 1);
    }
    closePool();
}

TEST(BlockingPool, idleOnesEnd)
{
    openPool(4, 1);
    for (int round = 0; round < 3; round++) {
        RELEASE_STORE(&gate, 0);
        submitAll(4);
        while (SEQ_CST_LOAD(&running) < 4)
            sched_yield();
        RELEASE_STORE(&gate, 1);
        while (blockingPoolState().threads != 0)
            sched_yield();
        CHECK_EQ(SEQ_CST_LOAD(&done), 4 * ((uint32_t)round + 1));
    }
    closePool();
}

TEST(BlockingPool, awaitGivesUp)
{
    openPool(1, 0);
    CHECK(blockingPoolAwait(0));
    submitAll(2);
    CHECK(!blockingPoolAwait(0));
    CHECK(!blockingPoolAwait(rtsNow() + MS_NS));
    closePool();
}

static void *submitMany(void *env)
{
    static uint32_t runs[4];
    (void)env;
    for (uint32_t i = 0; i < greenScale(300); i++) {
        Work work = {{.run = runWork}, 0};
        uint32_t before = SEQ_CST_LOAD(&done);
        CHECK_EQ(blockingPoolSubmit(&work.job), 0);
        while (SEQ_CST_LOAD(&done) == before) /* somebody's: only a way to make them meet */
            sched_yield();
        CHECK(blockingPoolAwait(INT64_MAX)); /* `work` is on this stack */
        ADD_RELAXED(&runs[0], 1);
    }
    return NULL;
}

/* Submitting, idling, retiring and being made meet in all orders. */
TEST(BlockingPool, manySubmitters)
{
    pthread_t others[3];
    openPool(2, 1);
    RELEASE_STORE(&gate, 1);
    for (int i = 0; i < 3; i++)
        others[i] = osFork(submitMany, NULL);
    for (int i = 0; i < 3; i++)
        osJoin(others[i]);
    closePool();
    CHECK_EQ(done, 3 * greenScale(300));
    CHECK_LE(most, 2);
}
