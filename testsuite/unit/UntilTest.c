/* UntilTest.c -- the `...Until(deadline_ns)` forms of variables, locks, threads, signals, children,
 * on green threads and on plain OS threads: at a deadline that has passed it tries once, it is
 * never early, and what comes in time is had.  Those of fds: FdUntilTest.c.
 *
 * not-under: valgrind
 * (valgrind 3.19 has no pidfd_open(2), which waiting for children needs.)
 */
#include "testsuite/support/Until.h"

#include <fcntl.h>
#include <signal.h>

/* ---- what they stand on: one at a time is used ----------------------------------------------- */

static void *object, *second;
static char full[1];
static Thread *helper;

static void makeMVar(void)
{
    object = mvarNewEmpty();
}
static void makeFullMVar(void)
{
    object = mvarNew(full);
}
static void putMVar(void)
{
    CHECK_EQ(mvarPut(object, full), 0);
}
static void takeMVar(void)
{
    CHECK_EQ(mvarTake(object, NULL), 0);
}
static void freeMVar(void)
{
    mvarFree(object);
}
static void *same(void *value, void *env)
{
    (void)env;
    return value;
}
static int64_t callTake(int64_t deadline_ns)
{
    return mvarTakeUntil(object, NULL, deadline_ns);
}
static int64_t callPut(int64_t deadline_ns)
{
    return mvarPutUntil(object, full, deadline_ns);
}
static int64_t callReadMVar(int64_t deadline_ns)
{
    return mvarReadUntil(object, NULL, deadline_ns);
}
static int64_t callSwap(int64_t deadline_ns)
{
    return mvarSwapUntil(object, full, NULL, deadline_ns);
}
static int64_t callModify(int64_t deadline_ns)
{
    return mvarModifyUntil(object, same, NULL, deadline_ns);
}

static void makeChan(void)
{
    object = chanNew();
}
static void writeChan(void)
{
    CHECK_EQ(chanWrite(object, NULL), 0);
}
static void freeChan(void)
{
    chanFree(object);
}
static int64_t callChan(int64_t deadline_ns)
{
    return chanReadUntil(object, NULL, deadline_ns);
}

static void makeTVar(void)
{
    object = tvarNew(NULL);
}
static void writeTVar(void)
{
    CHECK_EQ(tvarWriteIO(object, NULL), 0);
}
static void freeTVar(void)
{
    tvarFree(object);
}
static int64_t callTVar(int64_t deadline_ns)
{
    return tvarAwaitUntil(object, 0, deadline_ns);
}

static void makeQSem(void)
{
    object = qsemNew(0);
}
static void signalQSem(void)
{
    CHECK_EQ(qsemSignal(object), 0);
}
static void freeQSem(void)
{
    qsemFree(object);
}
static int64_t callQSem(int64_t deadline_ns)
{
    return qsemWaitUntil(object, deadline_ns);
}
static void makeQSemN(void)
{
    object = qsemnNew(1);
}
static void signalQSemN(void)
{
    CHECK_EQ(qsemnSignal(object, 2), 0);
}
static void freeQSemN(void)
{
    qsemnFree(object);
}
static int64_t callQSemN(int64_t deadline_ns)
{
    return qsemnWaitUntil(object, 3, deadline_ns);
}

static void makeGroup(void)
{
    object = waitGroupNew();
    CHECK_EQ(waitGroupAdd(object, 1), 0);
}
static void doneGroup(void)
{
    CHECK_EQ(waitGroupDone(object), 0);
}
static void freeGroup(void)
{
    waitGroupFree(object);
}
static int64_t callGroup(int64_t deadline_ns)
{
    return waitGroupWaitUntil(object, deadline_ns);
}

/* Somebody else has it until it is provided: a thread that waits for `second`. */
static void *holdMutex(void *env)
{
    (void)env;
    CHECK_EQ(mutexLock(object), 0);
    CHECK_EQ(mvarTake(second, NULL), 0);
    CHECK_EQ(mutexUnlock(object), 0);
    return NULL;
}
static void *holdRWLock(void *env)
{
    (void)env;
    CHECK_EQ(rwlockWrite(object), 0);
    CHECK_EQ(mvarTake(second, NULL), 0);
    CHECK_EQ(rwlockUnlock(object), 0);
    return NULL;
}
static int computeSlowly(void *env, void **value)
{
    *value = env;
    return mvarTake(second, NULL);
}
static void *holdOnce(void *env)
{
    CHECK_EQ(onceGet(object, computeSlowly, env, NULL), 0);
    return NULL;
}
static void *beJoined(void *env)
{
    CHECK_EQ(mvarTake(second, NULL), 0);
    return env;
}
static void startHelper(ThreadFn *fn)
{
    second = mvarNewEmpty();
    helper = greenFork(fn, NULL);
    greenUntil(helper, ThreadBlockedOnMVar);
}
static void releaseHelper(void)
{
    CHECK_EQ(mvarPut(second, NULL), 0);
    while (threadStatus(helper).state != ThreadFinished)
        threadYield();
}
static void endHelper(void)
{
    greenJoin(helper);
    mvarFree(second);
}
static void makeMutex(void)
{
    object = mutexNew();
    startHelper(holdMutex);
}
static void freeMutex(void)
{
    endHelper();
    mutexFree(object);
}
static int64_t callMutex(int64_t deadline_ns)
{
    int result = mutexLockUntil(object, deadline_ns);
    return result != 0 ? result : mutexUnlock(object);
}
static void makeRWLock(void)
{
    object = rwlockNew();
    startHelper(holdRWLock);
}
static void freeRWLock(void)
{
    endHelper();
    rwlockFree(object);
}
static int64_t callRead(int64_t deadline_ns)
{
    int result = rwlockReadUntil(object, deadline_ns);
    return result != 0 ? result : rwlockUnlock(object);
}
static int64_t callWrite(int64_t deadline_ns)
{
    int result = rwlockWriteUntil(object, deadline_ns);
    return result != 0 ? result : rwlockUnlock(object);
}
static void makeOnce(void)
{
    object = onceNew();
    startHelper(holdOnce);
}
static void freeOnce(void)
{
    endHelper();
    onceFree(object);
}
static int64_t callOnce(int64_t deadline_ns)
{
    return onceGetUntil(object, computeSlowly, NULL, NULL, deadline_ns);
}
static void makeThread(void)
{
    startHelper(beJoined);
}
static int64_t callJoin(int64_t deadline_ns)
{
    return threadJoinUntil(helper, NULL, deadline_ns);
}

static void makeCondition(void)
{
    object = conditionNew();
    second = mutexNew();
}
static void signalCondition(void)
{
    while (conditionSignal(object) == 0)
        threadYield();
}
static void freeCondition(void)
{
    conditionFree(object);
    mutexFree(second);
}
static int64_t callCondition(int64_t deadline_ns)
{
    CHECK_EQ(mutexLock(second), 0);
    int result = conditionWaitUntil(object, second, deadline_ns);
    CHECK_EQ(mutexUnlock(second), 0);
    return result;
}

static void makeBarrier(void)
{
    object = barrierNew(2);
}
static void meetAtBarrier(void)
{
    CHECK_GE(barrierWaitUntil(object, until_ns), 0);
}
static void freeBarrier(void)
{
    barrierFree(object);
}
static int64_t callBarrier(int64_t deadline_ns)
{
    return barrierWaitUntil(object, deadline_ns);
}

static int ends[2];

#ifndef SANITIZE_THREAD
static void makeWatch(void)
{
    int number = SIGUSR2;
    SignalWatch *watch;
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    object = watch;
}
static void killSelf(void)
{
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
}
static void freeWatch(void)
{
    signalRelease(object);
}
static int64_t callSignal(int64_t deadline_ns)
{
    return signalWaitUntil(object, NULL, deadline_ns);
}
#endif

static void makeProcess(void)
{
    char *arguments[] = {(char *)"cat", NULL};
    int fds[3] = {-1, 1, 2};
    Process *process;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    fds[0] = ends[0];
    ProcessAttributes attributes = {.fds = fds, .fd_count = 3, .search = true};
    CHECK_EQ(processSpawn("cat", arguments, &attributes, &process), 0);
    object = process;
    CHECK_EQ(close(ends[0]), 0);
}
static void endProcess(void)
{
    CHECK_EQ(close(ends[1]), 0); /* what it reads has ended */
}
static void freeProcess(void)
{
    processRelease(object);
}
static int64_t callProcess(int64_t deadline_ns)
{
    return processWaitUntil(object, NULL, deadline_ns);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const Form forms[] = {
    {"mvarTake", makeMVar, callTake, putMVar, freeMVar, true},
    {"mvarPut", makeFullMVar, callPut, takeMVar, freeMVar, true},
    {"mvarRead", makeMVar, callReadMVar, putMVar, freeMVar, true},
    {"mvarSwap", makeMVar, callSwap, putMVar, freeMVar, true},
    {"mvarModify", makeMVar, callModify, putMVar, freeMVar, true},
    {"chanRead", makeChan, callChan, writeChan, freeChan, true},
    {"tvarAwait", makeTVar, callTVar, writeTVar, freeTVar, true},
    {"qsemWait", makeQSem, callQSem, signalQSem, freeQSem, true},
    {"qsemnWait", makeQSemN, callQSemN, signalQSemN, freeQSemN, true},
    {"waitGroupWait", makeGroup, callGroup, doneGroup, freeGroup, true},
    {"mutexLock", makeMutex, callMutex, releaseHelper, freeMutex, true},
    {"rwlockRead", makeRWLock, callRead, releaseHelper, freeRWLock, true},
    {"rwlockWrite", makeRWLock, callWrite, releaseHelper, freeRWLock, true},
    {"onceGet", makeOnce, callOnce, releaseHelper, freeOnce, true},
    {"threadJoin", makeThread, callJoin, releaseHelper, endHelper, true},
    {"conditionWait", makeCondition, callCondition, signalCondition, freeCondition, false},
    {"barrierWait", makeBarrier, callBarrier, meetAtBarrier, freeBarrier, false},
#ifndef SANITIZE_THREAD /* which puts off a handler while its OS thread sleeps */
    {"signalWait", makeWatch, callSignal, killSelf, freeWatch, false},
#endif
    {"processWait", makeProcess, callProcess, endProcess, freeProcess, false},
    {NULL, NULL, NULL, NULL, NULL, false},
};

TEST(Until, onGreenThreads)
{
    greenRun(2, tryForms, (void *)forms);
}

TEST(Until, onOneCapability)
{
    greenRun(1, tryForms, (void *)forms);
}

TEST(Until, onPlainOSThreads)
{
    greenStart(2);
    tryForms((void *)forms);
    greenStop();
}
