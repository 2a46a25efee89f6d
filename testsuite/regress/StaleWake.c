/* StaleWake.c -- a wake source that comes late ends the wait it was given to, never the next one.
 *
 * A wait with a deadline is ended by an event at about that deadline; the thread goes on to its
 * next wait at once, while the loser (timer or event) may still be on its way.  The next wait is a
 * delay that must not be cut short, or a wait for a silent fd that must neither time out nor
 * succeed before its time.
 */
#include "testsuite/support/Crowd.h"

enum { PAIRS = 64, ROUNDS = 1500, MOST_US = 400, GRID_NS = 100000 };

typedef struct Duel {
    int noisy[2], silent[2];
    uint64_t seed, writer_seed;
    uint64_t events, timeouts;
    uint32_t stop; /* the waiter stores, the writer reads */
} Duel;

static Duel duels[PAIRS];

static __attribute__((noinline)) void emptySocket(int fd)
{
    char bytes[64];
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
}

/* Deadlines on a grid: many timers are due at once, and the last of a batch fires late. */
static int64_t gridAfter(int64_t delay_ns)
{
    return (rtsNow() + delay_ns) / GRID_NS * GRID_NS + GRID_NS;
}

static void *waitTwice(void *env)
{
    Duel *duel = env;
    size_t rounds = crowdScale(ROUNDS, ROUNDS / 10);
    for (size_t i = 0; i < rounds; i++) {
        int64_t deadline_ns = gridAfter(1000 * (int64_t)crowdDraw(&duel->seed, MOST_US));
        int result = threadWaitReadUntil(duel->noisy[0], deadline_ns);
        if (result == 0) {
            duel->events++;
        } else {
            CHECK_EQ(result, -ETIMEDOUT);
            CHECK_GE(rtsNow(), deadline_ns);
            duel->timeouts++;
        }
        deadline_ns = rtsNow() + 1000 * (int64_t)crowdDraw(&duel->seed, MOST_US);
        if (crowdDraw(&duel->seed, 2) == 0)
            CHECK_EQ(threadDelayUntil(deadline_ns), 0);
        else
            CHECK_EQ(threadWaitReadUntil(duel->silent[0], deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        emptySocket(duel->noisy[0]);
    }
    RELAXED_STORE(&duel->stop, 1);
    return NULL;
}

static void *disturb(void *env)
{
    Duel *duel = env;
    while (RELAXED_LOAD(&duel->stop) == 0) {
        CHECK_EQ(
            threadDelayUntil(gridAfter(1000 * (int64_t)crowdDraw(&duel->writer_seed, MOST_US))), 0);
        CHECK_EQ(fdSend(duel->noisy[1], "x", 1, 0), 1);
    }
    return NULL;
}

static void playAll(bool adopted)
{
    uint64_t events = 0, timeouts = 0;
    Crowd crowd;
    crowdStart(&crowd, 2, 2 * PAIRS);
    for (uint32_t i = 0; i < PAIRS; i++) {
        duels[i] = (Duel){.seed = crowdSeed(i), .writer_seed = crowdSeed(100 + i)};
        crowdPair(duels[i].noisy, adopted);
        crowdPair(duels[i].silent, adopted);
        crowdFork(&crowd, waitTwice, &duels[i], "waiter");
        crowdForkOn(&crowd, i % 2, disturb, &duels[i], "disturber");
    }
    crowdJoin(&crowd);
    for (size_t i = 0; i < PAIRS; i++) {
        events += duels[i].events;
        timeouts += duels[i].timeouts;
        for (int end = 0; end < 2; end++) {
            CHECK_EQ(closeFd(duels[i].noisy[end]), 0);
            CHECK_EQ(closeFd(duels[i].silent[end]), 0);
        }
    }
    crowdStop(&crowd);
    printf("%llu waits ended by an event, %llu by their deadline\n", (unsigned long long)events,
           (unsigned long long)timeouts);
}

TEST(StaleWake, adopted)
{
    playAll(true);
}

TEST(StaleWake, unadopted)
{
    playAll(false);
}
