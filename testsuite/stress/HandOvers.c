/* HandOvers.c -- threads that are handed over, asked by the Monitor and by themselves, among all
 * else that may happen: pauses, forks, resizing, interrupts.
 *
 * Under a sanitizer nobody is asked: there they go by themselves only.
 */
#include "testsuite/support/Bystanders.h"
#include "testsuite/support/Crowd.h"

#include "rts/HandOver.h"
#include "rts/Schedule.h"

#include <capri/foreign.h>
#include <capri/interrupt.h>
#include <capri/lock.h>
#include <capri/mvar.h>
#include <capri/pause.h>
#include <capri/stm.h>

#include <pthread.h>
#include <signal.h>

enum { RUNAWAYS = 8, PAIRS = 3, VICTIMS = 3 };

static Crowd crowd;
static Mutex *mutex;
static TVar *total;
static int64_t fork_pause_us = 20000;
static uint64_t guarded;                       /* under the mutex */
static uint64_t locked, added;                 /* relaxed adds: how often */
static uint64_t steps, returns, pauses, kills; /* relaxed adds */

/* By itself, unless it was asked just now. */
static void goAway(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    Capability *here = scheduleHere();
    if (here != NULL)
        handOverBegin(here);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The host's code.  True: its OS thread was a plain one in the end. */
static bool compute(uint64_t *state)
{
    int64_t until_ns = rtsNow();
    if (crowdDraw(state, 4) == 0)
        until_ns += 11 * 1000 * 1000 + (int64_t)crowdDraw(state, 10 * 1000 * 1000);
    else if (crowdDraw(state, 2) == 0)
        goAway();
    until_ns += (int64_t)crowdDraw(state, 50 * 1000);
    do {
        ADD_RELAXED(&steps, 1);
        crowdCompute(1000);
    } while (rtsNow() < until_ns);
    return scheduleHere() == NULL;
}

static void *addOne(Transaction *tx, void *env)
{
    tvarWrite(tx, env, (void *)((uintptr_t)tvarRead(tx, env) + 1));
    return NULL;
}

static void *returnThread(void *env)
{
    (void)env;
    return threadSelf();
}

static void *echo(void *env)
{
    return env;
}

static void lockAndCount(void)
{
    CHECK_EQ(mutexLock(mutex), 0);
    guarded++;
    CHECK_EQ(mutexLock(mutex), -EDEADLK); /* it knows its holder */
    CHECK_EQ(mutexUnlock(mutex), 0);
    ADD_RELAXED(&locked, 1);
}

static void callSomething(uint64_t *state, Thread *self)
{
    void *result = NULL;
    Thread *child;
    switch (crowdDraw(state, 8)) {
    case 0:
        CHECK_EQ(threadYield(), 0);
        break;
    case 1:
        lockAndCount();
        break;
    case 2:
        CHECK_EQ(stmAtomically(addOne, total, NULL), 0);
        ADD_RELAXED(&added, 1);
        break;
    case 3:
        CHECK_EQ(threadDelay((int64_t)crowdDraw(state, 200)), 0);
        break;
    case 4:
        CHECK_EQ(foreignCall(returnThread, NULL, &result), 0);
        CHECK(result == NULL);
        break;
    case 5:
        CHECK_EQ(threadFork(&child, echo, self), 0);
        CHECK_EQ(threadJoin(child, &result), 0);
        CHECK_EQ(result, self);
        threadRelease(child);
        break;
    case 6:
        CHECK_EQ(threadRestore(threadMask()), 0);
        break;
    default:
        CHECK_EQ(threadSafepoint(), 0);
    }
}

static void *runAway(void *env)
{
    uint64_t state = crowdSeed((uint64_t)(uintptr_t)env);
    Thread *self = threadSelf();
    while (rtsNow() < end_ns) {
        bool away = compute(&state);
        CHECK_EQ(threadSelf(), self);
        callSomething(&state, self);
        CHECK_EQ(threadSelf(), self);
        if (away && scheduleHere() != NULL)
            ADD_RELAXED(&returns, 1);
    }
    return self;
}

static void *resizeOften(void *env)
{
    uint64_t state = crowdSeed(77);
    while (rtsNow() < end_ns) {
        CHECK_EQ(capabilitySetCount(1 + (uint32_t)crowdDraw(&state, 3)), 0);
        threadDelay(5000);
    }
    return env;
}

/* Computes and goes away until it is killed. */
static void *beKilled(void *env)
{
    uint64_t state = crowdSeed((uint64_t)(uintptr_t)env + 1000);
    do {
        compute(&state);
    } while (threadSafepoint() == 0);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return env;
}

static void *killOften(void *env)
{
    uint64_t state = crowdSeed(99);
    while (rtsNow() < end_ns) {
        Thread *victim;
        CHECK_EQ(threadFork(&victim, beKilled, env), 0);
        threadDelay((int64_t)crowdDraw(&state, 3000));
        CHECK_EQ(threadKill(victim), 0);
        int joined = threadJoin(victim, NULL);
        CHECK(joined == 0 || joined == -EINTR); /* killed before it began */
        threadRelease(victim);
        ADD_RELAXED(&kills, 1);
    }
    return NULL;
}

/* While the world stands no code of the host's runs on a green thread. */
static void *pauseOften(void *env)
{
    while (rtsNow() < end_ns) {
        int paused = rtsPause(rtsNow() + 100 * 1000 * 1000);
        if (paused == 0) {
            uint64_t before = RELAXED_LOAD(&steps);
            CHECK(!callAnyAway());
            crowdPause(300 * 1000);
            CHECK_EQ(RELAXED_LOAD(&steps), before);
            CHECK_EQ(rtsResume(), 0);
            ADD_RELAXED(&pauses, 1);
        } else {
            CHECK_EQ(paused, -ETIMEDOUT);
        }
        crowdPause(2 * 1000 * 1000);
    }
    return env;
}

static void forkAll(MVar *cells[PAIRS][2])
{
    for (int i = 0; i < PAIRS; i++) {
        for (int k = 0; k < 2; k++)
            CHECK((cells[i][k] = mvarNewEmpty()) != NULL);
        crowdFork(&crowd, serve, cells[i], "server");
        crowdFork(&crowd, volley, cells[i], "player");
    }
    for (uintptr_t i = 0; i < RUNAWAYS; i++) {
        if (i % 4 == 0)
            crowdForkOn(&crowd, (uint32_t)i, runAway, (void *)i, "pinned runaway");
        else
            crowdForkWith(&crowd, (ThreadAttributes){.bound = i % 4 == 1, .label = "runaway"},
                          runAway, (void *)i);
    }
    for (uintptr_t i = 0; i < VICTIMS; i++)
        crowdFork(&crowd, killOften, (void *)i, "killer");
    crowdFork(&crowd, resizeOften, NULL, "resizer");
    crowdFork(&crowd, forkOften, &fork_pause_us, "forker");
}

TEST(HandOvers, amongOthers)
{
    RtsConfig config = {.capabilities = 2, .backend = testArg("--backend"), .hand_over = true};
    MVar *cells[PAIRS][2];
    pthread_t pauser;
    RtsStats stats;
    uint64_t handed_over = 0;
    CHECK_EQ(rtsInit(&config), 0);
    end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    crowdStart(&crowd, 2, RUNAWAYS + 2 * PAIRS + 2 + VICTIMS);
    mutex = mutexNew();
    total = tvarNew(NULL);
    forkAll(cells);
    CHECK_EQ(pthread_create(&pauser, NULL, pauseOften, NULL), 0);
    crowdJoin(&crowd);
    pthread_join(pauser, NULL);
    CHECK(!callAnyAway());
    CHECK_EQ(guarded, locked);
    CHECK_EQ((uintptr_t)tvarReadIO(total), added);
    for (uint32_t i = 0; rtsStats(i, &stats) == 0; i++)
        handed_over += stats.handed_over;
    printf(
        "# handed over %llu, back at once %llu, pings %llu, pauses %llu, forks %llu, kills %llu\n",
        (unsigned long long)handed_over, (unsigned long long)returns, (unsigned long long)pings,
        (unsigned long long)pauses, (unsigned long long)forks, (unsigned long long)kills);
    CHECK_GT(handed_over, 0);
    CHECK_GT(returns, 0);
    CHECK_GT(pings, 0);
    CHECK_GT(kills, 0);
    mutexFree(mutex);
    tvarFree(total);
    for (int i = 0; i < PAIRS; i++)
        for (int k = 0; k < 2; k++)
            mvarFree(cells[i][k]);
    crowdStop(&crowd);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}
