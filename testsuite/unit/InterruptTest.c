/* InterruptTest.c -- throwing to a thread in every kind of wait; the rest: InterruptOrderTest.c. */
#include "rts/Interrupt.h"

#include "testsuite/support/Runtime.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

enum { CODE = 7 };

static char payload; /* its address */

/* ---- every kind of wait ---- */

typedef struct Things {
    int pair[2];
    MVar *full, *empty;
    Chan *chan;
    Mutex *mutex;
    Condition *condition;
    RWLock *rwlock;
    QSem *qsem;
    QSemN *qsemn;
    WaitGroup *group;
    Barrier *barrier;
    Once *once;
    TVar *tvar;
    Thread *sleeper;
    Thread *masked;
    uint32_t go; /* the masked one ends */
    uint32_t masked_begun;
} Things;

static void awaitFlag(uint32_t *flag)
{
    while (ACQUIRE_LOAD(flag) == 0)
        threadYield();
}

static int64_t later(bool timed)
{
    return timed ? rtsNow() + 3600 * 1000 * MS_NS : INT64_MAX;
}

static int onRead(Things *things, bool timed)
{
    return threadWaitReadUntil(things->pair[0], later(timed));
}
static int onFdRead(Things *things, bool timed)
{
    char byte;
    (void)timed;
    return (int)fdRead(things->pair[0], &byte, 1);
}
static int onDelay(Things *things, bool timed)
{
    (void)things;
    return timed ? threadDelay(3600 * INT64_C(1000000)) : threadDelay(INT64_MAX);
}
static int onTake(Things *things, bool timed)
{
    void *value;
    return mvarTakeUntil(things->empty, &value, later(timed));
}
static int onReadMVar(Things *things, bool timed)
{
    void *value;
    return mvarReadUntil(things->empty, &value, later(timed));
}
static int onPut(Things *things, bool timed)
{
    return mvarPutUntil(things->full, NULL, later(timed));
}
static int onChan(Things *things, bool timed)
{
    void *value;
    return chanReadUntil(things->chan, &value, later(timed));
}
static int onMutex(Things *things, bool timed)
{
    return mutexLockUntil(things->mutex, later(timed));
}
static int onReadLock(Things *things, bool timed)
{
    return rwlockReadUntil(things->rwlock, later(timed));
}
static int onWriteLock(Things *things, bool timed)
{
    return rwlockWriteUntil(things->rwlock, later(timed));
}
static int onQSem(Things *things, bool timed)
{
    return qsemWaitUntil(things->qsem, later(timed));
}
static int onQSemN(Things *things, bool timed)
{
    return qsemnWaitUntil(things->qsemn, 2, later(timed));
}
static int onGroup(Things *things, bool timed)
{
    return waitGroupWaitUntil(things->group, later(timed));
}
static int onBarrier(Things *things, bool timed)
{
    return barrierWaitUntil(things->barrier, later(timed));
}
static int onTVar(Things *things, bool timed)
{
    return timed ? greenAwaitNextUntil(things->tvar, later(true)) : greenAwaitNext(things->tvar);
}
static int onJoin(Things *things, bool timed)
{
    return threadJoinUntil(things->sleeper, NULL, later(timed));
}
static int onSignal(Things *things, bool timed)
{
    const int number = SIGUSR2;
    SignalWatch *watch;
    SignalInfo info;
    (void)things;
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    int result = signalWaitUntil(watch, &info, later(timed));
    signalRelease(watch);
    return result;
}
static int onThrowTo(Things *things, bool timed)
{
    return threadThrowToUntil(things->masked, 1, NULL, later(timed));
}
static int onCondition(Things *things, bool timed)
{
    Mutex *mutex = mutexNew();
    CHECK_EQ(mutexLock(mutex), 0);
    int result = conditionWaitUntil(things->condition, mutex, later(timed));
    CHECK_EQ(mutexUnlock(mutex), 0); /* it is held again, whatever happened */
    mutexFree(mutex);
    return result;
}

typedef int Wait(Things *things, bool timed);

static Wait *const waits[] = {onRead,  onFdRead,    onDelay,   onTake,     onReadMVar,
                              onPut,   onChan,      onMutex,   onReadLock, onQSem,
                              onQSemN, onWriteLock, onGroup,   onBarrier,  onTVar,
                              onJoin,  onSignal,    onThrowTo, onCondition};
enum { WAITS = sizeof waits / sizeof waits[0] };

typedef struct Waiting {
    Things *things;
    Wait *wait;
    bool timed, masked;
    uint32_t begun; /* about to wait */
} Waiting;

static void *beInterrupted(void *env)
{
    Waiting *waiting = env;
    int code = 0;
    void *what = NULL;
    if (waiting->masked)
        threadMask();
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    RELEASE_STORE(&waiting->begun, 1);
    CHECK_EQ(waiting->wait(waiting->things, waiting->timed), -ECANCELED);
    CHECK_EQ(threadCaught(&code, &what), 1);
    CHECK_EQ(code, CODE);
    CHECK_EQ(what, &payload);
    CHECK_EQ(threadCaught(&code, &what), 0);
    return waiting;
}

static void *sleepLong(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return env;
}

static void *stayMasked(void *env)
{
    Things *things = env;
    threadMaskUninterruptible();
    RELEASE_STORE(&things->masked_begun, 1);
    awaitFlag(&things->go);
    return NULL;
}

static void openThings(Things *things)
{
    *things = (Things){.full = mvarNew(NULL),
                       .empty = mvarNewEmpty(),
                       .chan = chanNew(),
                       .mutex = mutexNew(),
                       .condition = conditionNew(),
                       .rwlock = rwlockNew(),
                       .qsem = qsemNew(0),
                       .qsemn = qsemnNew(1),
                       .group = waitGroupNew(),
                       .barrier = barrierNew(2),
                       .once = onceNew(),
                       .tvar = tvarNew(NULL)};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, things->pair), 0);
    CHECK_EQ(fdAdopt(things->pair[0]), 0);
    CHECK_EQ(mutexLock(things->mutex), 0);
    CHECK_EQ(rwlockWrite(things->rwlock), 0);
    CHECK_EQ(waitGroupAdd(things->group, 1), 0);
    things->sleeper = greenFork(sleepLong, things);
    things->masked = greenFork(stayMasked, things);
    awaitFlag(&things->masked_begun);
}

/* Whatever was waited for has lost nothing, and waits for nobody. */
static void closeThings(Things *things)
{
    void *value;
    RELEASE_STORE(&things->go, 1);
    CHECK_EQ(greenJoin(things->masked), NULL);
    CHECK_EQ(threadThrowTo(things->sleeper, CODE, NULL), 0);
    CHECK_EQ(greenJoin(things->sleeper), things);
    CHECK_EQ(mvarTryPut(things->empty, things), 0);
    CHECK_EQ(mvarTryTake(things->empty, &value), 0);
    CHECK_EQ(mvarTryTake(things->full, &value), 0);
    CHECK_EQ(mvarTryTake(things->full, &value), -EAGAIN);
    CHECK_EQ(chanWrite(things->chan, things), 0);
    CHECK_EQ(chanTryRead(things->chan, &value), 0);
    CHECK_EQ(mutexUnlock(things->mutex), 0);
    CHECK_EQ(rwlockUnlock(things->rwlock), 0);
    CHECK_EQ(rwlockTryRead(things->rwlock), 0);
    CHECK_EQ(rwlockUnlock(things->rwlock), 0);
    CHECK_EQ(qsemSignal(things->qsem), 0);
    CHECK_EQ(qsemTryWait(things->qsem), 0);
    CHECK_EQ(qsemnTryWait(things->qsemn, 1), 0);
    CHECK_EQ(conditionSignal(things->condition), 0);
    mvarFree(things->full);
    mvarFree(things->empty);
    chanFree(things->chan);
    mutexFree(things->mutex);
    conditionFree(things->condition);
    rwlockFree(things->rwlock);
    qsemFree(things->qsem);
    qsemnFree(things->qsemn);
    waitGroupFree(things->group);
    barrierFree(things->barrier);
    onceFree(things->once);
    tvarFree(things->tvar);
    CHECK_EQ(closeFd(things->pair[0]), 0);
    close(things->pair[1]);
}

static void *interruptAll(void *env)
{
    Things things;
    bool early = env != NULL; /* as it begins to wait, on another core */
    openThings(&things);
    for (int i = 0; i < WAITS * 4; i++) {
        Waiting waiting = {&things, waits[i / 4], (i & 1) != 0, (i & 2) != 0, 0};
        Thread *thread = greenFork(beInterrupted, &waiting);
        ThreadState state = ThreadReady;
        while (early ? ACQUIRE_LOAD(&waiting.begun) == 0
                     : state == ThreadReady || state == ThreadRunning) {
            threadYield();
            state = threadStatus(thread).state;
        }
        CHECK_EQ(threadThrowTo(thread, CODE, &payload), 0);
        CHECK_EQ(greenJoin(thread), &waiting);
    }
    closeThings(&things);
    return NULL;
}

TEST(Interrupt, endsEveryWait)
{
    greenRun(1, interruptAll, NULL);
    greenRun(2, interruptAll, NULL);
}

TEST(Interrupt, endsEveryWaitAtItsBeginning)
{
    for (int i = 0; i < 20; i++)
        greenRun(2, interruptAll, &payload);
}

static void *interruptFromOutside(void *env)
{
    Thread *thread = env;
    CHECK_EQ(threadThrowTo(thread, CODE, &payload), 0);
    return NULL;
}

TEST(Interrupt, comesFromPlainOsThreads)
{
    Things things;
    greenStart(2);
    Waiting waiting = {&things, onDelay, false, false, 0};
    Thread *thread = greenFork(beInterrupted, &waiting);
    while (threadStatus(thread).state != ThreadBlockedOnDelay)
        sched_yield();
    osJoin(osFork(interruptFromOutside, thread));
    CHECK_EQ(greenJoin(thread), &waiting);
    greenStop();
}
