/* Deadlocks.c -- one token goes round, by every way there is to wake a thread, while an OS thread
 * asks all the time whether all are blocked for ever: never, while there is a token; always, soon
 * after it was dropped.  See Note [Blocked for ever].
 */
#include "rts/BlockingPool.h"
#include "rts/Deadlock.h"
#include "testsuite/support/Crowd.h"

#include <capri/capri.h>
#include <pthread.h>
#include <sched.h>

enum { RING = 6, OS_THREADS = 2 };

static MVar *boxes[RING];
static uint64_t epoch; /* odd: there is a token; seq_cst */
static uint64_t steps; /* relaxed add: how often it was passed */
static uint64_t asked, found;
static uint32_t stop; /* seq_cst */
static char token;

static int putOnTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key;
    CHECK_EQ(mvarTryPut(env, &token), 0);
    return 0;
}

/* Somebody else has the token; this one is woken by it. */
static int putOnEvent(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    (void)manager, (void)key, (void)events;
    CHECK_EQ(mvarTryPut(env, &token), 0);
    return 0;
}

typedef struct Job {
    BlockingJob job; /* first */
    MVar *box;
} Job;

static void putOnCall(BlockingJob *job)
{
    MVar *box = ((Job *)(void *)job)->box;
    free(job);
    CHECK_EQ(mvarTryPut(box, &token), 0);
}

static void passByCall(MVar *box)
{
    Job *job = malloc(sizeof *job);
    CHECK(job != NULL);
    *job = (Job){.job = {.run = putOnCall}, .box = box};
    CHECK_EQ(blockingPoolSubmit(&job->job), 0);
}

static void passByFd(MVar *box, int pair[2])
{
    FdKey key;
    char byte = 0;
    CHECK_EQ(registerFd(capabilityManager(), putOnEvent, box, pair[0], EventRead, OneShot, &key),
             0);
    CHECK_EQ(write(pair[1], &byte, 1), 1);
}

/* pair: this thread's own; what it holds is read before it is used again. */
static void pass(MVar *box, uint64_t *seed, int pair[2])
{
    char byte;
    TVar *later;
    while (read(pair[0], &byte, 1) == 1)
        continue;
    switch (crowdDraw(seed, 8)) {
    case 0:
        CHECK_EQ(threadDelay((int64_t)crowdDraw(seed, 100)), 0);
        break;
    case 1:
        CHECK_EQ(registerTimeout(capabilityManager(), 1 + (int64_t)crowdDraw(seed, 100), putOnTime,
                                 box, NULL),
                 0);
        return;
    case 2:
        passByCall(box);
        return;
    case 3:
        passByFd(box, pair);
        return;
    case 4:
        CHECK_EQ(registerDelay(1 + (int64_t)crowdDraw(seed, 100), &later), 0);
        uint64_t version;
        if (tvarReadVersionIO(later, &version) == NULL)
            CHECK_EQ(tvarAwait(later, version), 0);
        tvarFree(later);
        break;
    case 5:
        threadYield();
        break;
    default:
        break;
    }
    CHECK_EQ(mvarPut(box, &token), 0);
}

static void *goRound(void *env)
{
    size_t at = (size_t)(uintptr_t)env;
    uint64_t seed = crowdSeed(at);
    int pair[2];
    crowdPair(pair, false);
    for (;;) {
        void *value = NULL;
        if (mvarTake(boxes[at], &value) != 0)
            break; /* the runtime is being cancelled */
        ADD_RELAXED(&steps, 1);
        if (crowdDraw(&seed, 200) == 0)
            ADD_SEQ_CST(&epoch, 1); /* dropped */
        else
            pass(boxes[(at + 1 + crowdDraw(&seed, RING - 1)) % RING], &seed, pair);
    }
    close(pair[0]);
    close(pair[1]);
    return NULL;
}

/* Whoever asks: yes is true at some moment of the question. */
static bool ask(Thread **witness)
{
    uint64_t before = SEQ_CST_LOAD(&epoch);
    bool stuck = deadlockFound(witness);
    CHECK(!stuck || before % 2 == 0 || SEQ_CST_LOAD(&epoch) != before);
    ADD_RELAXED(&asked, 1);
    ADD_RELAXED(&found, stuck);
    return stuck;
}

static void *askAllTheTime(void *env)
{
    Thread *witness = NULL;
    while (SEQ_CST_LOAD(&stop) == 0) {
        ask(&witness);
        for (uint32_t i = 0; i < (uint32_t)(uintptr_t)env; i++)
            SMP_PAUSE();
    }
    return NULL;
}

/* A token from outside, under a hold: who asks meanwhile must not say yes. */
static void bringToken(void)
{
    CHECK_EQ(rtsHold(), 0);
    ADD_SEQ_CST(&epoch, 1);
    CHECK_EQ(mvarPut(boxes[0], &token), 0);
    rtsRelease();
}

TEST(Deadlocks, areFoundWhenTheyAreAndOnlyThen)
{
    pthread_t askers[OS_THREADS];
    Crowd crowd;
    Thread *witness = NULL;
    uint64_t rounds = 0;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 3), RING);
    for (size_t i = 0; i < RING; i++)
        CHECK((boxes[i] = mvarNewEmpty()) != NULL);
    for (uintptr_t i = 0; i < RING; i++)
        crowdFork(&crowd, goRound, (void *)i, "ring");
    for (uintptr_t i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_create(&askers[i], NULL, askAllTheTime, (void *)(i * 1000)), 0);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        bringToken();
        int64_t hang_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
        while (SEQ_CST_LOAD(&epoch) % 2 != 0 || !ask(&witness)) {
            CHECK_LT(rtsNow(), hang_ns);
            sched_yield();
        }
        rounds++;
    } while (rtsNow() < end_ns);
    SEQ_CST_STORE(&stop, 1);
    for (size_t i = 0; i < OS_THREADS; i++)
        CHECK_EQ(pthread_join(askers[i], NULL), 0);
    printf("%llu rounds, %llu steps, asked %llu times, %llu yes\n", (unsigned long long)rounds,
           (unsigned long long)RELAXED_LOAD(&steps), (unsigned long long)RELAXED_LOAD(&asked),
           (unsigned long long)RELAXED_LOAD(&found));
    for (size_t i = 0; i < crowd.count; i++)
        threadRelease(crowd.threads[i]);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    free(crowd.threads);
}
