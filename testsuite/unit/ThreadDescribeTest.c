/* ThreadDescribeTest.c -- what threads wait for, in words. */
#include "testsuite/support/Runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct Things {
    TVar *tvar, *spare, *delay;
    MVar *mvar;
    Mutex *mutex;
    Thread *other;
    int fd, full_fd;     /* nothing to read, no room to write */
    int64_t deadline_ns; /* for those who have one */
} Things;

static void *awaitTVar(void *env)
{
    return (void *)(intptr_t)greenAwaitNext(((Things *)env)->tvar);
}
static void *awaitTVarUntil(void *env)
{
    Things *things = env;
    return (void *)(intptr_t)greenAwaitNextUntil(things->tvar, things->deadline_ns);
}
static void *takeMVar(void *env)
{
    return (void *)(intptr_t)mvarTake(((Things *)env)->mvar, NULL);
}
static void *takeMVarUntil(void *env)
{
    Things *things = env;
    return (void *)(intptr_t)mvarTakeUntil(things->mvar, NULL, things->deadline_ns);
}
static void *lockMutex(void *env)
{
    return (void *)(intptr_t)mutexLock(((Things *)env)->mutex);
}
static void *joinOther(void *env)
{
    return (void *)(intptr_t)threadJoin(((Things *)env)->other, NULL);
}
static void *joinOtherUntil(void *env)
{
    Things *things = env;
    return (void *)(intptr_t)threadJoinUntil(things->other, NULL, things->deadline_ns);
}
static void *waitRead(void *env)
{
    return (void *)(intptr_t)threadWaitRead(((Things *)env)->fd);
}
static void *waitReadUntil(void *env)
{
    Things *things = env;
    return (void *)(intptr_t)threadWaitReadUntil(things->fd, things->deadline_ns);
}
static void *delay(void *env)
{
    return (void *)(intptr_t)threadDelayUntil(((Things *)env)->deadline_ns);
}

/* ---- transactions ---- */

static void *readFd(Transaction *tx, void *env)
{
    threadWaitReadSTM(tx, ((Things *)env)->fd);
    return NULL;
}
static void *writeFd(Transaction *tx, void *env)
{
    threadWaitWriteSTM(tx, ((Things *)env)->full_fd);
    return NULL;
}
static void *joinInside(Transaction *tx, void *env)
{
    threadJoinSTM(tx, ((Things *)env)->other, NULL);
    return NULL;
}
static void *readVar(Transaction *tx, void *env)
{
    stmCheck(tx, tvarRead(tx, ((Things *)env)->tvar) != NULL);
    return NULL;
}
static void *readTwoVars(Transaction *tx, void *env)
{
    Things *things = env;
    stmCheck(tx, tvarRead(tx, things->tvar) != NULL || tvarRead(tx, things->spare) != NULL);
    return NULL;
}
static void *untilTime(Transaction *tx, void *env)
{
    threadDelayUntilSTM(tx, ((Things *)env)->deadline_ns);
    return NULL;
}
static void *untilDelay(Transaction *tx, void *env)
{
    stmCheck(tx, tvarRead(tx, ((Things *)env)->delay) != NULL);
    return NULL;
}
static void *readFdUntil(Transaction *tx, void *env)
{
    return stmOrElse(tx, readFd, env, untilTime, env);
}
static void *joinOrVars(Transaction *tx, void *env)
{
    return stmOrElse(tx, joinInside, env, readTwoVars, env);
}
static void *fdsOrOthers(Transaction *tx, void *env)
{
    return stmOrElse(tx, writeFd, env, joinOrVars, env);
}
static void *anything(Transaction *tx, void *env)
{
    return stmOrElse(tx, readFdUntil, env, fdsOrOthers, env);
}

typedef struct Waiting {
    StmAction *action;
    Things *things;
} Waiting;

static void *waitSTM(void *env)
{
    Waiting waiting = *(Waiting *)env;
    RELEASE_STORE(&((Waiting *)env)->action, NULL); /* seen */
    return (void *)(intptr_t)stmAtomically(waiting.action, waiting.things, NULL);
}

static Thread *forkSTM(StmAction *action, Things *things)
{
    Waiting waiting = {action, things};
    Thread *thread = greenFork(waitSTM, &waiting);
    while (ACQUIRE_LOAD(&waiting.action) != NULL)
        threadYield();
    return thread;
}

/* ---- what is said ---- */

/* Its description once it waits as it will; a time's number, which changes, is cut off. */
static void expectWords(Thread *thread, ThreadState state, const char *format, ...)
{
    char wanted[128], found[128];
    va_list list;
    va_start(list, format);
    vsnprintf(wanted, sizeof wanted, format, list);
    va_end(list);
    greenUntil(thread, state);
    do {
        size_t length = threadDescribe(thread, found, sizeof found);
        CHECK_EQ(length, strlen(found));
        if (strcmp(found, "Ready") == 0 || strcmp(found, "Running") == 0) /* not there yet */
            threadYield();
        else
            break;
    } while (true);
    char *number = strstr(found, " +");
    if (number != NULL) {
        long long ms = 0;
        int tenths = -1;
        CHECK_EQ(sscanf(number, " +%lld.%d ms", &ms, &tenths), 2);
        CHECK_GT(ms, 1000 * 1000);
        CHECK(tenths >= 0 && tenths <= 9);
        *number = 0;
    }
    if (strcmp(found, wanted) != 0)
        fprintf(stderr, "found \"%s\", wanted \"%s\"\n", found, wanted);
    CHECK_EQ(strcmp(found, wanted), 0);
}

static void expectEach(Things *all)
{
    struct {
        ThreadFn *fn;
        Thread *thread;
    } each[] = {{awaitTVar, NULL},     {takeMVar, NULL},      {lockMutex, NULL},
                {waitRead, NULL},      {joinOther, NULL},     {awaitTVarUntil, NULL},
                {delay, NULL},         {takeMVarUntil, NULL}, {waitReadUntil, NULL},
                {joinOtherUntil, NULL}};
    enum { COUNT = sizeof each / sizeof *each };
    for (int i = 0; i < COUNT; i++)
        each[i].thread = greenFork(each[i].fn, all);
    unsigned long long id = threadId(all->other);
    expectWords(each[0].thread, ThreadBlockedOnTVar, "BlockedOnTVar %p", (void *)all->tvar);
    expectWords(each[1].thread, ThreadBlockedOnMVar, "BlockedOnMVar %p", (void *)all->mvar);
    expectWords(each[2].thread, ThreadBlockedOnLock, "BlockedOnLock %p", (void *)all->mutex);
    expectWords(each[3].thread, ThreadBlockedOnRead, "BlockedOnRead fd %d", all->fd);
    expectWords(each[4].thread, ThreadBlockedOnThread, "BlockedOnThread %llu \"other\"", id);
    expectWords(each[5].thread, ThreadBlockedOnTVar, "BlockedOnTVar %p until", (void *)all->tvar);
    expectWords(each[6].thread, ThreadBlockedOnDelay, "BlockedOnDelay until");
    expectWords(each[7].thread, ThreadBlockedOnMVar, "BlockedOnMVar %p until", (void *)all->mvar);
    expectWords(each[8].thread, ThreadBlockedOnRead, "BlockedOnRead fd %d until", all->fd);
    expectWords(each[9].thread, ThreadBlockedOnThread, "BlockedOnThread %llu \"other\" until", id);
    for (int i = 0; i < COUNT; i++)
        threadRelease(each[i].thread);
}

static void expectTransactions(Things *all)
{
    StmAction *const actions[] = {readFd,      readVar,  readFdUntil, untilTime,
                                  readTwoVars, anything, untilDelay};
    enum { COUNT = sizeof actions / sizeof *actions };
    Thread *each[COUNT];
    const ThreadState on = ThreadBlockedOnTVar;
    unsigned long long id = threadId(all->other);
    void *var = all->tvar;
    for (int i = 0; i < COUNT; i++)
        each[i] = forkSTM(actions[i], all);
    expectWords(each[0], on, "BlockedOnTVar Read fd %d", all->fd);
    expectWords(each[1], on, "BlockedOnTVar %p", var);
    expectWords(each[2], on, "BlockedOnTVar Read fd %d until", all->fd);
    expectWords(each[3], on, "BlockedOnTVar until");
    expectWords(each[4], on, "BlockedOnTVar %p, more", var);
    expectWords(each[5], on,
                "BlockedOnTVar Read fd %d, Write fd %d, Thread %llu \"other\", %p, more until",
                all->fd, all->full_fd, id, var);
    expectWords(each[6], on, "BlockedOnTVar Delay");
    for (int i = 0; i < COUNT; i++)
        threadRelease(each[i]);
}

static void fillPipe(int fd)
{
    char bytes[4096] = "";
    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
}

static void *waitForAll(void *env)
{
    Things *all = env;
    int ends[2], full[2];
    ThreadAttributes attributes = {.label = "other"};
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdPipe(full), 0);
    fillPipe(full[1]);
    all->fd = ends[0];
    all->full_fd = full[1];
    all->tvar = tvarNew(NULL);
    all->spare = tvarNew(NULL);
    CHECK_EQ(registerDelay(INT64_C(3600) * 1000 * 1000, &all->delay), 0);
    all->mvar = mvarNewEmpty();
    all->mutex = mutexNew();
    all->deadline_ns = rtsNow() + INT64_C(3600) * 1000 * 1000 * 1000;
    CHECK_EQ(mutexLock(all->mutex), 0);
    CHECK_EQ(threadForkWith(&all->other, &attributes, takeMVar, all), 0);
    expectEach(all);
    expectTransactions(all);
    char words[64], brief[10];
    CHECK_EQ(threadDescribe(threadSelf(), words, sizeof words), 7);
    CHECK_EQ(strcmp(words, "Running"), 0);
    expectWords(all->other, ThreadBlockedOnMVar, "BlockedOnMVar %p", (void *)all->mvar);
    size_t length = threadDescribe(all->other, words, sizeof words);
    CHECK_EQ(threadDescribe(all->other, NULL, 0), length);
    CHECK_EQ(threadDescribe(all->other, brief, sizeof brief), length);
    CHECK_EQ(strcmp(brief, "BlockedOn"), 0);
    return env;
}

TEST(ThreadDescribe, everyWait)
{
    Things all = {0};
    greenStart(2);
    CHECK(greenJoin(greenFork(waitForAll, &all)) == &all);
    expectEach(&all); /* from a plain OS thread, too */
    expectTransactions(&all);
    threadRelease(all.other);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}

static void *returnEnv(void *env)
{
    return env;
}

static void *holdCore(void *env)
{
    SEQ_CST_STORE((uint32_t *)env, 1);
    while (SEQ_CST_LOAD((uint32_t *)env) != 2)
        continue;
    return NULL;
}

TEST(ThreadDescribe, everyoneElse)
{
    uint32_t step = 0;
    char words[64];
    greenStart(1);
    Thread *holder = greenFork(holdCore, &step);
    while (SEQ_CST_LOAD(&step) == 0)
        sched_yield();
    Thread *ready = greenFork(returnEnv, NULL);
    threadDescribe(holder, words, sizeof words);
    CHECK_EQ(strcmp(words, "Running"), 0);
    threadDescribe(ready, words, sizeof words);
    CHECK_EQ(strcmp(words, "Ready"), 0);
    SEQ_CST_STORE(&step, 2);
    CHECK_EQ(threadJoin(ready, NULL), 0);
    threadDescribe(ready, words, sizeof words);
    CHECK_EQ(strcmp(words, "Finished"), 0);
    threadRelease(ready);
    greenJoin(holder);
    greenStop();
}
