/* MoveHome.c -- a number's home moves by close and reopen, while threads wait for it.
 * not-under: tsan
 *
 * (Stragglers use numbers that others close, which ThreadSanitizer rightly calls a race.)
 * Readers pinned to both capabilities take turns in being the first to wait, which decides the
 * home. Stragglers of both capabilities wait for the number all the time, whatever it is at that
 * moment, and so come with the home of yesterday.  No reader may lose its wake-up, or be told of an
 * older file's end.
 */
#include "testsuite/support/Crowd.h"

#include <sched.h>

enum { CAPABILITIES = 2, STRAGGLERS = 6, ROUNDS = 1500, FIRST_NUMBER = 200 };

typedef struct Turn {
    int fd;
    char got;
} Turn;

static uint32_t stopping;  /* main stores, stragglers read */
static uint64_t straggles; /* stragglers add */

static void *readOne(void *env)
{
    Turn *turn = env;
    CHECK_EQ(fdRead(turn->fd, &turn->got, 1), 1);
    return NULL;
}

/* Half of them without a deadline: the next close must find them, in whatever home they are. */
static void *straggle(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    while (RELAXED_LOAD(&stopping) == 0) {
        int fd = FIRST_NUMBER + (int)crowdDraw(&seed, 2);
        int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(&seed, 50000);
        int result =
            crowdDraw(&seed, 2) == 0 ? threadWaitReadUntil(fd, deadline_ns) : threadWaitRead(fd);
        CHECK(result == 0 || result == -EBADF || result == -ETIMEDOUT);
        ADD_RELAXED(&straggles, 1);
        threadYield();
    }
    return NULL;
}

static void dupTo(int fd, int number)
{
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, number), number);
    CHECK_EQ(close(fd), 0);
}

/* Two readers on both capabilities, in this order, read a byte each. */
static void readInTurn(Crowd *crowd, int number, int peer, uint32_t first)
{
    Turn turns[CAPABILITIES];
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        uint32_t where = (first + i) % CAPABILITIES;
        turns[i] = (Turn){number, 0};
        Thread *reader = crowdForkOn(crowd, where, readOne, &turns[i], "reader");
        crowdAwaitState(reader, ThreadBlockedOnRead, number);
    }
    CHECK_EQ(send(peer, "ab", CAPABILITIES, 0), CAPABILITIES);
    crowdJoin(crowd);
    CHECK_EQ(turns[0].got + turns[1].got, 'a' + 'b');
}

static void playRound(Crowd *crowd, uint64_t *seed)
{
    int pair[2], number = FIRST_NUMBER + (int)crowdDraw(seed, 2);
    bool adopted = crowdDraw(seed, 2);
    crowdPair(pair, false);
    dupTo(pair[0], number);
    if (adopted)
        CHECK_EQ(fdAdopt(number), 0);
    for (uint64_t i = 1 + crowdDraw(seed, 3); i > 0; i--)
        readInTurn(crowd, number, pair[1], (uint32_t)crowdDraw(seed, CAPABILITIES));
    CHECK_EQ(closeFd(number), 0);
    CHECK_EQ(close(pair[1]), 0);
}

TEST(MoveHome, readersAreNeverForgotten)
{
    uint64_t seed = crowdSeed(0);
    size_t rounds = crowdScale(ROUNDS, ROUNDS / 10);
    Crowd crowd, straggling;
    crowdStart(&crowd, CAPABILITIES, CAPABILITIES);
    straggling =
        (Crowd){.threads = calloc(2 * STRAGGLERS, sizeof(Thread *)), .room = 2 * STRAGGLERS};
    for (uintptr_t i = 0; i < 2 * STRAGGLERS; i++)
        crowdForkOn(&straggling, i % CAPABILITIES, straggle, (void *)i, "straggler");
    for (size_t round = 0; round < rounds; round++)
        playRound(&crowd, &seed);
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&straggling);
    free(straggling.threads);
    printf("%zu rounds, %llu waits of stragglers\n", rounds,
           (unsigned long long)RELAXED_LOAD(&straggles));
    crowdStop(&crowd);
}

/* ---- the next close finds everybody ---------------------------------------------------------- */

/* Is the thread parked in a wait for `number`?  Then its claim, which names the wait. */
static bool isParkedAt(Thread *thread, int number, Claim *claim)
{
    *claim = ACQUIRE_LOAD(&thread->claim);
    ThreadStatus status = threadStatus(thread);
    bool parked = claimState(*claim) == ClaimParked ||
                  (claimState(*claim) == ClaimListed && ACQUIRE_LOAD(&thread->node.linked) != 0);
    return parked && status.state == ThreadBlockedOnRead && status.fd == number &&
           ACQUIRE_LOAD(&thread->claim) == *claim;
}

/* Close `number`: whoever was parked there is woken, by this close or by whoever has detached him
 * just before and is about to fire.  A forgotten one is parked for ever: nobody else closes
 * meanwhile. */
static uint32_t closeAndCheck(const Crowd *stragglers, int number)
{
    Claim before[2 * STRAGGLERS];
    bool was_parked[2 * STRAGGLERS];
    uint32_t parked = 0;
    for (size_t i = 0; i < stragglers->count; i++)
        was_parked[i] = isParkedAt(stragglers->threads[i], number, &before[i]);
    CHECK_EQ(closeFd(number), 0);
    for (size_t i = 0; i < stragglers->count; i++) {
        if (!was_parked[i])
            continue;
        int64_t watchdog_ns = rtsNow() + INT64_C(20000000000);
        while (ACQUIRE_LOAD(&stragglers->threads[i]->claim) == before[i]) {
            CHECK_LT(rtsNow(), watchdog_ns);
            sched_yield();
        }
        parked++;
    }
    return parked;
}

static void *stayOrLeave(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    while (RELAXED_LOAD(&stopping) == 0) {
        int fd = FIRST_NUMBER + (int)crowdDraw(&seed, 2);
        int result = threadWaitRead(fd);
        CHECK(result == 0 || result == -EBADF);
        threadYield();
    }
    return NULL;
}

TEST(MoveHome, theNextCloseFindsEverybody)
{
    uint64_t seed = crowdSeed(1), parked = 0;
    size_t rounds = 10 * crowdScale(ROUNDS, ROUNDS / 10);
    Crowd crowd;
    crowdStart(&crowd, CAPABILITIES, 2 * STRAGGLERS);
    RELAXED_STORE(&stopping, 0);
    for (uintptr_t i = 0; i < 2 * STRAGGLERS; i++)
        crowdFork(&crowd, stayOrLeave, (void *)i, "straggler");
    for (size_t round = 0; round < rounds; round++) {
        int pair[2], number = FIRST_NUMBER + (int)(round % 2);
        crowdPair(pair, false);
        dupTo(pair[0], number);
        if (crowdDraw(&seed, 2))
            CHECK_EQ(fdAdopt(number), 0);
        if (crowdDraw(&seed, 4) == 0)
            crowdPause((int64_t)crowdDraw(&seed, 50000));
        parked += closeAndCheck(&crowd, number);
        CHECK_EQ(close(pair[1]), 0);
    }
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    printf("%zu closes ended %llu waits\n", rounds, (unsigned long long)parked);
    crowdStop(&crowd);
}
