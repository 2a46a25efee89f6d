/* StepWaitTest.c -- in steps: calls that block, the owner's waits, rtsMain, pauses, back-ends. */
#include "rts/Step.h"
#include "testsuite/support/Steps.h"

#include <fcntl.h>

typedef struct News {
    TVar *tvar;
    MVar *mvar;
} News;

static void *writeNews(void *env)
{
    CHECK_EQ(tvarWriteIO(((News *)env)->tvar, env), 0);
    return NULL;
}

/* ---- calls that block ------------------------------------------------------------------------ */

static int blocking_pipe[2];

static void *readBlocking(void *env)
{
    char byte;
    CHECK(threadSelf() == NULL);
    CHECK_EQ(rtsStep(0), -EPERM);
    CHECK_EQ(read(blocking_pipe[0], &byte, 1), 1);
    return env;
}

static void *callBlocking(void *env)
{
    void *result = NULL;
    CHECK_EQ(foreignCall(readBlocking, env, &result), 0);
    CHECK_EQ(result, env);
    CHECK_EQ(foreignCallInterruptible(returnEnv, env, &result), 0);
    CHECK_EQ(result, env);
    RELEASE_STORE((uint32_t *)env, 1);
    return NULL;
}

static void *goOn(void *env)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(threadDelay(100), 0);
    CHECK_EQ(ACQUIRE_LOAD((uint32_t *)env), 0);
    CHECK_EQ(write(blocking_pipe[1], "x", 1), 1);
    return NULL;
}

TEST(StepWait, othersRunOnWhileACallBlocks)
{
    uint32_t done = 0, before = osThreads();
    CHECK_EQ(pipe2(blocking_pipe, O_CLOEXEC), 0);
    stepsBegin();
    int fd = rtsFd();
    CHECK_EQ(threadFork(NULL, callBlocking, &done), 0);
    CHECK_EQ(rtsStep(0), 0);
    CHECK_GE(osThreads(), before + 1); /* one, of the pool */
    CHECK(UNDER_TSAN || osThreads() == before + 1);
    CHECK_EQ(threadFork(NULL, goOn, &done), 0);
    stepsUntil(fd, &done);
    stepsEnd();
    close(blocking_pipe[0]);
    close(blocking_pipe[1]);
}

/* ---- the owner's own waits ------------------------------------------------------------------- */

static void *putLater(void *env)
{
    News *news = env;
    CHECK_EQ(threadDelay(500), 0);
    CHECK_EQ(mvarPut(news->mvar, news), 0);
    return NULL;
}

static void *writeByteLater(void *env)
{
    Byte *byte = env;
    CHECK_EQ(threadDelay(500), 0);
    CHECK_EQ(fdWrite(byte->ends[1], "x", 1), 1);
    return NULL;
}

static void *writeNewsLater(void *env)
{
    usleep(2000);
    return writeNews(env);
}

TEST(StepWait, theOwnersWaitsMakeSteps)
{
    Byte byte;
    void *value = NULL;
    char got;
    stepsBegin();
    CHECK_GE(rtsStep(0), 0);
    News news = {.tvar = tvarNew(NULL), .mvar = mvarNewEmpty()};
    CHECK_EQ(greenJoin(greenFork(returnEnv, &news)), &news);
    CHECK_EQ(threadFork(NULL, putLater, &news), 0);
    CHECK_EQ(mvarTake(news.mvar, &value), 0);
    CHECK_EQ(value, &news);
    int64_t until_ns = rtsNow() + 2 * MS_NS;
    CHECK_EQ(mvarTakeUntil(news.mvar, &value, until_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), until_ns);
    CHECK_EQ(fdPipe(byte.ends), 0);
    CHECK_EQ(threadFork(NULL, writeByteLater, &byte), 0);
    CHECK_EQ(fdRead(byte.ends[0], &got, 1), 1);
    CHECK_EQ(threadWaitReadUntil(byte.ends[0], rtsNow() + 2 * MS_NS), -ETIMEDOUT);
    until_ns = rtsNow() + 2 * MS_NS;
    CHECK_EQ(threadDelayUntil(until_ns), 0);
    CHECK_GE(rtsNow(), until_ns);
    for (uint32_t i = 0; i < greenScale(50); i++) { /* ended by another OS thread, early and late */
        uint64_t seen;
        tvarReadVersionIO(news.tvar, &seen);
        pthread_t other = osFork(i % 2 != 0 ? writeNews : writeNewsLater, &news);
        CHECK_EQ(tvarAwait(news.tvar, seen), 0);
        osJoin(other);
    }
    CHECK_EQ(closeFd(byte.ends[0]) + closeFd(byte.ends[1]), 0);
    tvarFree(news.tvar);
    mvarFree(news.mvar);
    stepsEnd();
}

/* ---- rtsMain: the whole program on one OS thread --------------------------------------------- */

enum { THREADS = 20 };

typedef struct Seen {
    pthread_t os_thread;
    uint32_t count;
} Seen;

static void *noteThread(void *env)
{
    Seen *seen = env;
    CHECK(pthread_equal(pthread_self(), seen->os_thread));
    seen->count++;
    return NULL;
}

static void *beMain(void *env)
{
    Seen *seen = env;
    Thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        threads[i] = greenFork(noteThread, seen);
    for (int i = 0; i < THREADS; i++)
        greenJoin(threads[i]);
    CHECK_EQ(threadDelay(1000), 0);
    return env;
}

static void *waitForEver(void *env)
{
    CHECK_EQ(mvarTake(env, NULL), -ECANCELED);
    return NULL;
}

static void *leaveOneBehind(void *env)
{
    void *result = beMain(env);
    CHECK_EQ(threadFork(NULL, waitForEver, mvarNewEmpty()), 0);
    threadYield();
    return result;
}

TEST(StepWait, mainNeedsOneOsThread)
{
    Seen seen = {.os_thread = pthread_self()};
    void *result = NULL;
    uint32_t before = osThreads();
    RtsConfig config = {.stepped = true};
    CHECK_EQ(rtsMain(&config, leaveOneBehind, &seen, &result), 0);
    CHECK_EQ(result, &seen);
    CHECK_EQ(seen.count, THREADS);
    CHECK_EQ(osThreads(), before);
    CHECK_EQ(rtsStep(0), -ENXIO);
}

/* ---- pauses ---------------------------------------------------------------------------------- */

static void *pauseThem(void *env)
{
    (void)env;
    CHECK_EQ(rtsPause(rtsNow() + INT64_C(60000) * MS_NS), 0);
    CHECK_EQ(rtsResume(), 0);
    return NULL;
}

TEST(StepWait, pausesNeedNotWait)
{
    stepsBegin();
    osJoin(osFork(pauseThem, NULL)); /* before the first step, */
    CHECK_EQ(rtsStep(0), 0);
    osJoin(osFork(pauseThem, NULL)); /* between two, */
    CHECK_EQ(rtsPause(0), 0);        /* and by the owner */
    CHECK_EQ(rtsStep(0), -EDEADLK);
    CHECK_EQ(rtsResume(), 0);
    pthread_t others[4];
    for (int i = 0; i < 4; i++)
        others[i] = osFork(pauseThem, NULL);
    for (int i = 0; i < 1000; i++)
        CHECK_GE(rtsStep(0), 0);
    for (int i = 0; i < 4; i++)
        osJoin(others[i]);
    stepsEnd();
}

/* ---- back-ends ------------------------------------------------------------------------------- */

TEST(StepWait, worksOnEveryBackend)
{
    const char *names[] = {"epoll", "poll", "uring"};
    for (int i = 0; i < 3; i++) {
        RtsConfig config = {.stepped = true, .backend = names[i]};
        Byte byte = {.got = 0};
        CHECK_EQ(rtsInit(&config), 0);
        CHECK_EQ(rtsFd() >= 0, i != 1);
        CHECK(i != 1 || rtsFd() == -ENOTSUP);
        CHECK_EQ(fdPipe(byte.ends), 0);
        CHECK_EQ(threadFork(NULL, readByte, &byte), 0);
        CHECK_EQ(threadFork(NULL, writeByteLater, &byte), 0);
        while (byte.got == 0)
            CHECK_GE(rtsStep(-1), 0);
        CHECK_EQ(closeFd(byte.ends[0]) + closeFd(byte.ends[1]), 0);
        stepsEnd();
    }
}
