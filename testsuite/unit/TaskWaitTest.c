/* TaskWaitTest.c -- each wait of a task: it comes, has come before, a deadline, an interrupt. */
#include "testsuite/support/Tasks.h"

#include <fcntl.h>
#include <sys/socket.h>

#define LONG_US INT64_C(3600000000)

static int pair[2];
static MVar *box;
static TVar *cell, *other;
static uint64_t seen;

/* ---- what each of the waits waits for: prepared, made to happen ------------------------------ */

typedef struct Kind {
    const char *name;
    void (*begin)(TaskContext *context, OneWait *wait);
    ThreadState state;
    void (*prepare)(OneWait *wait);
    void (*happen)(OneWait *wait);
    void *brings;
} Kind;

static void openPair(OneWait *wait)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    wait->fd = pair[0];
}

static void openAdopted(OneWait *wait)
{
    openPair(wait);
    CHECK_EQ(fdAdopt(pair[0]), 0);
}

static void writeByte(OneWait *wait)
{
    (void)wait;
    CHECK_EQ(write(pair[1], "x", 1), 1);
}

static void fillPair(OneWait *wait)
{
    static const char bytes[4096];
    openPair(wait);
    while (write(pair[0], bytes, sizeof bytes) > 0)
        continue;
}

static void drainPair(OneWait *wait)
{
    static char bytes[65536];
    (void)wait;
    while (read(pair[1], bytes, sizeof bytes) > 0)
        continue;
}

static void newEmpty(OneWait *wait)
{
    wait->mvar = box = mvarNewEmpty();
}

static void newFull(OneWait *wait)
{
    wait->mvar = box = mvarNew(&pair);
    wait->value = wait;
}

static void putBox(OneWait *wait)
{
    CHECK_EQ(mvarTryPut(wait->mvar, &box), 0);
}

static void takeBox(OneWait *wait)
{
    void *value = NULL;
    CHECK_EQ(mvarTryTake(wait->mvar, &value), 0);
    CHECK_EQ(value, &pair);
}

static void newCells(OneWait *wait)
{
    wait->tvar = cell = tvarNew(NULL);
    other = tvarNew(NULL);
    tvarReadVersionIO(cell, &seen);
    wait->version = seen;
}

static void writeCell(OneWait *wait)
{
    (void)wait;
    CHECK_EQ(tvarWriteIO(cell, &cell), 0);
}

static void *untilWritten(Transaction *tx, void *env)
{
    (void)env;
    void *value = tvarRead(tx, cell);
    tvarRead(tx, other);
    stmCheck(tx, value != NULL);
    tvarWrite(tx, other, value);
    return value;
}

static void newCondition(OneWait *wait)
{
    newCells(wait);
    wait->action = untilWritten;
}

static void *takeEnv(void *env)
{
    void *value = NULL;
    mvarTake(env, &value);
    return value;
}

static void forkJoined(OneWait *wait)
{
    newEmpty(wait);
    wait->thread = greenFork(takeEnv, box);
}

static const Kind kinds[] = {
    {"read", beginRead, ThreadBlockedOnRead, openPair, writeByte, NULL},
    {"readAdopted", beginRead, ThreadBlockedOnRead, openAdopted, writeByte, NULL},
    {"readSeen", beginReadSeen, ThreadBlockedOnRead, openAdopted, writeByte, NULL},
    {"write", beginWrite, ThreadBlockedOnWrite, fillPair, drainPair, NULL},
    {"take", beginTake, ThreadBlockedOnMVar, newEmpty, putBox, &box},
    {"peek", beginPeek, ThreadBlockedOnMVar, newEmpty, putBox, &box},
    {"put", beginPut, ThreadBlockedOnMVar, newFull, takeBox, NULL},
    {"tvar", beginTVar, ThreadBlockedOnTVar, newCells, writeCell, NULL},
    {"stm", beginSTM, ThreadBlockedOnTVar, newCondition, writeCell, &cell},
    {"join", beginJoin, ThreadBlockedOnThread, forkJoined, putBox, &box},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void cleanUp(const Kind *kind, OneWait *wait)
{
    if (wait->thread != NULL) {
        mvarTryPut(box, NULL);
        greenJoin(wait->thread);
    }
    if (kind->prepare == openPair || kind->prepare == openAdopted || kind->prepare == fillPair) {
        closeFd(pair[0]);
        close(pair[1]);
    }
    mvarFree(box);
    tvarFree(cell);
    tvarFree(other);
    box = NULL;
    cell = other = NULL;
}

/* ---- with and without a deadline that does not pass ------------------------------------------ */

static void eachWith(bool timed, void (*check)(const Kind *kind, OneWait *wait))
{
    for (int i = 0; i < KINDS; i++) {
        OneWait wait = {.begin = kinds[i].begin};
        if (timed)
            wait.deadline_ns = rtsNow() + LONG_US * 1000;
        kinds[i].prepare(&wait);
        check(&kinds[i], &wait);
        cleanUp(&kinds[i], &wait);
    }
}

/* What a put or an fd brings is nothing. */
static void checkDone(const Kind *kind, const OneWait *wait)
{
    CHECK_EQ(wait->status, 0);
    CHECK(!wait->caught);
    CHECK_EQ(wait->got, kind->brings);
}

static void waitsThenComes(const Kind *kind, OneWait *wait)
{
    Thread *task = oneWaitStart(wait);
    greenUntil(task, kind->state);
    CHECK_EQ(RELAXED_LOAD(&wait->steps), 1);
    kind->happen(wait);
    oneWaitEnd(task, wait);
    checkDone(kind, wait);
}

static void *greenWaits(void *env)
{
    (void)env;
    eachWith(false, waitsThenComes);
    eachWith(true, waitsThenComes);
    return NULL;
}

/* Goal: each wait ends when what it waits for comes, with what that brings, with deadline and
 * without. */
TEST(TaskWait, whatItWaitsForComes)
{
    greenRun(1, greenWaits, NULL);
    greenRun(2, greenWaits, NULL);
}

static void cameBefore(const Kind *kind, OneWait *wait)
{
    if (kind->begin == beginReadSeen)
        return; /* it sees the byte and does not wait */
    Thread *task = oneWaitStart(wait);
    kind->happen(wait);
    oneWaitEnd(task, wait);
    checkDone(kind, wait);
}

static void *greenBefore(void *env)
{
    (void)env;
    eachWith(false, cameBefore);
    eachWith(true, cameBefore);
    return NULL;
}

/* Goal: what has come before the wait begins is not waited for. */
TEST(TaskWait, whatHasComeIsNotWaitedFor)
{
    greenRun(1, greenBefore, NULL);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static void passes(const Kind *kind, OneWait *wait)
{
    wait->deadline_ns = rtsNow() + MS_NS;
    int64_t deadline_ns = wait->deadline_ns;
    Thread *task = oneWaitStart(wait);
    oneWaitEnd(task, wait);
    CHECK_EQ(wait->status, -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    CHECK_EQ(wait->got, NULL);
    if (kind->begin == beginTake || kind->begin == beginPeek) { /* nobody is in the queue */
        CHECK_EQ(mvarTryPut(wait->mvar, NULL), 0);
        CHECK_EQ(mvarTryTake(wait->mvar, NULL), 0);
    }
}

static void *greenDeadlines(void *env)
{
    (void)env;
    eachWith(true, passes);
    return NULL;
}

/* Goal: a deadline ends each wait, and nothing is left behind. */
TEST(TaskWait, deadlinesEndThem)
{
    greenRun(1, greenDeadlines, NULL);
    greenRun(2, greenDeadlines, NULL);
}

static void *greenDelays(void *env)
{
    (void)env;
    OneWait soon = {.begin = beginDelay, .value = (void *)1000};
    int64_t begun_ns = rtsNow();
    oneWaitEnd(oneWaitStart(&soon), &soon);
    CHECK_EQ(soon.status, 0);
    CHECK_GE(rtsNow(), begun_ns + MS_NS);
    OneWait none = {.begin = beginDelay, .value = (void *)-5};
    oneWaitEnd(oneWaitStart(&none), &none);
    CHECK_EQ(none.status, 0);
    OneWait cut = {.begin = beginDelay, .value = (void *)LONG_US, .deadline_ns = rtsNow() + MS_NS};
    oneWaitEnd(oneWaitStart(&cut), &cut);
    CHECK_EQ(cut.status, -ETIMEDOUT);
    OneWait past = {.begin = beginDelay, .value = (void *)LONG_US, .deadline_ns = 1};
    oneWaitEnd(oneWaitStart(&past), &past);
    CHECK_EQ(past.status, -ETIMEDOUT);
    OneWait whole = {
        .begin = beginDelay, .value = (void *)100, .deadline_ns = rtsNow() + LONG_US * 1000};
    oneWaitEnd(oneWaitStart(&whole), &whole);
    CHECK_EQ(whole.status, 0);
    return NULL;
}

/* Goal: a delay is never early; a deadline before its end cuts it short. */
TEST(TaskWait, delays)
{
    greenRun(1, greenDelays, NULL);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void isKilled(const Kind *kind, OneWait *wait)
{
    Thread *task = oneWaitStart(wait);
    greenUntil(task, kind->state);
    CHECK_EQ(threadThrowTo(task, 7, &box), 0);
    oneWaitEnd(task, wait);
    CHECK_EQ(wait->status, -ECANCELED);
    CHECK(wait->caught);
    CHECK_EQ(wait->code, 7);
    CHECK_EQ(wait->payload, &box);
}

static void isMasked(const Kind *kind, OneWait *wait)
{
    wait->masked = true;
    Thread *task = oneWaitStart(wait);
    greenUntil(task, kind->state);
    CHECK_EQ(threadThrowToUntil(task, 7, &box, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(RELAXED_LOAD(&wait->steps), 1);
    kind->happen(wait);
    oneWaitEnd(task, wait);
    checkDone(kind, wait);
}

static void *greenInterrupts(void *env)
{
    (void)env;
    eachWith(false, isKilled);
    eachWith(true, isKilled);
    eachWith(false, isMasked);
    OneWait delay = {.begin = beginDelay, .value = (void *)LONG_US};
    Thread *task = oneWaitStart(&delay);
    greenUntil(task, ThreadBlockedOnDelay);
    CHECK_EQ(threadKill(task), 0);
    oneWaitEnd(task, &delay);
    CHECK_EQ(delay.status, -ECANCELED);
    CHECK_EQ(delay.code, InterruptKill);
    return NULL;
}

/* Goal: an interrupt ends each wait and is told to the step, unless the task is masked. */
TEST(TaskWait, interruptsEndThem)
{
    greenRun(1, greenInterrupts, NULL);
    greenRun(2, greenInterrupts, NULL);
}

/* ---- closed, freed, gone --------------------------------------------------------------------- */

static void *greenGone(void *env)
{
    (void)env;
    for (int seen_before = 0; seen_before < 2; seen_before++) {
        OneWait read = {.begin = seen_before ? beginReadSeen : beginRead};
        openAdopted(&read);
        Thread *reader = oneWaitStart(&read);
        greenUntil(reader, ThreadBlockedOnRead);
        CHECK_EQ(threadStatus(reader).fd, read.fd);
        CHECK_EQ(closeFd(read.fd), 0);
        oneWaitEnd(reader, &read);
        CHECK_EQ(read.status, -EBADF);
        close(pair[1]);
    }
    OneWait nothing = {.begin = beginRead, .fd = -1};
    oneWaitEnd(oneWaitStart(&nothing), &nothing);
    CHECK_EQ(nothing.status, -EBADF);
    OneWait beyond = {.begin = beginRead, .fd = 1 << 30};
    oneWaitEnd(oneWaitStart(&beyond), &beyond);
    CHECK_EQ(beyond.status, -EBADF);
    OneWait take = {.begin = beginTake, .mvar = mvarNewEmpty()};
    Thread *taker = oneWaitStart(&take);
    greenUntil(taker, ThreadBlockedOnMVar);
    mvarFree(take.mvar);
    oneWaitEnd(taker, &take);
    CHECK_EQ(take.status, -EINVAL);
    OneWait await = {.begin = beginTVar};
    newCells(&await);
    Thread *awaiter = oneWaitStart(&await);
    greenUntil(awaiter, ThreadBlockedOnTVar);
    tvarFree(cell);
    oneWaitEnd(awaiter, &await);
    CHECK_EQ(await.status, -EINVAL);
    tvarFree(other);
    cell = other = NULL;
    return NULL;
}

/* Goal: the end of what is waited for is told as it is to threads. */
TEST(TaskWait, whatIsGone)
{
    greenRun(1, greenGone, NULL);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void *throws(Transaction *tx, void *env)
{
    stmThrow(tx, -100000, env);
}

static void *commits(Transaction *tx, void *env)
{
    tvarWrite(tx, cell, env);
    return env;
}

static uint32_t tries;

static void *counts(Transaction *tx, void *env)
{
    (void)env;
    tries++;
    stmCheck(tx, (intptr_t)tvarRead(tx, cell) >= 3);
    return tvarRead(tx, other);
}

static int statusAction(Transaction *tx, void *env)
{
    void *value = NULL;
    int result = tvarReadStatus(tx, cell, &value);
    if (result == 0 && value == NULL)
        result = stmRetryStatus(tx);
    return result == 0 ? tvarWriteStatus(tx, other, env) : result;
}

static void beginStatus(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitSTMStatus(context, statusAction, wait), 0);
}

static void *greenSTM(void *env)
{
    (void)env;
    OneWait failing = {.begin = beginSTM, .action = throws};
    newCells(&failing);
    oneWaitEnd(oneWaitStart(&failing), &failing);
    CHECK_EQ(failing.status, -100000);
    CHECK_EQ(failing.got, &failing);
    OneWait writing = {.begin = beginSTM, .action = commits};
    oneWaitEnd(oneWaitStart(&writing), &writing);
    CHECK_EQ(writing.status, 0);
    CHECK_EQ(tvarReadIO(cell), &writing);
    CHECK_EQ(tvarWriteIO(cell, NULL), 0);
    OneWait counting = {.begin = beginSTM, .action = counts};
    tries = 0;
    Thread *task = oneWaitStart(&counting);
    for (intptr_t i = 0; i < 4; i++) {
        greenUntil(task, ThreadBlockedOnTVar);
        CHECK_EQ(tvarWriteIO(cell, (void *)i), 0);
    }
    oneWaitEnd(task, &counting);
    CHECK_EQ(counting.status, 0);
    CHECK_GE(tries, 2);
    CHECK_LE(tries, 1 + 2 * 4); /* each write wakes it once, and spoils one attempt at most */
    CHECK_EQ(tvarWriteIO(cell, NULL), 0);
    OneWait plain = {.begin = beginStatus};
    task = oneWaitStart(&plain);
    greenUntil(task, ThreadBlockedOnTVar);
    CHECK_EQ(tvarWriteIO(cell, &cell), 0);
    oneWaitEnd(task, &plain);
    CHECK_EQ(plain.status, 0);
    CHECK_EQ(tvarReadIO(other), &plain);
    tvarFree(cell);
    tvarFree(other);
    cell = other = NULL;
    return NULL;
}

/* Goal: whole transactions are waits: results, throws, retries, either style. */
TEST(TaskWait, transactions)
{
    greenRun(1, greenSTM, NULL);
    greenRun(2, greenSTM, NULL);
}
