/* IOUringCrowdTest.c -- the io_uring back-end when there are many: waits, threads, completions.
 *
 * Valgrind takes io_uring_enter for a call that does not block: no other OS thread gets through.
 *
 * not-under: valgrind
 */
#include "testsuite/support/Runtime.h"

#ifdef CAPRI_URING

#include "iomgr/backend/IOUring.h"
#include "testsuite/support/IoFixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static BackendState *state;
static CountingHeap heap;
static Allocator allocator;
static int wake_fd;

#define NEEDS_RINGS()                                                                              \
    if (ringsRefused())                                                                            \
    SKIP("no io_uring here")

static void openState(void)
{
    allocator = countingAllocator(&heap);
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(backendIOUring.open(&state, wake_fd, &allocator), 0);
}

static void closeState(void)
{
    backendIOUring.close(state);
    close(wake_fd);
    CHECK_EQ(heap.live_bytes, 0);
}

static int look(EventRecord *record)
{
    return backendIOUring.poll(state, 0, record, 1);
}

static int add(int fd, uint64_t cookie)
{
    return backendIOUring.add(state, fd, WatchOneShot, EventRead, cookie);
}

static int modify(int fd, uint64_t cookie)
{
    return backendIOUring.modify(state, fd, WatchOneShot, EventRead, cookie);
}

static bool isIdle(void)
{
    EventRecord record;
    while (look(&record) != 0)
        continue;
    return state->in_flight == 1; /* the wake fd's */
}

/* ---- many waits ---- */

enum { WAITS = 10000 };

TEST(IOUringCrowd, tenThousandWaitsAtOnce)
{
    NEEDS_RINGS();
    static int fds[WAITS];
    static bool seen[WAITS];
    const uint64_t one = 1;
    struct rlimit limit;
    int waits = (int)greenScale(WAITS), count, total = 0;
    EventRecord some[64];
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < WAITS + 100)
        SKIP("needs 10,100 descriptors");
    openState();
    CHECK_LE(state->ring.uring.sq.ring_entries, 256);
    for (int i = 0; i < waits; i++) {
        fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        CHECK_EQ(add(fds[i], (uint64_t)i), 0);
    }
    CHECK_EQ(backendIOUring.poll(state, 0, some, 64), 0);
    CHECK_EQ(state->in_flight, waits + 1);
    for (int i = 0; i < waits; i++) /* more than there are places for completions */
        CHECK_EQ(write(fds[i], &one, sizeof one), (ssize_t)sizeof one);
    while (total < waits) {
        count = backendIOUring.poll(state, 0, some, 64);
        CHECK_GT(count, 0);
        total += count;
        for (int i = 0; i < count; i++) {
            CHECK(!seen[some[i].cookie]);
            seen[some[i].cookie] = true;
        }
    }
    CHECK(isIdle());
    for (int i = 0; i < waits; i++)
        close(fds[i]);
    closeState();
}

/* Completions that find no place end an edge's request: it is armed again. */
TEST(IOUringCrowd, edgesThatDoNotFit)
{
    NEEDS_RINGS();
    enum { EDGES = RING_COMPLETIONS + 500 };
    int ends[2];
    EventRecord record;
    uint32_t last = 0, count = 0;
    openState();
    pipeOpen(ends);
    CHECK_EQ(backendIOUring.add(state, ends[0], WatchEdge, EventRead | EventWrite, 1), 0);
    CHECK_EQ(look(&record), 0);
    for (int i = 0; i < EDGES; i++)
        byteSend(ends[1]);
    for (int silent = 0; silent < 3; silent++) { /* one look finds it ended, the next looks anew */
        if (look(&record) == 0)
            continue;
        last = record.events;
        count++;
        silent = -1;
    }
    CHECK_GE(count, RING_COMPLETIONS);
    CHECK_LE(count, EDGES + 1);
    CHECK_EQ(last, EventRead);
    CHECK_EQ(look(&record), 0);
    CHECK_EQ(state->in_flight, 2);
    CHECK_EQ(fdEmpty(ends[0]), EDGES);
    CHECK_EQ(backendIOUring.modify(state, ends[0], WatchEdge, EventRead | EventWrite, 2), 0);
    CHECK_EQ(look(&record), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(&record), 1);
    CHECK_EQ(record.cookie, 2);
    CHECK_EQ(record.events, EventRead);
    pairClose(ends);
    closeState();
}

TEST(IOUringCrowd, givenUpWaitsLeaveNothing)
{
    NEEDS_RINGS();
    static EventManager manager;
    static Watcher watcher;
    int ends[2], waits = (int)greenScale(100000);
    EventRecord record;
    ownerGateStart();
    allocator = countingAllocator(&heap);
    CHECK_EQ(eventManagerOpen(&manager, &backendIOUring, NULL, &allocator), 0);
    CHECK_EQ(manager.backend, &backendIOUring);
    state = manager.state;
    pipeOpen(ends);
    uint64_t bytes = 0;
    for (int i = 0; i < waits; i++) {
        CHECK_EQ(watcherAwait(&manager, &watcher, ends[0], 0, FdRead, 0, 1), 0);
        CHECK(eventManagerForget(&manager, ends[0], FdRead, &watcher.node, NULL));
        if (i == 0)
            bytes = heap.live_bytes;
        if (i % 50 == 0) /* as every capability does now and then */
            CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 0);
    }
    CHECK_EQ(look(&record), 0);
    CHECK_EQ(state->in_flight, 1);
    CHECK_EQ(manager.fds, 0);
    CHECK_EQ(heap.live_bytes, bytes);
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    CHECK_EQ(write(ends[1], "x", 1), -1); /* nobody holds the other end */
    close(ends[1]);
    eventManagerClose(&manager);
    CHECK_EQ(heap.live_bytes, 0);
}

/* Nobody polls while requests come and go: the kernel keeps the completions that do not fit. */
TEST(IOUringCrowd, changesWithoutAPoll)
{
    NEEDS_RINGS();
    int ends[2];
    openState();
    pipeOpen(ends);
    CHECK_EQ(add(ends[0], 0), 0);
    for (uint64_t i = 1; i < 3 * RING_COMPLETIONS; i++)
        CHECK_EQ(modify(ends[0], i), 0);
    EventRecord record;
    CHECK_EQ(look(&record), 0);
    byteSend(ends[1]);
    while (look(&record) == 0)
        continue;
    CHECK_EQ(record.cookie, 3 * RING_COMPLETIONS - 1);
    CHECK(isIdle());
    pairClose(ends);
    closeState();
}

/* ---- other OS threads ---- */

static int changed_fd;

static void *armElsewhere(void *arg)
{
    (void)arg;
    CHECK_EQ(modify(changed_fd, 9), 0);
    return NULL;
}

TEST(IOUringCrowd, aSleepingPollHearsOfAChange)
{
    NEEDS_RINGS();
    int ends[2];
    EventRecord record;
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    changed_fd = ends[0];
    CHECK_EQ(add(ends[0], 8), 0);
    CHECK_EQ(look(&record), 1);
    for (int round = 0; round < 20; round++) {
        pthread_t thread = osFork(armElsewhere, NULL);
        int count = 0;
        while (count == 0)
            count = backendIOUring.poll(state, -1, &record, 1);
        CHECK_EQ(count, 1);
        CHECK_EQ(record.cookie, 9);
        osJoin(thread);
    }
    pairClose(ends);
    closeState();
}

static void *armAndEnd(void *arg)
{
    EventRecord record;
    (void)arg;
    CHECK_EQ(backendIOUring.modify(state, changed_fd, WatchEdge, EventRead | EventWrite, 5), 0);
    CHECK_EQ(look(&record), 0); /* hands it over: the request is this OS thread's */
    return NULL;
}

TEST(IOUringCrowd, theSubmitterIsGone)
{
    NEEDS_RINGS();
    int ends[2];
    EventRecord record;
    openState();
    pipeOpen(ends);
    changed_fd = ends[0];
    CHECK_EQ(backendIOUring.add(state, ends[0], WatchEdge, EventRead, 4), 0);
    osJoin(osFork(armAndEnd, NULL));
    byteSend(ends[1]);
    int count = 0;
    while (count == 0) /* a thread of the kernel's ends it */
        count = backendIOUring.poll(state, -1, &record, 1);
    CHECK_EQ(count, 1);
    CHECK_EQ(record.cookie, 5);
    CHECK_NE(record.events & EventRead, 0);
    CHECK_EQ(record.events & (EventPeerClosed | EventError), 0); /* it was looked at anew */
    CHECK_EQ(backendIOUring.modify(state, ends[0], WatchEdge, EventRead, 6), 0);
    CHECK_EQ(look(&record), 1);
    CHECK_EQ(record.cookie, 6);
    pairClose(ends);
    closeState();
}

enum { POLLERS = 2, ARMINGS = 3000 };

static struct {
    uint32_t taken; /* pollers */
    bool stop;
} shared;

static void *takeOften(void *arg)
{
    EventRecord mine[4];
    while (!ACQUIRE_LOAD(&shared.stop)) {
        int count = backendIOUring.poll(state, arg != NULL ? 1000000 : 0, mine, 4);
        for (int i = 0; i < count; i++) {
            uint64_t wakes;
            if (mine[i].cookie == BACKEND_WAKE_COOKIE) { /* the change could not be submitted yet */
                (void)!read(wake_fd, &wakes, sizeof wakes);
                continue;
            }
            CHECK_EQ(mine[i].cookie, 3);
            ADD_RELEASE(&shared.taken, 1);
        }
    }
    return NULL;
}

/* One sleeps over the ring and one looks; a third OS thread changes. */
TEST(IOUringCrowd, eachArmingIsReportedToOnePoller)
{
    NEEDS_RINGS();
    int ends[2];
    pthread_t pollers[POLLERS];
    uint32_t armings = greenScale(ARMINGS);
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    for (uintptr_t i = 0; i < POLLERS; i++)
        pollers[i] = osFork(takeOften, (void *)i);
    CHECK_EQ(add(ends[0], 3), 0);
    for (uint32_t arming = 1; arming <= armings; arming++) {
        while (ACQUIRE_LOAD(&shared.taken) < arming)
            sched_yield();
        CHECK_EQ(RELAXED_LOAD(&shared.taken), arming);
        if (arming < armings)
            CHECK_EQ(modify(ends[0], 3), 0);
    }
    RELEASE_STORE(&shared.stop, true);
    for (int i = 0; i < POLLERS; i++)
        osJoin(pollers[i]);
    CHECK_EQ(shared.taken, armings);
    CHECK(isIdle());
    pairClose(ends);
    closeState();
}

/* ---- a kernel without memory ---- */

static void liveWithoutEntering(void *arg)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | *(uint32_t *)arg),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], (struct sock_filter *)code};
    EventRecord record;
    int ends[2], result = 0;
    openState();
    pipeOpen(ends);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        _exit(77);
    CHECK_EQ(add(ends[0], 0), 0); /* queued */
    CHECK_EQ(look(&record), -ENOMEM);
    CHECK_EQ(backendIOUring.poll(state, 1000, &record, 1), -ENOMEM);
    for (uint64_t i = 0; i < RING_ENTRIES && result == 0; i++)
        result = modify(ends[0], i);
    CHECK_EQ(result, -ENOMEM); /* told to the waiter: it is not watched for him */
    CHECK_EQ(backendIOUring.remove(state, ends[0]), 0);
    CHECK_EQ(state->sleepers, 0);
    pairClose(ends);
    closeState(); /* does not wait for ever */
}

TEST(IOUringCrowd, aKernelThatTakesNothing)
{
    NEEDS_RINGS();
    static char output[1000];
    uint32_t errors[] = {EAGAIN, EBUSY, ENOMEM};
    for (int i = 0; i < 3; i++) {
        int status = testChild(liveWithoutEntering, &errors[i], output, sizeof output);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            SKIP("no seccomp filters here");
        if (status != 0)
            testFailed(__FILE__, __LINE__, output);
    }
}

/* ---- fork ---- */

static void closeInChild(void *arg)
{
    (void)arg;
    backendIOUring.close(state); /* the child's memory and number only */
}

TEST(IOUringCrowd, aChildLeavesTheRingAlone)
{
    NEEDS_RINGS();
    static char output[1000];
    int ends[2];
    EventRecord record;
    openState();
    pipeOpen(ends);
    CHECK_EQ(add(ends[0], 1), 0);
    CHECK_EQ(look(&record), 0);
    CHECK_EQ(testChild(closeInChild, NULL, output, sizeof output), 0);
    CHECK_EQ(state->in_flight, 2);
    byteSend(ends[1]);
    CHECK_EQ(look(&record), 1);
    CHECK_EQ(record.cookie, 1);
    pairClose(ends);
    closeState();
}

#else

TEST(IOUringCrowd, isBuiltWithoutLiburing)
{
    SKIP("no liburing: its name stands for epoll");
}

#endif
