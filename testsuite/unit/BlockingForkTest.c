/* BlockingForkTest.c -- BlockingPool.c of rts/, in the child of a fork.
 *
 * not-under: tsan asan qemu
 * Neither bears new threads in the child of a process that had some.
 */
#include "rts/BlockingPool.h"

#include "testsuite/support/Runtime.h"

typedef struct Work {
    BlockingJob job; /* first */
    uint32_t *done;
} Work;

static uint32_t gate, running, done;

static void runWork(BlockingJob *job)
{
    Work *work = (Work *)(void *)job;
    ADD_SEQ_CST(&running, 1);
    while (ACQUIRE_LOAD(&gate) == 0)
        sched_yield();
    ADD_SEQ_CST(work->done, 1);
}

static Work works[3];

static void submit(int count)
{
    for (int i = 0; i < count; i++) {
        works[i] = (Work){{.run = runWork}, &done};
        CHECK_EQ(blockingPoolSubmit(&works[i].job), 0);
    }
}

static void beginAnew(void *env)
{
    (void)env;
    blockingPoolSurvive();
    RELEASE_STORE(&gate, 1);
    submit(3);
    CHECK(blockingPoolAwait(INT64_MAX));
    CHECK_EQ(SEQ_CST_LOAD(&done), 3);
    blockingPoolEnd();
}

/* There is no OS thread in the child, and the parent's jobs are the parent's. */
TEST(BlockingPool, survivesAFork)
{
    char output[500];
    CHECK_EQ(blockingPoolStart(1, 0), 0);
    submit(2);
    while (SEQ_CST_LOAD(&running) == 0)
        sched_yield();
    CHECK_EQ(testChild(beginAnew, NULL, output, sizeof output), 0);
    CHECK_EQ(SEQ_CST_LOAD(&done), 0);
    RELEASE_STORE(&gate, 1);
    CHECK(blockingPoolAwait(INT64_MAX));
    blockingPoolEnd();
    CHECK_EQ(done, 2);
}
