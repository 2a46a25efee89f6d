/* ScheduleTest.c -- who runs next: order, fairness, slices, polls while busy, stealing. */
#include "rts/Schedule.h"

#include "capability/Monitor.h"

#include "testsuite/support/Runtime.h"

/* The Monitor may ask for a yield at any fork.  Whoever tests an order counts the switches across
 * his forks and tries again if there was one. */
static uint64_t switchesHere(void)
{
    RtsStats stats;
    CHECK_EQ(rtsStats((uint32_t)threadCapability(), &stats), 0);
    return stats.switches;
}

/* ---- order: one capability ------------------------------------------------------------------- */

enum { RING = 4, LAPS = 10 };

static struct {
    int turns[RING * LAPS]; /* the one capability's threads */
    uint32_t count;
    bool go;
} ring;

static void *takeTurns(void *env)
{
    ADD_RELAXED(&ring.count, 1);
    while (!ring.go)
        threadYield();
    for (int lap = 0; lap < LAPS; lap++) {
        ring.turns[ring.count++] = (int)(intptr_t)env;
        threadYield();
    }
    return NULL;
}

static void *runRing(void *env)
{
    Thread *threads[RING];
    (void)env;
    ring.count = 0;
    ring.go = false;
    for (int i = 0; i < RING; i++)
        threads[i] = greenFork(takeTurns, (void *)(intptr_t)i);
    while (ring.count < RING)
        threadYield();
    ring.count = 0;
    ring.go = true;
    for (int i = 0; i < RING; i++)
        greenJoin(threads[i]);
    CHECK_EQ(ring.count, RING * LAPS);
    for (int i = 0; i < RING; i++) {
        for (int j = 0; j < i; j++)
            CHECK_NE(ring.turns[i], ring.turns[j]); /* everyone once ... */
    }
    for (int i = RING; i < RING * LAPS; i++)
        CHECK_EQ(ring.turns[i], ring.turns[i - RING]); /* ... and then in the same order again */
    return NULL;
}

TEST(Schedule, yieldGoesRound)
{
    greenRun(1, runRing, NULL);
}

static struct {
    int order[8];
    uint32_t count;
} log_book;

static void *writeName(void *env)
{
    log_book.order[log_book.count++] = (int)(intptr_t)env;
    return NULL;
}

static void *forkThenPark(void *env)
{
    enum { FORKS = 5 };
    Thread *threads[FORKS];
    bool yields = env != NULL, undisturbed;
    do {
        uint64_t before = switchesHere();
        log_book.count = 0;
        for (int i = 0; i < FORKS; i++)
            threads[i] = greenFork(writeName, (void *)(intptr_t)i);
        undisturbed = switchesHere() == before;
        if (yields)
            threadYield();
        for (int i = 0; i < FORKS; i++)
            greenJoin(threads[i]);
        CHECK_EQ(log_book.count, FORKS);
    } while (!undisturbed);
    if (yields)
        CHECK_EQ(log_book.order[0], 0); /* the oldest */
    for (int i = 0; i < FORKS && !yields; i++)
        CHECK_EQ(log_book.order[i], FORKS - 1 - i); /* the youngest first */
    return NULL;
}

/* Goal: in a fork tree few stacks live at once.  Method: who parks is followed by the youngest. */
TEST(Schedule, parkGoesToTheYoungest)
{
    greenRun(1, forkThenPark, NULL);
}

TEST(Schedule, yieldGoesToTheOldest)
{
    greenRun(1, forkThenPark, log_book.order);
}

/* ---- fairness -------------------------------------------------------------------------------- */

static struct {
    uint32_t links;
    bool old_ran;
} chain;

static void *runOld(void *env)
{
    chain.old_ran = true;
    return env;
}

/* Each link forks the next one, so the young end is never empty. */
static void *addLink(void *env)
{
    if (chain.old_ran)
        return env;
    chain.links++;
    CHECK_LT(chain.links, 100 * 1000 * 1000); /* not for ever: OLD_EVERY_NS */
    CHECK_EQ(threadFork(NULL, addLink, env), 0);
    return env;
}

static void *chainPastOld(void *env)
{
    bool undisturbed;
    do {
        uint64_t before = switchesHere();
        chain.links = 0;
        chain.old_ran = false;
        Thread *old = greenFork(runOld, NULL);
        CHECK_EQ(threadFork(NULL, addLink, env), 0);
        undisturbed = switchesHere() == before;
        greenJoin(old);
    } while (!undisturbed);
    CHECK_GT(chain.links, 0); /* the younger one did go first */
    return NULL;
}

TEST(Schedule, theOldestIsNotStarved)
{
    greenRun(1, chainPastOld, NULL);
}

/* ---- the tree of forks needs few stacks ------------------------------------------------------ */

static uint64_t most_stacks; /* threads store the greater value, one capability */

static void *forkTree(void *env)
{
    intptr_t depth = (intptr_t)env;
    RtsStats stats;
    CHECK_EQ(rtsStats(0, &stats), 0);
    if (stats.stacks_live > most_stacks)
        most_stacks = stats.stacks_live;
    if (depth == 0)
        return (void *)1;
    Thread *left = greenFork(forkTree, (void *)(depth - 1));
    Thread *right = greenFork(forkTree, (void *)(depth - 1));
    return (void *)((intptr_t)greenJoin(left) + (intptr_t)greenJoin(right));
}

TEST(Schedule, aForkTreeGoesDeepFirst)
{
    intptr_t depth = UNDER_TSAN || testUnderValgrind() ? 6 : 12;
    most_stacks = 0;
    CHECK_EQ((intptr_t)greenRun(1, forkTree, (void *)depth), (intptr_t)1 << depth);
    /* Breadth first would hold half of all 2^depth at once. */
    CHECK_LE(most_stacks, (uint64_t)(depth + 1) * 35);
    CHECK_GE(most_stacks, (uint64_t)depth);
}

/* ---- safepoints ------------------------------------------------------------------------------ */

static uint32_t flag; /* anyone, by atomics */

static void *setFlag(void *env)
{
    RELEASE_STORE(&flag, 1);
    return env;
}

static void *computeUntilFlag(void *env)
{
    RELEASE_STORE(&flag, 0);
    (void)env;
    Thread *other = greenFork(setFlag, NULL);
    while (ACQUIRE_LOAD(&flag) == 0) /* never yields by itself: the slice must end */
        threadSafepoint();
    greenJoin(other);
    return NULL;
}

TEST(Schedule, aSliceEnds)
{
    greenRun(1, computeUntilFlag, NULL);
}

static void *setFlagOnRead(void *env)
{
    CHECK_EQ(threadWaitRead(*(int *)env), 0);
    RELEASE_STORE(&flag, 1);
    return NULL;
}

static void *setFlagOnTime(void *env)
{
    (void)env;
    CHECK_EQ(threadDelay(1000), 0);
    RELEASE_STORE(&flag, 1);
    return NULL;
}

static void *computeUntilEvent(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    RELEASE_STORE(&flag, 0);
    Thread *reader = greenFork(setFlagOnRead, &ends[0]);
    greenUntil(reader, ThreadBlockedOnRead);
    threadYield();
    CHECK_EQ(write(ends[1], "x", 1), 1);
    while (ACQUIRE_LOAD(&flag) == 0)
        threadSafepoint();
    greenJoin(reader);
    RELEASE_STORE(&flag, 0);
    Thread *sleeper = greenFork(setFlagOnTime, NULL);
    greenUntil(sleeper, ThreadBlockedOnDelay);
    while (ACQUIRE_LOAD(&flag) == 0)
        threadSafepoint();
    greenJoin(sleeper);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return NULL;
}

TEST(Schedule, eventsAndTimersReachABusyCapability)
{
    greenRun(1, computeUntilEvent, NULL);
}

/* Threads that only yield to each other still let events in. */
static void *yieldUntilFlag(void *env)
{
    while (ACQUIRE_LOAD(&flag) == 0)
        threadYield();
    return env;
}

static void *yieldUntilEvent(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    RELEASE_STORE(&flag, 0);
    Thread *reader = greenFork(setFlagOnRead, &ends[0]);
    Thread *others[3];
    for (int i = 0; i < 3; i++)
        others[i] = greenFork(yieldUntilFlag, NULL);
    greenUntil(reader, ThreadBlockedOnRead);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    for (int i = 0; i < 3; i++)
        greenJoin(others[i]);
    greenJoin(reader);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return NULL;
}

TEST(Schedule, yieldersLetEventsIn)
{
    greenRun(1, yieldUntilEvent, NULL);
}

/* ---- two capabilities ------------------------------------------------------------------------ */

static void *holdUntilFlag(void *env)
{
    while (ACQUIRE_LOAD(&flag) == 0) /* no safepoint: this capability is stuck */
        SMP_PAUSE();
    return env;
}

static void *stuckWithWork(void *env)
{
    RELEASE_STORE(&flag, 0);
    Thread *others[3];
    int count = (int)(intptr_t)env;
    for (int i = 0; i < count; i++)
        others[i] = greenFork(setFlag, NULL);
    holdUntilFlag(NULL);
    for (int i = 0; i < count; i++)
        greenJoin(others[i]);
    return NULL;
}

/* Goal: ready work is not left with who is stuck, be it much or a single thread.  Method: hold the
 * capability until that work has run, which only another can do. */
TEST(Schedule, readyWorkIsStolen)
{
    if (testUnderValgrind())
        SKIP(
            "did not end once in some 200 runs under valgrind, on a busy machine; cause not known");
    for (int round = 0; round < 10; round++) {
        greenRun(2, stuckWithWork, (void *)3);
        greenRun(2, stuckWithWork, (void *)1);
    }
}

static void *stuckWithEvent(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    RELEASE_STORE(&flag, 0);
    Thread *reader = greenFork(setFlagOnRead, &ends[0]);
    greenUntil(reader, ThreadBlockedOnRead);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    holdUntilFlag(NULL);
    greenJoin(reader);
    RELEASE_STORE(&flag, 0);
    Thread *sleeper = greenFork(setFlagOnTime, NULL);
    greenUntil(sleeper, ThreadBlockedOnDelay);
    holdUntilFlag(NULL);
    greenJoin(sleeper);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return NULL;
}

/* Events and timers of a capability that does not poll are taken by another one. */
TEST(Schedule, eventsOfTheStuckAreRescued)
{
    for (int round = 0; round < 5; round++)
        greenRun(2, stuckWithEvent, NULL);
}

static void *yieldThenSet(void *env)
{
    threadYield();
    return env;
}

/* What a plain OS thread sends to a stuck capability's inbox is run by another one. */
TEST(Schedule, inboxOfTheStuckIsRescued)
{
    for (int round = 0; round < 5; round++) {
        greenStart(2);
        RELEASE_STORE(&flag, 0);
        Thread *stuck = greenFork(holdUntilFlag, NULL), *others[4];
        greenUntil(stuck, ThreadRunning);
        for (int i = 0; i < 4; i++) /* round robin: half of them go to the stuck one */
            others[i] = greenFork(yieldThenSet, NULL);
        for (int i = 0; i < 4; i++)
            greenJoin(others[i]);
        RELEASE_STORE(&flag, 1);
        greenJoin(stuck);
        greenStop();
    }
}

/* ---- many ------------------------------------------------------------------------------------ */

static void *yieldABit(void *env)
{
    uint64_t state = (uint64_t)(uintptr_t)env + 1;
    for (int i = 0; i < 30; i++) {
        switch (testRandomFrom(&state) % 4) {
        case 0:
            CHECK_EQ(threadDelay((int64_t)(testRandomFrom(&state) % 50)), 0);
            break;
        case 1:
            threadSafepoint();
            break;
        default:
            threadYield();
            break;
        }
    }
    return env;
}

TEST(Schedule, countsEveryThread)
{
    enum { MOST = 300, CAPABILITIES = 3 };
    Thread *threads[MOST];
    uint32_t count = greenScale(MOST);
    uint64_t forks = 0, ended = 0, switches = 0;
    greenStart(CAPABILITIES);
    for (uintptr_t i = 0; i < count; i++)
        threads[i] = greenFork(yieldABit, (void *)i);
    for (uintptr_t i = 0; i < count; i++)
        CHECK_EQ((uintptr_t)greenJoin(threads[i]), i);
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        RtsStats stats;
        CHECK_EQ(rtsStats(i, &stats), 0);
        forks += stats.forks;
        ended += stats.ended;
        switches += stats.switches;
    }
    CHECK_EQ(forks, 0); /* all from outside */
    CHECK_EQ(ended, count);
    CHECK_GE(switches, count);
    greenStop();
}

/* ---- safepoints ---- */

static void *computeWithSafepoints(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    RELEASE_STORE(&flag, 0);
    Thread *reader = greenFork(setFlagOnRead, &ends[0]);
    greenUntil(reader, ThreadBlockedOnRead);
    monitorStop();     /* nobody marks a poll as due, */
    threadSafepoint(); /* and what its last tick has marked is done */
    CHECK_EQ(write(ends[1], "x", 1), 1);
    while (ACQUIRE_LOAD(&flag) == 0)
        threadSafepoint();
    greenJoin(reader);
    closeFd(ends[0]);
    closeFd(ends[1]);
    return NULL;
}

/* Goal: who computes and passes safepoints delivers events without the Monitor and without another
 * core.  Method: the Monitor is stopped; if no safepoint polls this never ends. */
TEST(Schedule, safepointsPoll)
{
    greenRun(1, computeWithSafepoints, NULL);
}
