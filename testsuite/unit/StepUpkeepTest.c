/* StepUpkeepTest.c -- what the Monitor does elsewhere is done by steps: once, when it is quiet. */
#include "capability/Monitor.h"
#include "testsuite/support/Steps.h"

#include <string.h>

/* What the runtime has said. */
static struct {
    uint32_t reports;
    uint32_t refused; /* steps in RtsConfig.log that were */
} said;

static void hear(const char *line)
{
    said.reports += strstr(line, "all threads are blocked") != NULL;
    said.refused += rtsStep(0) == -EDEADLK && rtsShutdown(Cancel, 0) == -EPERM;
}

static void *takeNever(void *env)
{
    int result = mvarTake(env, NULL);
    CHECK(result == -ECANCELED || result == -EDEADLK);
    return NULL;
}

TEST(StepUpkeep, tellsWhoIsBlockedForEver)
{
    RtsConfig config = {.stepped = true, .log = hear};
    memset(&said, 0, sizeof said);
    CHECK_EQ(rtsInit(&config), 0);
    int fd = rtsFd();
    MVar *never = mvarNewEmpty();
    CHECK_EQ(rtsHold(), 0);
    CHECK_EQ(threadFork(NULL, takeNever, never), 0);
    stepsSettle(fd);
    CHECK_EQ(said.reports, 0); /* somebody said that he will call in */
    CHECK(!isReadable(fd, 300));
    rtsRelease();
    CHECK(isReadable(fd, -1)); /* roused: it is asked again */
    stepsSettle(fd);
    CHECK_EQ(said.reports, 1);
    CHECK_GT(said.refused, 0);
    CHECK(!isReadable(fd, 300)); /* told once, and then at rest */
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(said.reports, 1);
}

/* Main waits for a thread that waits for ever; one of them is told first. */
static void *joinClosed(void *env)
{
    Thread *thread = greenFork(takeNever, mvarNewEmpty());
    int result;
    do
        result = threadJoin(thread, NULL);
    while (result == -EDEADLK);
    CHECK_EQ(result, 0);
    threadRelease(thread);
    return env;
}

TEST(StepUpkeep, endsTheirWaitsInAClosedWorld)
{
    RtsConfig config = {.stepped = true, .closed_world = true, .log = hear};
    void *result = NULL;
    memset(&said, 0, sizeof said);
    CHECK_EQ(rtsMain(&config, joinClosed, &config, &result), 0);
    CHECK_EQ(result, &config);
    CHECK_GE(said.reports, 1);
}

/* ---- how often ------------------------------------------------------------------------------- */

/* A host that steps all the time makes the same upkeep, and neither puts it off nor repeats it. */
TEST(StepUpkeep, isOncePerQuietTime)
{
    stepsBegin();
    int fd = rtsFd();
    for (int round = 0; round < 2; round++) {
        SEQ_CST_STORE(&monitor.dormant, 0);
        CHECK_EQ(threadFork(NULL, returnEnv, NULL), 0);
        while (SEQ_CST_LOAD(&monitor.dormant) == 0)
            CHECK_EQ(rtsStep(0), 0);
        if (isReadable(fd, 300)) /* io_uring: the time came just before it was taken back */
            CHECK_EQ(rtsStep(0), 0);
        CHECK(!isReadable(fd, 300));
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(rtsStep(0), 0);
            CHECK(!isReadable(fd, 0));
        }
    }
    stepsEnd();
}

/* ---- a loop that never asks ------------------------------------------------------------------ */

static void *sleepBriefly(void *env)
{
    CHECK_EQ(threadDelay(1000), 0);
    *(uint32_t *)env = 1;
    return NULL;
}

TEST(StepUpkeep, aSleepingStepReturnsForIt)
{
    uint32_t over = 0;
    stepsBegin();
    CHECK_EQ(threadFork(NULL, sleepBriefly, &over), 0);
    while (over == 0)
        CHECK_EQ(rtsStep(-1), 0);
    while (SEQ_CST_LOAD(&monitor.dormant) == 0)
        CHECK_EQ(rtsStep(-1), 0); /* wakes up once, for the upkeep */
    int64_t before_ns = rtsNow();
    CHECK_EQ(rtsStep(2 * MS_NS), 0); /* and from now on for nothing */
    CHECK_GE(rtsNow(), before_ns + 2 * MS_NS);
    stepsEnd();
}

/* ---- somebody in its place ---- */

static uint32_t roused, kept;

static void noteRouse(void)
{
    roused++;
}

static void noteUpkeep(int64_t at_ns, bool quiet)
{
    CHECK_GT(at_ns, 0);
    CHECK(quiet);
    kept++;
}

TEST(StepUpkeep, whoStandsInForTheMonitorIsRoused)
{
    monitorReplace(noteRouse);
    monitorNote();
    CHECK_EQ(roused, 0);
    monitorLull(noteUpkeep);
    CHECK_EQ(kept, 1);
    CHECK_EQ(SEQ_CST_LOAD(&monitor.dormant), 1);
    monitorNote();
    monitorNote();
    CHECK_EQ(roused, 1); /* once for each lull */
    monitorReplace(NULL);
}
