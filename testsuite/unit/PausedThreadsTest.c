/* PausedThreadsTest.c -- rtsPausedThreads: what a collector is shown of each thread.
 *
 * not-under: valgrind
 * (It looks at whole stacks, as conservative collectors do, at what was never written too.)
 */
#include "rts/Pause.h"

#include "testsuite/support/Runtime.h"

enum { THREADS = 4, TURNS = 100 };

static uint32_t stopping; /* seq_cst */

static int64_t later(void)
{
    return rtsNow() + INT64_C(60) * 1000 * MS_NS;
}

static void *takeOne(void *env)
{
    void *value = NULL;
    CHECK_EQ(mvarTake(env, &value), 0);
    return value;
}

enum { KINDS = 8, SECRETS = KINDS + 1 };

typedef struct Secret {
    void *place;           /* what is waited for */
    uintptr_t hidden;      /* the pattern, inverted, so that it is nowhere else */
    uint32_t begun, found; /* found: by the visitor */
    Thread *thread;
} Secret;

static Secret secrets[SECRETS];

static uintptr_t patternOf(int which)
{
    return (UINT64_C(0x5ec2e7) << 32 | (uintptr_t)(which + 1)) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Kept in a register or on the stack only, until the wait is over. */
#define HOLDING(secret, waiting)                                                                   \
    do {                                                                                           \
        uintptr_t held = ~(secret)->hidden;                                                        \
        __asm__ volatile("" : "+r"(held));                                                         \
        SEQ_CST_STORE(&(secret)->begun, 1);                                                        \
        waiting;                                                                                   \
        __asm__ volatile("" : "+r"(held));                                                         \
        CHECK_EQ(held, ~(secret)->hidden);                                                         \
    } while (0)

static void *holdInMVar(void *env)
{
    Secret *secret = env;
    HOLDING(secret, CHECK_EQ(mvarTake(secret->place, NULL), 0));
    return NULL;
}

static void *holdInTVar(void *env)
{
    Secret *secret = env;
    HOLDING(secret, CHECK_EQ(tvarAwait(secret->place, 0), 0));
    return NULL;
}

static void *holdInDelay(void *env)
{
    Secret *secret = env;
    HOLDING(secret, while (SEQ_CST_LOAD(&stopping) == 0) CHECK_EQ(threadDelay(1000), 0));
    return NULL;
}

static void *holdInYield(void *env)
{
    Secret *secret = env;
    HOLDING(secret, while (SEQ_CST_LOAD(&stopping) == 0) threadYield());
    return NULL;
}

static void *holdInSafepoint(void *env)
{
    Secret *secret = env;
    HOLDING(secret, while (SEQ_CST_LOAD(&stopping) == 0) threadSafepoint());
    return NULL;
}

/* It waits for its turn to pause, and stands still in that. */
static void *holdInPause(void *env)
{
    Secret *secret = env;
    HOLDING(
        secret, while (SEQ_CST_LOAD(&stopping) == 0) {
            if (rtsPause(0) == 0)
                CHECK_EQ(rtsResume(), 0);
            threadYield();
        });
    return NULL;
}

#if defined(__x86_64__)
#define KEPT_REGISTER "r12"
#else
#define KEPT_REGISTER "x22"
#endif

/* In a register, of which no frame in its range has a copy. */
static void *holdInRegion(void *env)
{
    Secret *secret = env;
    BlockingRegion region;
    register uintptr_t held __asm__(KEPT_REGISTER) = ~secret->hidden;
    __asm__ volatile("" : "+r"(held));
    int entered = threadBlockingEnter(&region);
    SEQ_CST_STORE(&secret->begun, 1);
    while (SEQ_CST_LOAD(&stopping) == 0)
        usleep(100);
    threadBlockingLeave(&region);
    __asm__ volatile("" : "+r"(held));
    CHECK_EQ(entered, 0);
    CHECK_EQ(held, ~secret->hidden);
    return NULL;
}

static void *bringResult(void *env)
{
    Secret *secret = env;
    SEQ_CST_STORE(&secret->begun, 1);
    return (void *)~secret->hidden;
}

/* Each secret is found in its own thread's range. */
__attribute__((no_sanitize("address"), no_sanitize("thread"))) static void look(
    const PausedThread *paused, void *env)
{
    (void)env;
    CHECK((uintptr_t)paused->low % sizeof(void *) == 0 && paused->low <= paused->high);
    for (int i = 0; i < SECRETS; i++) {
        if (secrets[i].thread != paused->thread)
            continue;
        CHECK_EQ(paused->is_stack, i != KINDS - 1); /* the last has ended: its result */
        for (const uintptr_t *at = paused->low; at < (const uintptr_t *)paused->high; at++)
            secrets[i].found += *at == ~secrets[i].hidden;
    }
}

static void lookAtAll(uint32_t turns)
{
    for (uint32_t turn = 0; turn < turns; turn++) {
        for (int i = 0; i < SECRETS; i++)
            secrets[i].found = 0;
        CHECK_EQ(rtsPause(later()), 0);
        CHECK_GE(rtsPausedThreads(look, NULL), KINDS);
        CHECK_EQ(rtsResume(), 0);
        for (int i = 0; i < SECRETS; i++)
            CHECK(secrets[i].thread == NULL || secrets[i].found != 0);
        if (threadSelf() != NULL)
            threadYield();
    }
}

static void *lookFromInside(void *env)
{
    Secret *secret = env;
    secret->thread = threadSelf();
    HOLDING(secret, lookAtAll(greenScale(TURNS)));
    return NULL;
}

static void forkSecrets(void)
{
    ThreadFn *const bodies[KINDS] = {holdInMVar,  holdInTVar,      holdInDelay,  holdInYield,
                                     holdInPause, holdInSafepoint, holdInRegion, bringResult};
    RELAXED_STORE(&stopping, 0);
    for (int i = 0; i < SECRETS; i++)
        secrets[i] = (Secret){.hidden = ~patternOf(i)};
    secrets[0].place = mvarNewEmpty();
    secrets[1].place = tvarNew(NULL);
    for (int i = 0; i < KINDS; i++)
        secrets[i].thread = greenFork(bodies[i], &secrets[i]);
    for (int i = 0; i < KINDS; i++) {
        while (SEQ_CST_LOAD(&secrets[i].begun) == 0)
            sched_yield();
    }
    greenUntil(secrets[KINDS - 1].thread, ThreadFinished);
}

static void joinSecrets(void)
{
    SEQ_CST_STORE(&stopping, 1);
    CHECK_EQ(mvarPut(secrets[0].place, NULL), 0);
    CHECK_EQ(tvarWriteIO(secrets[1].place, NULL), 0);
    for (int i = 0; i < KINDS; i++)
        greenJoin(secrets[i].thread);
    mvarFree(secrets[0].place);
    tvarFree(secrets[1].place);
}

/* Goal: whatever a thread waits for, its words are in its range; the pauser's too. */
TEST(Pause, everyStackIsShown)
{
    greenStart(3);
    forkSecrets();
    lookAtAll(greenScale(TURNS));
    greenJoin(greenFork(lookFromInside, &secrets[KINDS]));
    joinSecrets();
    greenStop();
}

static int places[2];

static void moveToOther(const PausedThread *paused, void *env)
{
    (void)env;
    for (void **word = paused->low; !paused->is_stack && word < (void **)paused->high; word++) {
        if (*word == &places[0])
            *word = &places[1];
    }
}

static TaskVerdict movesItself(TaskContext *context, void *env)
{
    if (env == &places[1]) {
        CHECK_EQ(taskUser(context), &places[1]);
        return TaskDone;
    }
    CHECK_EQ(env, &places[0]);
    taskSetUser(context, env);
    CHECK_EQ(rtsPause(later()), 0);
    CHECK_GE(rtsPausedThreads(moveToOther, NULL), 1);
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(taskUser(context), &places[1]);
    return TaskYield;
}

/* Goal: a collector in a step moves what that step's own task has; the next step gets it. */
TEST(Pause, aStepMovesItself)
{
    Thread *task = NULL;
    greenStart(2);
    CHECK_EQ(taskNew(&task, NULL, movesItself, &places[0]), 0);
    greenJoin(task);
    greenStop();
}

typedef struct Newborns {
    uint32_t found;
    void *pattern;
} Newborns;

static void findNewborn(const PausedThread *paused, void *env)
{
    Newborns *newborns = env;
    void **word = paused->low;
    if (!paused->is_stack && paused->high == word + 1 && *word == newborns->pattern)
        newborns->found++;
}

static void *forkAndLook(void *env)
{
    Newborns newborns = {0, env};
    Thread *children[THREADS];
    for (int i = 0; i < THREADS; i++)
        children[i] = greenFork(takeOne, env); /* they begin when we park */
    CHECK_EQ(rtsPause(later()), 0);
    CHECK_EQ(rtsPausedThreads(findNewborn, &newborns), THREADS + 1);
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(newborns.found, THREADS);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(mvarPut(env, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        greenJoin(children[i]);
    return NULL;
}

TEST(Pause, newbornsShowWhatTheyWereGiven)
{
#ifdef CAPRI_MIGRATE
    SKIP("they begin elsewhere at once");
#endif
    greenStart(1);
    MVar *mvar = mvarNewEmpty();
    greenJoin(greenFork(forkAndLook, mvar));
    mvarFree(mvar);
    greenStop();
}
