/* MutexTest.c -- locks: one holder, handed on in order, giving up. */
#include "rts/Mutex.h"

#include "testsuite/support/Runtime.h"

static void *neverWait(void *env)
{
    Mutex *mutex = mutexNew();
    (void)env;
    CHECK_EQ(mutexUnlock(mutex), -EPERM);
    CHECK_EQ(mutexLock(mutex), 0);
    CHECK_EQ(mutexLock(mutex), -EDEADLK);
    CHECK_EQ(mutexTryLock(mutex), -EDEADLK);
    CHECK_EQ(mutexLockUntil(mutex, INT64_MIN), -EDEADLK);
    CHECK_EQ(mutexUnlock(mutex), 0);
    CHECK_EQ(mutexUnlock(mutex), -EPERM);
    CHECK_EQ(mutexLockUntil(mutex, INT64_MIN), 0);
    CHECK_EQ(mutexUnlock(mutex), 0);
    CHECK_EQ(mutexTryLock(mutex), 0);
    CHECK_EQ(mutexUnlock(mutex), 0);
    mutexFree(mutex);
    mutexFree(NULL);
    return NULL;
}

TEST(Mutex, hasOneHolder)
{
    CHECK_EQ(mutexNew(), NULL); /* no runtime */
    greenRun(1, neverWait, NULL);
    greenStart(1);
    neverWait(NULL);
    greenStop();
}

/* ---- others ---------------------------------------------------------------------------------- */

typedef struct Locker {
    Mutex *mutex;
    int64_t deadline_ns;
    int result;
    uint32_t turn;
    Thread *thread;
} Locker;

static uint32_t turns; /* under the mutex */

static void *lockOnce(void *env)
{
    Locker *self = env;
    CHECK_EQ(mutexTryLock(self->mutex), -EBUSY);
    CHECK_EQ(mutexUnlock(self->mutex), -EPERM); /* it is somebody else's */
    self->result = mutexLockUntil(self->mutex, self->deadline_ns);
    if (self->result == 0) {
        self->turn = ++turns;
        threadYield(); /* nobody comes in */
        CHECK_EQ(turns, self->turn);
        CHECK_EQ(mutexUnlock(self->mutex), 0);
    }
    return NULL;
}

static void *lockInTurn(void *env)
{
    enum { LOCKERS = 5 };
    Locker lockers[LOCKERS];
    Mutex *mutex = mutexNew();
    int gone = env == NULL ? -1 : *(int *)env;
    turns = 0;
    CHECK_EQ(mutexLock(mutex), 0);
    for (int i = 0; i < LOCKERS; i++) {
        lockers[i] = (Locker){.mutex = mutex, .deadline_ns = INT64_MAX - (i & 1)};
        if (i == gone)
            lockers[i].deadline_ns = rtsNow() + MS_NS;
        lockers[i].thread = greenFork(lockOnce, &lockers[i]);
        greenUntil(lockers[i].thread, ThreadBlockedOnLock);
    }
    if (gone >= 0) {
        greenJoin(lockers[gone].thread);
        CHECK_EQ(lockers[gone].result, -ETIMEDOUT);
    }
    CHECK_EQ(mutexUnlock(mutex), 0);
    CHECK_EQ(mutexTryLock(mutex), -EBUSY); /* handed over: nobody comes between */
    for (int i = 0, turn = 1; i < LOCKERS; i++) {
        if (i == gone)
            continue;
        greenJoin(lockers[i].thread);
        CHECK_EQ(lockers[i].result, 0);
        CHECK_EQ(lockers[i].turn, (uint32_t)turn++);
    }
    CHECK_EQ(mutexTryLock(mutex), 0);
    CHECK_EQ(mutexUnlock(mutex), 0);
    mutexFree(mutex);
    return NULL;
}

TEST(Mutex, isHandedOnInOrder)
{
    greenRun(1, lockInTurn, NULL);
    for (int gone = 0; gone < 5; gone++)
        greenRun(1, lockInTurn, &gone);
}

static void *freeUnderWaiter(void *env)
{
    Mutex *mutex = mutexNew();
    Locker locker = {.mutex = mutex, .deadline_ns = INT64_MAX};
    (void)env;
    CHECK_EQ(mutexLock(mutex), 0);
    locker.thread = greenFork(lockOnce, &locker);
    greenUntil(locker.thread, ThreadBlockedOnLock);
    mutexFree(mutex);
    greenJoin(locker.thread);
    CHECK_EQ(locker.result, -EINVAL);
    return NULL;
}

TEST(Mutex, freeingEndsItsWaits)
{
    greenRun(1, freeUnderWaiter, NULL);
}

/* The holder is the thread, wherever it runs: a green one keeps the lock over a move. */
static void *holdAcross(void *env)
{
    Mutex *mutex = env;
    for (uint32_t i = 0; i < greenScale(500); i++) {
        CHECK_EQ(mutexLock(mutex), 0);
        uint32_t before = ++turns;
        threadDelay(i % 8 == 0 ? 20 : 0);
        threadYield();
        CHECK_EQ(turns, before);
        CHECK_EQ(mutexUnlock(mutex), 0);
    }
    return NULL;
}

TEST(Mutex, belongsToTheThread)
{
    enum { THREADS = 4 };
    Thread *threads[THREADS];
    greenStart(2);
    Mutex *mutex = mutexNew();
    turns = 0;
    for (int i = 0; i < THREADS; i++)
        threads[i] = greenFork(holdAcross, mutex);
    pthread_t plain = osFork(holdAcross, mutex);
    for (int i = 0; i < THREADS; i++)
        greenJoin(threads[i]);
    osJoin(plain);
    CHECK_EQ(turns, (THREADS + 1) * greenScale(500));
    mutexFree(mutex);
    greenStop();
}
