/* OutsideTest.c -- plain OS threads: they wait as green threads do, and block. */
#include "rts/Outside.h"

#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

/* ---- fds ------------------------------------------------------------------------------------- */

static void *readAfterWait(void *env)
{
    int fd = *(int *)env;
    char byte = 0;
    CHECK_EQ(threadWaitRead(fd), 0);
    CHECK_EQ(read(fd, &byte, 1), 1);
    return (void *)(intptr_t)byte;
}

TEST(Outside, waitsForAnFd)
{
    int ends[2];
    char full[4096] = {0};
    greenStart(1);
    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 20; i++) {
        pthread_t reader = osFork(readAfterWait, &ends[0]);
        CHECK_EQ(write(ends[1], "q", 1), 1);
        CHECK_EQ((intptr_t)osJoin(reader), 'q');
    }
    CHECK_EQ(threadWaitWrite(ends[1]), 0);
    while (write(ends[1], full, sizeof full) > 0)
        continue;
    int64_t deadline_ns = rtsNow() + 2 * MS_NS;
    CHECK_EQ(threadWaitWriteUntil(ends[1], deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    close(ends[0]);
    CHECK_EQ(threadWaitWrite(ends[1]), 0); /* the reader is gone: so says the next write */
    close(ends[1]);
    greenStop();
}

TEST(Outside, saysWhichFdsAreNone)
{
    greenStart(1);
    CHECK_EQ(threadWaitRead(-1), -EBADF);
    CHECK_EQ(threadWaitWrite(-7), -EBADF);
    CHECK_EQ(threadWaitRead(60000), -EBADF);
    CHECK_EQ(threadWaitReadUntil(60000, INT64_MAX), -EBADF);
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_EQ(threadWaitRead(file), 0);
    close(file);
    CHECK_EQ(threadWaitRead(file), -EBADF);
    greenStop();
}

TEST(Outside, timesOutNeverEarly)
{
    int ends[2];
    greenStart(1);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    static const int64_t delays_ns[] = {-MS_NS, 0, 1, 100000, 3 * MS_NS};
    for (int i = 0; i < 5; i++) {
        int64_t deadline_ns = rtsNow() + delays_ns[i];
        CHECK_EQ(threadWaitReadUntil(ends[0], deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        deadline_ns = rtsNow() + delays_ns[i];
        CHECK_EQ(threadDelayUntil(deadline_ns), 0);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    CHECK_EQ(threadWaitReadUntil(ends[0], INT64_MIN), -ETIMEDOUT);
    CHECK_EQ(threadDelayUntil(INT64_MIN), 0);
    CHECK_EQ(threadDelay(INT64_MIN), 0);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(threadWaitReadUntil(ends[0], INT64_MIN), 0); /* ready beats late */
    close(ends[0]);
    close(ends[1]);
    greenStop();
}

/* ---- signals: they interrupt the system calls below and change nothing ----------------------- */

static void ignoreSignal(int number)
{
    (void)number;
}

static struct {
    pthread_t target;
    uint32_t stop;
} storm;

static void *sendSignals(void *env)
{
    struct timespec pause = {0, 200000};
    (void)env;
    while (ACQUIRE_LOAD(&storm.stop) == 0) {
        pthread_kill(storm.target, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

TEST(Outside, signalsDoNotEndAWait)
{
    int ends[2];
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = ignoreSignal;
    CHECK_EQ(sigaction(SIGUSR1, &action, &before), 0);
    greenStart(1);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    TVar *tvar = tvarNew(NULL);
    storm.target = pthread_self();
    storm.stop = 0;
    pthread_t sender = osFork(sendSignals, NULL);
    for (int i = 0; i < 3; i++) {
        int64_t deadline_ns = rtsNow() + 4 * MS_NS;
        CHECK_EQ(threadWaitReadUntil(ends[0], deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        deadline_ns = rtsNow() + 4 * MS_NS;
        CHECK_EQ(greenAwaitNextUntil(tvar, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        deadline_ns = rtsNow() + 4 * MS_NS;
        CHECK_EQ(threadDelayUntil(deadline_ns), 0);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    RELEASE_STORE(&storm.stop, 1);
    osJoin(sender);
    tvarFree(tvar);
    close(ends[0]);
    close(ends[1]);
    greenStop();
    sigaction(SIGUSR1, &before, NULL);
}

/* ---- lists ----------------------------------------------------------------------------------- */

static bool isSet(void *env)
{
    return env != NULL;
}

typedef struct Waiter {
    WatchList *list;
    int64_t deadline_ns;
    int result;
} Waiter;

static void *waitOnList(void *env)
{
    Waiter *waiter = env;
    waiter->result = outsideWaitList(waiter->list, 0, isSet, NULL, waiter->deadline_ns);
    return NULL;
}

static uint32_t watchersOf(WatchList *list)
{
    uint32_t count = 0;
    uint64_t head = SEQ_CST_LOAD(list) & WATCH_POINTER;
    for (WatchNode *node = (WatchNode *)(uintptr_t)head; node != NULL; node = node->next)
        count++;
    return count;
}

TEST(Outside, severalWaitOnOneList)
{
    enum { WAITERS = 5 };
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    uint64_t blocks = 0;
    for (int round = 0; round < 10; round++) {
        WatchList list = 0;
        Waiter waiters[WAITERS];
        pthread_t threads[WAITERS];
        for (uint32_t i = 0; i < WAITERS; i++) {
            waiters[i] = (Waiter){&list, DEADLINE_NEVER, 1};
            threads[i] = osFork(waitOnList, &waiters[i]);
            while (watchersOf(&list) != i + 1) /* nobody takes: only pushes change it */
                sched_yield();
        }
        CHECK_EQ(watchListFire(watchListTake(&list, 0), -EBADF, NULL), WAITERS);
        for (int i = 0; i < WAITERS; i++) {
            osJoin(threads[i]);
            CHECK_EQ(waiters[i].result, -EBADF);
        }
        CHECK_EQ(list, 0);
        if (round == 0)
            blocks = RELAXED_LOAD(&heap.live_blocks);
        CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), blocks); /* what they borrowed is lent again */
    }
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}

TEST(Outside, listsEndWaitsInEveryWay)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    WatchList list = 0;
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&heap.fail_from, 1);
    CHECK_EQ(outsideWaitList(&list, 0, isSet, NULL, DEADLINE_NEVER), -ENOMEM);
    RELAXED_STORE(&heap.fail_from, 0);
    CHECK_EQ(outsideWaitList(&list, 0, isSet, &list, DEADLINE_NEVER), 0); /* it has happened */
    CHECK_EQ(list, 0);
    int64_t deadline_ns = rtsNow() + 2 * MS_NS;
    CHECK_EQ(outsideWaitList(&list, 0, isSet, NULL, deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    CHECK_EQ(list, 0);
    CHECK_EQ(outsideWaitList(&list, 0, isSet, NULL, INT64_MIN), -ETIMEDOUT);
    watchListClose(&list, 1);
    CHECK_EQ(outsideWaitList(&list, 0, isSet, NULL, DEADLINE_NEVER), -EALREADY);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}

TEST(Outside, cancelAllEndsPresentAndFutureWaits)
{
    WatchList list = 0;
    Waiter waiters[3];
    pthread_t threads[3];
    greenStart(1);
    for (uint32_t i = 0; i < 3; i++) {
        waiters[i] = (Waiter){&list, DEADLINE_NEVER, 1};
        threads[i] = osFork(waitOnList, &waiters[i]);
        while (watchersOf(&list) != i + 1)
            sched_yield();
    }
    outsideCancelAll();
    for (int i = 0; i < 3; i++) {
        osJoin(threads[i]);
        CHECK_EQ(waiters[i].result, -ECANCELED);
    }
    CHECK_EQ(list, 0);
    CHECK_EQ(outsideWaitList(&list, 0, isSet, NULL, DEADLINE_NEVER), -ECANCELED);
    greenStop();
    greenStart(1); /* and a new life forgets it */
    CHECK_EQ(outsideWaitList(&list, 0, isSet, NULL, rtsNow()), -ETIMEDOUT);
    greenStop();
}

/* ---- plain and green threads wake each other ------------------------------------------------- */

static TVar *ping, *pong;

static void *answerPings(void *env)
{
    uintptr_t rounds = (uintptr_t)env;
    for (uintptr_t i = 1; i <= rounds; i++) {
        uint64_t seen;
        while ((uintptr_t)tvarReadVersionIO(ping, &seen) != i)
            CHECK_EQ(tvarAwait(ping, seen), 0);
        CHECK_EQ(tvarWriteIO(pong, (void *)i), 0);
    }
    return NULL;
}

TEST(Outside, playsPingPongWithAGreenThread)
{
    uintptr_t rounds = greenScale(500);
    greenStart(2);
    ping = tvarNew(NULL);
    pong = tvarNew(NULL);
    Thread *thread = greenFork(answerPings, (void *)rounds);
    for (uintptr_t i = 1; i <= rounds; i++) {
        uint64_t seen;
        CHECK_EQ(tvarWriteIO(ping, (void *)i), 0);
        while ((uintptr_t)tvarReadVersionIO(pong, &seen) != i)
            CHECK_EQ(tvarAwait(pong, seen), 0);
    }
    greenJoin(thread);
    tvarFree(ping);
    tvarFree(pong);
    greenStop();
}
