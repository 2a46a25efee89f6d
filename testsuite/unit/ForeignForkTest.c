/* ForeignForkTest.c -- fork while calls are in flight, and in the middle of one.
 *
 * not-under: tsan qemu
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several; qemu-user 7.2
 * aborts when a child does.)
 */
#include "rts/Schedule.h"
#include "testsuite/support/Forked.h"
#include "testsuite/support/Runtime.h"

/* A function that blocks until it is released. */
typedef struct Gate {
    uint32_t entered, open; /* relaxed add; futex would do, but nothing here is about speed */
    Thread *self;
    pthread_t os_thread;
} Gate;

static void *passGate(void *arg)
{
    Gate *gate = arg;
    gate->self = threadSelf();
    gate->os_thread = pthread_self();
    ADD_SEQ_CST(&gate->entered, 1);
    while (ACQUIRE_LOAD(&gate->open) == 0)
        usleep(100);
    return gate;
}

static void *callGate(void *env)
{
    CHECK_EQ(foreignCall(passGate, env, NULL), 0);
    return NULL;
}

static void *openGate(void *env)
{
    Gate *gate = env;
    while (SEQ_CST_LOAD(&gate->entered) == 0)
        threadYield();
    RELEASE_STORE(&gate->open, 1);
    return NULL;
}

/* The child can make calls that block, too. */
static void blockAndOpen(void)
{
    Gate gate = {0};
    Thread *caller = greenFork(callGate, &gate), *opener = greenFork(openGate, &gate);
    greenJoin(caller);
    greenJoin(opener);
}

static void *forkProcess(void *env)
{
    Gate *gate = env;
    while (SEQ_CST_LOAD(&gate->entered) == 0)
        threadYield();
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK(threadSelf() != NULL);
        blockAndOpen();
        _exit(CODE);
    }
    expectExit(child, CODE);
    RELEASE_STORE(&gate->open, 1);
    return NULL;
}

static void *forkAmongCalls(void *env)
{
    (void)env;
    for (int round = 0; round < 5; round++) {
        Gate gate = {0};
        Thread *caller = greenFork(callGate, &gate), *forker = greenFork(forkProcess, &gate);
        greenJoin(caller);
        greenJoin(forker);
    }
    return NULL;
}

TEST(ForeignFork, forkDuringACall)
{
    greenRun(1, forkAmongCalls, NULL);
    greenRun(2, forkAmongCalls, NULL);
}

/* fn forks: the child may exec or exit, or return and end so. */
static void *forkInside(void *arg)
{
    pid_t child = forkFlushed();
    if (child == 0 && arg == NULL)
        _exit(9);
    if (child == 0)
        return NULL;
    int status = 0;
    CHECK_GT(child, 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), arg == NULL ? 9 : EXIT_FAILURE);
    return NULL;
}

static void *callForking(void *env)
{
    CHECK_EQ(foreignCall(forkInside, NULL, NULL), 0);
    CHECK_EQ(foreignCall(forkInside, env, NULL), 0);
    return NULL;
}

TEST(ForeignFork, forkInsideACall)
{
    int any;
    greenRun(1, callForking, &any);
    greenRun(2, callForking, &any);
}

enum { WORD = 12345 };

/* What the caller has on its stack is there; what ends the child otherwise is 3, 4 or 5. */
static void *forkAndLook(void *arg)
{
    pid_t child = forkFlushed();
    if (child == 0 && *(int *)arg != WORD)
        _exit(3);
    if (child == 0 && threadFork(NULL, callForking, NULL) != -ENOTRECOVERABLE)
        _exit(4);
    if (child == 0 && foreignCall(forkInside, NULL, NULL) != 0)
        _exit(5);
    if (child != 0)
        expectExit(child, EXIT_FAILURE); /* it has returned */
    return NULL;
}

static void *callLooking(void *env)
{
    int word = WORD;
    CHECK_EQ(foreignCall(forkAndLook, &word, NULL), 0);
    CHECK_EQ(word, WORD);
    return callForking(env);
}

/* The call is made by the pool. */
TEST(ForeignFork, forkInsideACallInSteps)
{
    RtsConfig config = {.stepped = true};
    int any;
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(callLooking, &any));
    greenStop();
}

/* ---- the bound ------------------------------------------------------------------------------- */

static void *returnAtOnce(void *arg)
{
    return arg;
}

static void *callAtOnce(void *env)
{
    CHECK_EQ(foreignCall(returnAtOnce, NULL, NULL), 0);
    return env;
}

static void *forkAndPark(void *env)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        greenJoin(greenFork(callAtOnce, NULL));
        _exit(CODE);
    }
    expectExit(child, CODE);
    return env;
}

/* The child's only OS thread is a bound one: who carries its capability next is no spare. */
TEST(ForeignFork, aBoundThreadsChildMakesCalls)
{
    RtsConfig config = {.capabilities = 1, .foreign_threads = 1};
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(threadForkOS(&thread, forkAndPark, NULL), 0);
    greenJoin(thread);
    greenStop();
}
