/* ThreadTest.c -- green threads from outside: fork, join, handles, labels, status, pinning. */
#include "testsuite/support/Runtime.h"

#include <string.h>

static void *returnEnv(void *env)
{
    return env;
}

static void *yieldThenReturn(void *env)
{
    for (int i = 0; i < 5; i++)
        threadYield();
    return env;
}

/* ---- fork and join --------------------------------------------------------------------------- */

static void *joinMany(void *env)
{
    enum { MOST = 1000 };
    static Thread *threads[MOST];
    uintptr_t count = greenScale(MOST);
    (void)env;
    for (uintptr_t i = 0; i < count; i++)
        threads[i] = greenFork(i % 2 ? returnEnv : yieldThenReturn, (void *)i);
    for (uintptr_t i = 0; i < count; i++)
        CHECK_EQ((uintptr_t)greenJoin(threads[i]), i);
    return &threads;
}

TEST(Thread, resultsReachTheirJoiner)
{
    CHECK(greenRun(1, joinMany, NULL) != NULL);
    CHECK(greenRun(2, joinMany, NULL) != NULL);
}

TEST(Thread, plainThreadsForkAndJoin)
{
    greenStart(2);
    joinMany(NULL); /* on the main OS thread */
    pthread_t other = osFork(joinMany, NULL);
    osJoin(other);
    greenStop();
}

static void *joinEnv(void *env)
{
    void *result = NULL;
    CHECK_EQ(threadJoin(env, &result), 0);
    return result;
}

/* Any number of joiners, green and plain, before and after the end; the result stays. */
TEST(Thread, isJoinedByMany)
{
    enum { JOINERS = 20 };
    Thread *joiners[JOINERS];
    TVar *gate;
    greenStart(2);
    gate = tvarNew(NULL);
    Thread *target = greenFork(yieldThenReturn, gate);
    for (int i = 0; i < JOINERS; i++)
        joiners[i] = greenFork(joinEnv, target);
    pthread_t plain = osFork(joinEnv, target);
    for (int i = 0; i < JOINERS; i++)
        CHECK_EQ(greenJoin(joiners[i]), gate);
    CHECK_EQ(osJoin(plain), gate);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(joinEnv(target), gate);
    CHECK_EQ(threadJoin(target, NULL), 0);
    threadRelease(target);
    tvarFree(gate);
    greenStop();
}

static void *awaitGate(void *env)
{
    uint64_t seen;
    while (tvarReadVersionIO(env, &seen) == NULL)
        CHECK_EQ(tvarAwait(env, seen), 0);
    return env;
}

static void *joinTooEarly(void *env)
{
    void *result = &result, *untouched = &result;
    TVar *gate = tvarNew(NULL);
    (void)env;
    Thread *target = greenFork(awaitGate, gate);
    for (int i = 0; i < 5; i++) {
        int64_t deadline_ns = rtsNow() + i * MS_NS;
        CHECK_EQ(threadJoinUntil(target, &result, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    CHECK_EQ(threadJoinUntil(target, &result, -1), -ETIMEDOUT);
    CHECK_EQ(result, untouched);
    CHECK_EQ(tvarWriteIO(gate, gate), 0);
    CHECK_EQ(threadJoinUntil(target, &result, INT64_MAX), 0);
    CHECK_EQ(result, gate);
    CHECK_EQ(threadJoinUntil(target, &result, -1), 0); /* it has ended: no deadline matters */
    threadRelease(target);
    tvarFree(gate);
    return NULL;
}

TEST(Thread, joinUntilIsNeverEarly)
{
    greenRun(1, joinTooEarly, NULL);
    greenStart(1);
    joinTooEarly(NULL); /* plain OS thread */
    greenStop();
}

static void *joinSelf(void *env)
{
    CHECK_EQ(threadJoin(threadSelf(), NULL), -EDEADLK);
    CHECK_EQ(threadJoinUntil(threadSelf(), NULL, 0), -EDEADLK);
    CHECK_EQ(threadJoin(NULL, NULL), -EINVAL);
    return env;
}

TEST(Thread, refusesNonsense)
{
    Thread *thread = NULL;
    ThreadAttributes huge = {.stack_size = ((size_t)64 << 20) + 1};
    CHECK_EQ(threadFork(&thread, returnEnv, NULL), -ENXIO);
    CHECK_EQ(threadForkOn(&thread, 1, returnEnv, NULL), -ENXIO);
    greenRun(1, joinSelf, NULL);
    greenStart(1);
    CHECK_EQ(threadFork(&thread, NULL, NULL), -EINVAL);
    CHECK_EQ(threadForkWith(&thread, &huge, returnEnv, NULL), -EINVAL);
    CHECK_EQ(threadJoin(NULL, NULL), -EINVAL);
    CHECK_EQ(thread, NULL);
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(threadCapability(), -EPERM);
    CHECK_EQ(threadYield(), 0);
    threadSafepoint();
    threadRelease(NULL);
    greenStop();
    CHECK_EQ(threadFork(&thread, returnEnv, NULL), -ENXIO);
}

/* ---- handles --------------------------------------------------------------------------------- */

static uint32_t detached_ended; /* threads add */

static void *countEnd(void *env)
{
    ADD_SEQ_CST(&detached_ended, 1);
    return env;
}

/* Goal: descriptors come back whatever the order of end and release.  Method: many, and one pool.
 */
static void *forkDetached(void *env)
{
    uint32_t count = greenScale(2000);
    detached_ended = 0;
    (void)env;
    for (uint32_t i = 0; i < count; i++) {
        Thread *thread = NULL;
        CHECK_EQ(threadFork(i % 3 == 0 ? NULL : &thread, countEnd, NULL), 0);
        if (i % 3 == 1) {
            threadRelease(thread); /* before it has run */
        } else if (i % 3 == 2) {
            CHECK_EQ(threadRetain(thread), thread);
            threadRelease(thread);
            CHECK_EQ(threadJoin(thread, NULL), 0);
            threadRelease(thread); /* after its end */
        }
    }
    while (SEQ_CST_LOAD(&detached_ended) != count)
        threadYield();
    return NULL;
}

TEST(Thread, descriptorsComeBack)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 2, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(forkDetached, NULL));
    uint64_t bytes = RELAXED_LOAD(&heap.live_bytes);
    for (int i = 0; i < 5; i++)
        greenJoin(greenFork(forkDetached, NULL));
    /* 64 KiB chunks of 400: the caches of three owners may keep some back, not thousands. */
    CHECK_LE(RELAXED_LOAD(&heap.live_bytes), bytes + 8 * 65536);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
    CHECK_EQ(heap.live_bytes, 0);
}

static void *returnId(void *env)
{
    uint64_t *id = env;
    *id = threadId(threadSelf());
    return threadSelf();
}

TEST(Thread, idsAreNeverReused)
{
    enum { COUNT = 200 };
    uint64_t ids[COUNT];
    greenStart(2);
    for (int i = 0; i < COUNT; i++) {
        Thread *thread = greenFork(returnId, &ids[i]);
        uint64_t id = threadId(thread);
        CHECK_GT(id, 0);
        CHECK_EQ(greenJoin(thread), thread);
        CHECK_EQ(ids[i], id);
        for (int j = 0; j < i; j++)
            CHECK_NE(ids[j], ids[i]);
    }
    greenStop();
    greenStart(1); /* nor in the next life */
    uint64_t later;
    greenJoin(greenFork(returnId, &later));
    for (int j = 0; j < COUNT; j++)
        CHECK_NE(ids[j], later);
    greenStop();
}

/* ---- labels, status -------------------------------------------------------------------------- */

static void *labelSelf(void *env)
{
    char text[100];
    CHECK_EQ(threadLabelOf(threadSelf(), text, sizeof text), 5);
    CHECK_EQ(strcmp(text, "first"), 0);
    CHECK_EQ(threadLabel(threadSelf(), env), 0);
    return NULL;
}

TEST(Thread, isLabelled)
{
    char longer[100], text[100] = "before";
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    greenStart(1);
    ThreadAttributes attributes = {.label = "first"};
    Thread *thread;
    CHECK_EQ(threadForkWith(&thread, &attributes, labelSelf, longer), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    CHECK_EQ(threadLabelOf(thread, text, sizeof text), 63); /* cut */
    CHECK_EQ(strlen(text), 63);
    CHECK_EQ(strspn(text, "x"), 63);
    CHECK_EQ(threadLabelOf(thread, text, 4), 63);
    CHECK_EQ(strcmp(text, "xxx"), 0);
    text[0] = 'y';
    CHECK_EQ(threadLabelOf(thread, text, 0), 63);
    CHECK_EQ(text[0], 'y');
    CHECK_EQ(threadLabel(thread, ""), 0);
    CHECK_EQ(threadLabelOf(thread, text, sizeof text), 0);
    CHECK_EQ(text[0], 0);
    threadRelease(thread);
    Thread *plain = greenFork(returnEnv, NULL); /* no trace of an earlier thread's label */
    CHECK_EQ(threadLabelOf(plain, text, sizeof text), 0);
    greenJoin(plain);
    greenStop();
}

static void *blockOnRead(void *env)
{
    CHECK_EQ(threadWaitRead(*(int *)env), 0);
    return NULL;
}

static void *blockOnWrite(void *env)
{
    CHECK_EQ(threadWaitWrite(*(int *)env), 0);
    return NULL;
}

static void *blockOnDelay(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return env;
}

static void *checkStates(void *env)
{
    int ends[2];
    char buffer[4096] = {0};
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    while (write(ends[1], buffer, sizeof buffer) > 0) /* full: not writable */
        continue;
    int empty[2];
    CHECK_EQ(fdPipe(empty), 0);
    TVar *gate = tvarNew(NULL);
    Thread *reader = greenFork(blockOnRead, &empty[0]), *writer = greenFork(blockOnWrite, &ends[1]);
    Thread *waiter = greenFork(awaitGate, gate), *joiner = greenFork(joinEnv, waiter);
    Thread *ended = greenFork(returnEnv, NULL);
    greenUntil(reader, ThreadBlockedOnRead);
    greenUntil(writer, ThreadBlockedOnWrite);
    greenUntil(waiter, ThreadBlockedOnTVar);
    greenUntil(joiner, ThreadBlockedOnThread);
    greenUntil(ended, ThreadFinished);
    CHECK_EQ(threadStatus(reader).fd, empty[0]);
    CHECK_EQ(threadStatus(writer).fd, ends[1]);
    CHECK_EQ(threadStatus(waiter).fd, -1);
    CHECK_EQ(threadStatus(joiner).fd, -1);
    CHECK_EQ(threadStatus(ended).fd, -1);
    CHECK_EQ(threadStatus(threadSelf()).state, ThreadRunning);
    CHECK_EQ(write(empty[1], "x", 1), 1);
    while (read(ends[0], buffer, sizeof buffer) > 0)
        continue;
    CHECK_EQ(tvarWriteIO(gate, gate), 0);
    greenJoin(reader);
    greenJoin(writer);
    CHECK_EQ(threadJoin(waiter, NULL), 0);
    CHECK_EQ(threadStatus(waiter).state, ThreadFinished);
    CHECK_EQ(greenJoin(joiner), gate);
    threadRelease(waiter);
    greenJoin(ended);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(closeFd(ends[i]), 0);
        CHECK_EQ(closeFd(empty[i]), 0);
    }
    tvarFree(gate);
    return NULL;
}

TEST(Thread, tellsWhyItWaits)
{
    greenRun(1, checkStates, NULL);
    greenRun(2, checkStates, NULL);
}

/* A fork may yield when the Monitor has asked for it: the switches tell, and then it is tried
 * again. */
static void *checkReady(void *env)
{
    RtsStats before, after;
    do {
        CHECK_EQ(rtsStats(0, &before), 0);
        Thread *newborn = greenFork(returnEnv, NULL);
        ThreadState state = threadStatus(newborn).state;
        CHECK_EQ(rtsStats(0, &after), 0);
        if (after.switches == before.switches)
            CHECK_EQ(state, ThreadReady);
        greenJoin(newborn);
    } while (after.switches != before.switches);
    return env;
}

TEST(Thread, isReadyUntilItRuns)
{
    greenRun(1, checkReady, NULL);
}

TEST(Thread, tellsThatItSleeps)
{
    greenStart(1);
    Thread *sleeper = greenFork(blockOnDelay, NULL);
    greenUntil(sleeper, ThreadBlockedOnDelay);
    CHECK_EQ(threadStatus(sleeper).fd, -1);
    threadRelease(sleeper);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}

/* ---- pinning --------------------------------------------------------------------------------- */

static void *checkPinned(void *env)
{
    int where = (int)(intptr_t)env;
    TVar *gate = tvarNew(NULL);
    int ends[2];
    char byte;
    CHECK_EQ(fdPipe(ends), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(threadCapability(), where);
        threadYield();
        CHECK_EQ(threadCapability(), where);
        if (i % 10 == 0) {
            CHECK_EQ(threadDelay(1), 0);
            CHECK_EQ(threadCapability(), where);
            CHECK_EQ(greenAwaitNextUntil(gate, rtsNow() + 1000), -ETIMEDOUT);
            CHECK_EQ(threadCapability(), where);
            CHECK_EQ(threadWaitReadUntil(ends[0], rtsNow() + 1000), -ETIMEDOUT);
            CHECK_EQ(threadCapability(), where);
            CHECK_EQ(write(ends[1], "x", 1), 1);
            CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
            CHECK_EQ(threadCapability(), where);
        }
    }
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    tvarFree(gate);
    return NULL;
}

static void *forkPinned(void *env)
{
    enum { CAPABILITIES = 3, EACH = 8 };
    Thread *threads[CAPABILITIES * EACH];
    ThreadAttributes attributes = {.label = "pinned"};
    (void)env;
    for (uint32_t i = 0; i < CAPABILITIES * EACH; i++) {
        void *where = (void *)(intptr_t)(i % CAPABILITIES);
        attributes.pinned = i + 1; /* taken modulo the number of capabilities */
        if (i % 2 == 0)
            CHECK_EQ(threadForkOn(&threads[i], i, checkPinned, where), 0);
        else
            CHECK_EQ(threadForkWith(&threads[i], &attributes, checkPinned, where), 0);
    }
    for (uint32_t i = 0; i < CAPABILITIES * EACH; i++)
        greenJoin(threads[i]);
    return NULL;
}

TEST(Thread, pinnedNeverMoves)
{
    greenRun(3, forkPinned, NULL);
    greenStart(3);
    forkPinned(NULL); /* from outside */
    greenStop();
}

/* A capability whose thread computes without end holds its pinned threads, but nobody else's. */
static uint32_t release_core; /* main thread stores, the spinner reads */

static void *spinOnCore(void *env)
{
    (void)env;
    while (ACQUIRE_LOAD(&release_core) == 0)
        threadSafepoint();
    return NULL;
}

TEST(Thread, pinnedWaitsForItsOwnCapability)
{
    greenStart(2);
    release_core = 0;
    Thread *spinner, *here, *there;
    CHECK_EQ(threadForkOn(&spinner, 0, spinOnCore, NULL), 0);
    CHECK_EQ(threadForkOn(&there, 1, checkPinned, (void *)1), 0);
    greenJoin(there);
    CHECK_EQ(threadForkOn(&here, 0, checkPinned, (void *)0), 0);
    greenJoin(here); /* by safepoints */
    RELEASE_STORE(&release_core, 1);
    greenJoin(spinner);
    greenStop();
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void *useStack(void *env)
{
    size_t size = (size_t)(uintptr_t)env;
    volatile char *memory = __builtin_alloca(size);
    for (size_t i = 0; i < size; i += 1024)
        memory[i] = (char)i;
    return NULL;
}

TEST(Thread, hasTheStackItAskedFor)
{
    ThreadAttributes attributes = {.stack_size = (size_t)1 << 20};
    Thread *threads[20];
    greenStart(2);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(
            threadForkWith(&threads[i], &attributes, useStack, (void *)(uintptr_t)(900 * 1024)), 0);
    for (int i = 0; i < 20; i++)
        greenJoin(threads[i]);
    attributes.stack_size = 1;
    CHECK_EQ(threadForkWith(&threads[0], &attributes, useStack, (void *)(uintptr_t)1024), 0);
    greenJoin(threads[0]);
    greenStop();
}

/* Floating point and deep recursion work on a stack of 64 KiB. */
static double sumOf(int depth)
{
    volatile double here = depth;
    return depth == 0 ? 0 : sumOf(depth - 1) + here;
}

static void *sumDeep(void *env)
{
    for (int i = 0; i < 10; i++) {
        CHECK(sumOf(200) == 20100.0);
        threadYield();
    }
    return env;
}

TEST(Thread, computes)
{
    Thread *threads[10];
    greenStart(2);
    for (int i = 0; i < 10; i++)
        threads[i] = greenFork(sumDeep, NULL);
    for (int i = 0; i < 10; i++)
        greenJoin(threads[i]);
    greenStop();
}
