/* FdCloseTest.c -- closeFd: waiters first, then the number; whoever gets it next is not touched. */
#include "testsuite/support/Runtime.h"

#include <capri/event.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static const char *const backends[] = {"epoll", "poll"};

static void runEverywhere(ThreadFn *fn)
{
    for (int i = 0; i < 4; i++) {
        RtsConfig config = {.capabilities = 1 + (uint32_t)i / 2, .backend = backends[i % 2]};
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(fn, NULL));
        greenStop();
    }
}

static void *waitRead(void *env)
{
    return (void *)(intptr_t)threadWaitRead((int)(intptr_t)env);
}

static void *waitWrite(void *env)
{
    return (void *)(intptr_t)threadWaitWrite((int)(intptr_t)env);
}

/* A socket that is neither readable nor writable. */
static void makeStuck(int pair[2], bool adopted)
{
    char full[4096] = {0};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    for (int i = 0; i < 2 && adopted; i++)
        CHECK_EQ(fdAdopt(pair[i]), 0);
    while (write(pair[0], full, sizeof full) > 0)
        continue;
}

/* ---- waiters --------------------------------------------------------------------------------- */

enum { MOST = 1000 };

static Thread *waiters[MOST];

static void forkWaiters(int fd, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        waiters[i] = greenFork(i % 2 ? waitWrite : waitRead, (void *)(intptr_t)fd);
    for (uint32_t i = 0; i < count; i++)
        greenUntil(waiters[i], i % 2 ? ThreadBlockedOnWrite : ThreadBlockedOnRead);
}

static void *closeUnderWaiters(void *env)
{
    uint32_t count = greenScale(MOST);
    (void)env;
    for (int adopted = 0; adopted < 2; adopted++) {
        int pair[2];
        makeStuck(pair, adopted);
        forkWaiters(pair[0], count);
        CHECK_EQ(closeFd(pair[0]), 0);
        for (uint32_t i = 0; i < count; i++)
            CHECK_EQ((intptr_t)greenJoin(waiters[i]), -EBADF);
        CHECK_EQ(closeFd(pair[0]), -EBADF);
        CHECK_EQ(threadWaitRead(pair[0]), -EBADF);
        CHECK_EQ(closeFd(pair[1]), 0);
    }
    CHECK_EQ(closeFd(-1), -EBADF);
    CHECK_EQ(closeFd(INT32_MAX), -EBADF);
    return NULL;
}

TEST(FdClose, tellsEveryWaiter)
{
    runEverywhere(closeUnderWaiters);
}

static void *closeFrom(void *env)
{
    CHECK_EQ(closeFd((int)(intptr_t)env), 0);
    return NULL;
}

/* From another capability, and from a plain OS thread. */
static void *closeFromOutside(void *env)
{
    uint32_t count = greenScale(50);
    (void)env;
    for (int i = 0; i < 6; i++) {
        int pair[2];
        makeStuck(pair, i % 2);
        forkWaiters(pair[0], count);
        if (i % 3 == 0) {
            osJoin(osFork(closeFrom, (void *)(intptr_t)pair[0]));
        } else {
            Thread *closer;
            CHECK_EQ(threadForkOn(&closer, (uint32_t)i, closeFrom, (void *)(intptr_t)pair[0]), 0);
            greenJoin(closer);
        }
        for (uint32_t j = 0; j < count; j++)
            CHECK_EQ((intptr_t)greenJoin(waiters[j]), -EBADF);
        CHECK_EQ(closeFd(pair[1]), 0);
    }
    return NULL;
}

TEST(FdClose, comesFromAnywhere)
{
    runEverywhere(closeFromOutside);
}

/* ---- the number is reused -------------------------------------------------------------------- */

static void *reuseAtOnce(void *env)
{
    (void)env;
    for (int i = 0; i < 30; i++) {
        int pair[2], again[2];
        char byte;
        makeStuck(pair, i % 2);
        Thread *old = greenFork(waitRead, (void *)(intptr_t)pair[0]);
        greenUntil(old, ThreadBlockedOnRead);
        CHECK_EQ(closeFd(pair[0]), 0);
        if (i % 4 < 2)
            CHECK_EQ(fdPipe(again), 0); /* before the old waiter has run */
        else
            CHECK_EQ(pipe2(again, O_CLOEXEC | O_NONBLOCK), 0);
        CHECK_EQ(again[0], pair[0]);
        Thread *fresh = greenFork(waitRead, (void *)(intptr_t)again[0]);
        greenUntil(fresh, ThreadBlockedOnRead);
        CHECK_EQ((intptr_t)greenJoin(old), -EBADF);
        CHECK_EQ(threadStatus(fresh).state, ThreadBlockedOnRead); /* not the new file's waiter */
        CHECK_EQ(fcntl(again[0], F_GETFD), FD_CLOEXEC); /* and it is open: nobody closed it again */
        CHECK_EQ(write(again[1], "x", 1), 1);
        CHECK_EQ((intptr_t)greenJoin(fresh), 0);
        CHECK_EQ(fdRead(again[0], &byte, 1), 1);
        CHECK_EQ(closeFd(again[0]), 0);
        CHECK_EQ(closeFd(again[1]), 0);
        CHECK_EQ(closeFd(pair[1]), 0);
    }
    return NULL;
}

TEST(FdClose, theNextFileIsUntouched)
{
    runEverywhere(reuseAtOnce);
}

/* ---- a closing function of one's own --------------------------------------------------------- */

typedef struct MyClose {
    Thread *waiter;
    uint32_t calls;
    int fd, answer;
    pthread_t os_thread;
    Thread *self;
} MyClose;

static int closeMine(int fd, void *env)
{
    MyClose *mine = env;
    mine->calls++;
    mine->fd = fd;
    mine->os_thread = pthread_self();
    mine->self = threadSelf();
    /* No lock is held, and the waiters have been told: they may even run. */
    if (mine->waiter != NULL) {
        CHECK_EQ((intptr_t)greenJoin(mine->waiter), -EBADF);
        CHECK_GE(fcntl(fd, F_GETFD), 0); /* not closed yet */
        CHECK_EQ(threadWaitReadUntil(fd, rtsNow()), -ETIMEDOUT);
    }
    CHECK_EQ(close(fd), 0);
    return mine->answer;
}

static void *closeWithMine(void *env)
{
    (void)env;
    for (int i = 0; i < 4; i++) {
        int pair[2];
        makeStuck(pair, i % 2);
        MyClose mine = {.answer = i < 2 ? -7 : 3};
        if (i != 3) {
            mine.waiter = greenFork(waitRead, (void *)(intptr_t)pair[0]);
            greenUntil(mine.waiter, ThreadBlockedOnRead);
        }
        CHECK_EQ(closeFdWith(closeMine, &mine, pair[0]), mine.answer);
        CHECK_EQ(mine.calls, 1);
        CHECK_EQ(mine.fd, pair[0]);
        CHECK_EQ(mine.self, threadSelf());
        CHECK_EQ(threadWaitRead(pair[0]), -EBADF);
        CHECK_EQ(closeFd(pair[1]), 0);
    }
    CHECK_EQ(closeFdWith(NULL, NULL, 0), -EINVAL);
    CHECK_GE(fcntl(0, F_GETFD), 0);
    return NULL;
}

TEST(FdClose, callsYoursOnce)
{
    runEverywhere(closeWithMine);
    MyClose mine = {.answer = 5};
    int ends[2];
    greenStart(1);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(closeFdWith(closeMine, &mine, ends[0]), 5); /* plain OS thread */
    CHECK_EQ(mine.calls, 1);
    CHECK(pthread_equal(mine.os_thread, pthread_self()));
    CHECK_EQ(closeFd(ends[1]), 0);
    greenStop();
}

/* ThreadSanitizer calls a close that meets a use of the number a race, which is what is tested
 * here. */
static int closeUnseen(int fd, void *env)
{
    (void)env;
    return (int)syscall(SYS_close, fd);
}

/* Who comes to wait between the farewell to the waiters and close(2), wherever he runs and whoever
 * has waited before, is not forgotten: the kernel says nothing of a closed fd. */
static int closeUnderNewcomer(int fd, void *env)
{
    Thread **newcomer = env;
    uint32_t elsewhere = capabilityCount() - 1;
    CHECK_EQ(threadForkOn(newcomer, elsewhere, waitRead, (void *)(intptr_t)fd), 0);
    greenUntil(*newcomer, ThreadBlockedOnRead);
    for (int64_t until_ns = rtsNow() + MS_NS; rtsNow() < until_ns;)
        threadYield(); /* let it get to the kernel: the status is set a little earlier */
    return closeUnseen(fd, NULL);
}

static void *meetNewcomer(void *env)
{
    (void)env;
    for (int i = 0; i < 8; i++) {
        int pair[2];
        Thread *newcomer;
        makeStuck(pair, i % 2);
        if (i % 4 < 2) /* it has a home already: here */
            CHECK_EQ(threadWaitReadUntil(pair[0], rtsNow()), -ETIMEDOUT);
        CHECK_EQ(closeFdWith(closeUnderNewcomer, &newcomer, pair[0]), 0);
        intptr_t told = (intptr_t)greenJoin(newcomer); /* 0: look again */
        CHECK(told == 0 || told == -EBADF);
        CHECK_EQ(closeFd(pair[1]), 0);
    }
    return NULL;
}

TEST(FdClose, newcomersAreNotForgotten)
{
    runEverywhere(meetNewcomer);
}

/* ---- lingering ------------------------------------------------------------------------------- */

static uint32_t lingering_closed;

static int closeInCallback(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager;
    (void)env;
    if ((events & EventClose) == 0 && threadSelf() != NULL) { /* a stack that could wait */
        CHECK_EQ(closeFd(key.fd), 0);
        lingering_closed++;
    }
    return 0;
}

static void *closeLingering(void *env)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 1};
    int pair[2];
    (void)env;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(
        registerFd(capabilityManager(), closeInCallback, NULL, pair[0], EventRead, MultiShot, NULL),
        0);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    while (lingering_closed == 0)
        threadSafepoint();
    CHECK_EQ(lingering_closed, 1);
    CHECK_EQ(read(pair[1], &(char){0}, 1), -1);
    CHECK_EQ(closeFd(pair[1]), 0);
    return NULL;
}

/* Goal: a callback that runs on a thread's stack does not wait there for a lingering close. */
TEST(FdClose, aCallbackDoesNotWaitForLingering)
{
    for (int i = 0; i < 2; i++) {
        RtsConfig config = {.capabilities = 1, .backend = backends[i]};
        lingering_closed = 0;
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(closeLingering, NULL));
        greenStop();
    }
}

/* ---- closing while others come to wait ------------------------------------------------------- */

typedef struct Race {
    int fd;
    uint32_t go;
} Race;

static void *waitInRace(void *env)
{
    Race *race = env;
    while (ACQUIRE_LOAD(&race->go) == 0)
        threadYield();
    /* The number stays closed.  Who comes between the farewell to the waiters and close(2) is told
     * to look again; everybody hears of it in the end, and nobody is left waiting. */
    for (int tries = 0, failed = 0; failed != -EBADF; tries++) {
        CHECK_LT(tries, 3);
        failed = tries % 2 ? threadWaitWrite(race->fd) : threadWaitRead(race->fd);
        CHECK(failed == 0 || failed == -EBADF);
    }
    return NULL;
}

static void *raceClose(void *env)
{
    enum { WAITERS = 6 };
    uint32_t rounds = greenScale(100);
    (void)env;
    for (uint32_t i = 0; i < rounds; i++) {
        int pair[2];
        makeStuck(pair, i % 2);
        Race race = {pair[0], 0};
        Thread *threads[WAITERS];
        for (int j = 0; j < WAITERS; j++)
            threads[j] = greenFork(waitInRace, &race);
        RELEASE_STORE(&race.go, 1);
        for (uint32_t j = 0; j < i % 7; j++)
            threadYield();
        CHECK_EQ(closeFdWith(closeUnseen, NULL, pair[0]), 0);
        for (int j = 0; j < WAITERS; j++)
            greenJoin(threads[j]);
        CHECK_EQ(closeFd(pair[1]), 0);
    }
    return NULL;
}

TEST(FdClose, meetsThoseWhoComeToWait)
{
    runEverywhere(raceClose);
}
