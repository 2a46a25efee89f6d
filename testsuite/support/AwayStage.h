/* AwayStage.h -- what testsuite/support/AwayCalls.h calls functions with: one of each kind. */
#ifndef TESTSUITE_AWAY_STAGE_H
#define TESTSUITE_AWAY_STAGE_H

#include "rts/HandOver.h"
#include "rts/Schedule.h"
#include "testsuite/support/Green.h"
#include "testsuite/support/SignalMask.h"

#include <capri/errno.h>
#undef errno
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a row may use; made anew for each. */
static struct {
    MVar *full, *empty;
    Mutex *mutex, *locked;
    Condition *condition;
    RWLock *rwlock, *written;
    QSem *qsem;
    QSemN *qsemn;
    WaitGroup *group, *one;
    Barrier *barrier;
    Chan *chan;
    Once *once;
    TVar *tvar;
    Waker *waker;
    ThreadSlot *slot;
    Thread *ended, *self;
    BlockingRegion region;
    int pipe[2], pair[2], file, listener;
    struct sockaddr_in address;
    char buffer[16];
    struct iovec part;
    struct msghdr message;
    struct stat about;
    void *value;
    int number;
} it;

static void *endAtOnce(void *env)
{
    return env;
}

static void make(void)
{
    socklen_t size = sizeof it.address;
    memset(&it, 0, sizeof it);
    it.self = threadSelf();
    it.full = mvarNew(&it);
    it.empty = mvarNewEmpty();
    it.mutex = mutexNew();
    it.locked = mutexNew();
    it.condition = conditionNew();
    it.rwlock = rwlockNew();
    it.written = rwlockNew();
    it.qsem = qsemNew(1);
    it.qsemn = qsemnNew(1);
    it.group = waitGroupNew();
    it.one = waitGroupNew();
    it.barrier = barrierNew(1);
    it.chan = chanNew();
    it.once = onceNew();
    it.tvar = tvarNew(NULL);
    it.waker = wakerNewTVar(it.tvar);
    it.slot = threadSlotNew(NULL);
    CHECK_EQ(threadSlotSet(it.slot, &it), 0);
    CHECK_EQ(mutexLock(it.locked), 0);
    CHECK_EQ(rwlockWrite(it.written), 0);
    CHECK_EQ(waitGroupAdd(it.one, 1), 0);
    CHECK_EQ(chanWrite(it.chan, &it), 0);
    it.ended = greenFork(endAtOnce, NULL);
    CHECK_EQ(threadJoin(it.ended, NULL), 0);
    CHECK_EQ(fdPipe(it.pipe), 0);
    CHECK_EQ(fdWrite(it.pipe[1], "pipe", 4), 4);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, it.pair), 0);
    CHECK_EQ(fdWrite(it.pair[1], "pair", 4), 4);
    it.file = memfd_create("away", MFD_CLOEXEC);
    CHECK_EQ(pwrite(it.file, "file", 4, 0), 4);
    it.address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    it.listener = fdListen((struct sockaddr *)&it.address, size, 1);
    CHECK_GE(it.listener, 0);
    CHECK_EQ(getsockname(it.listener, (struct sockaddr *)&it.address, &size), 0);
    it.part = (struct iovec){it.buffer, 1};
    it.message = (struct msghdr){.msg_iov = &it.part, .msg_iovlen = 1};
}

static void drop(void)
{
    mvarFree(it.full);
    mvarFree(it.empty);
    mutexFree(it.mutex);
    mutexFree(it.locked);
    conditionFree(it.condition);
    rwlockFree(it.rwlock);
    rwlockFree(it.written);
    qsemFree(it.qsem);
    qsemnFree(it.qsemn);
    waitGroupFree(it.group);
    waitGroupFree(it.one);
    barrierFree(it.barrier);
    chanFree(it.chan);
    onceFree(it.once);
    wakerFree(it.waker);
    tvarFree(it.tvar);
    threadSlotFree(it.slot);
    threadRelease(it.ended);
    CHECK_EQ(closeFd(it.pipe[0]), 0);
    CHECK_EQ(closeFd(it.pipe[1]), 0);
    CHECK_EQ(closeFd(it.pair[0]), 0);
    CHECK_EQ(closeFd(it.pair[1]), 0);
    CHECK_EQ(closeFd(it.file), 0);
    CHECK_EQ(closeFd(it.listener), 0);
}

#endif
