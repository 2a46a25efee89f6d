/* EventManagerConformance.c -- waiting, numbers that change their file, closing.
 *
 * Run once per back-end: --backend epoll, --backend poll.
 */
#include "testsuite/conformance/Conformance.h"

#include <stdio.h>

/* ---- both kinds ---------------------------------------------------------------------------- */

static void checkBothDirections(uint32_t kind)
{
    int ends[2];
    Watcher reader, writer;
    openManager();
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(park(&reader, ends[0], kind, FdRead), 0);
    CHECK_EQ(park(&writer, ends[0], kind, FdWrite), 0);
    CHECK(sane(ends[0]));
    CHECK_EQ(look(), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(reader.result, 0);
    CHECK_EQ(writer.fired, 0); /* and it stays armed: */
    CHECK(sane(ends[0]));
    fdEmpty(ends[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(writer.fired, 1);
    CHECK_EQ(reader.fired, 1);
    CHECK(sane(ends[0]));
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, bothDirectionsUnadopted)
{
    checkBothDirections(0);
}

TEST(EventManager, bothDirectionsAdopted)
{
    checkBothDirections(FdAdopted);
}

static void checkSeveralWaiters(uint32_t kind)
{
    int ends[2];
    Watcher waiters[5];
    openManager();
    pipeOpen(ends);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(park(&waiters[i], ends[0], kind, FdRead), 0);
    CHECK(eventManagerForget(&manager, ends[0], FdRead, &waiters[2].node, NULL));
    byteSend(ends[1]);
    CHECK_EQ(look(), 4);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(waiters[i].fired, i != 2);
    CHECK(!eventManagerForget(&manager, ends[0], FdRead, &waiters[0].node, NULL));
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, severalWaitersAndForgetUnadopted)
{
    checkSeveralWaiters(0);
}

TEST(EventManager, severalWaitersAndForgetAdopted)
{
    checkSeveralWaiters(FdAdopted);
}

static void checkHangUp(uint32_t kind)
{
    int ends[2];
    Watcher reader, writer;
    openManager();
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(park(&reader, ends[0], kind, FdRead), 0);
    CHECK_EQ(park(&writer, ends[0], kind, FdWrite), 0);
    close(ends[1]);
    CHECK_EQ(look(), 2);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(writer.fired, 1);
    /* Whoever waits again is told again: the condition lasts. */
    if (park(&writer, ends[0], kind, FdWrite) == 0) {
        look();
        CHECK_EQ(writer.fired, 1);
    }
    close(ends[0]);
    eventManagerClose(&manager);
}

TEST(EventManager, hangUpWakesBothUnadopted)
{
    checkHangUp(0);
}

TEST(EventManager, hangUpWakesBothAdopted)
{
    checkHangUp(FdAdopted);
}

TEST(EventManager, brokenPipeErrorWakesTheWriter)
{
    int ends[2];
    Watcher writer;
    openManager();
    pipeOpen(ends);
    fdFill(ends[1]);
    CHECK_EQ(park(&writer, ends[1], 0, FdWrite), 0);
    close(ends[0]); /* EPOLLERR on the write end */
    CHECK_EQ(look(), 1);
    CHECK_EQ(writer.fired, 1);
    close(ends[1]);
    eventManagerClose(&manager);
}

TEST(EventManager, readyBeforeTheWaitIsReported)
{
    int ends[2];
    Watcher reader;
    openManager();
    pipeOpen(ends);
    byteSend(ends[1]);
    for (int round = 0; round < 3; round++) { /* level: nobody reads it away */
        CHECK_EQ(park(&reader, ends[0], 0, FdRead), 0);
        CHECK_EQ(look(), 1);
        CHECK_EQ(reader.fired, 1);
        CHECK_EQ(look(), 0);
    }
    pairClose(ends);
    eventManagerClose(&manager);
}

/* ---- numbers ------------------------------------------------------------------------------- */

TEST(EventManager, badNumbers)
{
    Watcher waiter;
    openManager();
    CHECK_EQ(park(&waiter, -1, 0, FdRead), -EBADF);
    CHECK_EQ(park(&waiter, -5, FdAdopted, FdWrite), -EBADF);
    CHECK_EQ(park(&waiter, 777, 0, FdRead), -EBADF); /* never opened */
    CHECK_EQ(park(&waiter, 777, FdAdopted, FdRead), -EBADF);
    CHECK_EQ(park(&waiter, FD_MAX, 0, FdRead), -EMFILE);
    CHECK_EQ(park(&waiter, INT32_MAX, 0, FdRead), -EMFILE);
    CHECK(sane(777));
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    eventManagerAdopt(&manager, 778, NULL);
    eventManagerClosingFd(&manager, 778, NULL);
    eventManagerClosedFd(&manager, 778, NULL);
    eventManagerFresh(&manager, 778, NULL);
    CHECK_EQ(eventManagerEdges(&manager, -1, FdRead), 0);
    CHECK_EQ(waiter.fired, 0);
    eventManagerClose(&manager);
}

TEST(EventManager, numberClosedBehindOurBackIsBad)
{
    int ends[2];
    Watcher waiter;
    openManager();
    pipeOpen(ends);
    CHECK_EQ(park(&waiter, ends[0], 0, FdRead), 0);
    CHECK(eventManagerForget(&manager, ends[0], FdRead, &waiter.node, NULL));
    pairClose(ends);
    CHECK_EQ(park(&waiter, ends[0], 0, FdRead), -EBADF);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    CHECK(sane(ends[0]));
    eventManagerClose(&manager);
}

TEST(EventManager, numberReusedBehindOurBack)
{
    int first[2], second[2];
    Watcher older, newer;
    openManager();
    pipeOpen(first);
    CHECK_EQ(park(&older, first[0], 0, FdRead), 0);
    pairClose(first);
    pipeOpen(second);
    CHECK_EQ(second[0], first[0]); /* lowest free number */
    CHECK_EQ(park(&newer, second[0], 0, FdRead), 0);
    CHECK_EQ(older.fired, 1);
    CHECK_EQ(older.result, -EBADF);
    CHECK_EQ(newer.fired, 0);
    CHECK(sane(second[0]));
    byteSend(second[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(newer.fired, 1);
    CHECK_EQ(newer.result, 0);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 1);
    pairClose(second);
    eventManagerClose(&manager);
}

/* A back-end may keep the older file open: its waiters must not take the newer one for ready. */
TEST(EventManager, eventsOfAnOlderFileAreNobodys)
{
    int first[2], second[2];
    Watcher older;
    openManager();
    for (int reuse = 0; reuse < 2; reuse++) {
        socketPairOpen(first);
        CHECK_EQ(park(&older, first[0], 0, FdRead), 0);
        CHECK_EQ(look(), 0);
        close(first[0]);
        if (reuse) {
            socketPairOpen(second);
            CHECK_EQ(second[0], first[0]);
        }
        close(first[1]); /* a hang-up, if anybody still listens */
        look();
        if (reuse) /* else a retry would see it */
            CHECK(older.fired == 0 || older.result == -EBADF);
        eventManagerClosingFd(&manager, first[0], NULL);
        CHECK_EQ(older.fired, 1);
        CHECK(older.result == -EBADF || !reuse);
        CHECK(sane(first[0]));
        if (reuse)
            pairClose(second);
    }
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    eventManagerClose(&manager);
}

TEST(EventManager, numberReusedByARegularFile)
{
    int ends[2];
    Watcher older, newer;
    openManager();
    pipeOpen(ends);
    CHECK_EQ(park(&older, ends[0], 0, FdRead), 0);
    pairClose(ends);
    FILE *file = tmpfile();
    CHECK_EQ(fileno(file), ends[0]);
    CHECK_EQ(park(&newer, ends[0], 0, FdRead), 1);
    CHECK_EQ(older.fired, 1);
    CHECK_EQ(older.result, -EBADF);
    CHECK(sane(ends[0]));
    fclose(file);
    eventManagerClose(&manager);
}

TEST(EventManager, freshNumberOfAdoptedFd)
{
    int first[2], second[2];
    Watcher older, newer;
    openManager();
    pipeOpen(first);
    CHECK_EQ(park(&older, first[0], FdAdopted, FdRead), 0);
    int kept = dup(first[0]); /* the file lives on and would keep its registration */
    close(first[0]);
    CHECK_EQ(pipe2(second, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(second[0], first[0]);
    eventManagerFresh(&manager, second[0], NULL);
    CHECK_EQ(older.fired, 1);
    CHECK_EQ(older.result, -EBADF);
    CHECK_EQ(park(&newer, second[0], FdAdopted, FdRead), 0);
    byteSend(first[1]); /* an event for the old file: epoll still has it */
    uint32_t fired = look();
    CHECK_EQ(fired, 0);
    CHECK_EQ(newer.fired, 0);
    CHECK_EQ(manager.stats.stale, manager.backend == &backendEPoll); /* rings cancelled it */
    byteSend(second[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(newer.fired, 1);
    close(kept);
    close(first[1]);
    pairClose(second);
    eventManagerClose(&manager);
}

TEST(EventManager, regularFilesAreReadyNow)
{
    Watcher waiter;
    openManager();
    FILE *file = tmpfile();
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_EQ(park(&waiter, fileno(file), 0, FdRead), 1);
    CHECK_EQ(park(&waiter, fileno(file), 0, FdWrite), 1);
    CHECK_EQ(park(&waiter, directory, 0, FdRead), 1);
    CHECK_EQ(park(&waiter, fileno(file), FdAdopted, FdRead), 1);
    uint64_t before = changes();
    CHECK_EQ(park(&waiter, fileno(file), FdAdopted, FdWrite), 1);
    if (manager.backend->edges)
        CHECK_EQ(changes(), before); /* an adopted one is remembered */
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    int number = fileno(file), ends[2];
    eventManagerClosingFd(&manager, number, NULL);
    fclose(file);
    pipeOpen(ends);
    CHECK_EQ(ends[0], number);
    CHECK_EQ(park(&waiter, number, FdAdopted, FdRead), 0); /* and forgotten */
    close(directory);
    pairClose(ends);
    eventManagerClose(&manager);
}

/* ---- closing ------------------------------------------------------------------------------- */

TEST(EventManager, closeWakesAThousandInBothDirections)
{
    enum { WAITERS = 1000 };
    static Watcher waiters[WAITERS];
    int ends[2];
    openManager();
    socketPairOpen(ends);
    fdFill(ends[0]);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(park(&waiters[i], ends[0], i % 3 == 0 ? FdAdopted : 0, i % 2 ? FdRead : FdWrite),
                 0);
    CHECK(sane(ends[0]));
    eventManagerClosingFd(&manager, ends[0], NULL);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(waiters[i].fired, 1);
        CHECK_EQ(waiters[i].result, -EBADF);
    }
    CHECK(sane(ends[0]));
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, waitBetweenCloseFdAndClose)
{
    int ends[2];
    Watcher before, between;
    openManager();
    pipeOpen(ends);
    CHECK_EQ(park(&before, ends[0], 0, FdRead), 0);
    eventManagerClosingFd(&manager, ends[0], NULL);
    CHECK_EQ(before.result, -EBADF);
    CHECK_EQ(park(&between, ends[0], 0, FdRead), 0); /* the file is still there */
    close(ends[0]);
    eventManagerClosedFd(&manager, ends[0], NULL);
    CHECK_EQ(between.fired, 1);
    CHECK_EQ(between.result, FD_LOOK_AGAIN);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    CHECK(sane(ends[0]));
    close(ends[1]);
    eventManagerClose(&manager);
}
