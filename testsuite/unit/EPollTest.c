/* EPollTest.c -- what the epoll back-end makes of the kernel's words. */
#include "testsuite/support/IoFixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

static BackendState *state;
static int wake_fd;
static EventRecord records[8];

static void openState(void)
{
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(backendEPoll.open(&state, wake_fd, NULL), 0);
}

static void closeState(void)
{
    backendEPoll.close(state);
    close(wake_fd);
}

static int look(void)
{
    return backendEPoll.poll(state, 0, records, 8);
}

static uint32_t lookOnce(uint64_t cookie)
{
    CHECK_EQ(look(), 1);
    CHECK_EQ(records[0].cookie, cookie);
    return records[0].events;
}

static const uint32_t both = EventRead | EventWrite;

TEST(EPoll, answersOfChanges)
{
    int ends[2];
    openState();
    pipeOpen(ends);
    FILE *file = tmpfile();
    CHECK_EQ(backendEPoll.modify(state, ends[0], WatchEdge, both, 1), -ENOENT);
    CHECK_EQ(backendEPoll.remove(state, ends[0]), -ENOENT);
    CHECK_EQ(backendEPoll.add(state, ends[0], WatchEdge, both, 1), 0);
    CHECK_EQ(backendEPoll.add(state, ends[0], WatchEdge, both, 1), -EEXIST);
    CHECK_EQ(backendEPoll.add(state, fileno(file), WatchEdge, both, 1), -EPERM);
    CHECK_EQ(backendEPoll.add(state, 999, WatchEdge, both, 1), -EBADF);
    CHECK_EQ(backendEPoll.modify(state, 999, WatchEdge, both, 1), -EBADF);
    CHECK_EQ(backendEPoll.remove(state, ends[0]), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    errno = 4711;
    CHECK_EQ(backendEPoll.remove(state, ends[0]), -ENOENT);
    CHECK_EQ(errno, 4711); /* errors are results: errno is the program's */
    fclose(file);
    pairClose(ends);
    closeState();
}

TEST(EPoll, edgesAreReportedOnceAndLookedForAgain)
{
    int ends[2];
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(backendEPoll.add(state, ends[0], WatchEdge, both, 77), 0);
    CHECK_EQ(lookOnce(77), EventRead); /* what held already */
    CHECK_EQ(look(), 0);
    CHECK_EQ(backendEPoll.modify(state, ends[0], WatchEdge, both, 78), 0);
    CHECK_EQ(lookOnce(78), EventRead); /* a change is also a look */
    byteSend(ends[1]);
    CHECK_EQ(lookOnce(78), EventRead);
    CHECK_EQ(look(), 0);
    pairClose(ends);
    closeState();
}

TEST(EPoll, oneShotFallsSilent)
{
    int ends[2];
    openState();
    socketPairOpen(ends);
    CHECK_EQ(backendEPoll.add(state, ends[0], WatchOneShot, EventRead, 1), 0);
    CHECK_EQ(look(), 0); /* writable, but nobody asked */
    byteSend(ends[1]);
    CHECK_EQ(lookOnce(1), EventRead);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    CHECK_EQ(backendEPoll.modify(state, ends[0], WatchOneShot, EventWrite, 2), 0);
    CHECK_EQ(lookOnce(2), EventWrite);
    CHECK_EQ(look(), 0);
    close(ends[1]); /* not even a hang-up */
    CHECK_EQ(look(), 0);
    CHECK_EQ(backendEPoll.modify(state, ends[0], WatchOneShot, EventRead, 3), 0);
    CHECK_EQ(lookOnce(3), both | EventPeerClosed | EventHangUp);
    close(ends[0]);
    closeState();
}

TEST(EPoll, namesOfEvents)
{
    int ends[2];
    openState();
    socketPairOpen(ends);
    CHECK_EQ(backendEPoll.add(state, ends[0], WatchEdge, both, 5), 0);
    CHECK_EQ(lookOnce(5), EventWrite);
    CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(lookOnce(5), both | EventPeerClosed);
    close(ends[1]);
    CHECK_EQ(lookOnce(5) & (both | EventHangUp), both | EventHangUp);
    close(ends[0]);
    pipeOpen(ends);
    CHECK_EQ(backendEPoll.add(state, ends[1], WatchEdge, both, 6), 0);
    CHECK_EQ(lookOnce(6), EventWrite);
    close(ends[0]);
    CHECK_EQ(lookOnce(6), both | EventError);
    close(ends[1]);
    closeState();
}

TEST(EPoll, theWakeFdStaysReadable)
{
    const uint64_t one = 1;
    openState();
    CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(lookOnce(BACKEND_WAKE_COOKIE) & EventRead, EventRead);
    closeState();
}

TEST(EPoll, theRestStaysForTheNextPoll)
{
    int ends[12][2];
    bool seen[12] = {false};
    openState();
    for (int i = 0; i < 12; i++) {
        pipeOpen(ends[i]);
        byteSend(ends[i][1]);
        CHECK_EQ(backendEPoll.add(state, ends[i][0], WatchEdge, both, (uint64_t)i), 0);
    }
    for (int total = 0; total < 12;) {
        int count = look();
        CHECK_GT(count, 0);
        CHECK_LE(count, 8);
        for (int i = 0; i < count; i++) {
            CHECK(!seen[records[i].cookie]);
            seen[records[i].cookie] = true;
        }
        total += count;
    }
    CHECK_EQ(look(), 0);
    for (int i = 0; i < 12; i++)
        pairClose(ends[i]);
    closeState();
}

TEST(EPoll, neverEarly)
{
    const int64_t delays_ns[] = {1, 1000, 100000, 999999, 1000001};
    openState();
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        int64_t before = clockRead(&clockMonotonic);
        CHECK_EQ(backendEPoll.poll(state, delays_ns[i], records, 8), 0);
        CHECK_GE(clockRead(&clockMonotonic), before + delays_ns[i]);
    }
    closeState();
}

/* An older kernel in a child: its epoll_pwait2 says what the filter says. */
static bool refusePwait2(uint32_t error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static void sleepOnAnOlderKernel(void *arg)
{
    const int64_t delays_ns[] = {1, 999999, 1000001, 2999999};
    const uint64_t one = 1;
    if (!refusePwait2(*(uint32_t *)arg))
        _exit(77);
    openState();
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        int64_t before = clockRead(&clockMonotonic);
        CHECK_EQ(backendEPoll.poll(state, delays_ns[i], records, 8), 0);
        CHECK_GE(clockRead(&clockMonotonic), before + delays_ns[i]);
    }
    CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
    CHECK_EQ(backendEPoll.poll(state, INT64_MAX, records, 8), 1);
    closeState();
}

TEST(EPoll, neverEarlyWithoutPwait2)
{
    uint32_t errors[] = {ENOSYS, EPERM};
    static char output[1000];
    for (int i = 0; i < 2; i++) {
        int status = testChild(sleepOnAnOlderKernel, &errors[i], output, sizeof output);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            SKIP("no seccomp filters here");
        CHECK_EQ(status, 0);
    }
}

static void hearSignal(int number)
{
    (void)number;
}

TEST(EPoll, aSignalEndsTheWaitWithNothing)
{
    struct sigaction action = {.sa_handler = hearSignal};
    /* Again and again, lest the first one comes before the wait. */
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    openState();
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    errno = 4711;
    CHECK_EQ(backendEPoll.poll(state, -1, records, 8), 0);
    CHECK_EQ(errno, 4711);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    closeState();
}

TEST(EPoll, itsFdPollsReadable)
{
    int ends[2];
    struct epoll_event event;
    openState();
    int fd = backendEPoll.pollable(state);
    CHECK_GE(fd, 0);
    CHECK_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    int outer = epoll_create1(EPOLL_CLOEXEC);
    event = (struct epoll_event){.events = EPOLLIN};
    CHECK_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_EQ(epoll_wait(outer, &event, 1, 0), 0);
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(backendEPoll.add(state, ends[0], WatchEdge, both, 1), 0);
    CHECK_EQ(epoll_wait(outer, &event, 1, 0), 1);
    close(outer);
    pairClose(ends);
    closeState();
}
