/* ThreadWaitTest.c -- threadWaitRead, threadWaitWrite on every sort of fd, and on none. */
#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static const char *const backends[] = {"epoll", "poll"};

/* Run fn on a green thread once for each back-end, on one and on two capabilities. */
static void runEverywhere(ThreadFn *fn)
{
    for (int i = 0; i < 4; i++) {
        RtsConfig config = {.capabilities = 1 + (uint32_t)i / 2, .backend = backends[i % 2]};
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(fn, NULL));
        greenStop();
    }
}

static void closeBoth(int ends[2])
{
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
}

/* ---- strangers: fds that nobody gave to Capri ------------------------------------------------ */

static void *waitRead(void *env)
{
    return (void *)(intptr_t)threadWaitRead((int)(intptr_t)env);
}

static void *waitWrite(void *env)
{
    return (void *)(intptr_t)threadWaitWrite((int)(intptr_t)env);
}

static Thread *forkBlocked(ThreadFn *fn, int fd)
{
    Thread *thread = greenFork(fn, (void *)(intptr_t)fd);
    greenUntil(thread, fn == waitRead ? ThreadBlockedOnRead : ThreadBlockedOnWrite);
    return thread;
}

static void *waitOnStrangers(void *env)
{
    int ends[2];
    char byte, full[4096] = {0};
    (void)env;
    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 20; i++) {
        Thread *reader = forkBlocked(waitRead, ends[0]);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ((intptr_t)greenJoin(reader), 0);
        CHECK_EQ(threadWaitRead(ends[0]), 0); /* it is still there */
        CHECK_EQ(read(ends[0], &byte, 1), 1);
        CHECK_EQ(threadWaitWrite(ends[1]), 0);
    }
    while (write(ends[1], full, sizeof full) > 0)
        continue;
    Thread *writer = forkBlocked(waitWrite, ends[1]);
    while (read(ends[0], full, sizeof full) > 0)
        continue;
    CHECK_EQ((intptr_t)greenJoin(writer), 0);
    /* The end of the file wakes who waits for more. */
    Thread *reader = forkBlocked(waitRead, ends[0]);
    close(ends[1]);
    CHECK_EQ((intptr_t)greenJoin(reader), 0);
    CHECK_EQ(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    return NULL;
}

TEST(ThreadWait, strangersWork)
{
    runEverywhere(waitOnStrangers);
}

/* The number is closed and reused by plain calls, again and again: each wait is about the file of
 * now. */
static void *reuseNumbers(void *env)
{
    int64_t past_ns = rtsNow();
    (void)env;
    for (int i = 0; i < 20; i++) {
        int ends[2];
        CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        CHECK_EQ(threadWaitReadUntil(ends[0], past_ns), -ETIMEDOUT);
        Thread *reader = forkBlocked(waitRead, ends[0]);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ((intptr_t)greenJoin(reader), 0);
        if (i % 3 == 0)
            CHECK_EQ(write(ends[1], "y", 1), 1);
        close(ends[i % 2]);
        close(ends[1 - i % 2]);
        CHECK_EQ(threadWaitRead(ends[0]), -EBADF);
        CHECK_EQ(threadWaitWrite(ends[1]), -EBADF);
    }
    return NULL;
}

TEST(ThreadWait, numbersAreReusedByPlainClose)
{
    runEverywhere(reuseNumbers);
}

/* ---- no fd, no pollable fd ------------------------------------------------------------------- */

static void *waitOnNothing(void *env)
{
    int ends[2], others[2];
    (void)env;
    CHECK_EQ(fdPipe(others), 0);
    Thread *bystander = forkBlocked(waitRead, others[0]);
    CHECK_EQ(threadWaitRead(-1), -EBADF);
    CHECK_EQ(threadWaitWrite(-1), -EBADF);
    CHECK_EQ(threadWaitRead(INT32_MIN), -EBADF);
    CHECK_EQ(threadWaitRead(60000), -EBADF); /* never opened */
    CHECK_EQ(threadWaitReadUntil(60000, INT64_MAX), -EBADF);
    CHECK_EQ(threadWaitWrite(1 << 20), -EBADF); /* beyond every table, and not open */
    CHECK_EQ(threadWaitWrite(INT32_MAX), -EBADF);
    CHECK_EQ(fdPipe(ends), 0);
    closeBoth(ends);
    CHECK_EQ(threadWaitRead(ends[0]), -EBADF);
    CHECK_EQ(threadWaitWrite(ends[1]), -EBADF);
    CHECK_EQ(threadStatus(bystander).state, ThreadBlockedOnRead); /* others are not affected */
    CHECK_EQ(write(others[1], "x", 1), 1);
    CHECK_EQ((intptr_t)greenJoin(bystander), 0);
    closeBoth(others);
    return NULL;
}

TEST(ThreadWait, noFdIsBad)
{
    runEverywhere(waitOnNothing);
}

static void *waitOnFiles(void *env)
{
    FILE *file = tmpfile();
    (void)env;
    CHECK(file != NULL);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_GE(directory, 0);
    int fds[2] = {fileno(file), directory};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(threadWaitRead(fds[i]), 0);
            CHECK_EQ(threadWaitWrite(fds[i]), 0);
            CHECK_EQ(threadWaitReadUntil(fds[i], 0), 0); /* ready beats late */
            if (round == 1)
                CHECK_EQ(fdAdopt(fds[i]), 0);
        }
    }
    CHECK_EQ(closeFd(directory), 0);
    CHECK_EQ(threadWaitRead(directory), -EBADF);
    fclose(file);
    return NULL;
}

TEST(ThreadWait, filesAreReadyAtOnce)
{
    runEverywhere(waitOnFiles);
}

/* ---- adopted fds ----------------------------------------------------------------------------- */

static void *waitOnAdopted(void *env)
{
    int pair[2];
    char byte;
    (void)env;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    CHECK_EQ(fdAdopt(pair[0]), 0);
    CHECK_EQ(fdAdopt(pair[1]), 0);
    for (int i = 0; i < 30; i++) {
        CHECK_LT(read(pair[0], &byte, 1), 0); /* EAGAIN first: that is the rule for adopted ones */
        Thread *readers[3];
        for (int j = 0; j < 3; j++)
            readers[j] = forkBlocked(waitRead, pair[0]);
        CHECK_EQ(write(pair[1], "x", 1), 1);
        for (int j = 0; j < 3; j++)
            CHECK_EQ((intptr_t)greenJoin(readers[j]), 0); /* all of them wake */
        CHECK_EQ(read(pair[0], &byte, 1), 1);
    }
    /* Both directions of one fd at once; the peer's end wakes the reader, then the writer. */
    char full[4096] = {0};
    while (write(pair[0], full, sizeof full) > 0)
        continue;
    Thread *reader = forkBlocked(waitRead, pair[0]), *writer = forkBlocked(waitWrite, pair[0]);
    CHECK_EQ(closeFd(pair[1]), 0);
    CHECK_EQ((intptr_t)greenJoin(reader), 0);
    CHECK_EQ((intptr_t)greenJoin(writer), 0);
    CHECK_LE(read(pair[0], &byte, 1), 0); /* the end, or ECONNRESET: it left data unread */
    CHECK_EQ(closeFd(pair[0]), 0);
    return NULL;
}

TEST(ThreadWait, adoptedOnesWakeEverybody)
{
    runEverywhere(waitOnAdopted);
}

/* Goal: no wake-up is lost between EAGAIN and the park.  Method: two threads, a byte to and fro,
 * with every wait the only thing that can bring the next byte. */
typedef struct Side {
    int in, out;
    uint32_t rounds;
} Side;

static void readOne(int fd)
{
    char byte;
    for (;;) {
        int failed = read(fd, &byte, 1) == 1 ? 0 : 1;
        if (!failed)
            return;
        CHECK_EQ(threadWaitRead(fd), 0);
    }
}

static void *bounce(void *env)
{
    Side *side = env;
    for (uint32_t i = 0; i < side->rounds; i++) {
        readOne(side->in);
        CHECK_EQ(write(side->out, "x", 1), 1);
    }
    return NULL;
}

static void *bounceBytes(void *env)
{
    (void)env;
    for (int adopted = 0; adopted < 2; adopted++) {
        int there[2], back[2];
        CHECK_EQ(adopted ? fdPipe(there) : pipe2(there, O_NONBLOCK | O_CLOEXEC), 0);
        CHECK_EQ(adopted ? fdPipe(back) : pipe2(back, O_NONBLOCK | O_CLOEXEC), 0);
        Side one = {there[0], back[1], greenScale(1000)}, two = {back[0], there[1], one.rounds};
        Thread *first = greenFork(bounce, &one), *second = greenFork(bounce, &two);
        CHECK_EQ(write(there[1], "x", 1), 1);
        greenJoin(first);
        greenJoin(second);
        closeBoth(there);
        closeBoth(back);
    }
    return NULL;
}

TEST(ThreadWait, losesNoWakeUp)
{
    runEverywhere(bounceBytes);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void *waitInTime(void *env)
{
    int ends[2];
    char byte, full[4096] = {0};
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    static const int64_t delays_ns[] = {-MS_NS, 0, 1, 50000, 2 * MS_NS};
    for (int i = 0; i < 10; i++) {
        int64_t deadline_ns = rtsNow() + delays_ns[i % 5];
        CHECK_EQ(threadWaitReadUntil(ends[0], deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
    }
    CHECK_EQ(threadWaitReadUntil(ends[0], INT64_MIN), -ETIMEDOUT);
    while (write(ends[1], full, sizeof full) > 0)
        continue;
    int64_t deadline_ns = rtsNow() + MS_NS;
    CHECK_EQ(threadWaitWriteUntil(ends[1], deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    while (read(ends[0], full, sizeof full) > 0)
        continue;
    /* Who came too late is forgotten: the next event goes to the next waiter, once. */
    CHECK_EQ(threadWaitReadUntil(ends[0], rtsNow() + 1000), -ETIMEDOUT);
    Thread *reader = forkBlocked(waitRead, ends[0]);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ((intptr_t)greenJoin(reader), 0);
    CHECK_EQ(threadWaitReadUntil(ends[0], INT64_MAX), 0);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    closeBoth(ends);
    return NULL;
}

TEST(ThreadWait, timesOutNeverEarly)
{
    runEverywhere(waitInTime);
}

/* ---- fds beyond what is kept ----------------------------------------------------------------- */

static void *waitFromOutside(void *env)
{
    (void)env;
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK_GE(event, 0);
    CHECK_EQ(threadWaitReadUntil(event, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(threadWaitWrite(event), 0);
    Thread *green =
        greenFork(waitRead, (void *)(intptr_t)event); /* both sorts of threads on one fd */
    uint64_t one = 1;
    CHECK_EQ(write(event, &one, sizeof one), sizeof one);
    CHECK_EQ(threadWaitRead(event), 0);
    CHECK_EQ((intptr_t)greenJoin(green), 0);
    close(event);
    CHECK_EQ(threadWaitRead(event), -EBADF);
    return NULL;
}

TEST(ThreadWait, plainThreadsWaitToo)
{
    greenStart(1);
    waitFromOutside(NULL);
    osJoin(osFork(waitFromOutside, NULL));
    greenStop();
}
