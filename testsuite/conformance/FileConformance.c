/* FileConformance.c -- files, sendfile and splice beside sockets and pipes, on every back-end
 * (--backend NAME).
 */
#include "testsuite/support/Green.h"

#include "capability/CapabilityTable.h"
#include "capability/FdHome.h"
#include "internal/SMP.h"
#include "rts/BlockingPool.h"
#include "rts/FdAdopt.h"
#include "rts/FdCall.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 700 * 1000 }; /* more than any buffer between two ends, and two pieces */

static unsigned char byteAt(int64_t offset)
{
    return (unsigned char)(offset * 31 % 253);
}

static int newFile(int64_t size)
{
    unsigned char bytes[1000];
    char name[] = "/tmp/capri-file-XXXXXX";
    int fd = mkstemp(name);
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(name), 0);
    for (int64_t done = 0; done < size; done += (int64_t)sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = byteAt(done + (int64_t)i);
        CHECK_EQ(fdPwrite(fd, bytes, sizeof bytes, done), sizeof bytes);
    }
    return fd;
}

typedef struct Sink {
    int fd;
    int64_t size; /* how much is to come, then the end */
} Sink;

static void *swallow(void *env)
{
    Sink *sink = env;
    unsigned char bytes[3000];
    int64_t done = 0;
    for (ssize_t n; (n = fdRead(sink->fd, bytes, sizeof bytes)) != 0; done += n) {
        CHECK_GT(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(bytes[i], byteAt(done + i));
        if (done % 7 == 0)
            CHECK_EQ(threadYield(), 0);
    }
    CHECK_EQ(done, sink->size);
    return NULL;
}

/* Through an end that is slower than the file: short transfers, waits for room. */
static void sendThrough(int near, int far)
{
    Sink sink = {far, FILE_BYTES};
    int file = newFile(FILE_BYTES);
    int64_t offset = 0;
    Thread *reader = greenFork(swallow, &sink);
    CHECK_EQ(fdSendFile(near, file, &offset, FILE_BYTES + 5000), FILE_BYTES);
    CHECK_EQ(offset, FILE_BYTES);
    CHECK_EQ(closeFd(near), 0);
    greenJoin(reader);
    CHECK_EQ(closeFd(far) + closeFd(file), 0);
}

GREEN_TEST(FdSendFile, throughTcp)
{
    int ends[2];
    greenTcpPair(ends);
    sendThrough(ends[0], ends[1]);
}

GREEN_TEST(FdSendFile, throughAPipe)
{
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    sendThrough(ends[1], ends[0]);
}

/* Nobody adopted it, and it is in blocking mode. */
GREEN_TEST(FdSendFile, throughAStranger)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    sendThrough(ends[0], ends[1]);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    sendThrough(ends[1], ends[0]);
}

/* The page cache has nothing of it. */
GREEN_TEST(FdSendFile, ofAColdFile)
{
    int ends[2], file = newFile(FILE_BYTES);
    Sink sink = {0, FILE_BYTES};
    CHECK_EQ(fdFsync(file), 0);
    CHECK_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    greenTcpPair(ends);
    sink.fd = ends[1];
    Thread *reader = greenFork(swallow, &sink);
    CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
    CHECK_EQ(fdSendFile(ends[0], file, NULL, FILE_BYTES), FILE_BYTES);
    CHECK_EQ(closeFd(ends[0]), 0);
    greenJoin(reader);
    CHECK_EQ(closeFd(ends[1]) + closeFd(file), 0);
}

typedef struct Pump {
    int in, out;
} Pump;

static void *pump(void *env)
{
    Pump *it = env;
    ssize_t n;
    while ((n = fdSplice(it->in, NULL, it->out, NULL, 50000)) > 0) {
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(closeFd(it->out), 0);
    return NULL;
}

/* file -> socket -> pipe -> socket: each splice waits now for its in, now for its out. */
GREEN_TEST(FdSplice, waitsOnEitherSide)
{
    int first[2], middle[2], last[2], file = newFile(FILE_BYTES);
    greenTcpPair(first);
    CHECK_EQ(fdPipe(middle), 0);
    greenLocalPair(SOCK_STREAM, last);
    Pump in = {first[1], middle[1]}, out = {middle[0], last[0]};
    Sink sink = {last[1], FILE_BYTES};
    int64_t offset = 0;
    Thread *pumps[2] = {greenFork(pump, &in), greenFork(pump, &out)};
    Thread *reader = greenFork(swallow, &sink);
    CHECK_EQ(fdSendFile(first[0], file, &offset, FILE_BYTES), FILE_BYTES);
    CHECK_EQ(closeFd(first[0]), 0);
    greenJoin(pumps[0]);
    greenJoin(pumps[1]);
    greenJoin(reader);
    CHECK_EQ(closeFd(first[1]) + closeFd(middle[0]) + closeFd(last[1]) + closeFd(file), 0);
}

GREEN_TEST(FdSplice, givesUp)
{
    int from[2], to[2];
    char bytes[4096] = {0};
    CHECK_EQ(fdPipe(from) + fdPipe(to), 0);
    CHECK_EQ(fdSpliceUntil(from[0], NULL, to[1], NULL, 10, rtsNow() + 2000000), -ETIMEDOUT);
    while (write(to[1], bytes, sizeof bytes) > 0) {
    }
    CHECK_EQ(fdWrite(from[1], "abc", 3), 3);
    CHECK_EQ(fdSpliceUntil(from[0], NULL, to[1], NULL, 10, rtsNow() + 2000000), -ETIMEDOUT);
    CHECK_EQ(fdRead(from[0], bytes, sizeof bytes), 3); /* nothing was lost */
    greenClosePair(from);
    greenClosePair(to);
}

static void *spliceOne(void *env)
{
    Pump *it = env;
    return (void *)(intptr_t)fdSplice(it->in, NULL, it->out, NULL, 10);
}

GREEN_TEST(FdSplice, closingEndsTheWait)
{
    int from[2], to[2];
    CHECK_EQ(fdPipe(from) + fdPipe(to), 0);
    Pump it = {from[0], to[1]};
    Thread *waiter = greenFork(spliceOne, &it);
    greenAwait(waiter, ThreadBlockedOnRead);
    CHECK_EQ(closeFd(from[0]), 0);
    CHECK_EQ(greenJoin(waiter), -EBADF);
    CHECK_EQ(closeFd(from[1]), 0);
    greenClosePair(to);
}

static void *sendOutside(void *env)
{
    Pump *it = env;
    int64_t offset = 0;
    ssize_t n = fdSendFile(it->out, it->in, &offset, FILE_BYTES);
    CHECK_EQ(closeFd(it->out), 0);
    return (void *)(intptr_t)n;
}

GREEN_TEST(FdSendFile, worksOnAPlainOsThread)
{
    int ends[2], file = newFile(FILE_BYTES);
    greenTcpPair(ends);
    Pump it = {file, ends[0]};
    Sink sink = {ends[1], FILE_BYTES};
    pthread_t outside;
    void *result;
    CHECK_EQ(pthread_create(&outside, NULL, sendOutside, &it), 0);
    swallow(&sink);
    CHECK_EQ(pthread_join(outside, &result), 0);
    CHECK_EQ((intptr_t)result, FILE_BYTES);
    CHECK_EQ(closeFd(ends[1]) + closeFd(file), 0);
}

/* Threads that read files beside threads that talk: neither waits for the other. */
static uint32_t talks_over;

static void *talkOn(void *env)
{
    int *ends = env;
    uintptr_t rounds = 0;
    char byte = 'x';
    while (ACQUIRE_LOAD(&talks_over) == 0 || rounds == 0) {
        CHECK_EQ(fdWrite(ends[0], &byte, 1), 1);
        CHECK_EQ(fdRead(ends[1], &byte, 1), 1);
        rounds++;
        CHECK_EQ(threadYield(), 0);
    }
    return (void *)rounds;
}

GREEN_TEST(FdPread, besideTalk)
{
    int ends[2], file = newFile(FILE_BYTES);
    unsigned char bytes[5000];
    greenLocalPair(SOCK_STREAM, ends);
    RELEASE_STORE(&talks_over, 0);
    Thread *talker = greenFork(talkOn, ends);
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(fdFsync(file), 0);
        CHECK_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
        for (int64_t offset = 0; offset < FILE_BYTES; offset += (int64_t)sizeof bytes) {
            CHECK_EQ(fdPread(file, bytes, sizeof bytes, offset), sizeof bytes);
            for (size_t i = 0; i < sizeof bytes; i++)
                CHECK_EQ(bytes[i], byteAt(offset + (int64_t)i));
        }
    }
    RELEASE_STORE(&talks_over, 1);
    CHECK_GT(greenJoin(talker), 0);
    greenClosePair(ends);
    CHECK_EQ(closeFd(file), 0);
}

/* ---- who makes the call ---------------------------------------------------------------------- */

static uint64_t submitted(void)
{
    EventManagerStats stats;
    uint64_t total = 0;
    for (uint32_t i = 0; i < capabilities.count; i++) {
        eventManagerStats(&capabilities.items[i]->manager, &stats);
        total += stats.submitted;
    }
    return total;
}

/* Goal: io_uring makes the calls that sleep, without an OS thread of ours; on others the pool. */
GREEN_TEST(FileCall, thatSleepsIsMadeElsewhere)
{
    char name[] = "/tmp/capri-file-XXXXXX";
    struct stat about, plain;
    int made = mkstemp(name), fd = fdOpen(name, O_RDWR, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(fdPwrite(made, "abc", 3, 4), 3);
    uint64_t before = submitted();
    CHECK_EQ(fdFsync(made), 0);
    CHECK_EQ(fdStat(made, &about), 0);
    CHECK_EQ(fstat(made, &plain), 0);
    CHECK(about.st_dev == plain.st_dev && about.st_ino == plain.st_ino);
    CHECK(about.st_mode == plain.st_mode && about.st_nlink == plain.st_nlink);
    CHECK(about.st_size == 7 && about.st_blocks == plain.st_blocks);
    CHECK(about.st_blksize == plain.st_blksize && about.st_rdev == plain.st_rdev);
    CHECK_EQ(memcmp(&about.st_mtim, &plain.st_mtim, sizeof plain.st_mtim), 0);
    CHECK_EQ(fdOpen("/nowhere/at all", O_RDONLY, 0), -ENOENT);
    bool ring = capabilities.items[0]->manager.backend->submit != NULL;
    CHECK_EQ(submitted() - before, ring ? 3 : 0);
    CHECK_EQ(blockingPoolState().threads, ring ? 0 : 1);
    CHECK_EQ(fdFsyncUntil(made, rtsNow() + INT64_C(60000000000)), 0); /* it may be given up */
    CHECK_EQ(blockingPoolState().threads, 1);
    CHECK_EQ(closeFd(fd) + closeFd(made) + unlink(name), 0);
}

enum { RECORD = 100, RECORDS = 50 };

typedef struct Clerk {
    int fd;
    char mark;
} Clerk;

static void *writeRecords(void *env)
{
    const Clerk *clerk = env;
    char record[RECORD];
    memset(record, clerk->mark, sizeof record);
    for (int i = 0; i < RECORDS; i++)
        CHECK_EQ(fdWrite(clerk->fd, record, sizeof record), sizeof record);
    return NULL;
}

/* Goal: who writes at the file's own position writes over nobody; no ring makes such a call. */
GREEN_TEST(FileCall, oneAtATimeMovesThePosition)
{
    char record[RECORD];
    int fd = newFile(0), seen[2] = {0, 0};
    uint64_t before = submitted();
    Clerk clerks[2] = {{fd, 0}, {fd, 1}};
    Thread *first = greenFork(writeRecords, &clerks[0]);
    Thread *second = greenFork(writeRecords, &clerks[1]);
    greenJoin(first);
    greenJoin(second);
    CHECK_EQ(submitted(), before);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * RECORDS * RECORD);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(fdFsync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    before = submitted();
    for (int i = 0; i < 2 * RECORDS; i++) {
        CHECK_EQ(fdRead(fd, record, sizeof record), sizeof record);
        for (int k = 1; k < RECORD; k++)
            CHECK_EQ(record[k], record[0]);
        seen[(int)record[0]]++;
    }
    CHECK_EQ(submitted(), before);
    CHECK(seen[0] == RECORDS && seen[1] == RECORDS);
    CHECK_EQ(closeFd(fd), 0);
}

static void *writeSecret(void *env)
{
    CHECK_EQ(fdPwrite(*(int *)env, "secret", 6, 0), 6);
    return NULL;
}

static void *closeUnderCall(void *env)
{
    (void)env;
    for (int adopted = 0; adopted < 2; adopted++) {
        char bytes[7] = "";
        int fd = newFile(0), number = fd, copy = dup(fd), other = newFile(0);
        if (adopted != 0)
            CHECK_EQ(fdAdopt(fd), 0);
        Thread *thread = greenFork(writeSecret, &number);
        while (threadStatus(thread).state == ThreadReady)
            threadYield();
        CHECK_EQ(closeFd(fd), 0);
        CHECK_EQ(fcntl(other, F_DUPFD_CLOEXEC, fd), fd);
        greenJoin(thread);
        CHECK_EQ(pread(other, bytes, 6, 0), 0);
        CHECK_EQ(pread(copy, bytes, 6, 0), 6);
        CHECK_EQ(strcmp(bytes, "secret"), 0);
        CHECK_EQ(closeFd(fd) + closeFd(copy) + closeFd(other), 0);
    }
    return NULL;
}

/* Goal: a call that the ring has been given keeps its file, whoever gets the number next.  On one
 * core: nobody polls between the call and the close. */
TEST(FileCall, thatIsUnderWayKeepsItsFile)
{
    RtsConfig config = {.capabilities = 1, .backend = testArg("--backend")};
    CHECK_EQ(rtsInit(&config), 0);
    if (capabilities.items[0]->manager.backend->submit != NULL)
        greenJoin(greenFork(closeUnderCall, NULL));
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

/* ---- files in memory ------------------------------------------------------------------------- */

/* Each call moves 100 bytes at a place where nothing was before: no page, so nothing to be cached.
 * fd's own position is used as well. */
static void useMemory(int fd)
{
    unsigned char bytes[100], back[sizeof bytes];
    const int64_t places[] = {5000, 1000000, 123};
    CHECK_EQ(ftruncate(fd, 2000000), 0);
    CHECK_EQ(fdPread(fd, back, sizeof back, 1500000), sizeof back);
    for (size_t i = 0; i < sizeof back; i++)
        CHECK_EQ(back[i], 0);
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = byteAt(places[p] + (int64_t)i);
        CHECK_EQ(fdPwrite(fd, bytes, sizeof bytes, places[p]), sizeof bytes);
        CHECK_EQ(fdPread(fd, back, sizeof back, places[p]), sizeof back);
        CHECK_EQ(memcmp(bytes, back, sizeof bytes), 0);
        CHECK_EQ(fdPreadUntil(fd, back, 50, places[p] + 50, rtsNow() + 1), 50);
        CHECK_EQ(memcmp(bytes + 50, back, 50), 0);
    }
    CHECK_EQ(fdPread(fd, back, sizeof back, 2000000), 0);
    CHECK_EQ(lseek(fd, 123, SEEK_SET), 123);
    CHECK_EQ(fdRead(fd, back, sizeof back), sizeof back);
    CHECK_EQ(memcmp(bytes, back, sizeof bytes), 0);
}

/* Goal: whatever lies in memory is read and written where the thread is; no OS thread is made. */
static void expectNoPool(int fd)
{
    struct stat about;
    CHECK_GE(fd, 0);
    CHECK_EQ(blockingPoolState().threads, 0);
    useMemory(fd); /* a stranger's */
    CHECK_EQ(fdAdopt(fd), 0);
    useMemory(fd);
    CHECK_EQ(fdFsync(fd), 0);
    CHECK_EQ(fdStat(fd, &about), 0);
    CHECK_EQ(about.st_size, 2000000);
    CHECK_EQ(blockingPoolState().threads, 0);
    CHECK_EQ(closeFd(fd), 0);
}

GREEN_TEST(FdPread, ofAnonymousMemoryNeedsNoPool)
{
    expectNoPool(memfd_create("capri", MFD_CLOEXEC));
}

GREEN_TEST(FdPread, ofTmpfsNeedsNoPool)
{
    int fd = open("/dev/shm", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd >= 0 && fdAdoptInMemory(fd))
        expectNoPool(fd);
    else if (fd >= 0)
        close(fd);
}

/* Goal: what a number was is forgotten with it. */
GREEN_TEST(FdPread, aNumberOfMemoryIsGivenToADisk)
{
    unsigned char bytes[100];
    int disk = newFile(1000), memory = memfd_create("capri", MFD_CLOEXEC);
    CHECK_GE(memory, 0);
    CHECK_EQ(fdAdopt(memory), 0);
    CHECK_NE(fdHomeKind(fdHomeLook(memory)) & FD_KIND_MEMORY, 0);
    CHECK_EQ(closeFd(memory), 0);
    CHECK_EQ(fcntl(disk, F_DUPFD_CLOEXEC, memory), memory);
    CHECK_EQ(fdHomeKind(fdHomeLook(memory)) & FD_KIND_MEMORY, 0);
    CHECK_EQ(fdPread(memory, bytes, sizeof bytes, 200), sizeof bytes);
    CHECK_EQ(bytes[0], byteAt(200));
    CHECK_EQ(fdAdopt(memory), 0);
    CHECK_EQ(closeFd(memory) + closeFd(disk), 0);
}
