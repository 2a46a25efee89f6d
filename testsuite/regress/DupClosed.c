/* DupClosed.c -- the file lives on in a copy after its number was closed: its events are nobody's.
 *
 * epoll watches the open file, not the number.  After dup and plain close the old registration
 * stays, keeps firing under the old number, and cannot be deleted by it.  Whoever waits for the
 * number's next file must not hear of it, and the events must end.
 */
#include "testsuite/support/Crowd.h"

enum { OLD_EVENTS = 50 };

static uint32_t returned; /* the newcomer's waiter adds, main reads */

static void *waitOnce(void *env)
{
    CHECK_EQ(threadWaitRead(*(int *)env), 0);
    ADD_RELAXED(&returned, 1);
    return NULL;
}

static void *expectClosed(void *env)
{
    CHECK_EQ(threadWaitRead(*(int *)env), -EBADF);
    return NULL;
}

static void *pingPong(void *env)
{
    int *pair = env;
    char byte;
    CHECK_EQ(fdRead(pair[0], &byte, 1), 1);
    CHECK_EQ(fdWrite(pair[0], &byte, 1), 1);
    return NULL;
}

/* One event that really happens on the only capability: those before it have been dispatched. */
static void flushEvents(Crowd *crowd)
{
    int pair[2];
    char byte;
    Crowd one = {.threads = crowd->threads + crowd->count, .room = crowd->room - crowd->count};
    crowdPair(pair, true);
    Thread *pinger = crowdFork(&one, pingPong, pair, "pinger");
    crowdAwaitState(pinger, ThreadBlockedOnRead, pair[0]);
    CHECK_EQ(send(pair[1], "x", 1, 0), 1);
    crowdJoin(&one);
    CHECK_EQ(recv(pair[1], &byte, 1, 0), 1);
    CHECK_EQ(closeFd(pair[0]), 0);
    CHECK_EQ(closeFd(pair[1]), 0);
}

/* Wait for the old file, leave a copy, close its number, and open another file under it. */
static void replaceFile(Crowd *crowd, int old[2], int fresh[2], int *copy, bool by_close_fd)
{
    crowdPair(old, false);
    int number = old[0];
    if (by_close_fd)
        CHECK_EQ(fdAdopt(number), 0);
    Thread *waiter = crowdFork(crowd, waitOnce, &number, "waits for the old file");
    crowdAwaitState(waiter, ThreadBlockedOnRead, number);
    CHECK_EQ(send(old[1], "x", 1, 0), 1); /* registered, fired once, registered once more */
    crowdJoin(crowd);
    char byte;
    CHECK_EQ(recv(old[0], &byte, 1, 0), 1);
    if (!by_close_fd) {
        waiter = crowdFork(crowd, expectClosed, &old[0], "waits for the old file");
        crowdAwaitState(waiter, ThreadBlockedOnRead, number);
    }
    *copy = fcntl(number, F_DUPFD_CLOEXEC, number + 100);
    CHECK_GE(*copy, 0);
    int other[2];
    crowdPair(other, false);
    fresh[0] = number;
    fresh[1] = other[1];
    CHECK_EQ(by_close_fd ? closeFd(number) : close(number), 0);
    CHECK_EQ(fcntl(other[0], F_DUPFD_CLOEXEC, number), number);
    CHECK_EQ(close(other[0]), 0);
}

static void playRound(bool by_close_fd, bool adopt_fresh)
{
    int old[2], fresh[2], copy;
    char byte;
    Crowd crowd;
    crowdStart(&crowd, 1, 8);
    replaceFile(&crowd, old, fresh, &copy, by_close_fd);
    RELAXED_STORE(&returned, 0);
    if (adopt_fresh)
        CHECK_EQ(fdAdopt(fresh[0]), 0);
    Crowd newcomers = {.threads = crowd.threads + 4, .room = 1};
    crowd.room = 4;
    Thread *newcomer = crowdFork(&newcomers, waitOnce, &fresh[0], "waits for the new file");
    crowdAwaitState(newcomer, ThreadBlockedOnRead, fresh[0]);
    uint32_t at_start = RELAXED_LOAD(&returned);
    for (int i = 0; i < OLD_EVENTS; i++) {
        CHECK_EQ(send(old[1], "y", 1, 0), 1); /* an event of the old file, whoever hears it */
        flushEvents(&crowd);
        CHECK_EQ(recv(copy, &byte, 1, MSG_DONTWAIT), 1);
    }
    CHECK_EQ(RELAXED_LOAD(&returned), at_start);
    CHECK_EQ(threadStatus(newcomer).state, ThreadBlockedOnRead);
    CHECK_EQ(send(fresh[1], "z", 1, 0), 1);
    crowdJoin(&newcomers);
    CHECK_EQ(RELAXED_LOAD(&returned), at_start + 1);
    CHECK_EQ(recv(fresh[0], &byte, 1, MSG_DONTWAIT), 1);
    CHECK_EQ(byte, 'z');
    CHECK_EQ(close(copy), 0);
    CHECK_EQ(close(old[1]), 0);
    CHECK_EQ(closeFd(fresh[0]), 0);
    CHECK_EQ(close(fresh[1]), 0);
    for (size_t i = 0; i < crowd.count; i++) /* its file was closed under it: told so by now */
        CHECK_EQ(threadStatus(crowd.threads[i]).state, ThreadFinished);
    crowdJoin(&crowd);
    crowdStop(&crowd);
}

TEST(DupClosed, newcomerHearsNothingAfterPlainClose)
{
    playRound(false, false);
    playRound(false, true);
}

TEST(DupClosed, newcomerHearsNothingAfterCloseFd)
{
    playRound(true, false);
    playRound(true, true);
}
