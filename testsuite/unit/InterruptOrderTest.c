/* InterruptOrderTest.c -- beginnings and ends, the order, who wins, giving up. */
#include "rts/Interrupt.h"

#include "testsuite/support/Runtime.h"

enum { CODE = 7 };

static char payload; /* its address */

static void awaitFlag(uint32_t *flag)
{
    while (ACQUIRE_LOAD(flag) == 0)
        threadYield();
}

typedef struct Masked {
    Thread *masked;
    uint32_t masked_begun, go;
} Masked;

static void *stayMasked(void *env)
{
    Masked *things = env;
    threadMaskUninterruptible();
    RELEASE_STORE(&things->masked_begun, 1);
    awaitFlag(&things->go);
    return NULL;
}

/* ---- ends and beginnings ---- */

static void *nothing(void *env)
{
    return env;
}

static void *never(void *env)
{
    CHECK(env == NULL);
    CHECK(false);
    return NULL;
}

static void *throwAtTheEnds(void *env)
{
    void *result = env;
    Thread *thread = greenFork(nothing, NULL);
    greenUntil(thread, ThreadFinished);
    CHECK_EQ(threadThrowTo(thread, CODE, NULL), 0); /* it has ended: success */
    CHECK_EQ(threadStatus(thread).state, ThreadFinished);
    greenJoin(thread);
    thread = greenFork(never, NULL);
    CHECK_EQ(threadKill(thread), 0); /* it has not begun */
    CHECK_EQ(threadJoin(thread, &result), -EINTR);
    CHECK_EQ(threadStatus(thread).state, ThreadDied);
    threadRelease(thread);
    CHECK_EQ(threadThrowTo(NULL, CODE, NULL), -EINVAL);
    CHECK_EQ(threadThrowTo(threadSelf(), InterruptTimeout, NULL), -EINVAL);
    CHECK_EQ(threadKill(NULL), -EINVAL);
    return NULL;
}

TEST(Interrupt, ofWhoHasEndedOrNotBegun)
{
    greenRun(1, throwAtTheEnds, NULL);
}

static void *dieOrCatch(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    if (env != NULL)
        CHECK_EQ(threadCaught(NULL, NULL), 1);
    return &payload;
}

static void *seeThemDie(void *env)
{
    for (int i = 0; i < 2; i++) {
        Thread *thread = greenFork(dieOrCatch, i == 0 ? NULL : &payload);
        greenUntil(thread, ThreadBlockedOnDelay);
        CHECK_EQ(threadKill(thread), 0);
        threadRetain(thread);
        CHECK_EQ(greenJoin(thread), &payload); /* its result is there in any case */
        CHECK_EQ(threadStatus(thread).state, i == 0 ? ThreadDied : ThreadFinished);
        threadRelease(thread);
    }
    return env;
}

TEST(Interrupt, thatIsNotCaughtIsDiedOf)
{
    greenRun(1, seeThemDie, NULL);
}

/* ---- order, and who wins ---- */

/* One that no interrupt keeps from beginning. */
static Thread *forkMasked(ThreadFn *fn, void *env)
{
    MaskingState before = threadMask();
    Thread *thread = greenFork(fn, env);
    CHECK_EQ(threadRestore(before), 0);
    return thread;
}

static void *throwTwice(void *env)
{
    Thread *target = env;
    CHECK_EQ(threadThrowTo(target, 1, NULL), 0);
    CHECK_EQ(threadThrowTo(target, 2, NULL), 0);
    return NULL;
}

static void *collect(void *env)
{
    uint32_t *codes = env;
    threadMaskUninterruptible();
    for (int i = 0; i < 3; i++)
        threadYield(); /* somebody throws now; nothing happens */
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    threadRestore(MaskedInterruptible);
    for (int i = 0; i < 2; i++) {
        int code = 0;
        CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
        CHECK_EQ(threadCaught(&code, NULL), 1);
        codes[i] = (uint32_t)code;
    }
    return NULL;
}

static void *keepOrder(void *env)
{
    uint32_t codes[2] = {0, 0};
    Thread *target = forkMasked(collect, codes);
    Thread *thrower = greenFork(throwTwice, target);
    greenJoin(thrower);
    greenJoin(target);
    CHECK_EQ(codes[0], 1);
    CHECK_EQ(codes[1], 2);
    return env;
}

TEST(Interrupt, keepsTheOrderOfEachSender)
{
    greenRun(1, keepOrder, NULL);
    greenRun(2, keepOrder, NULL);
}

typedef struct Duel {
    Thread *fighters[2];
    uint32_t ready; /* both are there */
    uint32_t wins, losses;
    bool masked;
} Duel;

static void *fight(void *env)
{
    Duel *duel = env;
    if (duel->masked)
        threadMask();
    ADD_SEQ_CST(&duel->ready, 1);
    int result = 0;
    while (result == 0 && SEQ_CST_LOAD(&duel->ready) != 3)
        result = threadYield(); /* unmasked it may lose here already */
    if (result == 0)
        result = threadKill(duel->fighters[threadSelf() == duel->fighters[0]]);
    CHECK(result == 0 || result == -ECANCELED);
    ADD_RELAXED(result == 0 ? &duel->wins : &duel->losses, 1);
    return NULL;
}

static void *fightOften(void *env)
{
    for (uint32_t i = 0; i < greenScale(2000); i++) {
        Duel duel = {.masked = (i & 1) != 0};
        duel.fighters[0] = greenFork(fight, &duel);
        duel.fighters[1] = greenFork(fight, &duel);
        while (SEQ_CST_LOAD(&duel.ready) != 2)
            threadYield();
        ADD_SEQ_CST(&duel.ready, 1);
        greenJoin(duel.fighters[0]);
        greenJoin(duel.fighters[1]);
        CHECK_EQ(duel.wins, 1);
        CHECK_EQ(duel.losses, 1);
    }
    return env;
}

TEST(Interrupt, oneOfTwoThatThrowToEachOtherWins)
{
    greenRun(1, fightOften, NULL);
    greenRun(2, fightOften, NULL);
}

/* ---- giving up ---- */

static void *throwAndGiveUp(void *env)
{
    Masked *things = env;
    CHECK_EQ(threadThrowToUntil(things->masked, CODE, NULL, INT64_MIN), -ETIMEDOUT);
    CHECK_EQ(threadThrowToUntil(things->masked, CODE, NULL, rtsNow() + 100000), -ETIMEDOUT);
    return NULL;
}

static void *hearNothing(void *env)
{
    Masked *things = env;
    stayMasked(things);
    CHECK_EQ(threadRestore(Unmasked), 0); /* it was withdrawn */
    CHECK_EQ(threadAllowInterrupt(), 0);
    CHECK_EQ(RELAXED_LOAD(&threadSelf()->interrupts), 0);
    return NULL;
}

static void *withdraw(void *env)
{
    Masked things = {.go = 0};
    things.masked = forkMasked(hearNothing, &things);
    greenJoin(greenFork(throwAndGiveUp, &things));
    osJoin(osFork(throwAndGiveUp, &things));
    RELEASE_STORE(&things.go, 1);
    greenJoin(things.masked);
    return env;
}

TEST(Interrupt, isWithdrawnByWhoGivesUp)
{
    greenRun(2, withdraw, NULL);
}

static void *endMasked(void *env)
{
    return stayMasked(env);
}

static void *throwToTheEnd(void *env)
{
    Masked *things = env;
    CHECK_EQ(threadKill(things->masked), 0); /* it ends without ever being interrupted */
    return NULL;
}

static void *endUnderWay(void *env)
{
    Masked things = {.go = 0};
    Thread *throwers[3];
    things.masked = greenFork(endMasked, &things);
    awaitFlag(&things.masked_begun);
    for (int i = 0; i < 3; i++)
        throwers[i] = greenFork(throwToTheEnd, &things);
    for (int i = 0; i < 3; i++)
        greenUntil(throwers[i], ThreadBlockedOnThrowTo);
    RELEASE_STORE(&things.go, 1);
    for (int i = 0; i < 3; i++)
        greenJoin(throwers[i]);
    greenJoin(things.masked);
    return env;
}

TEST(Interrupt, isOverWhenItsThreadEnds)
{
    greenRun(1, endUnderWay, NULL);
    greenRun(2, endUnderWay, NULL);
}

/* ---- the others in a queue ---- */

typedef struct Line {
    MVar *mvar;
    uint32_t order[3];
    uint32_t served;
} Line;

static void *standInLine(void *env)
{
    Line *line = env;
    void *value;
    int result = mvarTake(line->mvar, &value);
    if (result == 0)
        line->order[line->served++] = (uint32_t)(uintptr_t)value;
    return (void *)(intptr_t)result;
}

static void *killTheMiddle(void *env)
{
    Line line = {.mvar = mvarNewEmpty()};
    Thread *takers[3];
    for (int i = 0; i < 3; i++) {
        takers[i] = greenFork(standInLine, &line);
        greenUntil(takers[i], ThreadBlockedOnMVar);
    }
    CHECK_EQ(threadKill(takers[1]), 0);
    CHECK_EQ((intptr_t)greenJoin(takers[1]), -ECANCELED);
    CHECK_EQ(mvarPut(line.mvar, (void *)1), 0);
    CHECK_EQ((intptr_t)greenJoin(takers[0]), 0);
    CHECK_EQ(mvarPut(line.mvar, (void *)2), 0);
    CHECK_EQ((intptr_t)greenJoin(takers[2]), 0);
    CHECK_EQ(line.order[0], 1);
    CHECK_EQ(line.order[1], 2);
    CHECK_EQ(mvarTryPut(line.mvar, NULL), 0); /* nobody waits any more */
    mvarFree(line.mvar);
    return env;
}

TEST(Interrupt, leavesTheOthersInTheirOrder)
{
    greenRun(1, killTheMiddle, NULL);
}

/* ---- who is told ---- */

static uint32_t told; /* times, relaxed adds */
static int told_code;

static void hearUncaught(Thread *thread, int code, void *what)
{
    CHECK_EQ(thread, threadSelf());
    CHECK_EQ(what, &payload);
    told_code = code;
    ADD_RELAXED(&told, 1);
}

static void *dieOfEach(void *env)
{
    for (int i = 0; i < 3; i++) {
        Thread *thread = greenFork(dieOrCatch, i == 2 ? &payload : NULL);
        greenUntil(thread, ThreadBlockedOnDelay);
        CHECK_EQ(i == 0 ? threadKill(thread) : threadThrowTo(thread, CODE, &payload), 0);
        greenJoin(thread);
    }
    return env;
}

/* What is thrown to a thread while it tells its death is raised, and nobody's afterwards. */
static void waitOnDeath(Thread *thread, int code, void *what)
{
    hearUncaught(thread, code, what);
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
}

static void *returnEnv(void *env)
{
    return env;
}

static void *killTheDead(void *env)
{
    Thread *thread = greenFork(dieOrCatch, NULL);
    greenUntil(thread, ThreadBlockedOnDelay);
    CHECK_EQ(threadThrowTo(thread, CODE, &payload), 0);
    while (RELAXED_LOAD(&told) == 0)
        threadYield();
    greenUntil(thread, ThreadBlockedOnDelay);
    CHECK_EQ(threadThrowTo(thread, CODE + 1, NULL), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    CHECK_EQ(threadStatus(thread).state, ThreadDied);
    threadRelease(thread);
    for (int i = 0; i < 100; i++) { /* in its memory */
        Thread *next = greenFork(returnEnv, env);
        CHECK_EQ(threadJoin(next, NULL), 0);
        CHECK_EQ(threadStatus(next).state, ThreadFinished);
        threadRelease(next);
    }
    return env;
}

TEST(Interrupt, thrownToTheDyingIsForgotten)
{
    RtsConfig config = {.capabilities = 1, .uncaught = waitOnDeath};
    RELAXED_STORE(&told, 0);
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(killTheDead, NULL));
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&told), 1);
}

TEST(Interrupt, thatIsNotCaughtIsTold)
{
    RtsConfig config = {.capabilities = 1, .uncaught = hearUncaught};
    RELAXED_STORE(&told, 0);
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(dieOfEach, NULL));
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&told), 1); /* not of being killed, nor of what was caught */
    CHECK_EQ(told_code, CODE);
}
