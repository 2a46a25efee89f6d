/* StepTest.c -- the scheduler in a loop of the host's: one OS thread, one fd, bounded steps. */
#include "rts/Step.h"
#include "testsuite/support/Steps.h"

#include <sched.h>
#include <sys/resource.h>

/* ---- on the caller's OS thread --------------------------------------------------------------- */

enum { THREADS = 20 };

typedef struct Seen {
    pthread_t os_thread;
    uint32_t count;
} Seen;

static void *noteThread(void *env)
{
    Seen *seen = env;
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_equal(pthread_self(), seen->os_thread));
        threadYield();
    }
    CHECK(threadIsBound());
    seen->count++;
    return NULL;
}

TEST(Step, runsOnTheCallersThread)
{
    Seen seen = {.os_thread = pthread_self()};
    uint32_t before = osThreads();
    stepsBegin();
    CHECK_EQ(osThreads(), before);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(threadFork(NULL, noteThread, &seen), 0);
    CHECK_EQ(seen.count, 0);
    stepsRun();
    CHECK_EQ(seen.count, THREADS);
    CHECK(scheduleHere() == NULL);
    CHECK_EQ(osThreads(), before);
    stepsEnd();
    CHECK_EQ(osThreads(), before);
}

TEST(Step, livesAgainAndAgain)
{
    CountingHeap heap = {0};
    uint32_t fds = 0;
    for (uint32_t i = 0; i < 20; i++) {
        RtsConfig config = {.stepped = true, .allocator = countingAllocator(&heap)};
        config.no_signals = i % 3 == 0;
        CHECK_EQ(rtsInit(&config), 0);
        if (i % 2 != 0)
            CHECK_GE(rtsFd(), 0);
        if (i % 4 != 0)
            CHECK_EQ(greenJoin(greenFork(returnEnv, &config)), &config);
        CHECK_EQ(rtsShutdown(i % 2 != 0 ? Drain : Cancel, INT64_MAX), 0);
        CHECK_EQ(heap.live_blocks, 0);
        if (i == 3)
            fds = fdsOpen();
        if (i > 3)
            CHECK_EQ(fdsOpen(), fds);
    }
    greenStart(2); /* and one with OS threads of its own */
    greenJoin(greenFork(returnEnv, NULL));
    greenStop();
}

/* ---- who may, and what is refused ------------------------------------------------------------ */

static void *stepElsewhere(void *env)
{
    (void)env;
    CHECK_EQ(rtsStep(0), -EPERM);
    CHECK_EQ(rtsFd(), -EPERM);
    CHECK_EQ(rtsShutdown(Cancel, 0), -EPERM);
    return NULL;
}

static int stepInCallback(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    CHECK_EQ(rtsStep(0), -EDEADLK);
    RELEASE_STORE((uint32_t *)env, 1);
    return 0;
}

static void *beRefused(void *env)
{
    BlockingRegion region;
    TimeoutKey key;
    CHECK_EQ(rtsStep(0), -EDEADLK);
    CHECK_EQ(rtsStep(-1), -EDEADLK);
    CHECK_EQ(rtsFd(), -EDEADLK);
    CHECK_EQ(rtsShutdown(Cancel, 0), -EPERM);
    CHECK_EQ(threadForkOS(NULL, returnEnv, NULL), -ENOTSUP);
    CHECK_EQ(threadRunBound(returnEnv, NULL, NULL), 0);
    CHECK_EQ(threadRunUnbound(returnEnv, NULL, NULL), 0);
    CHECK_EQ(threadBlockingEnter(&region), -EAGAIN);
    CHECK_EQ(capabilitySetCount(2), -EPERM);
    CHECK_EQ(capabilitySetCount(1), 0);
    CHECK_EQ(capabilitySetCount(0), -EINVAL);
    CHECK_EQ(registerTimeout(capabilityManager(), 10, stepInCallback, env, &key), 0);
    return NULL;
}

TEST(Step, refuses)
{
    uint32_t called = 0;
    RtsConfig bad[] = {{.stepped = true, .capabilities = 2}, {.stepped = true, .hand_over = true}};
    CHECK_EQ(rtsStep(0), -ENXIO);
    CHECK_EQ(rtsFd(), -ENXIO);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(rtsInit(&bad[i]), -EINVAL);
    greenStart(1);
    CHECK_EQ(rtsStep(0), -ENOTSUP);
    CHECK_EQ(rtsFd(), -ENOTSUP);
    greenStop();
    setenv("CAPRI_CAPABILITIES", "4", 1);
    stepsBegin();
    unsetenv("CAPRI_CAPABILITIES");
    int fd = rtsFd();
    CHECK_GE(fd, 0);
    CHECK_EQ(rtsFd(), fd);
    osJoin(osFork(stepElsewhere, NULL));
    CHECK_EQ(threadFork(NULL, beRefused, &called), 0);
    stepsUntil(fd, &called);
    CHECK_EQ(capabilitySetCount(3), -EPERM);
    stepsEnd();
}

/* The first that asks is the owner; shutting down is asking. */
static void *stopIt(void *env)
{
    (void)env;
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    return NULL;
}

TEST(Step, whoShutsDownMayBeTheFirst)
{
    uint32_t before = osThreads();
    stepsBegin();
    CHECK_EQ(threadFork(NULL, returnEnv, NULL), 0);
    osJoin(osFork(stopIt, NULL));
    CHECK_EQ(rtsStep(0), -ENXIO);
    while (osThreads() != before) /* one that was joined may still be listed */
        sched_yield();
}

/* ---- the fd ---------------------------------------------------------------------------------- */

static void *setOne(void *env)
{
    *(uint32_t *)env = 1;
    return NULL;
}

TEST(Step, itsFdTellsThreadsAndEvents)
{
    Byte byte = {.got = 0};
    stepsBegin();
    int fd = rtsFd();
    CHECK_GE(fd, 0);
    CHECK(!isReadable(fd, 300)); /* nothing has happened: not even upkeep is due */
    CHECK_EQ(fdPipe(byte.ends), 0);
    CHECK_EQ(threadFork(NULL, readByte, &byte), 0);
    CHECK(isReadable(fd, 0));
    stepsSettle(fd);
    CHECK(!isReadable(fd, 0));
    CHECK_EQ(byte.got, 0);
    CHECK_EQ(write(byte.ends[1], "x", 1), 1);
    CHECK(isReadable(fd, -1));
    CHECK(isReadable(fd, 0)); /* level-triggered */
    CHECK_EQ(rtsStep(0), 0);
    CHECK_EQ(byte.got, 1);
    stepsSettle(fd);
    CHECK(!isReadable(fd, 300));
    CHECK_EQ(closeFd(byte.ends[0]) + closeFd(byte.ends[1]), 0);
    stepsEnd();
}

static void *sleepFor(void *env)
{
    int64_t until_ns = rtsNow() + *(int64_t *)env;
    CHECK_EQ(threadDelayUntil(until_ns), 0);
    CHECK_GE(rtsNow(), until_ns);
    *(int64_t *)env = 0;
    return NULL;
}

static void *sleepAnHour(void *env)
{
    CHECK_EQ(threadDelay(INT64_C(3600) * 1000 * 1000), -ECANCELED);
    *(uint32_t *)env = 1;
    return NULL;
}

TEST(Step, itsFdTellsTimers)
{
    int64_t soon_ns = 5 * MS_NS;
    uint32_t cancelled = 0;
    stepsBegin();
    int fd = rtsFd();
    CHECK_EQ(threadFork(NULL, sleepAnHour, &cancelled), 0);
    stepsSettle(fd);
    CHECK(!isReadable(fd, 300));
    CHECK_EQ(threadFork(NULL, sleepFor, &soon_ns), 0);
    while (RELAXED_LOAD(&soon_ns) != 0) {
        CHECK(isReadable(fd, -1));
        stepsRun();
    }
    stepsSettle(fd);
    CHECK_EQ(rtsShutdown(Cancel, 0), -ETIMEDOUT); /* cancelled, and not run since */
    CHECK_EQ(threadFork(NULL, returnEnv, NULL), -ESHUTDOWN);
    CHECK_EQ(cancelled, 0);
    stepsRun(); /* it goes on by steps until the next call */
    CHECK_EQ(cancelled, 1);
    stepsEnd();
}

TEST(Step, itsFdMayBeRefused)
{
    struct rlimit limit, none;
    uint32_t got = 0;
    stepsBegin();
    CHECK_EQ(rtsStep(0), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 1;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_EQ(rtsFd(), -EMFILE);
    CHECK_EQ(threadFork(NULL, setOne, &got), 0);
    CHECK_EQ(rtsStep(0), 0); /* goes without */
    CHECK_EQ(got, 1);
    CHECK_EQ(rtsFd(), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_GE(rtsFd(), 0);
    stepsEnd();
}

/* ---- other OS threads' doing ----------------------------------------------------------------- */

typedef struct News {
    TVar *tvar;
    MVar *mvar;
    Waker *waker;
    uint32_t got;
} News;

static void *awaitNews(void *env)
{
    News *news = env;
    CHECK_EQ(greenAwaitNext(news->tvar), 0);
    RELEASE_STORE(&news->got, 1);
    return NULL;
}

static void *takeNews(void *env)
{
    News *news = env;
    CHECK_EQ(mvarTake(news->mvar, NULL), 0);
    RELEASE_STORE(&news->got, 1);
    return NULL;
}

static void *writeNews(void *env)
{
    CHECK_EQ(tvarWriteIO(((News *)env)->tvar, env), 0);
    return NULL;
}

static void *putNews(void *env)
{
    CHECK_EQ(wakerPut(((News *)env)->waker, env), 0);
    return NULL;
}

TEST(Step, othersMakeItsFdReadable)
{
    stepsBegin();
    int fd = rtsFd();
    News news = {.tvar = tvarNew(NULL), .mvar = mvarNewEmpty()};
    news.waker = wakerNewMVar(news.mvar);
    for (int way = 0; way < 2; way++) {
        news.got = 0;
        CHECK_EQ(threadFork(NULL, way == 0 ? awaitNews : takeNews, &news), 0);
        stepsSettle(fd);
        pthread_t other = osFork(way == 0 ? writeNews : putNews, &news);
        CHECK(isReadable(fd, -1));
        osJoin(other);
        stepsUntil(fd, &news.got);
    }
    wakerFree(news.waker);
    tvarFree(news.tvar);
    mvarFree(news.mvar);
    stepsEnd();
}

/* ---- steps are bounded, and fair ------------------------------------------------------------- */

typedef struct Busy {
    uint32_t stop;
    uint64_t rounds[3];
    int way; /* 0 yields, 1 passes safepoints, 2 is a task */
} Busy;

static Busy busy;

static void *beBusy(void *env)
{
    uint64_t *rounds = env;
    while (RELAXED_LOAD(&busy.stop) == 0) {
        ++*rounds;
        if (busy.way == 0)
            threadYield();
        else
            threadSafepoint();
    }
    return NULL;
}

static TaskVerdict stepBusy(TaskContext *context, void *env)
{
    uint64_t *rounds = env;
    while (RELAXED_LOAD(&busy.stop) == 0) {
        ++*rounds;
        threadSafepoint();
        if (taskMustYield(context))
            return TaskYield;
    }
    return TaskDone;
}

static void beBusyIn(int way)
{
    RtsConfig config = {.stepped = true, .step_us = 500};
    busy = (Busy){.way = way};
    CHECK_EQ(rtsInit(&config), 0);
    int fd = rtsFd();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(way == 2 ? taskNew(NULL, NULL, stepBusy, &busy.rounds[i])
                          : threadFork(NULL, beBusy, &busy.rounds[i]),
                 0);
    uint32_t steps = 0;
    while (busy.rounds[0] == 0 || busy.rounds[1] == 0 || busy.rounds[2] == 0) {
        CHECK(isReadable(fd, 0));
        CHECK_EQ(rtsStep(steps % 2 == 0 ? 0 : -1), 1);
        steps++;
    }
    CHECK_LE(steps, 10); /* each gets its turn soon */
    busy.stop = 1;
    stepsRun();
    stepsEnd();
}

TEST(Step, isBoundedThoughThreadsYield)
{
    beBusyIn(0);
}

TEST(Step, isBoundedThoughThreadsCompute)
{
    beBusyIn(1);
}

TEST(Step, isBoundedThoughTasksCompute)
{
    beBusyIn(2);
}
