/* FdPreadTest.c -- FdPread.c, FdPwrite.c, FdFsync.c, FdStat.c, FdOpen.c, FileCall.c of rts/. */
#include "rts/BlockingPool.h"
#include "rts/FileCall.h"
#include "rts/Foreign.h"

#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { FILE_BYTES = 300 * 1000 };

static unsigned char byteAt(int64_t offset)
{
    return (unsigned char)(offset * 31 % 253);
}

static void checkBytes(const unsigned char *bytes, ssize_t count, int64_t offset)
{
    for (ssize_t i = 0; i < count; i++)
        CHECK_EQ(bytes[i], byteAt(offset + i));
}

/* A file of FILE_BYTES, without a name. */
static int newFile(void)
{
    static unsigned char bytes[FILE_BYTES];
    char name[] = "/tmp/capri-file-XXXXXX";
    int made = mkstemp(name);
    CHECK_GE(made, 0);
    int fd = fdOpen(name, O_RDWR, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(name) + close(made), 0);
    for (int64_t i = 0; i < FILE_BYTES; i++)
        bytes[i] = byteAt(i);
    CHECK_EQ(fdPwrite(fd, bytes, FILE_BYTES, 0), FILE_BYTES);
    return fd;
}

/* As little of it in the page cache as can be had; true: nothing. */
static bool chill(int fd)
{
    CHECK_EQ(fdFsync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    return !fileCallCached(fd, 0, 1);
}

static unsigned char buffer[FILE_BYTES + 100];

static void *readPlaces(void *env)
{
    int fd = newFile();
    (void)env;
    for (int warm = 0; warm < 2; warm++) {
        if (warm == 0)
            chill(fd);
        for (int i = 0; i < 50; i++) {
            int64_t offset = (int64_t)(testRandom() % FILE_BYTES);
            size_t size = testRandom() % (sizeof buffer - FILE_BYTES / 2);
            ssize_t left = (ssize_t)(FILE_BYTES - offset);
            ssize_t wanted = (ssize_t)size < left ? (ssize_t)size : left;
            CHECK_EQ(fdPread(fd, buffer, size, offset), wanted);
            checkBytes(buffer, wanted, offset);
        }
    }
    CHECK_EQ(fdPread(fd, buffer, 10, FILE_BYTES - 4), 4);
    CHECK_EQ(fdPread(fd, buffer, 10, FILE_BYTES), 0);
    CHECK_EQ(fdPread(fd, buffer, 10, FILE_BYTES + 1000), 0);
    CHECK_EQ(fdPread(fd, buffer, 0, 0), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

TEST(FdPread, readsAnyPlace)
{
    greenRun(2, readPlaces, NULL);
    greenStart(1);
    readPlaces(NULL); /* on a plain OS thread */
    greenStop();
}

static void *openPath(void *env)
{
    struct stat about, same;
    (void)env;
    int fd = fdOpen("/tmp", O_PATH | O_DIRECTORY, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fdStat(fd, &about), 0);
    CHECK_EQ(stat("/tmp", &same), 0);
    CHECK_EQ(about.st_ino, same.st_ino);
    CHECK_EQ(fdRead(fd, buffer, 1), -EBADF);
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

/* Goal: what names a place only is opened, and left as it is. */
TEST(FdOpen, ofAPath)
{
    uint32_t before = fdsOpen();
    greenRun(1, openPath, NULL);
    CHECK_EQ(fdsOpen(), before);
}

static void *refuseBad(void *env)
{
    int fd = newFile(), ends[2];
    struct stat about;
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdPread(fd, buffer, 1, -1), -EINVAL);
    CHECK_EQ(fdPwrite(fd, buffer, 1, -1), -EINVAL);
    CHECK_EQ(fdPread(ends[0], buffer, 1, 0), -ESPIPE);
    CHECK_EQ(fdPread(-1, buffer, 1, 0), -EBADF);
    CHECK_EQ(fdPreadUntil(-1, buffer, 1, 0, 0), -EBADF);
    CHECK_EQ(fdFsync(-1), -EBADF);
    CHECK_EQ(fdStat(-1, &about), -EBADF);
    CHECK_EQ(fdStat(fd, NULL), -EINVAL);
    CHECK_EQ(fdOpen(NULL, O_RDONLY, 0), -EINVAL);
    CHECK_EQ(fdOpen("/no/such/file", O_RDONLY, 0), -ENOENT);
    CHECK_EQ(closeFd(fd) + closeFd(ends[0]) + closeFd(ends[1]), 0);
    return NULL;
}

TEST(FdPread, refusesWhatIsBad)
{
    uint32_t before = fdsOpen();
    greenRun(1, refuseBad, NULL);
    CHECK_EQ(fdsOpen(), before);
}

/* fdRead and fdWrite keep the file's own position, adopted or not. */
static void *readInTurn(void *env)
{
    (void)env;
    for (int adopted = 0; adopted < 2; adopted++) {
        int fd = newFile(), other = dup(fd);
        int used = adopted != 0 ? fd : other;
        struct iovec parts[2] = {{buffer, 100}, {buffer + 100, 200}};
        int64_t done = 0;
        for (ssize_t n; (n = fdRead(used, buffer, 7000)) != 0; done += n) {
            CHECK_GT(n, 0);
            checkBytes(buffer, n, done);
        }
        CHECK_EQ(done, FILE_BYTES);
        CHECK_EQ(lseek(used, 0, SEEK_SET), 0);
        CHECK_EQ(fdReadv(used, parts, 2), 300);
        checkBytes(buffer, 300, 0);
        CHECK_EQ(fdWrite(used, "abc", 3), 3);
        CHECK_EQ(fdWritev(used, parts, 2), 300);
        CHECK_EQ(lseek(used, 0, SEEK_CUR), 603);
        CHECK_EQ(fdPread(used, buffer, 3, 300), 3);
        CHECK_EQ(memcmp(buffer, "abc", 3), 0);
        CHECK_EQ(close(other) + closeFd(fd), 0);
    }
    return NULL;
}

TEST(FdRead, filesKeepTheirPosition)
{
    greenRun(2, readInTurn, NULL);
}

static void *writeAndLook(void *env)
{
    int fd = newFile();
    struct stat about;
    (void)env;
    CHECK_EQ(fdPwrite(fd, "tail", 4, FILE_BYTES), 4);
    CHECK_EQ(fdPwriteUntil(fd, "head", 4, 0, rtsNow() + 3600 * 1000 * MS_NS), 4);
    CHECK_EQ(fdFsyncUntil(fd, rtsNow() + 3600 * 1000 * MS_NS), 0);
    CHECK_EQ(fdStat(fd, &about), 0);
    CHECK_EQ(about.st_size, FILE_BYTES + 4);
    chill(fd);
    CHECK_EQ(fdPreadUntil(fd, buffer, 4, FILE_BYTES, rtsNow() + 3600 * 1000 * MS_NS), 4);
    CHECK_EQ(memcmp(buffer, "tail", 4), 0);
    CHECK_EQ(fdPread(fd, buffer, 4, 0), 4);
    CHECK_EQ(memcmp(buffer, "head", 4), 0);
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

TEST(FdPwrite, writesAndIsSeen)
{
    greenRun(2, writeAndLook, NULL);
    greenStart(1);
    writeAndLook(NULL);
    greenStop();
}

/* ---- what sleeps does not hold up others ---- */

static void *openFifo(void *env)
{
    return (void *)(intptr_t)fdOpen(env, O_RDONLY, 0);
}

/* Opening a FIFO is a call that sleeps until somebody comes: more of them than capabilities. */
static void *openFifos(void *env)
{
    enum { FIFOS = 3 };
    char names[FIFOS][40];
    Thread *openers[FIFOS];
    (void)env;
    for (int i = 0; i < FIFOS; i++) {
        snprintf(names[i], sizeof names[i], "/tmp/capri-fifo-%d-%d", getpid(), i);
        unlink(names[i]);
        CHECK_EQ(mkfifo(names[i], 0600), 0);
        openers[i] = greenFork(openFifo, names[i]);
    }
    for (int i = 0; i < FIFOS; i++)
        greenUntil(openers[i], ThreadBlockedOnCall);
    CHECK_EQ(threadDelay(1000), 0); /* timers go on as well */
    for (int i = 0; i < FIFOS; i++) {
        CHECK_EQ(threadStatus(openers[i]).state, ThreadBlockedOnCall);
        int writer = fdOpen(names[i], O_WRONLY, 0);
        int reader = (int)(intptr_t)greenJoin(openers[i]);
        CHECK_GE(reader, 0);
        CHECK_EQ(fcntl(reader, F_GETFL) & O_NONBLOCK, O_NONBLOCK); /* adopted: waits are short */
        CHECK_EQ(fdWrite(writer, "x", 1), 1);
        CHECK_EQ(fdRead(reader, buffer, 5), 1);
        CHECK_EQ(closeFd(writer) + closeFd(reader) + unlink(names[i]), 0);
    }
    return NULL;
}

TEST(FdOpen, aFifoHoldsUpNobody)
{
    greenRun(1, openFifos, NULL);
    greenRun(2, openFifos, NULL);
}

static uint32_t gate, entered;

static void waitAtGate(void *env)
{
    (void)env;
    ADD_SEQ_CST(&entered, 1);
    while (ACQUIRE_LOAD(&gate) == 0)
        sched_yield();
}

static void *occupyPool(void *env)
{
    CHECK_EQ(foreignRun(waitAtGate, env), 0);
    return NULL;
}

/* The pool's only OS thread is busy: calls that need it time out, and touch nothing later. */
static void *giveUp(void *env)
{
    int fd = newFile();
    bool cold = chill(fd);
    gate = entered = 0;
    Thread *other = greenFork(occupyPool, env);
    while (SEQ_CST_LOAD(&entered) == 0)
        threadYield();
    memset(buffer, 0, 100);
    CHECK_EQ(fdFsyncUntil(fd, rtsNow() + MS_NS), -ETIMEDOUT);
    if (cold) /* a kernel may have read ahead just in time */
        cold = fdPreadUntil(fd, buffer, 100, 0, rtsNow() + MS_NS) == -ETIMEDOUT;
    RELEASE_STORE(&gate, 1);
    greenJoin(other);
    CHECK(blockingPoolAwait(INT64_MAX)); /* blocks this OS thread, but nobody needs it */
    for (int i = 0; cold && i < 100; i++)
        CHECK_EQ(buffer[i], 0);
    CHECK_EQ(fdPread(fd, buffer, 100, 0), 100);
    checkBytes(buffer, 100, 0);
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

TEST(FdPread, isGivenUp)
{
    CountingHeap heap = {0};
    RtsConfig config = {
        .capabilities = 2, .blocking_threads = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(giveUp, NULL));
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}

/* What the page cache has needs no OS thread, however busy the pool is. */
static void *readWarm(void *env)
{
    int fd = newFile();
    CHECK_EQ(fdPread(fd, buffer, FILE_BYTES, 0), FILE_BYTES);
    if (!fileCallCached(fd, 0, FILE_BYTES)) {
        CHECK_EQ(closeFd(fd), 0); /* a kernel that does not tell, or a machine without memory */
        return NULL;
    }
    gate = entered = 0;
    Thread *other = greenFork(occupyPool, env);
    while (SEQ_CST_LOAD(&entered) == 0)
        threadYield();
    for (int64_t offset = 0; offset < FILE_BYTES; offset += 5000) {
        CHECK_EQ(fdPread(fd, buffer, 5000, offset), 5000);
        checkBytes(buffer, 5000, offset);
    }
    CHECK_EQ(blockingPoolState().queued, 0);
    RELEASE_STORE(&gate, 1);
    greenJoin(other);
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

TEST(FdPread, whatIsInMemoryNeedsNoPool)
{
    RtsConfig config = {.capabilities = 1, .blocking_threads = 1};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(readWarm, NULL));
    greenStop();
}

/* ---- more than one system call moves --------------------------------------------------------- */

enum { PIECE = 16 << 20 };
static const size_t big_size = (UINT64_C(1) << 31) + PIECE;

/* So many bytes in the memory of a few. */
static char *mapBig(void)
{
    int memory = memfd_create("capri", MFD_CLOEXEC);
    CHECK_EQ(ftruncate(memory, PIECE), 0);
    char *big = mmap(NULL, big_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(big != MAP_FAILED);
    for (size_t at = 0; at < big_size; at += PIECE)
        CHECK_EQ(mmap(big + at, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0),
                 big + at);
    close(memory);
    return big;
}

/* /dev/full has zeroes without end, and does not say what it can do at once. */
static void *readBig(void *env)
{
    int fd = open("/dev/full", O_RDONLY | O_CLOEXEC);
    CHECK_GE(fd, 0);
    CHECK_EQ(fdPread(fd, env, big_size, 0), big_size);
    close(fd);
    return NULL;
}

/* Goal: less is read only at a file's end, on a green thread and on a plain OS thread. */
TEST(FdPread, readsMoreThanOneCallDoes)
{
    if (testUnderValgrind() || UNDER_TSAN)
        SKIP("too much for a shadow of memory");
    const char *backends[] = {"epoll", "uring"};
    char *big = mapBig();
    readBig(big);
    for (int i = 0; i < 2; i++) {
        RtsConfig config = {.capabilities = 1, .backend = backends[i]};
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(readBig, big));
        greenStop();
    }
    munmap(big, big_size);
}

TEST(FdPread, withoutARuntime)
{
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    CHECK_EQ(fdPread(fd, buffer, 5, 0), 5);
    CHECK_EQ(fdFsyncUntil(fd, 5), -ENXIO);
    CHECK_EQ(close(fd), 0);
    fd = fdOpen("/proc/self/stat", O_RDONLY, 0);
    CHECK_EQ(fdRead(fd, buffer, 5), 5);
    CHECK_EQ(close(fd), 0);
}
