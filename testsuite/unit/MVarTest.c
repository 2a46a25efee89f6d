/* MVarTest.c -- boxes: hand-off in order, readers first, giving up, cancelling, freeing. */
#include "rts/MVar.h"

#include "testsuite/support/Runtime.h"

static int values[16]; /* addresses to store */

TEST(MVar, needsARuntimeAndMemory)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(mvarNewEmpty(), NULL);
    CHECK_EQ(mvarNew(values), NULL);
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&heap.fail_from, 1);
    CHECK_EQ(mvarNewEmpty(), NULL);
    CHECK_EQ(mvarNew(values), NULL);
    RELAXED_STORE(&heap.fail_from, 0);
    mvarFree(mvarNewEmpty()); /* memory of its kind is kept */
    uint64_t blocks = RELAXED_LOAD(&heap.live_blocks);
    MVar *mvar = mvarNew(values);
    CHECK_EQ((uintptr_t)mvar % CACHE_LINE, 0);
    mvarFree(mvar);
    mvar = mvarNewEmpty();
    CHECK(mvarIsEmpty(mvar)); /* whatever an earlier life left */
    mvarFree(mvar);
    mvarFree(NULL);
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), blocks);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}

/* ---- what need not wait ---------------------------------------------------------------------- */

static void *addOne(void *value, void *env)
{
    ++*(int *)env;
    return (char *)value + sizeof(int);
}

static void *neverWait(void *env)
{
    void *value = env;
    int calls = 0;
    MVar *mvar = mvarNewEmpty();
    CHECK_EQ(mvarTryTake(mvar, &value), -EAGAIN);
    CHECK_EQ(mvarTryRead(mvar, &value), -EAGAIN);
    CHECK_EQ(value, env); /* untouched */
    CHECK_EQ(mvarTryPut(mvar, &values[1]), 0);
    CHECK_EQ(mvarTryPut(mvar, &values[2]), -EAGAIN);
    CHECK(!mvarIsEmpty(mvar));
    CHECK_EQ(mvarTryRead(mvar, &value), 0);
    CHECK_EQ(value, (void *)&values[1]);
    CHECK_EQ(mvarRead(mvar, &value), 0);
    CHECK_EQ(mvarSwap(mvar, &values[3], &value), 0);
    CHECK_EQ(value, (void *)&values[1]);
    CHECK_EQ(mvarModify(mvar, addOne, &calls), 0);
    CHECK_EQ(mvarTryTake(mvar, &value), 0);
    CHECK_EQ(value, (void *)&values[4]);
    CHECK_EQ(calls, 1);
    CHECK(mvarIsEmpty(mvar));
    CHECK_EQ(mvarPutUntil(mvar, NULL, INT64_MIN), 0); /* past the deadline, yet no wait: done */
    CHECK_EQ(mvarReadUntil(mvar, NULL, INT64_MIN), 0);
    CHECK_EQ(mvarSwapUntil(mvar, &values[5], NULL, INT64_MIN), 0);
    CHECK_EQ(mvarModifyUntil(mvar, addOne, &calls, INT64_MIN), 0);
    CHECK_EQ(mvarTakeUntil(mvar, &value, INT64_MIN), 0);
    CHECK_EQ(value, (void *)&values[6]);
    CHECK(mvarSane(mvar));
    mvarFree(mvar);
    return NULL;
}

TEST(MVar, holdsOneValue)
{
    greenRun(1, neverWait, NULL);
    greenStart(1);
    neverWait(NULL); /* a plain OS thread */
    greenStop();
}

static void *giveUp(void *env)
{
    int calls = 0;
    void *value = env;
    MVar *empty = mvarNewEmpty(), *full = mvarNew(values);
    for (int i = 0; i < 3; i++) {
        int64_t deadline_ns = i == 0 ? INT64_MIN : rtsNow() + i * 300000;
        CHECK_EQ(mvarTakeUntil(empty, &value, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        CHECK_EQ(mvarReadUntil(empty, &value, deadline_ns), -ETIMEDOUT);
        CHECK_EQ(mvarSwapUntil(empty, values, &value, deadline_ns), -ETIMEDOUT);
        CHECK_EQ(mvarModifyUntil(empty, addOne, &calls, deadline_ns), -ETIMEDOUT);
        CHECK_EQ(mvarPutUntil(full, &values[1], deadline_ns), -ETIMEDOUT);
    }
    CHECK_EQ(value, env);
    CHECK_EQ(calls, 0);
    CHECK(mvarIsEmpty(empty));
    CHECK(empty->queue.first == NULL && full->queue.first == NULL); /* nothing is left behind */
    CHECK_EQ(mvarTryRead(full, &value), 0);
    CHECK_EQ(value, (void *)values); /* the put that gave up has put nothing */
    mvarFree(empty);
    mvarFree(full);
    return NULL;
}

TEST(MVar, givesUpAtTheDeadline)
{
    greenRun(1, giveUp, NULL);
    greenStart(1);
    giveUp(NULL);
    greenStop();
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct Visitor {
    MVar *mvar;
    MVarWaits kind;
    int64_t deadline_ns;
    void *value; /* brought, received */
    int result;
    uint32_t turn; /* which of all it was to come back, from 1 */
    Thread *thread;
} Visitor;

static uint32_t turns; /* relaxed add */

static void *visit(void *env)
{
    Visitor *self = env;
    if (self->kind == MVarTakes)
        self->result = mvarTakeUntil(self->mvar, &self->value, self->deadline_ns);
    else if (self->kind == MVarPuts)
        self->result = mvarPutUntil(self->mvar, self->value, self->deadline_ns);
    else if (self->kind == MVarReads)
        self->result = mvarReadUntil(self->mvar, &self->value, self->deadline_ns);
    else
        self->result = mvarSwapUntil(self->mvar, self->value, &self->value, self->deadline_ns);
    self->turn = ADD_RELAXED(&turns, 1) + 1;
    return NULL;
}

/* One capability: who is blocked is in the queue as soon as somebody else runs. */
static void sendVisitor(Visitor *visitor, MVar *mvar, MVarWaits kind, void *value)
{
    bool timed = visitor->deadline_ns != 0;
    *visitor = (Visitor){.mvar = mvar, .kind = kind, .value = value};
    visitor->deadline_ns = timed ? rtsNow() + 3600 * 1000 * MS_NS : INT64_MAX;
    visitor->thread = greenFork(visit, visitor);
    greenUntil(visitor->thread, ThreadBlockedOnMVar);
    CHECK(mvarSane(mvar));
}

static void expectVisitor(Visitor *visitor, void *value, uint32_t turn)
{
    greenJoin(visitor->thread);
    CHECK_EQ(visitor->result, 0);
    CHECK_EQ(visitor->value, value);
    CHECK_EQ(visitor->turn, turn);
}

/* What is served at once comes back in the order of serving: parked threads run youngest first, so
 * only who is served alone tells the order by its turn. */
static void *handOffTakers(void *env)
{
    Visitor visitors[3];
    void *value;
    MVar *mvar = mvarNewEmpty();
    RELAXED_STORE(&turns, 0);
    for (int i = 0; i < 3; i++) {
        visitors[i].deadline_ns = env != NULL && i != 1;
        sendVisitor(&visitors[i], mvar, MVarTakes, NULL);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(mvarPut(mvar, &values[i]), 0);
        CHECK(mvarIsEmpty(mvar)); /* handed over: it was never full */
        CHECK_EQ(mvarTryTake(mvar, &value), -EAGAIN);
        expectVisitor(&visitors[i], &values[i], (uint32_t)i + 1);
    }
    mvarFree(mvar);
    return NULL;
}

static void *handOffPutters(void *env)
{
    Visitor visitors[3];
    void *value;
    MVar *mvar = mvarNew(&values[9]);
    RELAXED_STORE(&turns, 0);
    for (int i = 0; i < 3; i++) {
        visitors[i].deadline_ns = env != NULL && i != 1;
        sendVisitor(&visitors[i], mvar, MVarPuts, &values[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(mvarTake(mvar, &value), 0);
        CHECK_EQ(value, (void *)&values[i == 0 ? 9 : i - 1]);
        CHECK_EQ(mvarTryPut(mvar, &values[8]), -EAGAIN); /* the putter's value is in */
        expectVisitor(&visitors[i], &values[i], (uint32_t)i + 1);
    }
    CHECK_EQ(mvarTake(mvar, &value), 0);
    CHECK_EQ(value, (void *)&values[2]);
    CHECK(mvarIsEmpty(mvar));
    mvarFree(mvar);
    return NULL;
}

TEST(MVar, handsOverInOrder)
{
    greenRun(1, handOffTakers, NULL);
    greenRun(1, handOffPutters, NULL);
    greenRun(1, handOffTakers, values); /* some of them with a deadline */
    greenRun(1, handOffPutters, values);
}

static void *serveReaders(void *env)
{
    Visitor take[2], read[3], swap;
    void *value;
    MVar *mvar = mvarNewEmpty();
    (void)env;
    for (int round = 0; round < 8; round++) {
        take[0].deadline_ns = read[1].deadline_ns = round & 1;
        take[1].deadline_ns = swap.deadline_ns = round & 2;
        read[0].deadline_ns = read[2].deadline_ns = round & 4;
        RELAXED_STORE(&turns, 0);
        sendVisitor(&take[0], mvar, MVarTakes, NULL);
        sendVisitor(&read[0], mvar, MVarReads, NULL);
        sendVisitor(&swap, mvar, MVarSwaps, &values[7]);
        sendVisitor(&read[1], mvar, MVarReads, NULL);
        sendVisitor(&take[1], mvar, MVarTakes, NULL);
        sendVisitor(&read[2], mvar, MVarReads, NULL);
        CHECK_EQ(mvarPut(mvar, &values[1]), 0); /* all readers and the first taker, no more */
        for (int i = 0; i < 3; i++)
            greenJoin(read[i].thread);
        greenJoin(take[0].thread);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(read[i].value, (void *)&values[1]);
        CHECK_EQ(take[0].value, (void *)&values[1]);
        CHECK_EQ(RELAXED_LOAD(&turns), 4);
        CHECK_EQ(threadStatus(swap.thread).state, ThreadBlockedOnMVar);
        CHECK_EQ(mvarPut(mvar, &values[2]), 0); /* the swapper, whose value goes to the taker */
        greenJoin(swap.thread);
        greenJoin(take[1].thread);
        CHECK_EQ(swap.value, (void *)&values[2]);
        CHECK_EQ(take[1].value, (void *)&values[7]);
        swap.deadline_ns = round & 1;
        sendVisitor(&swap, mvar, MVarSwaps, &values[5]); /* nobody after it: its value stays */
        CHECK_EQ(mvarPut(mvar, &values[3]), 0);
        greenJoin(swap.thread);
        CHECK_EQ(swap.value, (void *)&values[3]);
        CHECK_EQ(mvarTake(mvar, &value), 0);
        CHECK_EQ(value, (void *)&values[5]);
    }
    mvarFree(mvar);
    return NULL;
}

TEST(MVar, servesReadersFirst)
{
    greenRun(1, serveReaders, NULL);
}

/* Somebody in the middle gives up: the others keep their order. */
static void *leaveTheMiddle(void *env)
{
    Visitor visitors[4];
    MVar *mvar = mvarNewEmpty();
    (void)env;
    for (int gone = 0; gone < 4; gone++) {
        RELAXED_STORE(&turns, 0);
        for (int i = 0; i < 4; i++) {
            visitors[i].deadline_ns = 0;
            if (i != gone) {
                sendVisitor(&visitors[i], mvar, MVarTakes, NULL);
                continue;
            }
            visitors[i] = (Visitor){.mvar = mvar, .kind = MVarTakes};
            visitors[i].deadline_ns = rtsNow() + 20 * MS_NS;
            visitors[i].thread = greenFork(visit, &visitors[i]);
            greenUntil(visitors[i].thread, ThreadBlockedOnMVar);
        }
        greenJoin(visitors[gone].thread);
        CHECK_EQ(visitors[gone].result, -ETIMEDOUT);
        CHECK(mvarSane(mvar));
        for (int i = 0, turn = 2; i < 4; i++) {
            if (i == gone)
                continue;
            CHECK_EQ(mvarPut(mvar, &values[i]), 0);
            expectVisitor(&visitors[i], &values[i], (uint32_t)turn++);
        }
        CHECK(mvarIsEmpty(mvar));
    }
    mvarFree(mvar);
    return NULL;
}

TEST(MVar, keepsTheOrderWhenOneLeaves)
{
    greenRun(1, leaveTheMiddle, NULL);
}

/* ---- freeing, cancelling --------------------------------------------------------------------- */

static void *freeUnderWaiters(void *env)
{
    Visitor visitors[4];
    for (int round = 0; round < 8; round++) {
        MVar *mvar = mvarNewEmpty();
        for (int i = 0; i < 4; i++) {
            visitors[i].deadline_ns = env != NULL && (i & 1);
            sendVisitor(&visitors[i], mvar, (i & 2) ? MVarTakes : MVarReads, NULL);
        }
        mvarFree(mvar);
        for (int i = 0; i < 4; i++) {
            greenJoin(visitors[i].thread);
            CHECK_EQ(visitors[i].result, -EINVAL);
        }
    }
    return NULL;
}

TEST(MVar, freeingEndsItsWaits)
{
    greenRun(1, freeUnderWaiters, NULL);
    greenRun(1, freeUnderWaiters, values);
}

typedef struct Cancelled {
    MVar *empty, *full;
    uint32_t ready, over; /* seq_cst add */
    int64_t deadline_ns;
} Cancelled;

static void *takeCancelled(void *env)
{
    Cancelled *test = env;
    void *value = test;
    ADD_SEQ_CST(&test->ready, 1);
    CHECK_EQ(mvarTakeUntil(test->empty, &value, test->deadline_ns), -ECANCELED);
    CHECK_EQ(value, (void *)test);
    CHECK_EQ(mvarTakeUntil(test->empty, &value, test->deadline_ns), -ECANCELED); /* from now on */
    CHECK_EQ(mvarTryRead(test->full, &value), 0); /* what need not wait goes on */
    ADD_SEQ_CST(&test->over, 1);
    return NULL;
}

/* A plain OS thread: what it waited for goes with the runtime. */
static void *takeOutside(void *env)
{
    Cancelled *test = env;
    void *value = test;
    ADD_SEQ_CST(&test->ready, 1);
    CHECK_EQ(mvarTakeUntil(test->empty, &value, test->deadline_ns), -ECANCELED);
    CHECK_EQ(value, (void *)test);
    ADD_SEQ_CST(&test->over, 1);
    return NULL;
}

static void *putCancelled(void *env)
{
    Cancelled *test = env;
    ADD_SEQ_CST(&test->ready, 1);
    CHECK_EQ(mvarPutUntil(test->full, &values[1], test->deadline_ns), -ECANCELED);
    ADD_SEQ_CST(&test->over, 1);
    return NULL;
}

static void cancelAll(uint32_t capabilities_wanted, int64_t deadline_ns)
{
    enum { EACH = 20 };
    greenStart(capabilities_wanted);
    Cancelled test = {mvarNewEmpty(), mvarNew(values), 0, 0, deadline_ns};
    for (int i = 0; i < EACH; i++) {
        CHECK_EQ(threadFork(NULL, takeCancelled, &test), 0);
        CHECK_EQ(threadFork(NULL, putCancelled, &test), 0);
    }
    pthread_t taker = osFork(takeOutside, &test), putter = osFork(putCancelled, &test);
    while (SEQ_CST_LOAD(&test.ready) != 2 * EACH + 2)
        sched_yield();
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    osJoin(taker);
    osJoin(putter);
    CHECK_EQ(SEQ_CST_LOAD(&test.over), 2 * EACH + 2);
}

TEST(MVar, cancellingEndsItsWaits)
{
    cancelAll(1, INT64_MAX);
    cancelAll(2, INT64_MAX);
    cancelAll(2, INT64_MAX - 1); /* by the claim */
}

/* ---- ping-pong: no hand-over is lost --------------------------------------------------------- */

typedef struct Player {
    MVar *mine, *other;
    uintptr_t rounds;
    int64_t deadline_ns;
} Player;

static void *play(void *env)
{
    Player *player = env;
    for (uintptr_t i = 1; i <= player->rounds; i++) {
        void *value;
        CHECK_EQ(mvarPutUntil(player->mine, (void *)i, player->deadline_ns), 0);
        CHECK_EQ(mvarTakeUntil(player->other, &value, player->deadline_ns), 0);
        CHECK_EQ((uintptr_t)value, i);
    }
    return NULL;
}

static void playOn(uint32_t capabilities_wanted, bool plain, int64_t deadline_ns)
{
    greenStart(capabilities_wanted);
    MVar *a = mvarNewEmpty(), *b = mvarNewEmpty();
    Player one = {a, b, greenScale(plain ? 1000 : 5000), deadline_ns};
    Player two = {b, a, one.rounds, deadline_ns};
    Thread *first = greenFork(play, &one);
    if (plain)
        osJoin(osFork(play, &two));
    else
        greenJoin(greenFork(play, &two));
    greenJoin(first);
    CHECK(mvarSane(a) && mvarSane(b) && mvarIsEmpty(a) && mvarIsEmpty(b));
    mvarFree(a);
    mvarFree(b);
    greenStop();
}

TEST(MVar, losesNoHandOver)
{
    for (int64_t deadline_ns = INT64_MAX - 1; deadline_ns < INT64_MAX; deadline_ns++) {
        playOn(1, false, deadline_ns);
        playOn(2, false, deadline_ns);
        playOn(1, true, deadline_ns);
        playOn(2, true, deadline_ns);
    }
    playOn(2, false, INT64_MAX);
    playOn(2, true, INT64_MAX);
    playOn(1, false, INT64_MAX);
}

/* A wait through an MVar is one switch there and one back, and costs no system call. */
TEST(MVar, wakesOnce)
{
    enum { ROUNDS = 1000 };
    greenStart(1);
    MVar *a = mvarNewEmpty(), *b = mvarNewEmpty();
    Player one = {a, b, ROUNDS, INT64_MAX}, two = {b, a, ROUNDS, INT64_MAX};
    RtsStats before, after;
    CHECK_EQ(rtsStats(0, &before), 0);
    Thread *first = greenFork(play, &one), *second = greenFork(play, &two);
    greenJoin(first);
    greenJoin(second);
    CHECK_EQ(rtsStats(0, &after), 0);
    CHECK_LE(after.switches - before.switches, 2 * ROUNDS + 64);
    mvarFree(a);
    mvarFree(b);
    greenStop();
}
