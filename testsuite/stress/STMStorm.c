/* STMStorm.c -- transactions under contention: what they must never see, and that all get on.
 *
 * Opacity: a reader that would loop for ever if x and y ever differed.  Livelock: two that each
 * read what the other writes.  A million of each, however long it takes.  Skew: of two guards one
 * stays.  Long: a reader of many variables beside short writers, once at least.  Crowd: a thousand
 * waiters, each on a variable of its own, while one thread sets and another interrupts.
 */
#include "rts/stm/STM.h"
#include "testsuite/support/Runtime.h"

#include <stdio.h>

/* Under the sanitizers time alone counts. */
enum { MILLION = UNDER_TSAN || UNDER_ASAN ? 0 : 1000000 };

static TVar *x, *y;                   /* constant while threads run */
static uint32_t stopped;              /* relaxed */
static uint64_t done;                 /* relaxed add */
static uint64_t wanted, crowd_wanted; /* constant while threads run: so many at least */
static uint64_t cancels, wakes;       /* relaxed adds; of the crowd */

static void *V(intptr_t number)
{
    return (void *)number;
}

static void start(uint32_t capabilities_wanted)
{
    greenStart(capabilities_wanted);
    CHECK((x = tvarNew(V(0))) != NULL && (y = tvarNew(V(0))) != NULL);
    RELAXED_STORE(&done, 0);
    wanted = crowd_wanted = cancels = wakes = 0;
}

static void stop(const char *what)
{
    printf("%llu %s\n", (unsigned long long)RELAXED_LOAD(&done), what);
    tvarFree(x);
    tvarFree(y);
    greenStop();
}

static void *stopLater(void *env)
{
    threadDelay((int64_t)(testSeconds() * 1e6));
    while (RELAXED_LOAD(&done) < wanted || RELAXED_LOAD(&wakes) < crowd_wanted ||
           RELAXED_LOAD(&cancels) < crowd_wanted)
        threadDelay(1000);
    RELAXED_STORE(&stopped, 1);
    return env;
}

static void *often(StmAction *action, void *env)
{
    while (RELAXED_LOAD(&stopped) == 0) {
        CHECK_EQ(stmAtomically(action, env, NULL), 0);
        ADD_RELAXED(&done, 1);
    }
    return NULL;
}

/* Two threads on green threads, one on an OS thread, until time is up. */
static void runThree(ThreadFn *first, ThreadFn *second, ThreadFn *third)
{
    RELAXED_STORE(&stopped, 0);
    Thread *timer = greenFork(stopLater, NULL);
    Thread *one = greenFork(first, NULL), *two = greenFork(second, NULL);
    pthread_t os = osFork(third, NULL);
    osJoin(os);
    greenJoin(one);
    greenJoin(two);
    greenJoin(timer);
}

/* ---- opacity ---- */

static void *writeBoth(Transaction *tx, void *env)
{
    intptr_t value = (intptr_t)tvarRead(tx, x);
    (void)env;
    tvarWrite(tx, y, V(value + 1));
    tvarWrite(tx, x, V(value + 1));
    return NULL;
}

static void *loopWhileTheyDiffer(Transaction *tx, void *env)
{
    (void)env;
    void *first = tvarRead(tx, x), *second = tvarRead(tx, y);
    while (first != second)
        SMP_PAUSE(); /* for ever: the program's time limit tells */
    return NULL;
}

static void *keepWriting(void *env)
{
    return often(writeBoth, env);
}

static void *keepReading(void *env)
{
    return often(loopWhileTheyDiffer, env);
}

TEST(STMStorm, nobodySeesAnInconsistentPair)
{
    start(2);
    wanted = MILLION / 2;
    runThree(keepWriting, keepReading, keepReading);
    wanted = MILLION;
    runThree(keepReading, keepReading, keepWriting);
    stop("transactions on a pair");
}

/* ---- livelock ---- */

static void *readXWriteY(Transaction *tx, void *env)
{
    intptr_t value = (intptr_t)tvarRead(tx, x);
    tvarWrite(tx, y, V(value + 1));
    return env;
}

static void *readYWriteX(Transaction *tx, void *env)
{
    intptr_t value = (intptr_t)tvarRead(tx, y);
    tvarWrite(tx, x, V(value + 1));
    return env;
}

static void *keepXY(void *env)
{
    return often(readXWriteY, env);
}

static void *keepYX(void *env)
{
    return often(readYWriteX, env);
}

TEST(STMStorm, twoThatCrossBothGetOn)
{
    start(2);
    wanted = MILLION;
    runThree(keepXY, keepYX, keepYX);
    stop("crossing transactions");
}

/* ---- write skew ---- */

/* Each may leave while the other stays. */
static void *leaveX(Transaction *tx, void *env)
{
    (void)env;
    if (tvarRead(tx, y) != NULL)
        tvarWrite(tx, x, NULL);
    return NULL;
}

static void *leaveY(Transaction *tx, void *env)
{
    (void)env;
    if (tvarRead(tx, x) != NULL)
        tvarWrite(tx, y, NULL);
    return NULL;
}

static void *checkAndReturn(Transaction *tx, void *env)
{
    (void)env;
    CHECK(tvarRead(tx, x) != NULL || tvarRead(tx, y) != NULL);
    tvarWrite(tx, x, V(1));
    tvarWrite(tx, y, V(1));
    return NULL;
}

static void *keepLeavingX(void *env)
{
    return often(leaveX, env);
}

static void *keepLeavingY(void *env)
{
    return often(leaveY, env);
}

static void *keepChecking(void *env)
{
    return often(checkAndReturn, env);
}

TEST(STMStorm, oneGuardStays)
{
    start(2);
    tvarWriteIO(x, V(1));
    runThree(keepLeavingX, keepLeavingY, keepChecking);
    stop("guards");
}

/* ---- a long reader ---- */

enum { LONG = 2000 };

static TVar *many[LONG];

/* Moves between two of them: the sum is 0. */
static void *moveOne(Transaction *tx, void *env)
{
    uint64_t *seed = env, draw = testRandomFrom(seed);
    TVar *from = many[(draw >> 8) % LONG], *to = many[(draw >> 40) % LONG];
    tvarWrite(tx, from, V((intptr_t)tvarRead(tx, from) - 1));
    tvarWrite(tx, to, V((intptr_t)tvarRead(tx, to) + 1));
    return NULL;
}

static void *keepMoving(void *env)
{
    uint64_t seed = testRandom() | 1;
    while (RELAXED_LOAD(&stopped) == 0)
        CHECK_EQ(stmAtomically(moveOne, &seed, NULL), 0);
    return env;
}

static void *sumUp(Transaction *tx, void *env)
{
    intptr_t sum = 0;
    for (uint32_t i = 0; i < LONG; i++)
        sum += (intptr_t)tvarRead(tx, many[i]);
    CHECK_EQ(sum, 0);
    return env;
}

static void *keepSumming(void *env)
{
    return often(sumUp, env);
}

TEST(STMStorm, theLongReaderGetsOn)
{
    start(2);
    for (uint32_t i = 0; i < LONG; i++)
        CHECK((many[i] = tvarNew(V(0))) != NULL);
    wanted = 1;
    runThree(keepMoving, keepSumming, keepMoving);
    for (uint32_t i = 0; i < LONG; i++)
        tvarFree(many[i]);
    stop("long reads");
}

/* ---- a crowd of waiters ---- */

enum { CROWD = 1000 };

typedef struct Lone {
    TVar *own;
    Thread *thread;
} Lone;

static Lone waiters[CROWD];
static TVar *closing;

static void *takeOwn(Transaction *tx, void *env)
{
    Lone *lone = env;
    if (tvarRead(tx, closing) != NULL)
        return V(1);
    stmCheck(tx, tvarRead(tx, lone->own) != NULL);
    tvarWrite(tx, lone->own, NULL);
    return NULL;
}

static void *keepWaiting(void *env)
{
    Lone *lone = env;
    for (;;) {
        void *result = NULL;
        int status = stmAtomically(takeOwn, lone, &result);
        if (status == 0 && result != NULL)
            return NULL;
        if (status == 0)
            ADD_RELAXED(&wakes, 1);
        if (status == 0)
            continue;
        CHECK_EQ(status, -ECANCELED);
        CHECK_EQ(threadCaught(NULL, NULL), 1);
        ADD_RELAXED(&cancels, 1);
    }
}

/* One that is being woken is interrupted in its next wait, or not at all. */
static void *cancelSome(void *env)
{
    uint64_t seed = testRandom() | 1;
    while (RELAXED_LOAD(&stopped) == 0) {
        Thread *thread = waiters[testRandomFrom(&seed) % CROWD].thread;
        int status = threadThrowToUntil(thread, 1, NULL, rtsNow() + MS_NS);
        CHECK(status == 0 || status == -ETIMEDOUT);
        threadYield();
    }
    return env;
}

static void *setSome(void *env)
{
    uint64_t seed = testRandom() | 1;
    while (RELAXED_LOAD(&stopped) == 0) {
        CHECK_EQ(tvarWriteIO(waiters[testRandomFrom(&seed) % CROWD].own, V(1)), 0);
        ADD_RELAXED(&done, 1);
    }
    return env;
}

TEST(STMStorm, aCrowdIsSetAndCancelled)
{
    uint32_t crowd = greenScale(CROWD);
    ThreadAttributes masked = {.masking = 1 + MaskedInterruptible};
    start(2);
    closing = tvarNew(NULL);
    for (uint32_t i = 0; i < CROWD; i++)
        waiters[i] = (Lone){.own = tvarNew(NULL)};
    for (uint32_t i = 0; i < crowd; i++)
        CHECK_EQ(threadForkWith(&waiters[i].thread, &masked, keepWaiting, &waiters[i]), 0);
    for (uint32_t i = crowd; i < CROWD; i++)
        waiters[i].thread = waiters[i % crowd].thread;
    crowd_wanted = 1;
    runThree(setSome, cancelSome, setSome);
    tvarWriteIO(closing, V(1));
    for (uint32_t i = 0; i < crowd; i++) {
        greenJoin(waiters[i].thread);
        CHECK(!watchListHasWatchers(&waiters[i].own->watchers));
    }
    CHECK(!watchListHasWatchers(&closing->watchers));
    for (uint32_t i = 0; i < CROWD; i++)
        tvarFree(waiters[i].own);
    tvarFree(closing);
    printf("%llu woken, %llu cancelled, ", (unsigned long long)wakes, (unsigned long long)cancels);
    stop("set");
}
