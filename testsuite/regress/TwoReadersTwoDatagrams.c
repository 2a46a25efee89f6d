/* TwoReadersTwoDatagrams.c -- two wait for one socket, two datagrams make one edge: both wake.
 *
 * A readiness that is consumed by whoever wakes first leaves the second reader asleep over a
 * datagram.
 */
#include "testsuite/support/Crowd.h"

enum { ROUNDS = 2000 };

typedef struct Reader {
    int fd;
    bool bare;
    unsigned char got;
} Reader;

static __attribute__((noinline)) ssize_t receiveNow(int fd, unsigned char *byte)
{
    ssize_t n = recv(fd, byte, 1, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static void *readOne(void *env)
{
    Reader *reader = env;
    ssize_t n;
    if (reader->bare) {
        while ((n = receiveNow(reader->fd, &reader->got)) == -EAGAIN)
            CHECK_EQ(threadWaitRead(reader->fd), 0);
    } else {
        n = fdRecv(reader->fd, &reader->got, 1, 0);
    }
    CHECK_EQ(n, 1);
    return NULL;
}

static void playRounds(uint32_t capability_count, bool bare, bool adopted)
{
    int pair[2];
    Crowd crowd;
    size_t rounds = crowdScale(ROUNDS, ROUNDS / 10);
    crowdStart(&crowd, capability_count, 2);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    if (adopted)
        CHECK_EQ(fdAdopt(pair[0]), 0);
    for (size_t round = 0; round < rounds; round++) {
        Reader readers[2] = {{pair[0], bare, 0}, {pair[0], bare, 0}};
        for (int i = 0; i < 2; i++)
            crowdFork(&crowd, readOne, &readers[i], "reader");
        for (int i = 0; i < 2; i++)
            crowdAwaitState(crowd.threads[i], ThreadBlockedOnRead, pair[0]);
        CHECK_EQ(send(pair[1], "\1", 1, 0), 1);
        CHECK_EQ(send(pair[1], "\2", 1, 0), 1);
        crowdJoin(&crowd);
        CHECK_EQ(readers[0].got + readers[1].got, 3);
    }
    CHECK_EQ(closeFd(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
    crowdStop(&crowd);
    printf("%zu rounds on %u capabilities, %s, %s\n", rounds, capability_count,
           bare ? "threadWaitRead" : "fdRecv", adopted ? "adopted" : "not adopted");
}

TEST(TwoReadersTwoDatagrams, bothWakeOnOneCore)
{
    for (int kind = 0; kind < 4; kind++)
        playRounds(1, kind & 1, kind & 2);
}

TEST(TwoReadersTwoDatagrams, bothWakeOnTwoCores)
{
    for (int kind = 0; kind < 4; kind++)
        playRounds(2, kind & 1, kind & 2);
}
