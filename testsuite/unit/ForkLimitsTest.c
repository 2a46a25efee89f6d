/* ForkLimitsTest.c -- fork(2) beside a thread that never stops; and again and again.
 *
 * not-under: tsan asan qemu
 *
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several; qemu-user 7.2
 * aborts when a child does.)
 */
#include "testsuite/support/Forked.h"

#include <capri/scope.h>
#include <capri/tvar.h>

/* ---- a runaway ------------------------------------------------------------------------------- */

typedef struct Runaway {
    uint32_t entered, leave; /* seq_cst */
} Runaway;

static void *runAway(void *env)
{
    Runaway *runaway = env;
    SEQ_CST_STORE(&runaway->entered, 1);
    while (SEQ_CST_LOAD(&runaway->leave) == 0)
        SMP_PAUSE();
    return NULL;
}

static void checkBroken(void)
{
    RtsStats stats;
    TVar *delay;
    int ends[2];
    char byte;
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(threadFork(NULL, runAway, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(threadDelay(1000), -ENOTRECOVERABLE);
    CHECK_EQ(capabilitySetCount(2), -ENOTRECOVERABLE);
    CHECK_EQ(rtsInit(NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), -ENOTRECOVERABLE);
    CHECK_EQ(rtsMain(NULL, runAway, NULL, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rtsStats(0, &stats), -ENOTRECOVERABLE);
    CHECK_EQ(registerDelay(1, &delay), -ENOTRECOVERABLE);
    CHECK_EQ(tvarNew(NULL), NULL);
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(fdAdopt(ends[0]), -ENOTRECOVERABLE);
    CHECK_EQ(threadWaitRead(ends[0]), -ENOTRECOVERABLE);
    CHECK_EQ(fdRead(ends[0], &byte, 1), -ENOTRECOVERABLE);
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
}

static void *forkBesideARunaway(void *env)
{
    Thread *self = threadSelf();
    pid_t child = forkFlushed();
    if (child == 0) {
        checkBroken();
        child = forkFlushed(); /* which is as broken */
        if (child == 0) {
            checkBroken();
            _exit(CODE);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(WEXITSTATUS(status), CODE);
        _exit(CODE);
    }
    CHECK_EQ(threadSelf(), self);
    expectExit(child, CODE);
    useEverything();
    return env;
}

static void *forkHere(void *env)
{
    (void)env;
    return (void *)(intptr_t)forkFlushed();
}

static void *forkInALimitBesideARunaway(void *env)
{
    void *child = NULL;
    CHECK_EQ(timeoutRun(INT64_C(60000000), forkHere, NULL, &child), 0);
    if (child == NULL) {
        checkBroken();
        _exit(CODE);
    }
    expectExit((pid_t)(intptr_t)child, CODE);
    return env;
}

static void *returnBesideARunaway(void *env)
{
    *(pid_t *)env = forkFlushed();
    return NULL;
}

TEST(Fork, besideARunawayTheChildIsBrokenAndTheParentIsNot)
{
    Runaway runaway = {0};
    Thread *threads[2];
    pid_t child = -1;
    fork_patience_ns = FORK_PATIENCE_NS;
    greenStart(3);
    CHECK_EQ(threadForkOn(&threads[0], 1, runAway, &runaway), 0);
    while (SEQ_CST_LOAD(&runaway.entered) == 0)
        sched_yield();
    CHECK_EQ(capabilitySetCount(1), 0); /* so that nothing else is pinned beside it */
    greenJoin(greenFork(forkBesideARunaway, NULL));
    greenJoin(greenFork(forkInALimitBesideARunaway, NULL));
    greenJoin(greenFork(returnBesideARunaway, &child));
    expectExit(child, EXIT_FAILURE);
    child = forkFlushed();
    if (child == 0) {
        checkBroken();
        _exit(CODE);
    }
    expectExit(child, CODE);
    beSlow();
    SEQ_CST_STORE(&runaway.leave, 1);
    greenJoin(threads[0]);
    greenStop();
}

/* ---- nothing is left ------------------------------------------------------------------------- */

typedef struct Counting {
    int64_t out_bytes; /* relaxed adds */
} Counting;

static void *allocateFrom(void *context, size_t size, size_t alignment)
{
    Counting *counting = context;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment < 8 ? 8 : alignment, size) != 0)
        return NULL;
    ADD_RELAXED(&counting->out_bytes, (int64_t)size);
    return memory;
}

static void releaseTo(void *context, void *memory, size_t size, size_t alignment)
{
    Counting *counting = context;
    (void)alignment;
    ADD_RELAXED(&counting->out_bytes, -(int64_t)size);
    free(memory);
}

static Counting counting;

static void *forkOften(void *env)
{
    size_t fds = countFds();
    int64_t out_bytes = RELAXED_LOAD(&counting.out_bytes);
    for (uint32_t i = 0; i < greenScale(200); i++) {
        pid_t child = forkFlushed();
        if (child == 0) {
            if (i % 10 == 0)
                useEverything();
            CHECK_LE(countFds(), fds);
            CHECK_LE(RELAXED_LOAD(&counting.out_bytes), out_bytes);
            _exit(CODE);
        }
        expectExit(child, CODE);
        CHECK_EQ(countFds(), fds);
        CHECK_EQ(RELAXED_LOAD(&counting.out_bytes), out_bytes);
    }
    return env;
}

/* The same number again and again in one line of descent: what a child leaves over adds up. */
static void descend(int depth, size_t fds, int64_t out_bytes)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        useEverything();
        CHECK_LE(countFds(), fds); /* valgrind has some of its own, and fewer in a child */
        CHECK_LE(RELAXED_LOAD(&counting.out_bytes), out_bytes);
        if (depth > 0)
            descend(depth - 1, fds, out_bytes);
        _exit(CODE);
    }
    expectExit(child, CODE);
}

static void *descendOften(void *env)
{
    useEverything(); /* chunks are made once */
    descend((int)greenScale(20), countFds(), RELAXED_LOAD(&counting.out_bytes));
    return env;
}

TEST(Fork, manyForksLeaveNothing)
{
    RtsConfig config = {.capabilities = 2, .allocator = {allocateFrom, releaseTo, &counting}};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(useAll, NULL));
    greenJoin(greenFork(forkOften, NULL));
    greenJoin(greenFork(descendOften, NULL));
    greenStop();
    CHECK_EQ(counting.out_bytes, 0);
}

/* ---- within a limit -------------------------------------------------------------------------- */

/* The child has the limit, too, and what was thrown by threads that it has not is gone. */
static void *forkWithinALimit(void *env)
{
    (void)env;
    pid_t child = forkFlushed();
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return (void *)(intptr_t)child;
}

static void *throwToForker(void *env)
{
    int result = threadThrowTo(env, 1, NULL);
    CHECK(result == 0 || result == -ECANCELED);
    return NULL;
}

static void *forkLimited(void *env)
{
    void *child;
    threadMaskUninterruptible();
    Thread *thrower;
    ThreadAttributes attributes = {.label = "thrower"};
    CHECK_EQ(threadForkWith(&thrower, &attributes, throwToForker, threadSelf()), 0);
    greenUntil(thrower, ThreadBlockedOnThrowTo);
    pid_t first = forkFlushed();
    if (first == 0) {
        CHECK_EQ(threadRestore(Unmasked), 0); /* who threw is not here */
        CHECK_EQ(threadJoin(thrower, NULL), -ESRCH);
        _exit(CODE);
    }
    CHECK_EQ(threadRestore(Unmasked), -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    greenJoin(thrower);
    expectExit(first, CODE);
    CHECK_EQ(timeoutRun(20000, forkWithinALimit, NULL, &child), -ETIMEDOUT);
    if (child == NULL)
        _exit(CODE);
    expectExit((pid_t)(intptr_t)child, CODE);
    return env;
}

TEST(ForkLimits, interruptsOfTheSurvivor)
{
    greenRun(1, forkLimited, NULL);
    greenRun(2, forkLimited, NULL);
}

/* Goal: of the limits that are free, wherever they were kept, the child has each once.  Method:
 * more of them nest, before and after, than a capability keeps; some are in force meanwhile. */
static void *nestLimits(void *env)
{
    void *result = NULL;
    if (env == NULL)
        return NULL;
    CHECK_EQ(timeoutRun(60 * 1000 * 1000, nestLimits, (char *)env - 1, &result), 0);
    return result;
}

static void *forkInLimits(void *env)
{
    void *child = NULL;
    if (env != NULL) {
        CHECK_EQ(timeoutRun(60 * 1000 * 1000, forkInLimits, (char *)env - 1, &child), 0);
        return child;
    }
    pid_t pid = forkFlushed();
    nestLimits((void *)(uintptr_t)100);
    return (void *)(intptr_t)pid;
}

static void *nestAndFork(void *env)
{
    nestLimits((void *)(uintptr_t)100);
    void *child = forkInLimits((void *)(uintptr_t)10);
    nestLimits((void *)(uintptr_t)200);
    if (child == NULL)
        _exit(CODE);
    expectExit((pid_t)(intptr_t)child, CODE);
    return env;
}

TEST(ForkLimits, freeLimitsOfTheChild)
{
    greenRun(1, nestAndFork, NULL);
    greenRun(2, nestAndFork, NULL);
}

/* ---- what others hold ------------------------------------------------------------------------ */

enum { TWINS_MOST = 64, NO_TWIN = 43 };

typedef struct Held {
    Mutex *mutex;
    RWLock *rwlock;
    Once *once;
    pthread_t holder;
    uint32_t holds, leave; /* seq_cst */
    uint32_t looked;       /* relaxed; the child's: threads that have looked */
    uint32_t twins;        /* likewise: those that the C library calls what it called the holder */
} Held;

static int holdAll(void *env, void **value)
{
    Held *held = env;
    CHECK_EQ(mutexLock(held->mutex), 0);
    CHECK_EQ(rwlockWrite(held->rwlock), 0);
    SEQ_CST_STORE(&held->holds, 1);
    while (SEQ_CST_LOAD(&held->leave) == 0)
        sched_yield();
    CHECK_EQ(rwlockUnlock(held->rwlock), 0);
    CHECK_EQ(mutexUnlock(held->mutex), 0);
    *value = NULL;
    return 0;
}

static void *holdInOnce(void *env)
{
    Held *held = env;
    held->holder = pthread_self();
    CHECK_EQ(onceGet(held->once, holdAll, held, NULL), 0);
    return NULL;
}

static void *lookAtHeld(void *env)
{
    Held *held = env;
    CHECK_EQ(mutexTryLock(held->mutex), -EBUSY);
    CHECK_EQ(mutexUnlock(held->mutex), -EPERM);
    CHECK_EQ(rwlockTryWrite(held->rwlock), -EBUSY);
    CHECK_EQ(rwlockUnlock(held->rwlock), -EPERM);
    CHECK_EQ(onceGetUntil(held->once, holdAll, held, NULL, INT64_MIN), -ETIMEDOUT);
    if (pthread_equal(pthread_self(), held->holder) != 0)
        ADD_RELAXED(&held->twins, 1);
    ADD_RELAXED(&held->looked, 1);
    while (pause() < 0) /* so that the next one is another one */
        continue;
    return NULL;
}

static void lookOften(Held *held)
{
    for (uint32_t i = 0; i < TWINS_MOST && RELAXED_LOAD(&held->twins) == 0; i++) {
        osFork(lookAtHeld, held);
        while (RELAXED_LOAD(&held->looked) != i + 1)
            sched_yield();
    }
}

/* Goal: in the child nobody is taken for an OS thread that is not there.  Method: new ones, until
 * one has the stack, and thus the pthread_t, of the one that holds. */
TEST(ForkLimits, whatOthersHoldStaysHeld)
{
    Held held = {.holds = 0};
    int status = 0;
    greenStart(1);
    held.mutex = mutexNew();
    held.rwlock = rwlockNew();
    held.once = onceNew();
    pthread_t holder = osFork(holdInOnce, &held);
    while (SEQ_CST_LOAD(&held.holds) == 0)
        sched_yield();
    pid_t child = forkFlushed();
    if (child == 0) {
        lookOften(&held);
        _exit(RELAXED_LOAD(&held.twins) != 0 ? CODE : NO_TWIN);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    SEQ_CST_STORE(&held.leave, 1);
    osJoin(holder);
    onceFree(held.once);
    rwlockFree(held.rwlock);
    mutexFree(held.mutex);
    greenStop();
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_TWIN)
        SKIP("no OS thread of the child is called as the holder was");
    CHECK_EQ(WEXITSTATUS(status), CODE);
}
