/* PollTest.c -- the poll back-end: one-shots of its own, copies, nudges, files that change. */
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/eventfd.h>

static BackendState *state;
static int wake_fd;
static EventRecord records[8];

static void openState(void)
{
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK_EQ(backendPoll.open(&state, wake_fd, NULL), 0);
}

static void closeState(void)
{
    backendPoll.close(state);
    close(wake_fd);
}

static int look(void)
{
    return backendPoll.poll(state, 0, records, 8);
}

static uint32_t lookOnce(uint64_t cookie)
{
    CHECK_EQ(look(), 1);
    CHECK_EQ(records[0].cookie, cookie);
    return records[0].events;
}

static int add(int fd, uint32_t interest, uint64_t cookie)
{
    return backendPoll.add(state, fd, WatchOneShot, interest, cookie);
}

static int modify(int fd, uint32_t interest, uint64_t cookie)
{
    return backendPoll.modify(state, fd, WatchOneShot, interest, cookie);
}

static const uint32_t both = EventRead | EventWrite;

TEST(Poll, answersOfChanges)
{
    int ends[2], directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    openState();
    pipeOpen(ends);
    FILE *file = tmpfile();
    CHECK(!backendPoll.edges);
    CHECK_EQ(backendPoll.add(state, ends[0], WatchEdge, both, 1), -EINVAL);
    CHECK_EQ(modify(ends[0], EventRead, 1), -ENOENT);
    CHECK_EQ(backendPoll.remove(state, ends[0]), -ENOENT);
    CHECK_EQ(backendPoll.remove(state, -1), -ENOENT);
    CHECK_EQ(add(ends[0], EventRead, 1), 0);
    CHECK_EQ(add(ends[0], EventRead, 1), -EEXIST);
    CHECK_EQ(add(fileno(file), EventRead, 1), -EPERM);
    CHECK_EQ(add(directory, EventRead, 1), -EPERM);
    CHECK_EQ(add(999, EventRead, 1), -EBADF);
    CHECK_EQ(modify(999, EventRead, 1), -EBADF);
    CHECK_EQ(add(-1, EventRead, 1), -EBADF);
    CHECK_EQ(backendPoll.remove(state, ends[0]), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    errno = 4711;
    CHECK_EQ(modify(999, EventRead, 1), -EBADF);
    CHECK_EQ(errno, 4711);
    CHECK_EQ(backendPoll.pollable(state), -1);
    fclose(file);
    close(directory);
    pairClose(ends);
    closeState();
}

TEST(Poll, oneShotFallsSilent)
{
    int ends[2];
    openState();
    socketPairOpen(ends);
    CHECK_EQ(add(ends[0], EventRead, 1), 0);
    CHECK_EQ(look(), 0); /* writable, but nobody asked */
    byteSend(ends[1]);
    CHECK_EQ(lookOnce(1), EventRead);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    CHECK_EQ(modify(ends[0], EventWrite, 2), 0);
    CHECK_EQ(lookOnce(2), EventWrite);
    close(ends[1]);
    CHECK_EQ(look(), 0);
    CHECK_EQ(modify(ends[0], EventRead, 3), 0);
    CHECK_EQ(lookOnce(3), both | EventPeerClosed | EventHangUp);
    close(ends[0]);
    closeState();
}

TEST(Poll, aClosedNumberIsReportedAndForgotten)
{
    int ends[2], again[2];
    openState();
    pipeOpen(ends);
    CHECK_EQ(add(ends[0], EventRead, 1), 0);
    pairClose(ends);
    CHECK_EQ(lookOnce(1), both | EventError);
    CHECK_EQ(modify(ends[0], EventRead, 1), -EBADF);
    pipeOpen(again);
    CHECK_EQ(again[0], ends[0]);
    CHECK_EQ(add(again[0], EventRead, 2), 0);
    pairClose(again);
    pipeOpen(again);
    CHECK_EQ(modify(again[0], EventRead, 3), -ENOENT); /* another pipe */
    CHECK_EQ(add(again[0], EventRead, 4), 0);
    pairClose(again);
    pipeOpen(again);
    CHECK_EQ(add(again[0], EventRead, 5), 0); /* what is left of the old one is no obstacle */
    byteSend(again[1]);
    CHECK_EQ(lookOnce(5), EventRead);
    pairClose(again);
    closeState();
}

TEST(Poll, manyFdsAndNoneStarves)
{
    enum { MANY = 50 };
    int ends[MANY][2];
    uint32_t seen[MANY] = {0};
    openState();
    for (int i = 0; i < MANY; i++) {
        pipeOpen(ends[i]);
        byteSend(ends[i][1]);
        CHECK_EQ(add(ends[i][0], EventRead, (uint64_t)i), 0);
    }
    /* Eight a poll, each armed again at once: everyone has its turn. */
    for (int round = 0; round < 8 * MANY / 8; round++) {
        int count = look();
        CHECK_EQ(count, 8);
        for (int i = 0; i < count; i++) {
            uint64_t at = records[i].cookie;
            seen[at]++;
            CHECK_EQ(modify(ends[at][0], EventRead, at), 0);
        }
    }
    for (int i = 0; i < MANY; i++)
        CHECK_GE(seen[i], 4);
    for (int i = 0; i < MANY; i += 2) /* take every other one out of the middle */
        CHECK_EQ(backendPoll.remove(state, ends[i][0]), 0);
    for (int total = 0; total < MANY / 2;) {
        int count = look();
        CHECK_GT(count, 0);
        for (int i = 0; i < count; i++)
            CHECK_EQ(records[i].cookie % 2, 1);
        total += count;
    }
    CHECK_EQ(look(), 0);
    for (int i = 0; i < MANY; i++)
        pairClose(ends[i]);
    closeState();
}

TEST(Poll, neverEarly)
{
    const int64_t delays_ns[] = {1, 1000, 100000, 1000001};
    openState();
    for (size_t i = 0; i < sizeof delays_ns / sizeof delays_ns[0]; i++) {
        int64_t before = clockRead(&clockMonotonic);
        CHECK_EQ(backendPoll.poll(state, delays_ns[i], records, 8), 0);
        CHECK_GE(clockRead(&clockMonotonic), before + delays_ns[i]);
    }
    closeState();
}

TEST(Poll, theWakeFdIsLeftAlone)
{
    const uint64_t one = 1;
    openState();
    CHECK_EQ(write(wake_fd, &one, sizeof one), (ssize_t)sizeof one);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(lookOnce(BACKEND_WAKE_COOKIE), EventRead);
    closeState();
}

/* ---- other OS threads ---- */

static int changed_fd;

static void *armElsewhere(void *arg)
{
    (void)arg;
    CHECK_EQ(modify(changed_fd, EventRead, 9), 0);
    return NULL;
}

TEST(Poll, aSleepingPollHearsOfAChange)
{
    int ends[2];
    pthread_t thread;
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    changed_fd = ends[0];
    CHECK_EQ(add(ends[0], EventRead, 8), 0);
    CHECK_EQ(lookOnce(8), EventRead);
    for (int round = 0; round < 20; round++) {
        CHECK_EQ(pthread_create(&thread, NULL, armElsewhere, NULL), 0);
        int count = 0;
        while (count == 0) /* 0: nudged, or it slept before the change was there */
            count = backendPoll.poll(state, -1, records, 8);
        CHECK_EQ(count, 1);
        CHECK_EQ(records[0].cookie, 9);
        pthread_join(thread, NULL);
    }
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
    (void)arg;
    while (!ACQUIRE_LOAD(&shared.stop)) {
        int count = backendPoll.poll(state, 0, mine, 4);
        for (int i = 0; i < count; i++)
            CHECK_EQ(mine[i].cookie, 3);
        if (count > 0)
            ADD_RELEASE(&shared.taken, (uint32_t)count);
    }
    return NULL;
}

TEST(Poll, eachArmingIsReportedToOnePoller)
{
    int ends[2];
    pthread_t pollers[POLLERS];
    openState();
    pipeOpen(ends);
    byteSend(ends[1]);
    for (int i = 0; i < POLLERS; i++)
        CHECK_EQ(pthread_create(&pollers[i], NULL, takeOften, NULL), 0);
    CHECK_EQ(add(ends[0], EventRead, 3), 0);
    for (uint32_t arming = 1; arming <= ARMINGS; arming++) {
        while (ACQUIRE_LOAD(&shared.taken) < arming)
            sched_yield();
        CHECK_EQ(RELAXED_LOAD(&shared.taken), arming);
        if (arming < ARMINGS)
            CHECK_EQ(modify(ends[0], EventRead, 3), 0);
    }
    RELEASE_STORE(&shared.stop, true);
    for (int i = 0; i < POLLERS; i++)
        pthread_join(pollers[i], NULL);
    CHECK_EQ(shared.taken, ARMINGS);
    pairClose(ends);
    closeState();
}
