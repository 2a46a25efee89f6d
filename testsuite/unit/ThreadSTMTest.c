/* ThreadSTMTest.c -- transactions that wait for ends of threads; waiting without jumps. */
#include "rts/stm/Event.h"

#include "capability/Monitor.h"
#include "testsuite/support/Select.h"

#include <fcntl.h>

static void *byteLater(void *env)
{
    CHECK_EQ(threadDelay(2000), 0);
    CHECK_EQ(write(*(int *)env, "x", 1), 1);
    return NULL;
}

/* ---- ends of threads ---- */

static void *untilWritten(void *env)
{
    greenAwaitNext(env);
    return V(7);
}

/* Goal: what has happened goes with what was read before.  Method: after the first attempt's read,
 * another thread writes that variable, then ends, or makes an fd readable. */

typedef struct News {
    TVar *tvar;
    Thread *thread;
    int ends[2];
    uint32_t go, over; /* release, acquire */
    uint32_t attempts;
} News;

static void *writeThenTell(void *env)
{
    News *news = env;
    while (ACQUIRE_LOAD(&news->go) == 0)
        threadYield();
    CHECK_EQ(tvarWriteIO(news->tvar, V(1)), 0);
    CHECK_EQ(write(news->ends[1], "x", 1), 1);
    RELEASE_STORE(&news->over, 1);
    return NULL;
}

static void *readFirst(Transaction *tx, News *news)
{
    void *value = tvarRead(tx, news->tvar);
    RELEASE_STORE(&news->go, 1);
    bool first = news->attempts++ == 0;
    while (first && ACQUIRE_LOAD(&news->over) == 0)
        sched_yield();
    return value;
}

static void *readThenJoin(Transaction *tx, void *env)
{
    News *news = env;
    void *value = readFirst(tx, news);
    while (threadStatus(news->thread).state != ThreadFinished)
        sched_yield();
    CHECK_EQ(threadJoinSTM(tx, news->thread, NULL), 0);
    CHECK_EQ(value, V(1));
    return value;
}

static void *readThenWait(Transaction *tx, void *env)
{
    News *news = env;
    void *value = readFirst(tx, news);
    threadWaitReadSTM(tx, news->ends[0]);
    CHECK_EQ(value, V(1));
    return value;
}

static void *readBeforeNews(void *env)
{
    StmAction *const actions[] = {readThenJoin, readThenWait};
    for (int i = 0; i < 2; i++) {
        News news = {.tvar = tvarNew(V(0))};
        void *value = NULL;
        CHECK_EQ(fdPipe(news.ends), 0);
        CHECK_EQ(threadForkOn(&news.thread, 1, writeThenTell, &news), 0);
        CHECK_EQ(stmAtomically(actions[i], &news, &value), 0);
        CHECK_EQ(value, V(1));
        CHECK_EQ(news.attempts, 2);
        greenJoin(news.thread);
        CHECK_EQ(closeFd(news.ends[0]) + closeFd(news.ends[1]), 0);
        tvarFree(news.tvar);
    }
    return env;
}

TEST(ThreadSTM, whatHasHappenedIsNews)
{
    Thread *thread;
    greenStart(2);
    CHECK_EQ(threadForkOn(&thread, 0, readBeforeNews, NULL), 0);
    greenJoin(thread);
    greenStop();
}

static void *joinsInside(void *env)
{
    TVar *go = tvarNew(NULL);
    Wait it = {.fd = -1, .thread = NULL};
    void *result = NULL;
    (void)env;
    it.thread = greenFork(untilWritten, go);
    greenUntil(it.thread, ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomicallyUntil(onEnd, &it, NULL, 0), -ETIMEDOUT);
    CHECK(!watchListHasWatchers(&it.thread->ended));
    CHECK_EQ(eventLiving(), 0);
    tvarFree(go);
    CHECK_EQ(stmAtomically(onEnd, &it, &result), 0);
    CHECK_EQ(result, V(107));
    CHECK_EQ(it.code, 0);
    CHECK_EQ(stmAtomically(onEnd, &it, &result), 0); /* it has ended already */
    CHECK_EQ(result, V(107));
    threadRelease(it.thread);
    it.thread = threadSelf();
    CHECK_EQ(stmAtomically(onEnd, &it, NULL), 0);
    CHECK_EQ(it.code, -EDEADLK);
    CHECK_EQ(eventLiving(), 0);
    return NULL;
}

TEST(ThreadSTM, endsOfThreads)
{
    greenRun(1, joinsInside, NULL);
    greenRun(2, joinsInside, NULL);
}

static void *joinNone(Transaction *tx, void *env)
{
    *(int *)env = threadJoinSTM(tx, NULL, NULL);
    return NULL;
}

static void *neverRuns(void *env)
{
    return env;
}

static void *joinsOfOthers(void *env)
{
    int code = 0;
    (void)env;
    CHECK_EQ(stmAtomically(joinNone, &code, NULL), 0);
    CHECK_EQ(code, -EINVAL);
    ThreadAttributes pinned = {.pinned = 1};
    Wait it = {.fd = -1};
    CHECK_EQ(threadForkWith(&it.thread, &pinned, neverRuns, NULL), 0);
    CHECK_EQ(threadKill(it.thread), 0);
    CHECK_EQ(stmAtomically(onEnd, &it, NULL), 0);
    CHECK_EQ(it.code, -EINTR); /* it never began */
    threadRelease(it.thread);
    return NULL;
}

TEST(ThreadSTM, joinTellsWhatJoinTells)
{
    greenRun(1, joinsOfOthers, NULL);
}

TEST(ThreadSTM, endsForPlainOsThreads)
{
    greenStart(2);
    TVar *go = tvarNew(NULL);
    Wait it = {.thread = greenFork(untilWritten, go)};
    void *result = NULL;
    greenUntil(it.thread, ThreadBlockedOnTVar);
    CHECK_EQ(stmAtomicallyUntil(onEnd, &it, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK(!watchListHasWatchers(&it.thread->ended));
    Thread *freer = greenFork(byteLater, &(int){open("/dev/null", O_WRONLY | O_CLOEXEC)});
    tvarFree(go);
    CHECK_EQ(stmAtomically(onEnd, &it, &result), 0);
    CHECK_EQ(result, V(107));
    greenJoin(freer);
    threadRelease(it.thread);
    CHECK_EQ(eventLiving(), 0);
    greenStop();
}

/* ---- without jumps ---- */

static int firstStatus(Transaction *tx, void *env)
{
    Wait *it = env;
    int status = it->writes ? threadWaitWriteStatus(tx, it->fd) : threadWaitReadStatus(tx, it->fd);
    if (status != 0)
        CHECK(threadWaitReadStatus(tx, it->fd) != 0); /* the attempt is over */
    return status;
}

static int secondStatus(Transaction *tx, void *env)
{
    Wait *it = env;
    void *result = NULL;
    int status = threadJoinStatus(tx, it->thread, &it->code, &result);
    return status != 0 ? status : (int)(intptr_t)result == 7 ? 0 : -EDOM;
}

static int eitherStatus(Transaction *tx, void *env)
{
    ((Wait *)env)->runs++;
    return stmOrElseStatus(tx, firstStatus, env, secondStatus, env);
}

static void *runStatus(void *env)
{
    return V(stmAtomicallyStatus(eitherStatus, env, NULL, INT64_MAX));
}

static void *withoutJumps(void *env)
{
    TVar *go = tvarNew(NULL);
    int ends[2];
    (void)env;
    makePair(ADOPTED, ends);
    Wait it = {.fd = ends[0], .thread = greenFork(untilWritten, go), .code = 1};
    Thread *thread = greenFork(runStatus, &it);
    greenUntil(thread, ThreadBlockedOnTVar);
    CHECK_EQ(eventLiving(), 2);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(greenJoin(thread), V(0));
    CHECK_EQ(it.code, 1);
    it.fd = ends[1];
    thread = greenFork(runStatus, &it);
    greenUntil(thread, ThreadBlockedOnTVar);
    greenUntil(it.thread, ThreadBlockedOnTVar);
    tvarFree(go);
    CHECK_EQ(greenJoin(thread), V(0));
    CHECK_EQ(it.code, 0);
    CHECK_EQ(stmAtomicallyStatus(eitherStatus, &it, NULL, INT64_MAX), 0);
    it.fd = -1;
    CHECK_EQ(stmAtomicallyStatus(eitherStatus, &it, NULL, INT64_MAX), -EBADF);
    it.writes = true;
    it.fd = ends[0];
    CHECK_EQ(stmAtomicallyStatus(eitherStatus, &it, NULL, INT64_MAX), 0);
    greenJoin(it.thread);
    closePair(ends);
    CHECK_EQ(eventLiving(), 0);
    return NULL;
}

TEST(ThreadSTM, withoutJumps)
{
    greenRun(1, withoutJumps, NULL);
}

/* ---- who is blocked for ever ---- */

static void *byteAtRest(void *env)
{
    while (SEQ_CST_LOAD(&monitor.dormant) == 0) /* it has asked, and found somebody who may go on */
        usleep(1000);
    CHECK_EQ(write(*(int *)env, "x", 1), 1);
    return NULL;
}

static void *takeNever(void *env)
{
    CHECK_EQ(mvarTake(env, NULL), -EDEADLK);
    return V(7);
}

static void *waitInClosedWorld(void *env)
{
    int ends[2];
    makePair(env == NULL ? PLAIN : ADOPTED, ends);
    Wait it = {.fd = ends[0], .tvar = tvarNew(NULL)};
    pthread_t outside = osFork(byteAtRest, &ends[1]);
    CHECK_EQ(waitForAny(&it), V(1));
    osJoin(outside);
    MVar *mvar = mvarNewEmpty();
    Wait both = {.thread = greenFork(takeNever, mvar)};
    CHECK_EQ(stmAtomically(onEnd, &both, NULL), -EDEADLK); /* he waits for ever, so does this */
    CHECK_EQ(greenJoin(both.thread), V(7));
    CHECK_EQ(eventLiving(), 0);
    closePair(ends);
    return NULL;
}

static void hear(const char *line)
{
    (void)line;
}

TEST(ThreadSTM, fdsHideADeadlockAndEndsDoNot)
{
    RtsConfig config = {.capabilities = 2, .closed_world = true, .log = hear};
    CHECK_EQ(rtsMain(&config, waitInClosedWorld, NULL, NULL), 0);
    CHECK_EQ(rtsMain(&config, waitInClosedWorld, V(1), NULL), 0);
}

/* ---- time ---- */

typedef struct Late {
    int64_t deadline_ns, other_ns;
    TVar *tvar;
    uint32_t runs;
} Late;

static void *onTime(Transaction *tx, void *env)
{
    threadDelayUntilSTM(tx, ((Late *)env)->deadline_ns);
    return V(1);
}

static void *onOtherTime(Transaction *tx, void *env)
{
    threadDelayUntilSTM(tx, ((Late *)env)->other_ns);
    return V(2);
}

static void *onWrite(Transaction *tx, void *env)
{
    stmCheck(tx, tvarRead(tx, ((Late *)env)->tvar) != NULL);
    return V(3);
}

static void *onTimes(Transaction *tx, void *env)
{
    return stmOrElse(tx, onTime, env, onOtherTime, env);
}

static void *onTimesOrWrite(Transaction *tx, void *env)
{
    ((Late *)env)->runs++;
    return stmOrElse(tx, onTimes, env, onWrite, env);
}

static void *waitLate(void *env)
{
    void *result = NULL;
    CHECK_EQ(stmAtomically(onTimesOrWrite, env, &result), 0);
    return result;
}

/* It does not pass while an attempt looks. */
static void *lookTwice(Transaction *tx, void *env)
{
    Late *it = env;
    it->deadline_ns = rtsNow() + MS_NS;
    void *first = stmOrElse(tx, onTimes, it, onWrite, it);
    while (rtsNow() < it->deadline_ns)
        continue;
    CHECK_EQ(stmOrElse(tx, onTimes, it, onWrite, it), first);
    return first;
}

static void *timesPass(void *env)
{
    Late it = {.tvar = tvarNew(NULL), .other_ns = INT64_MAX};
    void *result = NULL;
    (void)env;
    it.deadline_ns = rtsNow() + 3 * MS_NS;
    CHECK_EQ(waitLate(&it), V(1));
    CHECK_GE(rtsNow(), it.deadline_ns);
    CHECK_EQ(it.runs, 2);          /* once to wait, once to see */
    CHECK_EQ(waitLate(&it), V(1)); /* long past */
    it.deadline_ns = INT64_MAX;
    it.other_ns = rtsNow() + 2 * MS_NS; /* the earlier one of the two */
    CHECK_EQ(waitLate(&it), V(2));
    CHECK_GE(rtsNow(), it.other_ns);
    it.other_ns = INT64_MIN;
    CHECK_EQ(waitLate(&it), V(2));
    it.other_ns = rtsNow() + 3600 * 1000 * MS_NS;
    CHECK_EQ(stmAtomicallyUntil(onTimesOrWrite, &it, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(stmAtomicallyUntil(onTimes, &it, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    Thread *thread = greenFork(waitLate, &it);
    greenUntil(thread, ThreadBlockedOnTVar);
    CHECK_EQ(tvarWriteIO(it.tvar, V(1)), 0);
    CHECK_EQ(greenJoin(thread), V(3));
    CHECK_EQ(stmAtomically(lookTwice, &it, &result), 0);
    CHECK_EQ(result, V(3));
    tvarFree(it.tvar);
    return NULL;
}

static int timeStatus(Transaction *tx, void *env)
{
    return threadDelayUntilStatus(tx, ((Late *)env)->deadline_ns);
}

TEST(ThreadSTM, timesPass)
{
    greenRun(1, timesPass, NULL);
    greenStart(2);
    timesPass(NULL);
    Late it = {.deadline_ns = rtsNow() + 2 * MS_NS};
    CHECK_EQ(stmAtomicallyStatus(timeStatus, &it, NULL, INT64_MAX), 0);
    CHECK_GE(rtsNow(), it.deadline_ns);
    greenStop();
}
