/* LingerReuse.c -- a close that lingers: its number is another socket's long before it returns.
 *
 * Linux frees the number first and then waits for the peer.  closeFd must neither hold up the
 * capability (there is only one here) nor disturb the socket that has the number next, when the
 * close begins and when it ends.
 */
#include "testsuite/support/Crowd.h"

#include <netinet/in.h>

enum { LINGER_S = 60, OTHERS = 64 };

static uint32_t close_returned; /* the closer stores, everyone reads */

static void connectLoopback(int *lingering, int *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(listener, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(*peer, 0);
    CHECK_EQ(connect(*peer, (struct sockaddr *)&address, sizeof address), 0);
    *lingering = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK_GE(*lingering, 0);
    CHECK_EQ(close(listener), 0);
}

/* Bytes that the peer does not read: the end of the connection cannot be told to it. */
static void stuff(int fd)
{
    char bytes[65536] = {0};
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
}

static void *closeSlowly(void *env)
{
    CHECK_EQ(closeFd(*(int *)env), 0);
    RELAXED_STORE(&close_returned, 1);
    return NULL;
}

static void *readByte(void *env)
{
    char byte = 0;
    CHECK_EQ(fdRead(*(int *)env, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    return NULL;
}

static void *expectClosed(void *env)
{
    CHECK_EQ(threadWaitWrite(*(int *)env), -EBADF);
    return NULL;
}

/* Once `number` is free, open pairs until one has it: pair[0] is that one. */
static void takeNumber(int number, int pair[2], int others[OTHERS], size_t *count)
{
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (fcntl(number, F_GETFD) >= 0) {
        CHECK_LT(rtsNow(), deadline_ns);
        crowdPause(10000);
    }
    for (;;) {
        crowdPair(pair, false);
        if (pair[0] == number)
            return;
        if (pair[1] == number) {
            pair[1] = pair[0];
            pair[0] = number;
            return;
        }
        CHECK_LE(*count + 2, OTHERS);
        others[(*count)++] = pair[0];
        others[(*count)++] = pair[1];
    }
}

static void playRound(bool adopted_before, bool adopted_after)
{
    int number, peer, pair[2], others[OTHERS];
    size_t other_count = 0;
    struct linger linger = {1, LINGER_S};
    Crowd waiting, crowd;
    RELAXED_STORE(&close_returned, 0);
    crowdStart(&crowd, 1, 4);
    waiting = (Crowd){.threads = calloc(1, sizeof(Thread *)), .room = 1};
    connectLoopback(&number, &peer);
    CHECK_EQ(setsockopt(number, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    if (adopted_before)
        CHECK_EQ(fdAdopt(number), 0);
    stuff(number);
    Thread *victim = crowdFork(&crowd, expectClosed, &number, "waits for the old file");
    crowdAwaitState(victim, ThreadBlockedOnWrite, number);
    crowdFork(&crowd, closeSlowly, &number, "closer");

    takeNumber(number, pair, others, &other_count);
    if (adopted_after)
        CHECK_EQ(fdAdopt(pair[0]), 0);
    for (int i = 0; i < 3; i++) { /* the only capability carries on */
        crowdFork(&waiting, readByte, &pair[0], "reader");
        crowdAwaitState(waiting.threads[0], ThreadBlockedOnRead, number);
        CHECK_EQ(send(pair[1], "x", 1, 0), 1);
        crowdJoin(&waiting);
    }
    CHECK_EQ(RELAXED_LOAD(&close_returned), 0);

    Thread *reader = crowdFork(&waiting, readByte, &pair[0], "reader across the close's end");
    crowdAwaitState(reader, ThreadBlockedOnRead, number);
    char bytes[65536];
    while (recv(peer, bytes, sizeof bytes, 0) > 0)
        continue; /* the lingering ends */
    crowdJoin(&crowd);
    CHECK_EQ(RELAXED_LOAD(&close_returned), 1);
    CHECK_EQ(threadStatus(reader).state, ThreadBlockedOnRead);
    CHECK_EQ(send(pair[1], "x", 1, 0), 1);
    crowdJoin(&waiting);
    CHECK_EQ(closeFd(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
    CHECK_EQ(close(peer), 0);
    for (size_t i = 0; i < other_count; i++)
        CHECK_EQ(close(others[i]), 0);
    free(waiting.threads);
    crowdStop(&crowd);
}

TEST(LingerReuse, theNextOwnerIsNotDisturbed)
{
    for (int kind = 0; kind < 4; kind++)
        playRound(kind & 1, kind & 2);
}
