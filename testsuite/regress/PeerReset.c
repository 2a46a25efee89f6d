/* PeerReset.c -- a peer that resets: an error for all who wait, no signal, the rest carries on.
 */
#include "testsuite/support/Crowd.h"

#include <netinet/in.h>
#include <signal.h>

enum { ROUNDS = 100, EXCHANGES = 20 };

typedef struct End {
    int fd;
    ssize_t result;
} End;

static uint32_t signals; /* the handler adds */

static void countPipe(int signal_number)
{
    (void)signal_number;
    ADD_RELAXED(&signals, 1);
}

static void connectedPair(int listener, const struct sockaddr_in *address, int pair[2])
{
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(pair[0], 0);
    CHECK_EQ(connect(pair[0], (const struct sockaddr *)address, sizeof *address), 0);
    pair[1] = fdAccept(listener, NULL, NULL);
    CHECK_GE(pair[1], 0);
}

static void *readOnce(void *env)
{
    End *end = env;
    char byte;
    end->result = fdRead(end->fd, &byte, 1);
    return NULL;
}

static void *writeOn(void *env)
{
    End *end = env;
    static const char bytes[65536];
    while ((end->result = fdWrite(end->fd, bytes, sizeof bytes)) > 0)
        continue;
    return NULL;
}

/* Others of the same runtime, all the time. */
static void *exchange(void *env)
{
    int *pair = env;
    for (int i = 0; i < EXCHANGES; i++) {
        char byte = (char)i;
        CHECK_EQ(fdWrite(pair[0], &byte, 1), 1);
        CHECK_EQ(fdRead(pair[1], &byte, 1), 1);
        CHECK_EQ(byte, (char)i);
        threadYield();
    }
    return NULL;
}

static void resetPeer(int fd)
{
    struct linger linger = {1, 0};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(close(fd), 0);
}

static void playRound(Crowd *crowd, int listener, const struct sockaddr_in *address)
{
    int pair[2], other[2];
    connectedPair(listener, address, pair);
    crowdPair(other, true);
    End reader = {pair[1], 0}, writer = {pair[1], 0};
    Thread *reading = crowdFork(crowd, readOnce, &reader, "reader");
    Thread *writing = crowdFork(crowd, writeOn, &writer, "writer");
    crowdFork(crowd, exchange, other, "other");
    crowdAwaitState(reading, ThreadBlockedOnRead, pair[1]);
    crowdAwaitState(writing, ThreadBlockedOnWrite, pair[1]);
    resetPeer(pair[0]);
    crowdJoin(crowd);
    /* The socket's error goes to one of the two; the other sees the end that it left. */
    CHECK(reader.result == -ECONNRESET || reader.result == 0);
    CHECK(writer.result == -ECONNRESET || writer.result == -EPIPE);
    CHECK(reader.result == -ECONNRESET || writer.result == -ECONNRESET);
    CHECK_EQ(fdWrite(pair[1], "x", 1), -EPIPE);
    CHECK_EQ(closeFd(pair[1]), 0);
    CHECK_EQ(closeFd(other[0]), 0);
    CHECK_EQ(closeFd(other[1]), 0);
}

TEST(PeerReset, everyWaiterIsTold)
{
    struct sigaction action = {.sa_handler = countPipe};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    Crowd crowd;
    CHECK_EQ(sigaction(SIGPIPE, &action, NULL), 0);
    crowdStart(&crowd, 2, 3);
    int listener = fdListen((struct sockaddr *)&address, sizeof address, 10);
    CHECK_GE(listener, 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    for (int round = 0; round < ROUNDS; round++)
        playRound(&crowd, listener, &address);
    CHECK_EQ(closeFd(listener), 0);
    CHECK_EQ(RELAXED_LOAD(&signals), 0);
    crowdStop(&crowd);
}
