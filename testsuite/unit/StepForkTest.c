/* StepForkTest.c -- fork(2) and steps: by the owner, in a step, by another OS thread.
 *
 * not-under: tsan asan qemu
 *
 * (For the reasons that testsuite/unit/ForkTest.c gives.)  A child's CHECK that fails aborts it.
 */
#include "testsuite/support/Forked.h"
#include "testsuite/support/Steps.h"

static void *countOne(void *env)
{
    CHECK_EQ(threadDelay(100), 0);
    ADD_RELAXED((uint32_t *)env, 1);
    return NULL;
}

static void *calledWhere(void *arg)
{
    return arg == (void *)pthread_self() ? arg : NULL;
}

/* There is no OS thread for regions; calls are made on those of the pool. */
static void *callElsewhere(void *env)
{
    BlockingRegion region;
    void *owner = (void *)1;
    CHECK_EQ(threadBlockingEnter(&region), -EAGAIN);
    CHECK_EQ(foreignCall(calledWhere, env, &owner), 0);
    return owner;
}

/* In a child that has nothing but its runtime: all of it, and its end. */
static void useSteps(void)
{
    uint32_t count = 0, before = osThreads();
    int fd = rtsFd();
    CHECK_GE(fd, 0);
    CHECK_EQ(threadFork(NULL, countOne, &count), 0);
    stepsUntil(fd, &count);
    Thread *thread = greenFork(useAll, &count);
    CHECK_EQ(greenJoin(thread), &count);
    CHECK_EQ(osThreads(), before);
    CHECK_EQ(greenJoin(greenFork(callElsewhere, (void *)pthread_self())), 0);
    stepsEnd();
    _exit(CODE);
}

/* What the parent goes on with. */
static void checkParent(int fd, pid_t child)
{
    uint32_t count = 0;
    expectExit(child, CODE);
    CHECK_EQ(threadFork(NULL, countOne, &count), 0);
    stepsUntil(fd, &count);
}

TEST(StepFork, theOwnerForksBetweenSteps)
{
    stepsBegin();
    int fd = rtsFd();
    MVar *never = mvarNewEmpty();
    CHECK_EQ(rtsStep(0), 0);
    pid_t child = forkFlushed();
    if (child == 0)
        useSteps();
    checkParent(fd, child);
    child = forkFlushed(); /* and a child that asks for a thread first */
    if (child == 0) {
        CHECK_EQ(greenJoin(greenFork(returnEnv, never)), never);
        useSteps();
    }
    checkParent(fd, child);
    child = forkFlushed(); /* and one that forks at once */
    if (child == 0) {
        pid_t again = forkFlushed();
        if (again != 0)
            expectExit(again, CODE);
        useSteps();
    }
    checkParent(fd, child);
    stepsEnd();
}

/* ---- in a step ------------------------------------------------------------------------------- */

static pid_t forked;
static uint32_t ended; /* threads of the parent's that wait */

static void *waitForEver(void *env)
{
    CHECK_EQ(mvarTake(env, NULL), -ECANCELED);
    ended++;
    return NULL;
}

static void *forkInside(void *env)
{
    forked = forkFlushed();
    useEverything();
    RELEASE_STORE((uint32_t *)env, 1);
    return NULL;
}

TEST(StepFork, aGreenThreadForksInAStep)
{
    uint32_t over = 0;
    stepsBegin();
    int fd = rtsFd();
    CHECK_EQ(threadFork(NULL, waitForEver, mvarNewEmpty()), 0);
    CHECK_EQ(threadFork(NULL, forkInside, &over), 0);
    while (ACQUIRE_LOAD(&over) == 0)
        CHECK_GE(rtsStep(-1), 0);
    if (forked == 0) { /* the child has returned into the loop, too, with its thread alone */
        CHECK_EQ(ended, 0);
        CHECK_EQ(rtsStep(0), 0);
        useSteps();
    }
    checkParent(fd, forked);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(ended, 1);
}

/* Whatever main's child was to return to is the parent's: it ends when no thread is left. */
static void *forkInMain(void *env)
{
    forked = forkFlushed();
    CHECK_EQ(threadFork(NULL, countOne, env), 0);
    useEverything();
    return env;
}

TEST(StepFork, theChildOfAWaitingOwnerEndsByItself)
{
    uint32_t count = 0;
    RtsConfig config = {.stepped = true};
    CHECK_EQ(rtsMain(&config, forkInMain, &count, NULL), 0);
    CHECK(forked != 0);
    expectExit(forked, 0);
}

/* ---- another OS thread ----------------------------------------------------------------------- */

static void *forkElsewhere(void *env)
{
    (void)env;
    pid_t child = forkFlushed();
    if (child == 0)
        useSteps(); /* the owner is gone: whoever asks is it */
    expectExit(child, CODE);
    return NULL;
}

TEST(StepFork, anotherOsThreadForks)
{
    stepsBegin();
    CHECK_EQ(rtsStep(0), 0);
    osJoin(osFork(forkElsewhere, NULL)); /* between steps, */
    for (int i = 0; i < 5; i++) {        /* and whatever comes */
        pthread_t other = osFork(forkElsewhere, NULL);
        for (int j = 0; j < 1000; j++)
            CHECK_GE(rtsStep(0), 0);
        osJoin(other);
    }
    stepsEnd();
}
