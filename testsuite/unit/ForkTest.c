/* ForkTest.c -- fork(2) with a runtime: what the child has, what the parent does not notice.
 *
 * not-under: tsan asan qemu
 *
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several, and qemu-user
 * 7.2 aborts when a child does; testsuite/stress/Forks.c covers the parent under the first.
 * AddressSanitizer of gcc 12 takes no care of its own locks around a fork: now and then the child
 * waits for one that a thread held which did not come along.)
 * A child's CHECK that fails aborts it, which its parent sees in the status.
 */
#include "capability/CapabilityTable.h"
#include "rts/Drain.h"
#include "testsuite/support/Forked.h"

#include <capri/tvar.h>

#include <fcntl.h>

/* ---- a green thread forks -------------------------------------------------------------------- */

typedef struct Reader {
    int fd;
    int64_t result;
    char byte;
} Reader;

static void *readByte(void *env)
{
    Reader *reader = env;
    reader->result = fdRead(reader->fd, &reader->byte, 1);
    return NULL;
}

static void *readLevel(void *env)
{
    Reader *reader = env;
    reader->result = threadWaitRead(reader->fd);
    return NULL;
}

/* In the child: use and close what the parent's threads wait for. */
static void spoil(Reader readers[2], int adopted[2], int plain[2])
{
    char byte;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(threadWaitReadUntil(readers[i].fd, rtsNow() + 1000000), -ETIMEDOUT);
    CHECK_EQ(closeFd(adopted[0]), 0);
    CHECK_EQ(closeFd(plain[0]), 0);
    CHECK_EQ(fdRead(adopted[0], &byte, 1), -EBADF);
}

/* Waits of the parent's end as if there had been no child, whatever that does with the same fds. */
static void *forkUnderLoad(void *env)
{
    Load load;
    int adopted[2], plain[2];
    uint32_t count = capabilityCount();
    TVar *delay;
    startLoad(&load);
    CHECK_EQ(fdPipe(adopted), 0);
    CHECK_EQ(pipe2(plain, O_CLOEXEC | O_NONBLOCK), 0);
    Reader readers[2] = {{.fd = adopted[0]}, {.fd = plain[0]}};
    Thread *first = greenFork(readByte, &readers[0]), *second = greenFork(readLevel, &readers[1]);
    greenUntil(first, ThreadBlockedOnRead);
    greenUntil(second, ThreadBlockedOnRead);
    CHECK_EQ(registerDelay(3000, &delay), 0);
    Thread *self = threadSelf();
    pid_t child = forkFlushed();
    if (child == 0) {
        void *result;
        CHECK_EQ(threadSelf(), self);
        CHECK_EQ(capabilityCount(), count);
        CHECK_EQ(threadJoin(first, &result), -ESRCH);
        CHECK_EQ(threadStatus(first).state, ThreadFinished);
        threadRelease(first);
        spoil(readers, adopted, plain);
        useEverything();
        if (tvarReadIO(delay) == NULL)
            CHECK_EQ(greenAwaitNext(delay), 0); /* it had not fired, and does here */
        CHECK_EQ(tvarReadIO(delay), (void *)1);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(fdWrite(adopted[1], "a", 1), 1);
    CHECK_EQ(write(plain[1], "b", 1), 1);
    greenJoin(first);
    greenJoin(second);
    CHECK_EQ(readers[0].result, 1);
    CHECK_EQ(readers[0].byte, 'a');
    CHECK_EQ(readers[1].result, 0);
    tvarFree(delay);
    stopLoad(&load);
    CHECK_EQ(closeFd(adopted[0]) + closeFd(adopted[1]), 0);
    CHECK_EQ(close(plain[0]) + close(plain[1]), 0);
    return env;
}

TEST(Fork, theChildOfAGreenThreadHasARuntime)
{
    for (uint32_t count = 1; count <= 4; count++)
        greenRun(count, forkUnderLoad, NULL);
}

static void *forkFromEach(void *env)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        useEverything();
        exit(CODE);
    }
    expectExit(child, CODE);
    return env;
}

/* Several at once, on capabilities that are disabled meanwhile, too. */
TEST(Fork, manyForkAtOnce)
{
    enum { FORKERS = 6 };
    Thread *threads[FORKERS];
    greenStart(3);
    for (uint32_t i = 0; i < FORKERS; i++)
        CHECK_EQ(threadForkOn(&threads[i], i, forkFromEach, NULL), 0);
    CHECK_EQ(capabilitySetCount(1), 0);
    CHECK_EQ(capabilitySetCount(4), 0);
    for (uint32_t i = 0; i < FORKERS; i++)
        greenJoin(threads[i]);
    greenStop();
}

static void *execOnly(void *env)
{
    Load load;
    startLoad(&load);
    pid_t child = forkFlushed();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
        _exit(1);
    }
    expectExit(child, CODE);
    stopLoad(&load);
    return env;
}

TEST(Fork, theChildMayJustExec)
{
    greenRun(2, execOnly, NULL);
}

/* The survivor's body returns in the child as well: nobody is left, the process ends well. */
static void *returnInBoth(void *env)
{
    pid_t *child = env;
    *child = forkFlushed();
    return NULL;
}

TEST(Fork, theChildEndsWithItsLastThread)
{
    pid_t child = -1;
    greenRun(2, returnInBoth, &child);
    expectExit(child, 0);
}

static void forkDeeply(int depth)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        useEverything();
        if (depth > 0)
            forkDeeply(depth - 1);
        exit(CODE);
    }
    expectExit(child, CODE);
}

static void *forkGenerations(void *env)
{
    forkDeeply(3);
    return env;
}

TEST(Fork, childrenForkAgain)
{
    greenRun(3, forkGenerations, NULL);
}

/* ---- a plain OS thread forks ----------------------------------------------------------------- */

static void runPlainChild(TVar *tvar)
{
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(capabilityCount(), 3);
    CHECK_EQ(tvarReadIO(tvar), (void *)7);
    CHECK_EQ(tvarWriteIO(tvar, (void *)8), 0);
    greenJoin(greenFork(useAll, NULL));
    CHECK_EQ(capabilityTableCount(), 3);
    CHECK_EQ(capabilitySetCount(1), 0);
    greenJoin(greenFork(useAll, NULL));
    tvarFree(tvar);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    greenRun(2, useAll, NULL); /* and a new one may follow */
    exit(CODE);
}

TEST(Fork, theChildOfAPlainThreadStartsAgain)
{
    Load load;
    greenStart(3);
    TVar *tvar = tvarNew((void *)7);
    startLoad(&load);
    pid_t child = forkFlushed();
    if (child == 0)
        runPlainChild(tvar);
    expectExit(child, CODE);
    CHECK_EQ(tvarReadIO(tvar), (void *)7);
    tvarFree(tvar);
    stopLoad(&load);
    greenStop();
}

/* As who becomes a daemon: nothing of the runtime is used before the second fork. */
TEST(Fork, theChildOfAPlainThreadForksAtOnce)
{
    greenStart(2);
    pid_t child = forkFlushed();
    if (child == 0) {
        pid_t again = forkFlushed();
        greenJoin(greenFork(useAll, NULL));
        if (again != 0)
            expectExit(again, CODE);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    greenStop();
}

TEST(Fork, theChildOfAPlainThreadMayJustStop)
{
    Load load;
    greenStart(2);
    startLoad(&load);
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(threadFork(NULL, yieldOn, &load), -ENXIO);
        exit(CODE);
    }
    expectExit(child, CODE);
    stopLoad(&load);
    greenStop();
}

TEST(Fork, withoutARuntimeNothingHappens)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        greenRun(2, useAll, NULL);
        exit(CODE);
    }
    expectExit(child, CODE);
}

/* A wait of the parent's main thread for a variable must not be taken for one of the child's. */
static void *awaitIt(void *env)
{
    return (void *)(intptr_t)tvarAwait(env, 0);
}

TEST(Fork, variablesLoseTheirWatchers)
{
    greenStart(2);
    TVar *tvar = tvarNew(NULL);
    uint64_t version;
    tvarReadVersionIO(tvar, &version);
    CHECK_EQ(version, 0);
    Thread *waiter = greenFork(awaitIt, tvar);
    while (threadStatus(waiter).state != ThreadBlockedOnTVar)
        sched_yield();
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(threadJoin(waiter, NULL), -ESRCH);
        CHECK_EQ(tvarWriteIO(tvar, (void *)1), 0);
        Thread *again = greenFork(awaitIt, tvar);
        CHECK_EQ(greenJoin(again), NULL);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(tvarWriteIO(tvar, (void *)2), 0);
    CHECK_EQ(greenJoin(waiter), NULL);
    tvarFree(tvar);
    greenStop();
}

/* ---- a shutdown is under way ----------------------------------------------------------------- */

/* The forking thread keeps its values; those of lost threads are gone, their tables' memory too. */
static void *forkWithValues(void *env)
{
    ThreadSlot *slot = env;
    CHECK_EQ(threadSlotSet(slot, &slot), 0);
    pid_t child = forkFlushed();
    CHECK(threadSlotGet(slot) == &slot);
    if (child == 0) {
        useEverything();
        CHECK(threadSlotGet(slot) == &slot);
        exit(CODE);
    }
    expectExit(child, CODE);
    return NULL;
}

static void *keepValue(void *env)
{
    CHECK_EQ(threadSlotSet(env, env), 0);
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return NULL;
}

static void beLost(void *value)
{
    CHECK_EQ(getpid(), *(pid_t *)value);
}

TEST(Fork, valuesOfLostThreadsAreForgotten)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
    pid_t parent = getpid();
    ThreadSlot *slot = threadSlotNew(beLost);
    CHECK_EQ(threadSlotSet(slot, &parent), 0);
    CHECK_EQ(rtsInit(&config), 0);
    for (int i = 0; i < 10; i++) {
        Thread *thread = greenFork(keepValue, slot);
        greenUntil(thread, ThreadBlockedOnDelay);
        if (i % 2 == 0)
            threadRelease(thread);
    }
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK(threadSlotGet(slot) == &parent);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(heap.live_blocks, 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    threadSlotFree(slot);
    slot = threadSlotNew(NULL);
    greenJoin(greenFork(forkWithValues, slot));
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(heap.live_blocks, 0);
    threadSlotFree(slot);
}

static void *forkWhileDraining(void *env)
{
    while (RELAXED_LOAD(&drain_on) == 0)
        threadYield();
    return forkFromEach(env);
}

TEST(Fork, worksWhileAShutdownWaits)
{
    greenStart(2);
    CHECK_EQ(threadFork(NULL, forkWhileDraining, NULL), 0);
    greenStop();
}
