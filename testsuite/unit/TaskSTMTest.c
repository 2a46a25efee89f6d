/* TaskSTMTest.c -- what a task's transaction waits for beside variables. */
#include "rts/stm/Event.h"
#include "testsuite/support/Tasks.h"

#include <capri/fd.h>
#include <capri/tqueue.h>

static int ends[2];
static Thread *sleeper;
static int64_t until_ns;

static void *readable(Transaction *tx, void *env)
{
    threadWaitReadSTM(tx, ends[0]);
    return env;
}

static void *late(Transaction *tx, void *env)
{
    (void)env;
    threadDelayUntilSTM(tx, until_ns);
    return &until_ns;
}

static void *ended(Transaction *tx, void *env)
{
    (void)env;
    CHECK_EQ(threadJoinSTM(tx, sleeper, NULL), 0);
    return &sleeper;
}

static void *readableOrLate(Transaction *tx, void *env)
{
    return stmOrElse(tx, readable, env, late, env);
}

static void *readableOrEnded(Transaction *tx, void *env)
{
    return stmOrElse(tx, readable, env, ended, env);
}

static void *nap(void *env)
{
    threadDelay(2000);
    return env;
}

/* What a task waits for beside variables: a time, an fd, an end, a close; and its own deadline. */
static void *greenEvents(void *env)
{
    CHECK_EQ(fdPipe(ends), 0);
    until_ns = rtsNow() + MS_NS;
    OneWait time = {.begin = beginSTM, .action = readableOrLate};
    oneWaitEnd(oneWaitStart(&time), &time);
    CHECK_EQ(time.got, &until_ns);
    CHECK_GE(rtsNow(), until_ns);
    CHECK_EQ(threadFork(&sleeper, nap, NULL), 0);
    OneWait end = {.begin = beginSTM, .action = readableOrEnded};
    oneWaitEnd(oneWaitStart(&end), &end);
    CHECK_EQ(end.got, &sleeper);
    until_ns = INT64_MAX;
    OneWait limited = {
        .begin = beginSTM, .action = readableOrLate, .deadline_ns = rtsNow() + MS_NS};
    oneWaitEnd(oneWaitStart(&limited), &limited);
    CHECK_EQ(limited.status, -ETIMEDOUT);
    OneWait written = {.begin = beginSTM, .action = readableOrLate};
    Thread *task = oneWaitStart(&written);
    greenUntil(task, ThreadBlockedOnTVar);
    CHECK_EQ(fdWrite(ends[1], "x", 1), 1);
    oneWaitEnd(task, &written);
    CHECK_EQ(written.got, &written);
    char byte;
    CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
    OneWait closed = {.begin = beginSTM, .action = readableOrLate};
    task = oneWaitStart(&closed);
    greenUntil(task, ThreadBlockedOnTVar);
    CHECK_EQ(closeFd(ends[0]), 0);
    oneWaitEnd(task, &closed);
    CHECK_EQ(closed.status, -EBADF);
    threadRelease(sleeper);
    closeFd(ends[1]);
    CHECK_EQ(eventLiving(), 0);
    return env;
}

/* Goal: fds, times and ends are waited for in a task's transaction, and nothing is left of it. */
TEST(TaskSTM, waitsForEvents)
{
    greenRun(1, greenEvents, NULL);
    greenRun(2, greenEvents, NULL);
}

/* ---- Goal: what an attempt has made and read does not end the wait.  Method: runs are counted; in
 * the second scene more is made than lies in the transaction itself. */

static TVar *flag;
static uint32_t runs, news;

static void *makeAndWait(Transaction *tx, void *env)
{
    runs++;
    for (uint32_t i = 0; i < news; i++) {
        CHECK_EQ(tvarRead(tx, tvarNewSTM(tx, env)), env);
        TQueue *queue = tqueueNewSTM(tx);
        tqueueWrite(tx, queue, env);
        CHECK_EQ(tqueueRead(tx, queue), env);
        tqueueFreeSTM(tx, queue);
    }
    stmCheck(tx, tvarRead(tx, flag) != NULL);
    return env;
}

static void *greenNews(void *env)
{
    for (news = 0; news <= 10; news += 5) {
        flag = tvarNew(NULL);
        runs = 0;
        OneWait wait = {.begin = beginSTM, .action = makeAndWait};
        Thread *task = oneWaitStart(&wait);
        greenUntil(task, ThreadBlockedOnTVar);
        for (int i = 0; i < 100; i++)
            threadYield();
        CHECK_EQ(runs, 1);
        CHECK_EQ(tvarWriteIO(flag, flag), 0);
        oneWaitEnd(task, &wait);
        CHECK_EQ(wait.got, &wait);
        CHECK_EQ(runs, 2);
        tvarFree(flag);
    }
    return env;
}

TEST(TaskSTM, newVariablesDoNotEndIt)
{
    greenRun(1, greenNews, NULL);
}
