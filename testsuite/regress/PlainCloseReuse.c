/* PlainCloseReuse.c -- an un-adopted number, closed by plain close, used again, waited for: works.
 *
 * Who still waited for the older file gets -EBADF then.
 */
#include "testsuite/support/Crowd.h"

enum { ROUNDS = 300 };

static void *readTag(void *env)
{
    int fd = *(int *)env;
    char byte = 0;
    CHECK_EQ(fdRead(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'n');
    return NULL;
}

static void *expectClosed(void *env)
{
    CHECK_EQ(threadWaitRead(*(int *)env), -EBADF);
    return NULL;
}

static void *waitBriefly(void *env)
{
    CHECK_EQ(threadWaitReadUntil(*(int *)env, rtsNow() + 100000), -ETIMEDOUT);
    return NULL;
}

/* A new socket whose near end has `number`. */
static void reopen(int number, int pair[2])
{
    crowdPair(pair, false);
    if (pair[0] != number) {
        CHECK_EQ(fcntl(pair[0], F_DUPFD_CLOEXEC, number), number);
        CHECK_EQ(close(pair[0]), 0);
        pair[0] = number;
    }
}

static void playRound(Crowd *crowd, bool wait_before, bool waiter_stays, bool adopt)
{
    int pair[2];
    crowdPair(pair, false);
    int number = pair[0];
    Crowd older = {.threads = crowd->threads + 2, .room = 1};
    if (wait_before) {
        crowdFork(crowd, waitBriefly, &number, "brief");
        crowdJoin(crowd);
    }
    if (waiter_stays) {
        Thread *waiter = crowdFork(&older, expectClosed, &number, "older");
        crowdAwaitState(waiter, ThreadBlockedOnRead, number);
    }
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
    reopen(number, pair);
    if (adopt)
        CHECK_EQ(fdAdopt(number), 0);
    Thread *reader = crowdFork(crowd, readTag, &number, "newer");
    crowdAwaitState(reader, ThreadBlockedOnRead, number);
    crowdJoin(&older); /* told by the newer one's wait */
    CHECK_EQ(send(pair[1], "n", 1, 0), 1);
    crowdJoin(crowd);
    CHECK_EQ(closeFd(number), 0);
    CHECK_EQ(close(pair[1]), 0);
}

TEST(PlainCloseReuse, waitsAreForTheNewFile)
{
    Crowd crowd;
    crowdStart(&crowd, 2, 4);
    for (int round = 0; round < ROUNDS; round++)
        playRound(&crowd, round & 1, round & 2, round & 4);
    crowdStop(&crowd);
}
