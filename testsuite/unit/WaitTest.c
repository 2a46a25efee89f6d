/* WaitTest.c -- the claim word: every move of Note [Claim states], alone and against each other. */
#include "rts/Wait.h"

#include "testsuite/support/Test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

TEST(Wait, beginsWithTheNextNumber)
{
    Claim claim = 0;
    for (uint64_t n = 1; n <= 5; n++) {
        CHECK_EQ(claimBegin(&claim), n);
        CHECK_EQ(claimState(claim), ClaimArmed);
        CHECK_EQ(claimNumber(claim), n);
        CHECK(!claimFired(&claim));
        CHECK(claimEnd(&claim));
        CHECK_EQ(claimState(claim), ClaimIdle);
    }
}

TEST(Wait, isWonOnceBeforeTheWaiterParks)
{
    Claim claim = 0;
    uint64_t number = claimBegin(&claim);
    CHECK_EQ(claimTry(&claim, number, -EBADF), ClaimWonArmed);
    CHECK_EQ(claimTry(&claim, number, 0), ClaimLost);
    CHECK(claimFired(&claim));
    CHECK(!claimCommit(&claim, 0)); /* the scheduler queues it instead */
    CHECK_EQ(claimResult(claim), -EBADF);
    CHECK_EQ(claimNumber(claim), number);
}

TEST(Wait, isWonOnceAfterTheWaiterParked)
{
    Claim claim = 0;
    uint64_t number = claimBegin(&claim);
    CHECK(claimCommit(&claim, 0));
    CHECK_EQ(claimState(claim), ClaimParked);
    CHECK_EQ(claimTry(&claim, number, -ETIMEDOUT), ClaimWonParked);
    CHECK_EQ(claimTry(&claim, number, 0), ClaimLost);
    CHECK_EQ(claimResult(claim), -ETIMEDOUT);
}

/* Sources of an earlier wait, or of one that never was, change nothing. */
TEST(Wait, isLostUnderAnotherNumber)
{
    Claim claim = 0;
    uint64_t first = claimBegin(&claim);
    CHECK(claimEnd(&claim));
    CHECK_EQ(claimTry(&claim, first, 0), ClaimLost); /* over */
    uint64_t second = claimBegin(&claim);
    Claim armed = claim;
    CHECK_EQ(claimTry(&claim, first, 0), ClaimLost);
    CHECK_EQ(claimTry(&claim, second + 1, 0), ClaimLost);
    CHECK_EQ(claim, armed);
    CHECK(claimCommit(&claim, 0));
    CHECK_EQ(claimTry(&claim, first, 0), ClaimLost);
    CHECK_EQ(claimState(claim), ClaimParked);
    CHECK_EQ(claimTry(&claim, second, 0), ClaimWonParked);
}

TEST(Wait, endsArmedOnly)
{
    Claim claim = 0;
    uint64_t number = claimBegin(&claim);
    CHECK_EQ(claimTry(&claim, number, -ECANCELED), ClaimWonArmed);
    CHECK(!claimEnd(&claim));
    CHECK_EQ(claimResult(claim), -ECANCELED); /* what the source said is kept */
    CHECK(!claimEnd(&claim));
}

TEST(Wait, keepsEveryResult)
{
    static const int results[] = {0, 1, -1, -EBADF, -ETIMEDOUT, -ECANCELED, -4095, INT16_MAX};
    Claim claim = 0;
    for (unsigned i = 0; i < sizeof results / sizeof *results; i++) {
        CHECK_EQ(claimTry(&claim, claimBegin(&claim), results[i]), ClaimWonArmed);
        CHECK_EQ(claimResult(claim), results[i]);
        CHECK_EQ(claimNumber(claim), i + 1);
    }
}

/* A descriptor that gets a new thread must not be woken by sources of the old one. */
TEST(Wait, resetGoesOnCounting)
{
    Claim claim = 0;
    uint64_t number = claimBegin(&claim);
    CHECK_EQ(claimTry(&claim, number, -EBADF), ClaimWonArmed);
    claimReset(&claim);
    CHECK_EQ(claimState(claim), ClaimIdle);
    CHECK_EQ(claimResult(claim), 0);
    CHECK_EQ(claimTry(&claim, number, 0), ClaimLost);
    CHECK_EQ(claimBegin(&claim), number + 1);
}

/* ---- Two sources against a waiter that commits or ends. -------------------------------------- */

enum { SOURCES = 2, ROUNDS = 3000 };

typedef struct Race {
    Claim claim;
    uint64_t number; /* waiter stores (release): the wait to claim; UINT64_MAX: go home */
    uint32_t done;   /* sources add: how many have tried */
    uint32_t won_armed, won_parked; /* sources add */
} Race;

typedef struct Source {
    Race *race;
    int result;
} Source;

static void *tryEach(void *env)
{
    Source *source = env;
    Race *race = source->race;
    for (uint64_t seen = 0;;) {
        uint64_t number = ACQUIRE_LOAD(&race->number);
        if (number == UINT64_MAX)
            return NULL;
        if (number == seen) {
            sched_yield();
            continue;
        }
        seen = number;
        ClaimOutcome outcome = claimTry(&race->claim, number, source->result);
        if (outcome == ClaimWonArmed)
            ADD_RELAXED(&race->won_armed, 1);
        if (outcome == ClaimWonParked)
            ADD_RELAXED(&race->won_parked, 1);
        ADD_SEQ_CST(&race->done, 1);
    }
}

/* Goal: of all parties exactly one gets each wait.  Method: the outcomes of a round add up to one.
 */
TEST(Wait, hasOneWinnerAmongThreads)
{
    Race race = {0};
    Source sources[SOURCES];
    pthread_t threads[SOURCES];
    for (int i = 0; i < SOURCES; i++) {
        sources[i] = (Source){&race, -(i + 1)};
        CHECK_EQ(pthread_create(&threads[i], NULL, tryEach, &sources[i]), 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        race.done = race.won_armed = race.won_parked = 0;
        bool ends = round % 3 == 0, mine;
        uint64_t number = claimBegin(&race.claim);
        RELEASE_STORE(&race.number, number);
        mine = ends ? claimEnd(&race.claim) : claimCommit(&race.claim, 0);
        while (SEQ_CST_LOAD(&race.done) != SOURCES)
            sched_yield();
        CHECK_EQ(race.won_armed + race.won_parked, ends && mine ? 0 : 1);
        CHECK_EQ(race.won_parked, !ends && mine ? 1 : 0);
        if (race.won_armed + race.won_parked == 1) {
            CHECK_EQ(claimState(race.claim), ClaimFired);
            CHECK_LT(claimResult(race.claim), 0);
            CHECK_GE(claimResult(race.claim), -SOURCES);
        }
    }
    RELEASE_STORE(&race.number, UINT64_MAX);
    for (int i = 0; i < SOURCES; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}
