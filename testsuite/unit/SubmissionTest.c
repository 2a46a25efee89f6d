/* SubmissionTest.c -- calls on files that the kernel makes by itself (Submission.h), given to it by
 * an event manager on io_uring.
 *
 * Valgrind takes io_uring_enter for a call that does not block: no completion gets through.
 *
 * not-under: valgrind
 */
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PLACES = 2000, PLACE_BYTES = 16 };

static EventManager manager;

/* A submission and how often it was done. */
typedef struct Call {
    Submission submission; /* first */
    FileRequest request;
    struct statx about;
    uint32_t done; /* poller, release */
} Call;

static void count(Submission *submission, void *sink)
{
    CHECK_EQ((uintptr_t)sink, 4711);
    ADD_RELEASE(&((Call *)(void *)submission)->done, 1);
}

static int submit(Call *call, FileRequest request)
{
    call->request = request;
    call->submission.request = &call->request;
    call->submission.done = count;
    call->submission.wanted = NULL;
    call->submission.about = &call->about;
    call->submission.result = -4711;
    RELAXED_STORE(&call->done, 0);
    return eventManagerSubmit(&manager, &call->submission);
}

/* True: a manager with a ring.  False: there are none here. */
static bool openManager(void)
{
    if (ringsRefused())
        return false;
    CHECK_EQ(eventManagerOpen(&manager, backendByName("uring"), NULL, NULL), 0);
    if (manager.backend->submit != NULL)
        return true;
    eventManagerClose(&manager); /* built without liburing */
    return false;
}

static void step(void)
{
    eventManagerPoll(&manager, INT64_MAX, (void *)4711);
}

static int make(FileRequest request)
{
    Call call;
    CHECK_EQ(submit(&call, request), 0);
    while (ACQUIRE_LOAD(&call.done) == 0)
        step();
    CHECK_EQ(call.done, 1);
    if (request.operation == FileStat && call.submission.result == 0)
        request.about->st_size = (off_t)call.about.stx_size;
    return call.submission.result;
}

static int newFile(char *name)
{
    int fd = mkstemp(name);
    CHECK_GE(fd, 0);
    return fd;
}

TEST(Submission, eachOperation)
{
    char name[] = "/tmp/capri-submission-XXXXXX", bytes[] = "abcdefgh", back[20] = "";
    struct iovec parts[2] = {{bytes, 3}, {bytes + 3, 5}}, into[2] = {{back, 6}, {back + 6, 10}};
    struct stat about = {0};
    if (!openManager())
        SKIP("no io_uring here");
    int fd = newFile(name);
    FileRequest some = {.operation = FileWrite, .fd = fd, .parts = parts, .count = 2, .offset = 10};
    CHECK_EQ(make(some), 8);
    CHECK_EQ(make((FileRequest){.operation = FileSync, .fd = fd}), 0);
    CHECK_EQ(make((FileRequest){.operation = FileStat, .fd = fd, .about = &about}), 0);
    CHECK_EQ(about.st_size, 18);
    some = (FileRequest){.operation = FileRead, .fd = fd, .parts = into, .count = 2, .offset = 10};
    CHECK_EQ(make(some), 8);
    CHECK_EQ(strcmp(back, bytes), 0);
    some.offset = FILE_POSITION;
    CHECK_EQ(lseek(fd, 16, SEEK_SET), 16);
    CHECK_EQ(make(some), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 18);
    int other = make((FileRequest){.operation = FileOpen, .path = name, .flags = O_RDONLY});
    CHECK_GE(other, 0);
    CHECK_EQ(fcntl(other, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(other, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(unlink(name) + close(other) + close(fd), 0);
    CHECK_EQ(make((FileRequest){.operation = FileOpen, .path = name}), -ENOENT);
    CHECK_EQ(make((FileRequest){.operation = FileSync, .fd = fd}), -EBADF);
    EventManagerStats stats;
    eventManagerStats(&manager, &stats);
    CHECK_EQ(stats.submitted, 8);
    eventManagerClose(&manager);
}

/* Opening a FIFO waits for its other end: O_NONBLOCK would not. */
TEST(Submission, openingAFifoWaits)
{
    char name[] = "/tmp/capri-submission-XXXXXX";
    if (!openManager())
        SKIP("no io_uring here");
    CHECK_EQ(close(newFile(name)) + unlink(name) + mkfifo(name, 0600), 0);
    Call call;
    CHECK_EQ(submit(&call, (FileRequest){.operation = FileOpen, .path = name, .flags = O_RDONLY}),
             0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(eventManagerPoll(&manager, 0, (void *)4711), 0);
    int writer = open(name, O_WRONLY | O_CLOEXEC);
    while (ACQUIRE_LOAD(&call.done) == 0)
        step();
    CHECK_GE(call.submission.result, 0);
    CHECK_EQ(close(writer) + close(call.submission.result) + unlink(name), 0);
    eventManagerClose(&manager);
}

/* More than a ring holds: they are handed over by the hundred, and each is done once. */
TEST(Submission, manyAtOnce)
{
    static Call calls[PLACES];
    static struct iovec parts[PLACES];
    static char bytes[PLACES][PLACE_BYTES];
    char name[] = "/tmp/capri-submission-XXXXXX";
    if (!openManager())
        SKIP("no io_uring here");
    int fd = newFile(name);
    CHECK_EQ(unlink(name), 0);
    for (int i = 0; i < PLACES; i++) {
        snprintf(bytes[i], PLACE_BYTES, "place %d", i);
        CHECK_EQ(pwrite(fd, bytes[i], PLACE_BYTES, i * PLACE_BYTES), PLACE_BYTES);
    }
    memset(bytes, 0, sizeof bytes);
    uint64_t before = eventManagerCalls(&manager);
    for (int i = 0; i < PLACES; i++) {
        parts[i] = (struct iovec){bytes[i], PLACE_BYTES};
        CHECK_EQ(submit(&calls[i], (FileRequest){.operation = FileRead,
                                                 .fd = fd,
                                                 .parts = &parts[i],
                                                 .count = 1,
                                                 .offset = (int64_t)i * PLACE_BYTES}),
                 0);
    }
    CHECK_LE(eventManagerCalls(&manager) - before, PLACES / 100);
    for (int i = 0; i < PLACES; i++) {
        char expected[PLACE_BYTES];
        while (ACQUIRE_LOAD(&calls[i].done) == 0)
            step();
        CHECK_EQ(calls[i].done, 1);
        CHECK_EQ(calls[i].submission.result, PLACE_BYTES);
        snprintf(expected, sizeof expected, "place %d", i);
        CHECK_EQ(strcmp(bytes[i], expected), 0);
    }
    close(fd);
    eventManagerClose(&manager);
}

static void *stepOnce(void *env)
{
    (void)env;
    step();
    return NULL;
}

/* Who sleeps over the ring does not hand over what others submit: they do. */
TEST(Submission, whileSomebodySleeps)
{
    char name[] = "/tmp/capri-submission-XXXXXX";
    pthread_t sleeper;
    Call call;
    if (!openManager())
        SKIP("no io_uring here");
    int fd = newFile(name);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(pthread_create(&sleeper, NULL, stepOnce, NULL), 0);
        if (i % 2 == 0)
            usleep(100);
        CHECK_EQ(submit(&call, (FileRequest){.operation = FileSync, .fd = fd}), 0);
        CHECK_EQ(pthread_join(sleeper, NULL), 0);
        CHECK_EQ(ACQUIRE_LOAD(&call.done), 1);
        CHECK_EQ(call.submission.result, 0);
    }
    CHECK_EQ(close(fd) + unlink(name), 0);
    eventManagerClose(&manager);
}

TEST(Submission, otherBackendsRefuse)
{
    Call call;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(eventManagerOpen(&manager, backendByName(i == 0 ? "epoll" : "poll"), NULL, NULL),
                 0);
        CHECK_EQ(submit(&call, (FileRequest){.operation = FileSync, .fd = 0}), -EOPNOTSUPP);
        CHECK_EQ(call.submission.result, -4711);
        eventManagerClose(&manager);
    }
}
