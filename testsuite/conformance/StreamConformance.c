/* StreamConformance.c -- reads and writes of stream sockets that end in the middle: every byte is
 * read once or is left, on every back-end (--backend NAME).
 */
#include "testsuite/support/Green.h"

#include "capability/CapabilityTable.h"
#include "internal/SMP.h"
#include "rts/Schedule.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 2000, CROWD = 48, CROWD_ROUNDS = 60, BULK = 3 * 1000 * 1000 };

static bool isTested(const char *name)
{
    const char *backend = testArg("--backend");
    return backend != NULL && strcmp(backend, name) == 0 &&
           strcmp(capabilities.items[0]->manager.backend->name, name) == 0;
}

static uint64_t countSubmitted(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        sum += RELAXED_LOAD(&capabilities.items[i]->manager.stats.submitted);
    return sum;
}

/* ---- what ends a read, at the moment in which a byte comes ----------------------------------- */

typedef struct Reader {
    int fd;
    int64_t wait_ns; /* 0: for ever */
    int reads;       /* bytes */
    int ended;       /* reads that ended otherwise */
} Reader;

static ssize_t readByte(const Reader *reader)
{
    char byte;
    if (reader->wait_ns == 0)
        return fdRead(reader->fd, &byte, 1);
    return fdReadUntil(reader->fd, &byte, 1, rtsNow() + reader->wait_ns);
}

/* Until the end of the stream. */
static void *readAll(void *env)
{
    Reader *reader = env;
    for (ssize_t n; (n = readByte(reader)) != 0;) {
        CHECK(n == 1 || n == -ETIMEDOUT || n == -ECANCELED);
        reader->reads += n == 1;
        reader->ended += n != 1;
        if (n == -ECANCELED)
            CHECK_EQ(threadCaught(NULL, NULL), 1);
    }
    return NULL;
}

static void writeBytes(int fd, Thread *interrupted)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(fdWrite(fd, "x", 1), 1);
        if (i % 3 == 0)
            CHECK_EQ(threadYield(), 0);
        if (interrupted != NULL)
            CHECK_EQ(threadThrowTo(interrupted, 7, NULL), 0);
    }
    CHECK_EQ(fdShutdown(fd, SHUT_WR), 0);
}

GREEN_TEST(Stream, interruptedReadsLoseNothing)
{
    int ends[2];
    greenTcpPair(ends);
    Reader reader = {.fd = ends[1]};
    Thread *thread = greenFork(readAll, &reader);
    greenAwait(thread, ThreadBlockedOnRead); /* before it begins it could not catch it */
    writeBytes(ends[0], thread);
    greenJoin(thread);
    CHECK_EQ(reader.reads, ROUNDS);
    CHECK_EQ(reader.ended, ROUNDS); /* each was raised once */
    greenClosePair(ends);
}

GREEN_TEST(Stream, timedReadsLoseNothing)
{
    int ends[2];
    greenTcpPair(ends);
    Reader reader = {.fd = ends[1], .wait_ns = 20 * 1000};
    Thread *thread = greenFork(readAll, &reader);
    writeBytes(ends[0], NULL);
    greenJoin(thread);
    CHECK_EQ(reader.reads, ROUNDS);
    greenClosePair(ends);
}

GREEN_TEST(Stream, whatHasComeIsReadAfterTheDeadline)
{
    int ends[2];
    char byte;
    greenTcpPair(ends);
    CHECK_EQ(fdWrite(ends[0], "x", 1), 1);
    CHECK_EQ(fdReadUntil(ends[1], &byte, 1, 0), 1); /* a deadline of long ago: once at least */
    CHECK_EQ(fdReadUntil(ends[1], &byte, 1, 0), -ETIMEDOUT);
    CHECK_EQ(fdWrite(ends[0], "y", 1), 1);
    while (threadWaitReadUntil(ends[1], rtsNow() + 1000 * 1000) != 0)
        continue;
    CHECK_EQ(fdReadUntil(ends[1], &byte, 1, 0), 1);
    CHECK_EQ(byte, 'y');
    greenClosePair(ends);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void *readOnce(void *env)
{
    char byte;
    return (void *)(intptr_t)fdRead(*(int *)env, &byte, 1);
}

/* The reader is told, and the peer sees the end. */
GREEN_TEST(Stream, closingEndsAReadAndTheConnection)
{
    for (int round = 0; round < 100; round++) {
        int ends[2];
        greenTcpPair(ends);
        Thread *reader = greenFork(readOnce, &ends[1]), *peer = greenFork(readOnce, &ends[0]);
        greenAwait(reader, ThreadBlockedOnRead);
        CHECK_EQ(closeFd(ends[1]), 0);
        CHECK_EQ(greenJoin(reader), -EBADF);
        CHECK_EQ(greenJoin(peer), 0);
        CHECK_EQ(closeFd(ends[0]), 0);
    }
}

/* The number is another connection's at once: its bytes are its own reader's. */
GREEN_TEST(Stream, aReusedNumberIsNotReadByOlderReaders)
{
    for (int round = 0; round < 100; round++) {
        int older[2], newer[2];
        greenTcpPair(older);
        Thread *reader = greenFork(readOnce, &older[1]);
        greenAwait(reader, ThreadBlockedOnRead);
        CHECK_EQ(closeFd(older[1]), 0);
        greenTcpPair(newer);
        CHECK_EQ(fdWrite(newer[0], "n", 1), 1);
        CHECK_EQ(fdWrite(newer[1], "m", 1), 1);
        CHECK_EQ((intptr_t)readOnce(&newer[0]), 1);
        CHECK_EQ((intptr_t)readOnce(&newer[1]), 1);
        CHECK_EQ(greenJoin(reader), -EBADF);
        greenClosePair(newer);
        CHECK_EQ(closeFd(older[0]), 0);
    }
}

/* ---- company --------------------------------------------------------------------------------- */

static void *waitThenRead(void *env)
{
    const Reader *reader = env;
    CHECK_EQ(threadWaitRead(reader->fd), 0);
    return NULL;
}

/* Somebody else waits for readiness of the same number: the reader is woken for nothing. */
GREEN_TEST(Stream, eventsThatOthersAskedForEndNoRead)
{
    int ends[2];
    greenTcpPair(ends);
    Reader reader = {.fd = ends[1]};
    Thread *reading = greenFork(readOnce, &ends[1]);
    greenAwait(reading, ThreadBlockedOnRead);
    CHECK_EQ(threadWaitWrite(ends[1]), 0);
    greenAwait(reading, ThreadBlockedOnRead);
    Thread *waiting = greenFork(waitThenRead, &reader);
    CHECK_EQ(fdWriteAll(ends[0], "xy", 2), 2);
    CHECK_EQ(greenJoin(reading), 1);
    greenJoin(waiting);
    CHECK_EQ((intptr_t)readOnce(&ends[1]), 1);
    greenClosePair(ends);
}

/* ---- a crowd --------------------------------------------------------------------------------- */

static void *echo(void *env)
{
    int fd = *(int *)env;
    char bytes[64];
    for (ssize_t n; (n = fdRead(fd, bytes, sizeof bytes)) > 0;)
        CHECK_EQ(fdWriteAll(fd, bytes, (size_t)n), n);
    return NULL;
}

static void *converse(void *env)
{
    int fd = *(int *)env;
    for (uint32_t i = 0; i < CROWD_ROUNDS; i++) {
        char said[8], heard[8];
        snprintf(said, sizeof said, "%07u", i * 7 + (uint32_t)fd);
        CHECK_EQ(fdWriteAll(fd, said, sizeof said), sizeof said);
        for (size_t size = 0; size < sizeof heard;) {
            ssize_t n = fdRead(fd, heard + size, sizeof heard - size);
            CHECK_GT(n, 0);
            size += (size_t)n;
        }
        CHECK_EQ(memcmp(said, heard, sizeof said), 0);
    }
    CHECK_EQ(fdShutdown(fd, SHUT_WR), 0);
    return NULL;
}

static void holdCrowd(void (*meanwhile)(void))
{
    int ends[CROWD][2];
    Thread *here[CROWD], *there[CROWD];
    for (int i = 0; i < CROWD; i++) {
        greenTcpPair(ends[i]);
        here[i] = greenFork(converse, &ends[i][0]);
        there[i] = greenFork(echo, &ends[i][1]);
    }
    if (meanwhile != NULL)
        meanwhile();
    for (int i = 0; i < CROWD; i++) {
        greenJoin(here[i]);
        greenJoin(there[i]);
        greenClosePair(ends[i]);
    }
}

/* On io_uring nearly all of it is the kernel's doing: each read, and each write among others. */
GREEN_TEST(Stream, aCrowdTalksThroughTheRing)
{
    uint64_t before = countSubmitted();
    holdCrowd(NULL);
    uint64_t submitted = countSubmitted() - before;
    if (isTested("uring"))
        CHECK_GE(submitted, 2 * CROWD * CROWD_ROUNDS); /* each message is read twice */
    else
        CHECK_EQ(submitted, 0);
}

/* Homes and capabilities come and go beneath it. */
static void resize(void)
{
    static const uint32_t counts[] = {1, 3, 2, 4, 1, 2};
    for (int i = 0; i < 60; i++) {
        CHECK_EQ(capabilitySetCount(counts[i % 6]), 0);
        CHECK_EQ(threadDelay(300), 0);
    }
}

GREEN_TEST(Stream, capabilitiesComeAndGoBeneathReaders)
{
    holdCrowd(resize);
}

/* ---- much at once ---------------------------------------------------------------------------- */

static void *writeMuch(void *env)
{
    static char bytes[BULK];
    for (size_t i = 0; i < BULK; i++)
        bytes[i] = (char)(i * 31 % 253);
    CHECK_EQ(fdWriteAll(*(int *)env, bytes, BULK), BULK);
    CHECK_EQ(fdShutdown(*(int *)env, SHUT_WR), 0);
    return NULL;
}

GREEN_TEST(Stream, muchComesThroughWhole)
{
    int ends[2];
    unsigned char bytes[30 * 1000];
    size_t done = 0;
    greenTcpPair(ends);
    Thread *writer = greenFork(writeMuch, &ends[0]);
    for (ssize_t n; (n = fdRead(ends[1], bytes, sizeof bytes)) > 0; done += (size_t)n) {
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(bytes[i], (done + (size_t)i) * 31 % 253);
    }
    CHECK_EQ(done, BULK);
    greenJoin(writer);
    greenClosePair(ends);
}

/* ---- a bound thread -------------------------------------------------------------------------- */

typedef struct Stranger {
    pthread_t os_thread; /* where it must not run */
    int fd;
} Stranger;

static void *writeElsewhere(void *env)
{
    const Stranger *stranger = env;
    CHECK(!pthread_equal(stranger->os_thread, pthread_self()));
    CHECK_EQ(fdWrite(stranger->fd, "x", 1), 1);
    return NULL;
}

/* Where threads seem to run for long each read asks for a look soon: See rts/Look.h. */
static void *readSlowly(void *env)
{
    int ends[2];
    char byte;
    greenTcpPair(ends);
    Stranger stranger = {pthread_self(), ends[0]};
    for (int i = 0; i < 20; i++) {
        Thread *writer = greenFork(writeElsewhere, &stranger);
        schedulerOf(scheduleHere())->mean_run_ns = INT64_MAX;
        CHECK_EQ(fdRead(ends[1], &byte, 1), 1);
        CHECK(pthread_equal(stranger.os_thread, pthread_self()));
        greenJoin(writer);
    }
    greenClosePair(ends);
    return env;
}

/* Goal: nobody else runs on its OS thread, whatever it asks of the scheduler. */
TEST(Stream, aBoundReaderIsAloneOnItsOsThread)
{
    RtsConfig config = {.capabilities = 1, .backend = testArg("--backend")};
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(threadForkOS(&thread, readSlowly, NULL), 0);
    greenJoin(thread);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

/* ---- the end of the runtime ------------------------------------------------------------------ */

static int left[CROWD][2];

static void *leaveReaders(void *env)
{
    (void)env;
    for (int i = 0; i < CROWD; i++) {
        greenTcpPair(left[i]);
        threadRelease(greenFork(readOnce, &left[i][0]));
        threadRelease(greenFork(readOnce, &left[i][1]));
    }
    return NULL;
}

/* Readers whose calls the kernel has are ended, and nothing is left to it. */
TEST(Stream, aCancelledRuntimeEndsReaders)
{
    RtsConfig config = {.capabilities = 2, .backend = testArg("--backend")};
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(threadFork(&thread, leaveReaders, NULL), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(close(left[i][0]) + close(left[i][1]), 0);
}
