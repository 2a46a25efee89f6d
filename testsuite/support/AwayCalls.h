/* AwayCalls.h -- every public function, as a thread calls it that was handed over.
 *
 * For testsuite/unit/HandOverTest.c.  The lists below have each public function once
 * (testsuite/lint/away.py): BACK, those that come back; OUTSIDE, those that do what they do on a
 * plain OS thread; APART, those for which it makes no difference.
 * See Note [Runaways].
 */
#ifndef TESTSUITE_AWAY_CALLS_H
#define TESTSUITE_AWAY_CALLS_H

#include "testsuite/support/AwayStage.h"

static const int64_t never = INT64_MAX;

static void *returnNull(void *env)
{
    (void)env;
    return NULL;
}

static void *keepValue(void *value, void *env)
{
    (void)env;
    return value;
}

static void *readOnce(Transaction *tx, void *env)
{
    return tvarRead(tx, env);
}

static int readOnceStatus(Transaction *tx, void *env)
{
    void *value;
    return tvarReadStatus(tx, env, &value);
}

static int onceFn(void *env, void **value)
{
    *value = env;
    return 0;
}

static int inScope(Scope *scope, void *env)
{
    (void)env;
    return scopeFork(scope, NULL, (ScopeChildFn *)NULL, NULL) == -EINVAL ? 0 : -EIO;
}

static void *finally(void *result, void *env)
{
    (void)env;
    return result;
}

static int justClose(int fd, void *env)
{
    (void)env;
    return close(fd) == 0 ? 0 : -EBADF;
}

static int onTimeout(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    (void)env;
    return 0;
}

static TaskVerdict endStep(TaskContext *context, void *env)
{
    (void)context;
    (void)env;
    return TaskDone;
}

static void useArray(void)
{
    TArray *array = tarrayNew(2, NULL);
    CHECK_EQ(tarraySize(array), 2);
    CHECK(tvarReadIO(tarrayVar(array, 1)) == NULL);
    tarrayFree(array);
}

static void useBox(void)
{
    void *value;
    TMVar *box = tmvarNewEmpty();
    CHECK(tmvarIsEmptyIO(box) && !tmvarTryReadIO(box, &value));
    tmvarFree(box);
}

static void spawnAndWait(bool until)
{
    Process *process;
    ProcessStatus status;
    char *arguments[] = {"true", NULL};
    CHECK_EQ(processSpawn("/bin/true", arguments, NULL, &process), 0);
    CHECK(scheduleHere() != NULL);
    handOverBegin(scheduleHere());
    CHECK_EQ(until ? processWaitUntil(process, &status, never) : processWait(process, &status), 0);
    processRelease(process);
}

static void connectTo(bool until)
{
    int fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr *to = (struct sockaddr *)&it.address;
    CHECK_GE(fd, 0);
    CHECK_EQ(until ? fdConnectUntil(fd, to, sizeof it.address, never)
                   : fdConnect(fd, to, sizeof it.address),
             0);
    int other =
        until ? fdAcceptUntil(it.listener, NULL, NULL, never) : fdAccept(it.listener, NULL, NULL);
    CHECK_GE(other, 0);
    closeFd(fd);
    closeFd(other);
}

static void lookUp(bool until)
{
    struct addrinfo *found, hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    CHECK_EQ(until ? addressLookupUntil("127.0.0.1", "1", &hints, &found, never)
                   : addressLookup("127.0.0.1", "1", &hints, &found),
             0);
    freeaddrinfo(found);
}

static void watchSignal(bool until)
{
    SignalWatch *watch;
    int number = SIGUSR2;
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    kill(getpid(), SIGUSR2);
    CHECK_EQ(until ? signalWaitUntil(watch, NULL, never) : signalWait(watch, NULL), 0);
    signalRelease(watch);
}

static void pauseAndGo(void)
{
    CHECK_EQ(rtsPause(never), 0);
    CHECK(scheduleHere() != NULL);
    CHECK_EQ(rtsResume(), 0);
}

static void timeOut(void)
{
    TimeoutKey key;
    EventManager *manager = &workerAway()->capability->manager;
    CHECK_EQ(registerTimeout(manager, 1000 * 1000 * 1000, onTimeout, NULL, &key), 0);
    CHECK_EQ(updateTimeout(manager, key, 1000 * 1000), 1);
    CHECK_EQ(unregisterTimeout(manager, key), 1);
    CHECK_EQ(timeoutRegisterAt(manager, never, onTimeout, NULL, &key), 0);
    CHECK_EQ(timeoutUpdateAt(manager, key, eventManagerNow(manager) + INT64_MAX / 2), 1);
    CHECK_EQ(unregisterTimeout(manager, key), 1);
}

static void watchOnly(void)
{
    SignalWatch *watch;
    int number = SIGUSR2;
    CHECK_EQ(signalWatch(&number, 1, &watch), 0);
    signalRelease(watch);
}

static void pipeOnce(void)
{
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    close(ends[0]);
    close(ends[1]);
}

static void openOne(bool until)
{
    int fd =
        until ? fdOpenUntil("/dev/null", O_RDONLY, 0, never) : fdOpen("/dev/null", O_RDONLY, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(closeFd(fd), 0);
}

static void throwToSelf(int way)
{
    int thrown = way == 0   ? threadThrowTo(it.self, 7, NULL)
                 : way == 1 ? threadThrowToUntil(it.self, 7, NULL, never)
                            : threadKill(it.self);
    CHECK_EQ(thrown, -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
}

#define SOON (rtsNow() + 1000)

/* X(name, what is true of its call) */
#define BACK(X)                                                                                    \
    X(threadYield, threadYield() == 0)                                                             \
    X(threadSafepoint, threadSafepoint() == 0)                                                     \
    X(threadDelay, threadDelay(1) == 0)                                                            \
    X(threadDelayUntil, threadDelayUntil(0) == 0)                                                  \
    X(threadCapability, threadCapability() >= 0)                                                   \
    X(threadFork, threadFork(NULL, returnNull, NULL) == 0)                                         \
    X(threadForkOn, threadForkOn(NULL, 0, returnNull, NULL) == 0)                                  \
    X(threadForkWith, threadForkWith(NULL, NULL, returnNull, NULL) == 0)                           \
    X(threadForkFinally, threadForkFinally(NULL, returnNull, NULL, finally, NULL) == 0)            \
    X(threadForkOS, threadForkOS(NULL, returnNull, NULL) == 0)                                     \
    X(threadRunBound, threadRunBound(returnNull, NULL, NULL) == 0)                                 \
    X(threadJoinUntil, threadJoinUntil(it.ended, NULL, never) == 0)                                \
    X(threadWaitRead, threadWaitRead(it.pipe[0]) == 0)                                             \
    X(threadWaitWrite, threadWaitWrite(it.pipe[1]) == 0)                                           \
    X(threadWaitReadUntil, threadWaitReadUntil(it.pipe[0], never) == 0)                            \
    X(threadWaitWriteUntil, threadWaitWriteUntil(it.pipe[1], never) == 0)                          \
    X(threadThrowTo, (throwToSelf(0), true))                                                       \
    X(threadThrowToUntil, (throwToSelf(1), true))                                                  \
    X(threadKill, (throwToSelf(2), true))                                                          \
    X(foreignCall, foreignCall(returnNull, NULL, NULL) == 0)                                       \
    X(foreignCallInterruptible, foreignCallInterruptible(returnNull, NULL, NULL) == 0)             \
    X(threadBlockingEnter,                                                                         \
      (threadBlockingEnter(&it.region), threadBlockingLeave(&it.region), true))                    \
    X(taskNew, taskNew(NULL, NULL, endStep, NULL) == 0)                                            \
    X(mvarTake, mvarTake(it.full, NULL) == 0)                                                      \
    X(mvarTakeUntil, mvarTakeUntil(it.empty, NULL, SOON) == -ETIMEDOUT)                            \
    X(mvarPut, mvarPut(it.empty, NULL) == 0)                                                       \
    X(mvarPutUntil, mvarPutUntil(it.full, NULL, SOON) == -ETIMEDOUT)                               \
    X(mvarRead, mvarRead(it.full, NULL) == 0)                                                      \
    X(mvarReadUntil, mvarReadUntil(it.empty, NULL, SOON) == -ETIMEDOUT)                            \
    X(mvarSwap, mvarSwap(it.full, NULL, NULL) == 0)                                                \
    X(mvarSwapUntil, mvarSwapUntil(it.empty, NULL, NULL, SOON) == -ETIMEDOUT)                      \
    X(mvarModify, mvarModify(it.full, keepValue, NULL) == 0)                                       \
    X(mvarModifyUntil, mvarModifyUntil(it.empty, keepValue, NULL, SOON) == -ETIMEDOUT)             \
    X(mvarTryTake, mvarTryTake(it.full, NULL) == 0)                                                \
    X(mvarTryPut, mvarTryPut(it.empty, NULL) == 0)                                                 \
    X(mvarTryRead, mvarTryRead(it.full, NULL) == 0)                                                \
    X(mutexTryLock, mutexTryLock(it.mutex) == 0)                                                   \
    X(mutexUnlock, mutexUnlock(it.locked) == 0)                                                    \
    X(conditionWait, conditionWaitUntil(it.condition, it.locked, SOON) == -ETIMEDOUT)              \
    X(conditionWaitUntil, conditionWaitUntil(it.condition, it.locked, SOON) == -ETIMEDOUT)         \
    X(conditionSignal, conditionSignal(it.condition) == 0)                                         \
    X(conditionBroadcast, conditionBroadcast(it.condition) == 0)                                   \
    X(rwlockTryRead, rwlockTryRead(it.rwlock) == 0)                                                \
    X(rwlockTryWrite, rwlockTryWrite(it.rwlock) == 0)                                              \
    X(rwlockUnlock, rwlockUnlock(it.written) == 0)                                                 \
    X(qsemTryWait, qsemTryWait(it.qsem) == 0)                                                      \
    X(qsemSignal, qsemSignal(it.qsem) == 0)                                                        \
    X(qsemnTryWait, qsemnTryWait(it.qsemn, 1) == 0)                                                \
    X(qsemnSignal, qsemnSignal(it.qsemn, 1) == 0)                                                  \
    X(waitGroupAdd, waitGroupAdd(it.group, 1) == 0)                                                \
    X(waitGroupDone, waitGroupDone(it.one) == 0)                                                   \
    X(waitGroupWaitUntil, waitGroupWaitUntil(it.one, SOON) == -ETIMEDOUT)                          \
    X(barrierWait, barrierWait(it.barrier) == 1)                                                   \
    X(barrierWaitUntil, barrierWaitUntil(it.barrier, never) == 1)                                  \
    X(chanWrite, chanWrite(it.chan, NULL) == 0)                                                    \
    X(chanRead, chanRead(it.chan, NULL) == 0)                                                      \
    X(chanReadUntil, chanReadUntil(it.chan, NULL, never) == 0)                                     \
    X(chanTryRead, chanTryRead(it.chan, NULL) == 0)                                                \
    X(timeoutRun, timeoutRun(1000 * 1000 * 1000, returnNull, NULL, NULL) == 0)                     \
    X(timeoutRunUntil, timeoutRunUntil(never - 1, returnNull, NULL, NULL) == 0)                    \
    X(scopeRun, scopeRun(inScope, NULL) == 0)                                                      \
    X(stmAtomically, stmAtomically(readOnce, it.tvar, NULL) == 0)                                  \
    X(stmAtomicallyUntil, stmAtomicallyUntil(readOnce, it.tvar, NULL, never) == 0)                 \
    X(stmAtomicallyStatus, stmAtomicallyStatus(readOnceStatus, it.tvar, NULL, never) == 0)         \
    X(tvarWriteIO, tvarWriteIO(it.tvar, NULL) == 0)                                                \
    X(tvarAwait, tvarAwait(it.tvar, 77) == 0)                                                      \
    X(tvarAwaitUntil, tvarAwaitUntil(it.tvar, 77, never) == 0)                                     \
    X(registerDelay,                                                                               \
      (registerDelay(1000 * 1000, (TVar **)&it.value) == 0 && (tvarFree(it.value), true)))         \
    X(capabilityManager, capabilityManager() != NULL)                                              \
    X(capabilitySetUser, capabilitySetUser(NULL) == 0)                                             \
    X(capabilitySetCount, capabilitySetCount(1) == 0)                                              \
    X(rtsPause, (pauseAndGo(), true))                                                              \
    X(addressLookup, (lookUp(false), true))                                                        \
    X(addressLookupUntil, (lookUp(true), true))                                                    \
    X(processSpawn, (spawnAndWait(false), true))                                                   \
    X(processWait, (spawnAndWait(false), true))                                                    \
    X(processWaitUntil, (spawnAndWait(true), true))                                                \
    X(fdRead, fdRead(it.pipe[0], it.buffer, 1) == 1)                                               \
    X(fdReadUntil, fdReadUntil(it.pipe[0], it.buffer, 1, never) == 1)                              \
    X(fdReadv, fdReadv(it.pipe[0], &it.part, 1) == 1)                                              \
    X(fdReadvUntil, fdReadvUntil(it.pipe[0], &it.part, 1, never) == 1)                             \
    X(fdWrite, fdWrite(it.pipe[1], "x", 1) == 1)                                                   \
    X(fdWriteUntil, fdWriteUntil(it.pipe[1], "x", 1, never) == 1)                                  \
    X(fdWriteAll, fdWriteAll(it.pipe[1], "x", 1) == 1)                                             \
    X(fdWriteAllUntil, fdWriteAllUntil(it.pipe[1], "x", 1, never) == 1)                            \
    X(fdWritev, fdWritev(it.pipe[1], &it.part, 1) == 1)                                            \
    X(fdWritevUntil, fdWritevUntil(it.pipe[1], &it.part, 1, never) == 1)                           \
    X(fdRecv, fdRecv(it.pair[0], it.buffer, 1, 0) == 1)                                            \
    X(fdRecvUntil, fdRecvUntil(it.pair[0], it.buffer, 1, 0, never) == 1)                           \
    X(fdRecvFrom, fdRecvFrom(it.pair[0], it.buffer, 1, 0, NULL, NULL) == 1)                        \
    X(fdRecvFromUntil, fdRecvFromUntil(it.pair[0], it.buffer, 1, 0, NULL, NULL, never) == 1)       \
    X(fdRecvMsg, fdRecvMsg(it.pair[0], &it.message, 0) == 1)                                       \
    X(fdRecvMsgUntil, fdRecvMsgUntil(it.pair[0], &it.message, 0, never) == 1)                      \
    X(fdSend, fdSend(it.pair[0], "x", 1, 0) == 1)                                                  \
    X(fdSendUntil, fdSendUntil(it.pair[0], "x", 1, 0, never) == 1)                                 \
    X(fdSendTo, fdSendTo(it.pair[0], "x", 1, 0, NULL, 0) == 1)                                     \
    X(fdSendToUntil, fdSendToUntil(it.pair[0], "x", 1, 0, NULL, 0, never) == 1)                    \
    X(fdSendMsg, fdSendMsg(it.pair[0], &it.message, 0) == 1)                                       \
    X(fdSendMsgUntil, fdSendMsgUntil(it.pair[0], &it.message, 0, never) == 1)                      \
    X(fdConnect, (connectTo(false), true))                                                         \
    X(fdConnectUntil, (connectTo(true), true))                                                     \
    X(fdAccept, (connectTo(false), true))                                                          \
    X(fdAcceptUntil, (connectTo(true), true))                                                      \
    X(fdOpen, (openOne(false), true))                                                              \
    X(fdOpenUntil, (openOne(true), true))                                                          \
    X(fdPread, fdPread(it.file, it.buffer, 1, 0) == 1)                                             \
    X(fdPreadUntil, fdPreadUntil(it.file, it.buffer, 1, 0, never) == 1)                            \
    X(fdPwrite, fdPwrite(it.file, "x", 1, 0) == 1)                                                 \
    X(fdPwriteUntil, fdPwriteUntil(it.file, "x", 1, 0, never) == 1)                                \
    X(fdStat, fdStat(it.file, &it.about) == 0)                                                     \
    X(fdStatUntil, fdStatUntil(it.file, &it.about, never) == 0)                                    \
    X(fdFsync, (fdFsync(it.file), true))                                                           \
    X(fdFsyncUntil, (fdFsyncUntil(it.file, never), true))                                          \
    X(fdSplice, fdSplice(it.pipe[0], NULL, it.pair[1], NULL, 1) == 1)                              \
    X(fdSpliceUntil, fdSpliceUntil(it.pipe[0], NULL, it.pair[1], NULL, 1, never) == 1)             \
    X(fdSendFile, fdSendFile(it.pair[0], it.file, NULL, 1) == 1)                                   \
    X(fdSendFileUntil, fdSendFileUntil(it.pair[0], it.file, NULL, 1, never) == 1)

/* They need no capability; who is asking they ask of scheduleSelf.  Of those that wait, what they
 * do where there is nothing to wait for. */
#define OUTSIDE(X)                                                                                 \
    X(threadSelf, threadSelf() == it.self)                                                         \
    X(threadId, threadId(it.self) != 0)                                                            \
    X(threadCompare, threadCompare(it.self, it.self) == 0)                                         \
    X(threadIsBound, !threadIsBound())                                                             \
    X(threadRunUnbound, threadRunUnbound(returnNull, NULL, NULL) == 0)                             \
    X(threadCapabilityLast, threadCapabilityLast() == 0)                                           \
    X(threadJoin, threadJoin(it.ended, NULL) == 0)                                                 \
    X(threadRetain, (threadRetain(it.ended), true))                                                \
    X(threadRelease, (threadRelease(threadRetain(it.ended)), true))                                \
    X(threadWeak, (threadWeak(it.self), true))                                                     \
    X(threadWeakUpgrade, threadWeakUpgrade(threadWeak(it.ended)) == NULL)                          \
    X(threadList, threadList(NULL, 0) >= 1)                                                        \
    X(threadLabel, threadLabel(it.self, "away") == 0)                                              \
    X(threadLabelOf, threadLabelOf(it.ended, it.buffer, sizeof it.buffer) == 0)                    \
    X(threadStatus, threadStatus(it.self).state == ThreadBlockedOnCall)                            \
    X(threadDescribe, threadDescribe(it.self, it.buffer, sizeof it.buffer) != 0)                   \
    X(threadMask, threadMask() == Unmasked)                                                        \
    X(threadMaskUninterruptible, threadMaskUninterruptible() == Unmasked)                          \
    X(threadMaskingState, (threadMask(), threadMaskingState() == MaskedInterruptible))             \
    X(threadRestore, threadRestore(Unmasked) == 0)                                                 \
    X(threadAllowInterrupt, threadAllowInterrupt() == 0)                                           \
    X(threadInterruptible, threadInterruptible(returnNull, NULL) == NULL)                          \
    X(threadCaught, threadCaught(NULL, NULL) == 0)                                                 \
    X(threadSlotNew, (threadSlotFree(threadSlotNew(NULL)), true))                                  \
    X(threadSlotFree, (threadSlotFree(NULL), true))                                                \
    X(threadSlotGet, threadSlotGet(it.slot) == &it)                                                \
    X(threadSlotSet, threadSlotSet(it.slot, NULL) == 0)                                            \
    X(mvarNew, (mvarFree(mvarNew(NULL)), true))                                                    \
    X(mvarNewEmpty, (mvarFree(mvarNewEmpty()), true))                                              \
    X(mvarFree, (mvarFree(NULL), true))                                                            \
    X(mvarIsEmpty, mvarIsEmpty(it.empty))                                                          \
    X(mutexNew, (mutexFree(mutexNew()), true))                                                     \
    X(mutexFree, (mutexFree(NULL), true))                                                          \
    X(mutexLock, mutexLock(it.locked) == -EDEADLK && mutexLock(it.mutex) == 0)                     \
    X(mutexLockUntil, mutexLockUntil(it.locked, never) == -EDEADLK)                                \
    X(conditionNew, (conditionFree(conditionNew()), true))                                         \
    X(conditionFree, (conditionFree(NULL), true))                                                  \
    X(rwlockNew, (rwlockFree(rwlockNew()), true))                                                  \
    X(rwlockFree, (rwlockFree(NULL), true))                                                        \
    X(rwlockRead, rwlockRead(it.written) == -EDEADLK)                                              \
    X(rwlockReadUntil, rwlockReadUntil(it.rwlock, never) == 0)                                     \
    X(rwlockWrite, rwlockWrite(it.written) == -EDEADLK)                                            \
    X(rwlockWriteUntil, rwlockWriteUntil(it.rwlock, never) == 0)                                   \
    X(qsemNew, (qsemFree(qsemNew(1)), true))                                                       \
    X(qsemFree, (qsemFree(NULL), true))                                                            \
    X(qsemWait, qsemWait(it.qsem) == 0)                                                            \
    X(qsemWaitUntil, qsemWaitUntil(it.qsem, never) == 0)                                           \
    X(qsemnNew, (qsemnFree(qsemnNew(1)), true))                                                    \
    X(qsemnFree, (qsemnFree(NULL), true))                                                          \
    X(qsemnWait, qsemnWait(it.qsemn, 1) == 0)                                                      \
    X(qsemnWaitUntil, qsemnWaitUntil(it.qsemn, 1, never) == 0)                                     \
    X(waitGroupNew, (waitGroupFree(waitGroupNew()), true))                                         \
    X(waitGroupFree, (waitGroupFree(NULL), true))                                                  \
    X(waitGroupWait, waitGroupWait(it.group) == 0)                                                 \
    X(barrierNew, (barrierFree(barrierNew(1)), true))                                              \
    X(barrierFree, (barrierFree(NULL), true))                                                      \
    X(chanNew, (chanFree(chanNew()), true))                                                        \
    X(chanDup, (chanFree(chanDup(it.chan)), true))                                                 \
    X(chanFree, (chanFree(NULL), true))                                                            \
    X(onceNew, (onceFree(onceNew()), true))                                                        \
    X(onceFree, (onceFree(NULL), true))                                                            \
    X(onceGet, onceGet(it.once, onceFn, NULL, NULL) == 0)                                          \
    X(onceGetUntil, onceGetUntil(it.once, onceFn, NULL, NULL, never) == 0)                         \
    X(tvarNew, (tvarFree(tvarNew(NULL)), true))                                                    \
    X(tvarFree, (tvarFree(NULL), true))                                                            \
    X(tvarReadIO, tvarReadIO(it.tvar) == NULL)                                                     \
    X(tvarReadVersionIO, tvarReadVersionIO(it.tvar, &(uint64_t){0}) == NULL)                       \
    X(tmvarNew, (tmvarFree(tmvarNew(NULL)), true))                                                 \
    X(tmvarNewEmpty, (tmvarFree(tmvarNewEmpty()), true))                                           \
    X(tmvarFree, (tmvarFree(tmvarNewEmpty()), true))                                               \
    X(tsemNew, (tsemFree(tsemNew(0)), true))                                                       \
    X(tsemFree, (tsemFree(tsemNew(0)), true))                                                      \
    X(tqueueNew, (tqueueFree(tqueueNew()), true))                                                  \
    X(tqueueFree, (tqueueFree(tqueueNew()), true))                                                 \
    X(tbqueueNew, (tbqueueFree(tbqueueNew(1)), true))                                              \
    X(tbqueueFree, (tbqueueFree(tbqueueNew(1)), true))                                             \
    X(tarrayNew, (tarrayFree(tarrayNew(1, NULL)), true))                                           \
    X(tarrayFree, (tarrayFree(NULL), true))                                                        \
    X(tchanNew, (tchanFree(tchanNew(NULL)), true))                                                 \
    X(tchanNewBroadcast, (tchanFree(tchanNewBroadcast(NULL)), true))                               \
    X(tchanFree, (tchanFree(NULL), true))                                                          \
    X(tmapNew, (tmapFree(tmapNew(NULL)), true))                                                    \
    X(tmapFree, (tmapFree(NULL), true))                                                            \
    X(tarraySize, (useArray(), true))                                                              \
    X(tarrayVar, (useArray(), true))                                                               \
    X(tmvarIsEmptyIO, (useBox(), true))                                                            \
    X(tmvarTryReadIO, (useBox(), true))                                                            \
    X(taskContext, taskContext() == NULL)                                                          \
    X(wakerNewMVar, (wakerFree(wakerNewMVar(it.empty)), true))                                     \
    X(wakerNewTVar, (wakerFree(wakerNewTVar(it.tvar)), true))                                      \
    X(wakerPut, wakerPut(it.waker, NULL) >= 0)                                                     \
    X(wakerFree, (wakerFree(NULL), true))                                                          \
    X(fdAdopt, fdAdopt(it.pair[0]) == 0)                                                           \
    X(fdSocket, (closeFd(fdSocket(AF_INET, SOCK_STREAM, 0)), true))                                \
    X(fdPipe, (pipeOnce(), true))                                                                  \
    X(fdListen, fdListen(NULL, 0, 1) < 0)                                                          \
    X(fdListenMany, (fdListenMany(NULL, 0, 1, 0, NULL), true))                                     \
    X(fdShutdown, (fdShutdown(it.pair[0], SHUT_WR), true))                                         \
    X(closeFd, closeFd(-1) == -EBADF)                                                              \
    X(closeFdWith, closeFdWith(justClose, NULL, fcntl(it.file, F_DUPFD_CLOEXEC, 0)) == 0)          \
    X(errnoLocation, errnoLocation() != NULL)                                                      \
    X(registerTimeout, (timeOut(), true))                                                          \
    X(updateTimeout, (timeOut(), true))                                                            \
    X(unregisterTimeout, (timeOut(), true))                                                        \
    X(timeoutRegisterAt, (timeOut(), true))                                                        \
    X(timeoutUpdateAt, (timeOut(), true))                                                          \
    X(eventManagerNow, (timeOut(), true))                                                          \
    X(signalWatch, (watchOnly(), true))                                                            \
    X(signalRelease, (watchOnly(), true))                                                          \
    X(signalWait, (watchSignal(false), true))                                                      \
    X(signalWaitUntil, (watchSignal(true), true))                                                  \
    X(rtsShutdown, rtsShutdown(Drain, never) == -EPERM)                                            \
    X(rtsResume, rtsResume() == -EPERM)                                                            \
    X(rtsPausedThreads, rtsPausedThreads(NULL, NULL) == -EPERM)                                    \
    X(rtsHold, rtsHold() == 0 && (rtsRelease(), true))                                             \
    X(rtsRelease, rtsHold() == 0 && (rtsRelease(), true))                                          \
    X(rtsStep, rtsStep(0) == -ENOTSUP)                                                             \
    X(rtsFd, rtsFd() == -ENOTSUP)                                                                  \
    X(capabilityUser, capabilityUser(0) == NULL)                                                   \
    X(rtsNow, rtsNow() > 0)                                                                        \
    X(rtsStats, rtsStats(0, &(RtsStats){0}) == 0)                                                  \
    X(stmStats, stmStats(0, &(StmStats){0}) == 0)                                                  \
    X(capabilityCount, capabilityCount() == 1)

/* In a transaction, a step, a scope, by the pauser: never away.  Managers without a runtime, and
 * its start: no threads.   threadBlockingLeave: nobody is away in a region. */
#define APART                                                                                      \
    "tvarRead tvarWrite tvarWriteIfChanged tvarSwap tvarModify tvarNewSTM tvarFreeSTM "            \
    "stmRetry stmOrElse stmThrow stmCatch stmOnAbort stmOnCommit stmRetire tvarReadStatus "        \
    "tvarWriteStatus stmRetryStatus stmThrowStatus stmOrElseStatus stmCatchStatus "                \
    "tvarNewStatus tvarFreeStatus stmOnAbortStatus stmOnCommitStatus stmRetireStatus "             \
    "tmvarTake tmvarRead tmvarPut tmvarSwap tmvarWrite tmvarTryTake tmvarTryRead "                 \
    "tmvarTryPut tmvarIsEmpty tsemWait tsemSignal tqueueWrite tqueueUnGet tqueueRead "             \
    "tqueuePeek tqueueTryRead tqueueTryPeek tqueueFlush tqueueIsEmpty tbqueueWrite "               \
    "tbqueueUnGet tbqueueRead tbqueuePeek tbqueueTryRead tbqueueTryPeek tbqueueFlush "             \
    "tbqueueIsEmpty tbqueueIsFull tbqueueLength tbqueueCapacity tarrayEach tarrayEachStatus "      \
    "tarrayFreeSTM tarrayFreeStatus tarrayModify tarrayNewSTM tarrayNewStatus tarrayRead "         \
    "tarrayReadStatus tarrayWrite tarrayWriteStatus taskDeadline taskMustYield "                   \
    "taskSetResult taskSetStep taskSetUser taskStatus taskUser taskValue taskWaitDelay "           \
    "taskWaitDelayUntil taskWaitMVarPut taskWaitMVarRead taskWaitMVarTake taskWaitRead "           \
    "taskWaitSTM taskWaitSTMStatus taskWaitTVar taskWaitThread taskWaitWrite "                     \
    "tbqueueFlushStatus tbqueueFreeSTM tbqueueFreeStatus tbqueueIsEmptyStatus "                    \
    "tbqueueIsFullStatus tbqueueLengthStatus tbqueueNewSTM tbqueueNewStatus "                      \
    "tbqueuePeekStatus tbqueueReadStatus tbqueueTryPeekStatus tbqueueTryReadStatus "               \
    "tbqueueUnGetStatus tbqueueWriteStatus tchanClone tchanCloneStatus tchanDup "                  \
    "tchanDupStatus tchanFreeSTM tchanFreeStatus tchanIsEmpty tchanIsEmptyStatus "                 \
    "tchanNewBroadcastSTM tchanNewBroadcastStatus tchanNewSTM tchanNewStatus tchanPeek "           \
    "tchanPeekStatus tchanRead tchanReadStatus tchanTryPeek tchanTryPeekStatus tchanTryRead "      \
    "tchanTryReadStatus tchanUnGet tchanUnGetStatus tchanWrite tchanWriteStatus "                  \
    "threadDelayUntilSTM threadDelayUntilStatus threadJoinSTM threadJoinStatus "                   \
    "threadWaitReadSTM threadWaitReadStatus threadWaitWriteSTM threadWaitWriteStatus "             \
    "tmapDelete tmapDeleteStatus tmapEach tmapEachStatus tmapFreeSTM tmapFreeStatus "              \
    "tmapInsert tmapInsertIfAbsent tmapInsertIfAbsentStatus tmapInsertStatus tmapLookup "          \
    "tmapLookupStatus tmapNewSTM tmapNewStatus tmapSize tmapSizeStatus tmapUpdate "                \
    "tmapUpdateStatus tmvarFreeSTM tmvarFreeStatus tmvarIsEmptyStatus tmvarNewEmptySTM "           \
    "tmvarNewEmptyStatus tmvarNewSTM tmvarNewStatus tmvarPutStatus tmvarReadStatus "               \
    "tmvarSwapStatus tmvarTakeStatus tmvarTryPutStatus tmvarTryReadStatus "                        \
    "tmvarTryTakeStatus tmvarWriteStatus tqueueFlushStatus tqueueFreeSTM tqueueFreeStatus "        \
    "tqueueIsEmptyStatus tqueueNewSTM tqueueNewStatus tqueuePeekStatus tqueueReadStatus "          \
    "tqueueTryPeekStatus tqueueTryReadStatus tqueueUnGetStatus tqueueWriteStatus "                 \
    "tsemFreeSTM tsemFreeStatus tsemNewSTM tsemNewStatus tsemSignalStatus tsemTryWait "            \
    "tsemTryWaitStatus tsemWaitStatus scopeFork scopeCancel registerFd unregisterFd "              \
    "eventManagerNew eventManagerFree eventManagerStep eventManagerRun eventManagerStop "          \
    "eventManagerWake eventManagerFd eventManagerCloseFd eventManagerStats rtsInit rtsMain "       \
    "threadBlockingLeave processKill processId processRetain processRelease"

#endif
