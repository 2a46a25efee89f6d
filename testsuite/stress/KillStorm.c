/* KillStorm.c -- threads in all kinds of waits, interrupted all the time by all kinds of threads.
 *
 * Every interrupt of which its thrower was told is raised once, and none that was withdrawn; a
 * value is in a box or in one thread's hands; limits keep their interrupts to themselves; nobody is
 * left behind.  Then: opening files while being interrupted leaks no descriptor, and many blocked
 * threads are killed one by one.
 */
#include "testsuite/support/Crowd.h"

#include "rts/Interrupt.h"

#include <capri/capri.h>

#include <dirent.h>
#include <pthread.h>

enum { BOXES = 3, TOKENS = 3, TARGETS = 10, OS_THREADS = 2, OPENS = 10000 };

typedef struct Target {
    Thread *thread;
    uint64_t raised;      /* its own */
    uint64_t told, maybe; /* throwers: raised for sure; gave up, so nobody knows.  Relaxed adds */
} CACHE_ALIGNED Target;

static Target targets[TARGETS];
static MVar *boxes[BOXES];
static uint32_t held[TOKENS]; /* 1 while a thread has that token */
static TVar *tvar;
static QSem *qsem;
static uint32_t ready, stop, through;

/* None for some of those that can be interrupted: in the end they are. */
static int64_t drawDeadline(uint64_t *seed)
{
    bool deaf = threadMaskingState() == MaskedUninterruptible;
    return !deaf && crowdDraw(seed, 3) != 0 ? INT64_MAX
                                            : rtsNow() + (int64_t)crowdDraw(seed, 50000);
}

static uint64_t caught(int result)
{
    if (result != -ECANCELED)
        return 0;
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return 1;
}

/* ---- waits ---- */

/* Take a token and put it back, whatever happens. */
static uint64_t moveToken(uint64_t *seed)
{
    void *value;
    uint64_t raised = 0;
    int result = mvarTakeUntil(boxes[crowdDraw(seed, BOXES)], &value, drawDeadline(seed));
    if (result != 0) {
        CHECK(result == -ECANCELED || result == -ETIMEDOUT);
        return caught(result);
    }
    uint32_t *token = value;
    CHECK_EQ(XCHG_ACQ_REL(token, 1), 0);
    if (crowdDraw(seed, 4) == 0)
        raised += caught(threadYield());
    CHECK_EQ(XCHG_ACQ_REL(token, 0), 1);
    for (;;) {
        int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(seed, 20000);
        result = mvarPutUntil(boxes[crowdDraw(seed, BOXES)], token, deadline_ns);
        if (result == 0)
            return raised;
        CHECK(result == -ECANCELED || result == -ETIMEDOUT);
        raised += caught(result);
    }
}

static void *sleepABit(void *env)
{
    return (void *)(intptr_t)threadDelay((int64_t)(uintptr_t)env);
}

static uint64_t beLimited(uint64_t *seed)
{
    void *delay_us = (void *)(uintptr_t)crowdDraw(seed, 100);
    int result = timeoutRun(1 + (int64_t)crowdDraw(seed, 100), sleepABit, delay_us, NULL);
    CHECK(result == 0 || result == -ETIMEDOUT || result == -ECANCELED);
    return caught(result);
}

static uint64_t awaitSemaphore(uint64_t *seed)
{
    int result = qsemWaitUntil(qsem, drawDeadline(seed));
    if (result != 0)
        return caught(result);
    result = threadDelay((int64_t)crowdDraw(seed, 20));
    CHECK_EQ(qsemSignal(qsem), 0);
    return caught(result);
}

static uint64_t awaitVariable(uint64_t *seed)
{
    uint64_t version;
    tvarReadVersionIO(tvar, &version);
    if (crowdDraw(seed, 2) == 0)
        CHECK_EQ(tvarWriteIO(tvar, NULL), 0);
    return caught(tvarAwaitUntil(tvar, version, rtsNow() + (int64_t)crowdDraw(seed, 50000)));
}

static uint64_t joinChild(uint64_t *seed)
{
    Thread *child;
    CHECK_EQ(threadFork(&child, sleepABit, (void *)(uintptr_t)crowdDraw(seed, 30)), 0);
    uint64_t raised = 0;
    int result;
    while ((result = threadJoin(child, NULL)) == -ECANCELED)
        raised += caught(result);
    CHECK_EQ(result, 0);
    threadRelease(child);
    return raised;
}

static uint64_t throwAtAnother(uint64_t *seed)
{
    Target *target = &targets[crowdDraw(seed, TARGETS)];
    if (target->thread == threadSelf())
        return 0;
    int result = threadThrowToUntil(target->thread, 1, NULL, drawDeadline(seed));
    CHECK(result == 0 || result == -ECANCELED || result == -ETIMEDOUT);
    ADD_RELAXED(result == 0 ? &target->told : &target->maybe, 1);
    return caught(result);
}

static uint64_t doSomething(uint64_t *seed)
{
    switch (crowdDraw(seed, 9)) {
    case 0:
        return beLimited(seed);
    case 1:
        return awaitSemaphore(seed);
    case 2:
        return awaitVariable(seed);
    case 3:
        return joinChild(seed);
    case 4:
        return throwAtAnother(seed);
    case 5:
        return caught(threadDelay((int64_t)crowdDraw(seed, 50)));
    default:
        return moveToken(seed);
    }
}

static void *beTarget(void *env)
{
    Target *target = env;
    uint64_t seed = crowdSeed((uint64_t)(target - targets));
    threadMask();
    ADD_SEQ_CST(&ready, 1);
    while (SEQ_CST_LOAD(&ready) <= TARGETS) /* until all handles are there */
        threadYield();
    while (ACQUIRE_LOAD(&stop) == 0) {
        MaskingState state = (MaskingState)crowdDraw(&seed, 3);
        interruptMask(threadSelf(), state);
        target->raised += doSomething(&seed);
        CHECK_EQ(threadMaskingState(), state);
    }
    interruptMask(threadSelf(), MaskedUninterruptible);
    ADD_SEQ_CST(&through, 1);
    while (ACQUIRE_LOAD(&stop) < 2) /* nobody throws any more */
        threadYield();
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    return NULL;
}

/* ---- throwers ---- */

static void throwOnce(uint64_t *seed)
{
    Target *target = &targets[crowdDraw(seed, TARGETS)];
    int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(seed, 300000);
    int result = threadThrowToUntil(target->thread, 2, target, deadline_ns);
    CHECK(result == 0 || result == -ETIMEDOUT);
    ADD_RELAXED(result == 0 ? &target->told : &target->maybe, 1);
}

static void *throwOften(void *env)
{
    uint64_t seed = crowdSeed(100 + (uintptr_t)env);
    while (ACQUIRE_LOAD(&stop) == 0) {
        throwOnce(&seed);
        if (threadSelf() != NULL)
            CHECK_EQ(threadDelay((int64_t)crowdDraw(&seed, 40)), 0);
    }
    return NULL;
}

static void makeThings(void)
{
    RELAXED_STORE(&ready, 0);
    RELAXED_STORE(&stop, 0);
    RELAXED_STORE(&through, 0);
    tvar = tvarNew(NULL);
    qsem = qsemNew(2);
    for (int i = 0; i < BOXES; i++)
        boxes[i] = mvarNewEmpty();
    for (int i = 0; i < TOKENS; i++)
        CHECK_EQ(mvarTryPut(boxes[i % BOXES], &held[i]), 0);
}

static void checkThings(void)
{
    int found = 0;
    for (int i = 0; i < BOXES; i++) {
        void *value;
        for (; mvarTryTake(boxes[i], &value) == 0; found++)
            CHECK_EQ(RELAXED_LOAD((uint32_t *)value), 0);
        mvarFree(boxes[i]);
    }
    CHECK_EQ(found, TOKENS);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(qsemTryWait(qsem), 0);   /* no unit was swallowed, */
    CHECK_EQ(qsemTryWait(qsem), -EAGAIN); /* nor made */
    qsemFree(qsem);
    tvarFree(tvar);
}

static void storm(uint32_t capability_count)
{
    Crowd crowd, throwers;
    pthread_t os_threads[OS_THREADS];
    crowdStart(&crowd, capability_count, TARGETS);
    throwers = (Crowd){.threads = calloc(3, sizeof(Thread *)), .room = 2};
    makeThings();
    for (int i = 0; i < TARGETS; i++) {
        targets[i] = (Target){0};
        targets[i].thread = crowdFork(&crowd, beTarget, &targets[i], "target");
    }
    while (SEQ_CST_LOAD(&ready) != TARGETS)
        crowdPause(100000);
    ADD_SEQ_CST(&ready, 1);
    for (uintptr_t i = 0; i < 2; i++)
        crowdFork(&throwers, throwOften, (void *)i, "thrower");
    for (uintptr_t i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_create(&os_threads[i], NULL, throwOften, (void *)(i + 2)), 0);
    crowdPause((int64_t)(testSeconds() / 2 * 1e9));
    RELEASE_STORE(&stop, 1);
    crowdJoin(&throwers);
    for (int i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_join(os_threads[i], NULL), 0);
    for (uint64_t seed = 1; SEQ_CST_LOAD(&through) != TARGETS;)
        throwOnce(&seed);
    RELEASE_STORE(&stop, 2);
    crowdJoin(&crowd);
    free(throwers.threads);
    checkThings();
    uint64_t all = 0;
    for (int i = 0; i < TARGETS; i++) {
        CHECK_GE(targets[i].raised, targets[i].told);
        CHECK_LE(targets[i].raised, targets[i].told + targets[i].maybe);
        all += targets[i].raised;
    }
    fprintf(stderr, "%llu interrupts\n", (unsigned long long)all);
    crowdStop(&crowd);
}

TEST(KillStorm, eachIsRaisedOnceOrWithdrawn)
{
    storm(1);
    storm(2);
}

/* ---- opening files ---- */

static size_t countOpen(void)
{
    size_t count = 0;
    DIR *list = opendir("/proc/self/fd");
    CHECK(list != NULL);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

static void *openOften(void *env)
{
    size_t opens = crowdScale(OPENS, OPENS / 20);
    uint64_t *interrupted = env;
    ADD_SEQ_CST(&ready, 1);
    for (size_t i = 0; i < opens; i++) {
        int fd = fdOpen("/proc/self/status", O_RDONLY, 0);
        if (fd == -ECANCELED) {
            *interrupted += caught(fd);
            continue;
        }
        CHECK_GE(fd, 0);
        CHECK_EQ(closeFd(fd), 0);
        *interrupted += caught(threadAllowInterrupt());
    }
    return NULL;
}

TEST(KillStorm, opensLeakNoDescriptor)
{
    Crowd crowd;
    uint64_t interrupted = 0;
    RELAXED_STORE(&ready, 0);
    crowdStart(&crowd, 2, 1);
    int first = open("/dev/null", O_RDONLY); /* the blocking pool and its like are there */
    Thread *opener = crowdFork(&crowd, openOften, &interrupted, "opener");
    while (SEQ_CST_LOAD(&ready) == 0)
        crowdPause(100000);
    size_t before = countOpen();
    while (threadStatus(opener).state != ThreadFinished) {
        CHECK_EQ(threadThrowTo(opener, 1, NULL), 0);
        crowdPause(1000000);
    }
    crowdJoin(&crowd);
    CHECK_LE(countOpen(), before + 1);
    close(first);
    fprintf(stderr, "%llu interrupts\n", (unsigned long long)interrupted);
    crowdStop(&crowd);
}

/* ---- many of them ---- */

static void *waitForEver(void *env)
{
    void *value;
    int result = (uintptr_t)env % 2 == 0 ? threadDelay(INT64_MAX) : mvarTake(boxes[0], &value);
    CHECK_EQ(result, -ECANCELED);
    return NULL;
}

typedef struct Victims {
    Thread **threads;
    size_t count;
} Victims;

static void *killAll(void *env)
{
    Victims *victims = env;
    for (size_t i = 0; i < victims->count; i++)
        CHECK_EQ(threadKill(victims->threads[i]), 0);
    return NULL;
}

TEST(KillStorm, manyAreKilled)
{
    Crowd crowd;
    size_t many = crowdScale(20000, 500);
    crowdStart(&crowd, 2, many + 1);
    boxes[0] = mvarNewEmpty();
    for (size_t i = 0; i < many; i++)
        crowdFork(&crowd, waitForEver, (void *)(uintptr_t)i, "victim");
    crowdFork(&crowd, killAll, &(Victims){crowd.threads, many}, "killer");
    int joined = 0;
    for (size_t i = 0; i < crowd.count; i++) {
        int result = threadJoin(crowd.threads[i], NULL);
        CHECK(result == 0 || result == -EINTR); /* it had not begun */
        joined++;
        threadRelease(crowd.threads[i]);
    }
    CHECK_EQ(joined, many + 1);
    crowd.count = 0;
    mvarFree(boxes[0]);
    crowdStop(&crowd);
}
