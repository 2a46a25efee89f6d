/* AdoptConformance.c -- adopted fds: what they cost and what is remembered of them.
 *
 * Run once per back-end: --backend epoll, --backend poll.  Where poll(2) cannot do as epoll does,
 * the test says so: `edges` of the back-end is false, every wait of an adopted fd costs one change,
 * and an urgent byte, a short read and the peer's end leave no memory.
 */
#include "testsuite/conformance/Conformance.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- adopting ------------------------------------------------------------------------------ */

TEST(EventManager, adoptKeepsItsWaiters)
{
    int ends[2];
    Watcher reader, writer;
    openManager();
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(park(&reader, ends[0], 0, FdRead), 0);
    CHECK_EQ(park(&writer, ends[0], 0, FdWrite), 0);
    CHECK_EQ(eventManagerAdopt(&manager, ends[0], NULL), 0);
    CHECK_EQ(reader.fired + writer.fired, 0);
    CHECK(sane(ends[0]));
    byteSend(ends[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(reader.fired, 1);
    fdEmpty(ends[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(writer.fired, 1);
    pairClose(ends);
    eventManagerClose(&manager);
}

/* Without edges adopting changes nothing in the kernel: the next wait finds out. */
static void waitFindsAnotherFile(void)
{
    int first[2];
    Watcher older, newer;
    pipeOpen(first);
    CHECK_EQ(park(&older, first[0], FdAdopted, FdRead), 0);
    CHECK_EQ(look(), 0);
    pairClose(first);
    pipeOpen(first);
    CHECK_EQ(eventManagerAdopt(&manager, first[0], NULL), 0);
    CHECK_EQ(older.fired, 0);
    CHECK_EQ(park(&newer, first[0], FdAdopted, FdRead), 0);
    CHECK_EQ(older.fired, 1);
    CHECK_EQ(older.result, -EBADF);
    byteSend(first[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(newer.fired, 1);
    CHECK_EQ(newer.result, 0);
    pairClose(first);
    eventManagerClose(&manager);
}

TEST(EventManager, adoptFindsAnotherFile)
{
    int first[2], second[2];
    Watcher older;
    openManager();
    if (!manager.backend->edges) {
        waitFindsAnotherFile();
        return;
    }
    pipeOpen(first);
    CHECK_EQ(park(&older, first[0], 0, FdRead), 0);
    pairClose(first);
    CHECK_EQ(eventManagerAdopt(&manager, first[0], NULL), -EBADF);
    CHECK_EQ(older.result, -EBADF);
    pipeOpen(second);
    CHECK_EQ(park(&older, second[0], FdAdopted, FdRead), 0);
    pairClose(second);
    pipeOpen(first);
    CHECK_EQ(eventManagerAdopt(&manager, first[0], NULL), 0);
    CHECK_EQ(older.fired, 1);
    CHECK_EQ(older.result, -EBADF);
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    pairClose(first);
    eventManagerClose(&manager);
}

TEST(EventManager, warmWaitsCostNothing)
{
    int ends[2];
    Watcher reader;
    openManager();
    pipeOpen(ends);
    uint64_t before = changes();
    uint32_t edges = eventManagerEdges(&manager, ends[0], FdRead);
    CHECK_EQ(edges, 0); /* no slot yet */
    CHECK_EQ(park(&reader, ends[0], FdAdopted, FdRead), 0);
    CHECK_EQ(changes(), before + 1);
    for (uint64_t round = 1; round <= 20; round++) {
        byteSend(ends[1]);
        CHECK_EQ(look(), 1);
        CHECK_EQ(reader.fired, 1);
        edges = eventManagerEdges(&manager, ends[0], FdRead);
        CHECK_EQ(fdEmpty(ends[0]), 1);
        CHECK_EQ(parkSeen(&reader, ends[0], FdRead, edges), 0);
        CHECK_EQ(changes(), before + 1 + (manager.backend->edges ? 0 : round));
    }
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, edgeBetweenTheReadAndTheWait)
{
    int ends[2];
    Watcher reader, other;
    openManager();
    pipeOpen(ends);
    CHECK_EQ(park(&other, ends[0], FdAdopted, FdRead), 0);
    uint32_t edges = eventManagerEdges(&manager, ends[0], FdRead);
    CHECK_EQ(fdEmpty(ends[0]), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 1); /* taken by a poller before we wait */
    int result = parkSeen(&reader, ends[0], FdRead, edges);
    if (result == 0) { /* one-shot: the wait itself looks again */
        CHECK(!manager.backend->edges);
        CHECK_EQ(look(), 1);
        CHECK_EQ(reader.fired, 1);
    } else {
        CHECK_EQ(result, 1);
        CHECK_EQ(reader.fired, 0);
    }
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, bareWaitsOfAdoptedFds)
{
    int ends[2];
    Watcher reader;
    openManager();
    bool edges = manager.backend->edges;
    pipeOpen(ends);
    CHECK_EQ(watcherAwait(&manager, &reader, ends[0], FdAdopted, FdRead, 0, 7), 0);
    byteSend(ends[1]);
    CHECK_EQ(look(), 1);
    eventManagerWoken(&manager, ends[0], FdRead, 7);
    fdEmpty(ends[0]);
    uint64_t before = changes();
    CHECK_EQ(watcherAwait(&manager, &reader, ends[0], FdAdopted, FdRead, 0, 7), 0);
    /* The same waiter, the same count: nothing has come.  Without edges every wait asks. */
    CHECK_EQ(changes(), before + !edges);
    CHECK(eventManagerForget(&manager, ends[0], FdRead, &reader.node, NULL));
    byteSend(ends[1]);
    CHECK_EQ(look(), 0);
    CHECK_EQ(watcherAwait(&manager, &reader, ends[0], FdAdopted, FdRead, 0, 7), edges);
    if (!edges) {
        CHECK_EQ(look(), 1);
        CHECK_EQ(reader.fired, 1);
        pairClose(ends);
        eventManagerClose(&manager);
        return;
    }
    /* Waiter 8 did not see that edge: the kernel must look again. */
    CHECK_EQ(watcherAwait(&manager, &reader, ends[0], FdAdopted, FdRead, 0, 8), 0);
    CHECK_EQ(changes(), before + 1);
    CHECK_EQ(look(), 1);
    CHECK_EQ(reader.fired, 1);
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, unadoptedWaitCostsOneChange)
{
    int ends[2];
    Watcher reader, writer;
    openManager();
    socketPairOpen(ends);
    fdFill(ends[0]);
    uint64_t before = changes();
    CHECK_EQ(park(&reader, ends[0], 0, FdRead), 0);
    CHECK_EQ(changes(), before + 1); /* add */
    CHECK_EQ(park(&writer, ends[0], 0, FdWrite), 0);
    CHECK_EQ(changes(), before + 2); /* modify, both */
    byteSend(ends[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(changes(), before + 3); /* armed again for the writer */
    fdEmpty(ends[1]);
    CHECK_EQ(look(), 1);
    CHECK_EQ(changes(), before + 3); /* nobody left */
    eventManagerClosingFd(&manager, ends[0], NULL);
    CHECK_EQ(changes(), before + 4); /* remove */
    CHECK_EQ(RELAXED_LOAD(&manager.fds), 0);
    pairClose(ends);
    eventManagerClose(&manager);
}

/* ---- memory of what came ------------------------------------------------------------------- */

TEST(EventManager, thePeersEndIsRemembered)
{
    int ends[2];
    Watcher reader;
    openManager();
    socketPairOpen(ends);
    CHECK_EQ(park(&reader, ends[0], FdAdopted, FdRead), 0);
    CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(look(), 1);
    uint64_t before = changes();
    int result = watcherAwait(&manager, &reader, ends[0], FdAdopted, FdRead, 0, 2);
    if (manager.backend->edges) {
        CHECK_EQ(result, 1);
        CHECK_EQ(changes(), before);
    } else {
        CHECK_EQ(result, 0);
        CHECK_EQ(look(), 1);
    }
    /* A new file of that number does not inherit it. */
    int number = ends[0];
    eventManagerClosingFd(&manager, number, NULL);
    pairClose(ends);
    socketPairOpen(ends);
    CHECK_EQ(ends[0], number);
    CHECK_EQ(park(&reader, number, FdAdopted, FdRead), 0);
    CHECK_EQ(look(), 0);
    CHECK_EQ(reader.fired, 0);
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, hangUpOfAFifoPasses)
{
    int ends[2];
    Watcher reader;
    char name[64];
    openManager();
    snprintf(name, sizeof name, "/tmp/capri-fifo-%d", (int)getpid());
    CHECK_EQ(mkfifo(name, 0600), 0);
    ends[0] = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ends[1] = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    unlink(name);
    CHECK_EQ(park(&reader, ends[0], FdAdopted, FdRead), 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    close(ends[1]);
    CHECK_EQ(look(), 1); /* hang-up */
    uint32_t edges = eventManagerEdges(&manager, ends[0], FdRead);
    CHECK_EQ(fdEmpty(ends[0]), 0);
    uint64_t before = changes();
    CHECK_EQ(parkSeen(&reader, ends[0], FdRead, edges), 0); /* suspect: it asks again, ... */
    CHECK_EQ(changes(), before + 1);
    CHECK_EQ(look(), 1); /* ... and the hang-up lasts */
    edges = eventManagerEdges(&manager, ends[0], FdRead);
    ends[1] = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK_GE(ends[1], 0);
    CHECK_EQ(parkSeen(&reader, ends[0], FdRead, edges), 0); /* a writer again: it asks, ... */
    CHECK_EQ(look(), 0);                                    /* ... and now it parks */
    byteSend(ends[1]);
    CHECK_EQ(look(), 1);
    pairClose(ends);
    eventManagerClose(&manager);
}

static void tcpPairOpen(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(ends[1], (struct sockaddr *)&address, sizeof address), 0);
    ends[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK_GE(ends[0], 0);
    close(listener);
}

/* Without edges a wait always looks, so there is nothing to prove. */
static void waitLooksAfterAShortRead(void)
{
    int ends[2];
    Watcher reader;
    tcpPairOpen(ends);
    for (int i = 0; i < 3; i++) {
        byteSend(ends[1]);
        uint32_t edges = eventManagerEdges(&manager, ends[0], FdRead);
        CHECK_EQ(parkSeen(&reader, ends[0], FdRead, edges), 0);
        CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
        CHECK_EQ(reader.fired, 1);
        FdSlot *slot = fdTableFind(&manager.table, ends[0]);
        edges = eventManagerEdges(&manager, ends[0], FdRead);
        CHECK_EQ(fdEmpty(ends[0]), 1);
        CHECK(slot != NULL);
        fdSlotDrained(slot, edges);
    }
    pairClose(ends);
    eventManagerClose(&manager);
}

TEST(EventManager, aShortReadProvesAStreamEmpty)
{
    int ends[2];
    Watcher reader;
    openManager();
    if (!manager.backend->edges) {
        waitLooksAfterAShortRead();
        return;
    }
    tcpPairOpen(ends);
    CHECK_EQ(park(&reader, ends[0], FdAdopted | FdStream, FdRead), 0);
    byteSend(ends[1]);
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
    FdSlot *slot = fdTableFind(&manager.table, ends[0]);
    CHECK(slot != NULL);
    uint32_t edges = eventManagerEdges(&manager, ends[0], FdRead);
    CHECK(!fdSlotIsDrained(slot, edges));
    CHECK_EQ(fdEmpty(ends[0]), 1);
    fdSlotDrained(slot, edges);
    CHECK(fdSlotIsDrained(slot, edges));
    byteSend(ends[1]);
    CHECK_EQ(parkSeen(&reader, ends[0], FdRead, edges), 0); /* the edge is still on its way: */
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
    edges = eventManagerEdges(&manager, ends[0], FdRead);
    CHECK(!fdSlotIsDrained(slot, edges));
    CHECK_EQ(fdEmpty(ends[0]), 1);
    /* Urgent data: from now on a short read proves nothing. */
    CHECK_EQ(parkSeen(&reader, ends[0], FdRead, edges), 0);
    CHECK_EQ(send(ends[1], "!", 1, MSG_OOB), 1);
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
    edges = eventManagerEdges(&manager, ends[0], FdRead);
    fdSlotDrained(slot, edges);
    CHECK(!fdSlotIsDrained(slot, edges));
    pairClose(ends);
    eventManagerClose(&manager);
}
