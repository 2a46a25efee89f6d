/* Locks.c -- mutexes, conditions, reader-writer locks and semaphores under green threads and OS
 * threads, with deadlines that mostly pass: nobody comes in twice, no unit is swallowed.
 */
#include "testsuite/support/Crowd.h"

#include <capri/lock.h>
#include <capri/qsem.h>

#include <pthread.h>

enum { GREEN = 12, OS_THREADS = 3, UNITS = 5 };

static struct {
    Mutex *mutex;
    Condition *changed;
    RWLock *rwlock;
    QSem *sem;
    QSemN *semn;
    uint64_t turn;        /* under the mutex */
    uint64_t left, right; /* under the rwlock: equal but while it is written */
    uint32_t inside;      /* of the semaphore; seq_cst add */
    uint32_t taken;       /* units of the other one; likewise */
    uint32_t stop;        /* seq_cst */
    uint64_t entered;     /* relaxed add */
    uint64_t seed_index;  /* likewise */
} all;

static int64_t drawDeadline(uint64_t *seed)
{
    uint64_t kind = crowdDraw(seed, 4);
    return kind == 0 ? INT64_MAX - 1 : rtsNow() + (int64_t)crowdDraw(seed, 30000) - 5000;
}

static bool gotIt(int result)
{
    CHECK(result == 0 || result == -ETIMEDOUT || result == -EBUSY || result == -EAGAIN);
    return result == 0;
}

static void useMutex(uint64_t *seed)
{
    int result = crowdDraw(seed, 2) == 0 ? mutexLock(all.mutex)
                                         : mutexLockUntil(all.mutex, drawDeadline(seed));
    if (!gotIt(result))
        return;
    uint64_t turn = ++all.turn;
    if (crowdDraw(seed, 16) == 0)
        threadYield();
    CHECK_EQ(all.turn, turn);
    if (crowdDraw(seed, 4) == 0) {
        result = conditionWaitUntil(all.changed, all.mutex, rtsNow() + 20000);
        CHECK(result == 0 || result == -ETIMEDOUT);
        turn = ++all.turn;
    }
    CHECK_EQ(all.turn, turn);
    CHECK_EQ(mutexUnlock(all.mutex), 0);
    if (crowdDraw(seed, 2) == 0)
        conditionSignal(all.changed);
}

static void useRWLock(uint64_t *seed)
{
    if (crowdDraw(seed, 3) == 0) {
        if (!gotIt(rwlockWriteUntil(all.rwlock, drawDeadline(seed))))
            return;
        all.left++;
        if (crowdDraw(seed, 8) == 0)
            threadYield();
        all.right++;
    } else {
        int result = crowdDraw(seed, 2) == 0 ? rwlockRead(all.rwlock)
                                             : rwlockReadUntil(all.rwlock, drawDeadline(seed));
        if (!gotIt(result))
            return;
        CHECK_EQ(all.left, all.right);
    }
    CHECK_EQ(rwlockUnlock(all.rwlock), 0);
}

static void useSem(uint64_t *seed)
{
    int result =
        crowdDraw(seed, 2) == 0 ? qsemWait(all.sem) : qsemWaitUntil(all.sem, drawDeadline(seed));
    if (!gotIt(result))
        return;
    CHECK_LT(ADD_SEQ_CST(&all.inside, 1), 2);
    ADD_SEQ_CST(&all.inside, (uint32_t)-1);
    CHECK_EQ(qsemSignal(all.sem), 0);
}

static void useSemN(uint64_t *seed)
{
    uint32_t units = (uint32_t)crowdDraw(seed, UNITS) + 1;
    if (!gotIt(qsemnWaitUntil(all.semn, units, drawDeadline(seed))))
        return;
    CHECK_LE(ADD_SEQ_CST(&all.taken, units) + units, UNITS);
    ADD_SEQ_CST(&all.taken, -units);
    CHECK_EQ(qsemnSignal(all.semn, units), 0);
}

static void *useAll(void *env)
{
    static void (*const uses[])(uint64_t *) = {useMutex, useRWLock, useSem, useSemN};
    uint64_t seed = crowdSeed(ADD_RELAXED(&all.seed_index, 1));
    (void)env;
    while (SEQ_CST_LOAD(&all.stop) == 0) {
        uses[crowdDraw(&seed, 4)](&seed);
        ADD_RELAXED(&all.entered, 1);
    }
    return NULL;
}

TEST(Locks, keepOthersOut)
{
    Crowd crowd;
    pthread_t os_threads[OS_THREADS];
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), GREEN);
    all.mutex = mutexNew();
    all.changed = conditionNew();
    all.rwlock = rwlockNew();
    all.sem = qsemNew(2);
    all.semn = qsemnNew(UNITS);
    for (int i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_create(&os_threads[i], NULL, useAll, NULL), 0);
    for (int i = 0; i < GREEN; i++)
        crowdFork(&crowd, useAll, NULL, "user");
    crowdPause((int64_t)(testSeconds() * 1e9));
    SEQ_CST_STORE(&all.stop, 1);
    crowdJoin(&crowd);
    for (int i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_join(os_threads[i], NULL), 0);
    CHECK_EQ(mutexTryLock(all.mutex), 0); /* everything has been given back */
    CHECK_EQ(mutexUnlock(all.mutex), 0);
    CHECK_EQ(rwlockTryWrite(all.rwlock), 0);
    CHECK_EQ(rwlockUnlock(all.rwlock), 0);
    CHECK_EQ(qsemTryWait(all.sem), 0);
    CHECK_EQ(qsemTryWait(all.sem), 0);
    CHECK_EQ(qsemnTryWait(all.semn, UNITS), 0);
    printf("%llu times\n", (unsigned long long)RELAXED_LOAD(&all.entered));
    mutexFree(all.mutex);
    conditionFree(all.changed);
    rwlockFree(all.rwlock);
    qsemFree(all.sem);
    qsemnFree(all.semn);
    crowdStop(&crowd);
}
