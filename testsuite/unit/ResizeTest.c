/* ResizeTest.c -- capabilitySetCount: what moves, what stays, what fires. */
#include "capability/CapabilityTable.h"
#include "testsuite/support/Runtime.h"

#include <capri/tvar.h>

#include <fcntl.h>
#include <signal.h>

/* Until `condition`: what is waited for stays once it is there. */
#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    CHECK_EQ(threadDelay(100), 0)

static void *setCount(void *env)
{
    return (void *)(intptr_t)capabilitySetCount((uint32_t)(uintptr_t)env);
}

TEST(Resize, refusesBadCounts)
{
    CHECK_EQ(capabilitySetCount(1), -ENXIO);
    greenStart(2);
    CHECK_EQ(capabilitySetCount(0), -EINVAL);
    CHECK_EQ(capabilitySetCount(65), -EINVAL);
    CHECK_EQ(greenJoin(greenFork(setCount, (void *)0)), (void *)(intptr_t)-EINVAL);
    CHECK_EQ(capabilityCount(), 2);
    greenStop();
    CHECK_EQ(capabilitySetCount(1), -ENXIO);
}

TEST(Resize, countsWhatIsEnabled)
{
    RtsStats stats;
    greenStart(2);
    Capability *first = capabilities.items[0], *second = capabilities.items[1];
    static const uint32_t counts[] = {1, 4, 4, 2, 64, 3, 1, 64, 2};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (i % 2 == 0)
            CHECK_EQ(capabilitySetCount(counts[i]), 0);
        else
            CHECK_EQ(greenJoin(greenFork(setCount, (void *)(uintptr_t)counts[i])), NULL);
        CHECK_EQ(capabilityCount(), counts[i]);
        CHECK_EQ(capabilities.items[0], first); /* they never move */
        CHECK_EQ(capabilities.items[1], second);
    }
    CHECK_EQ(rtsStats(63, &stats), 0); /* those that were there keep their counters */
    greenStop();
    greenStart(1); /* and a new runtime begins anew */
    CHECK_EQ(rtsStats(1, &stats), -EINVAL);
    greenStop();
}

/* ---- threads --------------------------------------------------------------------------------- */

static uint32_t stopping; /* tests store, threads look */

/* Yields for ever; its result is where it ran last. */
static void *yieldOn(void *env)
{
    uint32_t *where = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        RELAXED_STORE(where, (uint32_t)threadCapability());
        threadYield();
    }
    return NULL;
}

/* The same without a switch: it only passes safepoints. */
static void *computeOn(void *env)
{
    uint32_t *where = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        RELAXED_STORE(where, (uint32_t)threadCapability());
        threadSafepoint();
    }
    return NULL;
}

enum { PINNED = 8 };

static void *movePinned(void *env)
{
    uint32_t where[PINNED];
    Thread *threads[PINNED];
    ThreadFn *fn = *(ThreadFn **)env;
    RELAXED_STORE(&stopping, 0);
    for (uint32_t i = 0; i < PINNED; i++) {
        where[i] = UINT32_MAX;
        CHECK_EQ(threadForkOn(&threads[i], i, fn, &where[i]), 0);
    }
    static const uint32_t counts[] = {4, 3, 1, 4, 2};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        CHECK_EQ(capabilitySetCount(counts[c]), 0);
        CHECK_LT(threadCapability(), (int)counts[c]); /* the caller is moved before it returns */
        for (uint32_t i = 0; i < PINNED; i++)
            UNTIL(RELAXED_LOAD(&where[i]) == i % 4 % counts[c]);
    }
    RELAXED_STORE(&stopping, 1);
    for (uint32_t i = 0; i < PINNED; i++)
        greenJoin(threads[i]);
    return NULL;
}

TEST(Resize, pinnedThreadsGoToIndexModCountAndBack)
{
    ThreadFn *fn = yieldOn;
    greenRun(4, movePinned, &fn);
}

TEST(Resize, whoOnlyPassesSafepointsMovesToo)
{
    ThreadFn *fn = computeOn;
    greenRun(4, movePinned, &fn);
}

/* A thread that never switches stays where it is until it does; its neighbours go. */
typedef struct Stuck {
    uint32_t entered, leave; /* seq_cst */
    uint32_t where;
} Stuck;

static void *stayStuck(void *env)
{
    Stuck *stuck = env;
    SEQ_CST_STORE(&stuck->entered, 1);
    while (SEQ_CST_LOAD(&stuck->leave) == 0)
        SMP_PAUSE();
    threadYield();
    stuck->where = (uint32_t)threadCapability();
    return NULL;
}

TEST(Resize, aRunawayKeepsOnlyItself)
{
    Stuck stuck = {0};
    uint32_t where[4];
    Thread *runaway, *others[4];
    greenStart(2);
    RELAXED_STORE(&stopping, 0);
    CHECK_EQ(threadForkOn(&runaway, 1, stayStuck, &stuck), 0);
    while (SEQ_CST_LOAD(&stuck.entered) == 0)
        sched_yield();
    CHECK_EQ(capabilitySetCount(1), 0);
    for (uint32_t i = 0; i < 4; i++) {
        where[i] = UINT32_MAX;
        CHECK_EQ(threadForkOn(&others[i], i, yieldOn, &where[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        while (RELAXED_LOAD(&where[i]) != 0)
            sched_yield();
    }
    SEQ_CST_STORE(&stuck.leave, 1);
    greenJoin(runaway);
    CHECK_EQ(stuck.where, 0);
    RELAXED_STORE(&stopping, 1);
    for (uint32_t i = 0; i < 4; i++)
        greenJoin(others[i]);
    greenStop();
}

/* ---- what waits on a disabled capability ----------------------------------------------------- */

typedef struct Waiter {
    int fd;
    int result;
    char byte;
    uint32_t woken_on;
} Waiter;

static void *readOne(void *env)
{
    Waiter *waiter = env;
    waiter->result = (int)fdRead(waiter->fd, &waiter->byte, 1);
    waiter->woken_on = (uint32_t)threadCapability();
    if (waiter->result == 1)
        waiter->result = (int)fdRead(waiter->fd, &waiter->byte, 1); /* moves the fd's home */
    return NULL;
}

static void *readBare(void *env)
{
    Waiter *waiter = env;
    waiter->result = threadWaitRead(waiter->fd);
    waiter->woken_on = (uint32_t)threadCapability();
    return NULL;
}

static void *delayBriefly(void *env)
{
    Waiter *waiter = env;
    waiter->result = threadDelay(20 * 1000);
    waiter->woken_on = (uint32_t)threadCapability();
    return NULL;
}

enum { PAIRS = 6 };

/* Waits begun on capabilities that are then disabled end all the same, on one that is enabled. */
static void *waitThrough(void *env)
{
    Waiter adopted[PAIRS], bare[PAIRS], delayed;
    Thread *reads[PAIRS], *looks[PAIRS], *delay;
    int ends[PAIRS][2], plain[PAIRS][2];
    (void)env;
    for (uint32_t i = 0; i < PAIRS; i++) {
        CHECK_EQ(fdPipe(ends[i]), 0);
        CHECK_EQ(pipe2(plain[i], O_CLOEXEC | O_NONBLOCK), 0);
        adopted[i] = (Waiter){.fd = ends[i][0]};
        bare[i] = (Waiter){.fd = plain[i][0]};
        CHECK_EQ(threadForkOn(&reads[i], 1 + i % 3, readOne, &adopted[i]), 0);
        CHECK_EQ(threadForkOn(&looks[i], 1 + i % 3, readBare, &bare[i]), 0);
    }
    CHECK_EQ(threadForkOn(&delay, 3, delayBriefly, &delayed), 0);
    for (uint32_t i = 0; i < PAIRS; i++) {
        greenUntil(reads[i], ThreadBlockedOnRead);
        greenUntil(looks[i], ThreadBlockedOnRead);
    }
    CHECK_EQ(capabilitySetCount(1), 0);
    for (uint32_t i = 0; i < PAIRS; i++) {
        CHECK_EQ(fdWrite(ends[i][1], "a", 1), 1);
        CHECK_EQ(write(plain[i][1], "b", 1), 1);
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        greenJoin(looks[i]);
        CHECK_EQ(bare[i].result, 0);
        CHECK_EQ(bare[i].woken_on, 0);
        CHECK_EQ(fdWrite(ends[i][1], "c", 1), 1);
        greenJoin(reads[i]);
        CHECK_EQ(adopted[i].result, 1);
        CHECK_EQ(adopted[i].byte, 'c');
        CHECK_EQ(adopted[i].woken_on, 0);
        CHECK_EQ(close(plain[i][0]) + close(plain[i][1]), 0);
        CHECK_EQ(closeFd(ends[i][0]) + closeFd(ends[i][1]), 0);
    }
    greenJoin(delay);
    CHECK_EQ(delayed.result, 0);
    CHECK_EQ(delayed.woken_on, 0);
    return NULL;
}

TEST(Resize, waitsOnDisabledCapabilitiesEnd)
{
    greenRun(4, waitThrough, NULL);
}

/* A second reader's wait makes the fd's home move while the first one waits: it is told to look
 * again, and both get their byte. */
static void *moveUnderAReader(void *env)
{
    int ends[2];
    char byte = 0;
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    Waiter first = {.fd = ends[0]}, second = {.fd = ends[0]};
    Thread *readers[2];
    CHECK_EQ(threadForkOn(&readers[0], 1, readOne, &first), 0);
    greenUntil(readers[0], ThreadBlockedOnRead);
    EventManager *old = &capabilities.items[1]->manager;
    CHECK_EQ(RELAXED_LOAD(&old->fds), 1);
    CHECK_EQ(capabilitySetCount(1), 0);
    CHECK_EQ(threadForkOn(&readers[1], 1, readOne, &second), 0);
    UNTIL(RELAXED_LOAD(&old->fds) == 0);
    CHECK_EQ(RELAXED_LOAD(&capabilities.items[0]->manager.fds), 1);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(fdWrite(ends[1], &byte, 1), 1);
    for (int i = 0; i < 2; i++)
        greenJoin(readers[i]);
    CHECK_EQ(first.result, 1);
    CHECK_EQ(second.result, 1);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
    return NULL;
}

TEST(Resize, anFdMovesWhenItIsNextWaitedFor)
{
    greenRun(2, moveUnderAReader, NULL);
}

/* closeFd finds who waits on a disabled capability. */
static void *closeUnderAReader(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    Waiter waiter = {.fd = ends[0]};
    Thread *reader;
    CHECK_EQ(threadForkOn(&reader, 1, readOne, &waiter), 0);
    greenUntil(reader, ThreadBlockedOnRead);
    CHECK_EQ(capabilitySetCount(1), 0);
    CHECK_EQ(closeFd(ends[0]), 0);
    greenJoin(reader);
    CHECK_EQ(waiter.result, -EBADF);
    CHECK_EQ(closeFd(ends[1]), 0);
    return NULL;
}

TEST(Resize, closingWakesWhoWaitsOnADisabledOne)
{
    greenRun(2, closeUnderAReader, NULL);
}

/* ---- failing and competing ------------------------------------------------------------------- */

typedef struct Budget {
    uint32_t refuse; /* relaxed: 1: nothing any more */
} Budget;

static void *allocateFrom(void *context, size_t size, size_t alignment)
{
    Budget *budget = context;
    void *memory = NULL;
    if (RELAXED_LOAD(&budget->refuse) != 0)
        return NULL;
    return posix_memalign(&memory, alignment < 8 ? 8 : alignment, size) == 0 ? memory : NULL;
}

static void releaseTo(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    free(memory);
}

TEST(Resize, withoutMemoryNothingChanges)
{
    Budget budget = {0};
    RtsConfig config = {.capabilities = 2, .allocator = {allocateFrom, releaseTo, &budget}};
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&budget.refuse, 1);
    CHECK_EQ(capabilitySetCount(3), -ENOMEM);
    CHECK_EQ(capabilityCount(), 2);
    CHECK_EQ(capabilitySetCount(1), 0); /* fewer need none */
    CHECK_EQ(capabilitySetCount(2), 0);
    RELAXED_STORE(&budget.refuse, 0);
    CHECK_EQ(capabilitySetCount(3), 0);
    CHECK_EQ(capabilityCount(), 3);
    greenStop();
}

enum { RIVALS = 4, ROUNDS = 40 };

static void *changeOften(void *env)
{
    uint64_t seed = (uint64_t)(uintptr_t)env;
    for (uint32_t i = 0; i < greenScale(ROUNDS); i++) {
        CHECK_EQ(capabilitySetCount(1 + (uint32_t)(testRandomFrom(&seed) % 8)), 0);
        threadYield();
    }
    return NULL;
}

TEST(Resize, callsAreCarriedOutOneAtATime)
{
    Thread *green[RIVALS];
    pthread_t plain[RIVALS];
    greenStart(2);
    for (uintptr_t i = 0; i < RIVALS; i++) {
        green[i] = greenFork(changeOften, (void *)(1 + i));
        CHECK_EQ(pthread_create(&plain[i], NULL, changeOften, (void *)(100 + i)), 0);
    }
    for (int i = 0; i < RIVALS; i++) {
        greenJoin(green[i]);
        CHECK_EQ(pthread_join(plain[i], NULL), 0);
    }
    CHECK_GE(capabilityCount(), 1);
    CHECK_LE(capabilityCount(), 8);
    CHECK_LE(capabilityTableCount(), 8);
    greenStop();
}

/* ---- signals --------------------------------------------------------------------------------- */

static void *isBlocked(void *env)
{
    sigset_t now;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    *(int *)env = sigismember(&now, SIGTERM) + 2 * sigismember(&now, SIGUSR1);
    return env;
}

static void *growAndLook(void *env)
{
    for (uint32_t i = 1; i < 3; i++) {
        Thread *thread;
        int blocked = -1;
        CHECK_EQ(capabilitySetCount(i + 1), 0);
        CHECK_EQ(threadForkOn(&thread, i, isBlocked, &blocked), 0);
        greenJoin(thread);
        CHECK_EQ(blocked, 2);
    }
    return env;
}

/* Goal: new OS threads block what rtsInit's caller did, whoever makes them. */
TEST(Resize, newOnesHaveTheSignalMaskOfTheFirst)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &set, &before), 0);
    greenRun(1, growAndLook, NULL);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}
