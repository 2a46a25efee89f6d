/* MainTest.c -- rtsMain: it runs and stops, and starts and stops nest on green threads. */
#include "testsuite/support/Runtime.h"

#include <string.h>

static uint32_t ended;

static void *returnEnv(void *env)
{
    return env;
}

static void *sleepForEver(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    ADD_SEQ_CST(&ended, 1);
    return env;
}

static void *mainBody(void *env)
{
    char label[8];
    CHECK_EQ(threadLabelOf(threadSelf(), label, sizeof label), 4);
    CHECK_EQ(strcmp(label, "main"), 0);
    CHECK_EQ(threadFork(NULL, sleepForEver, NULL), 0); /* others are cancelled at the end */
    return env;
}

TEST(Main, runsAndStops)
{
    void *result = NULL;
    RtsConfig config = {.capabilities = 2}, bad = {.capabilities = 1000};
    ended = 0;
    CHECK_EQ(rtsMain(&config, returnEnv, &config, &result), 0);
    CHECK_EQ(result, &config);
    CHECK_EQ(rtsMain(&config, returnEnv, &config, NULL), 0);
    CHECK_EQ(rtsMain(&config, mainBody, NULL, NULL), 0);
    CHECK_EQ(ended, 1);
    CHECK_EQ(rtsMain(&bad, returnEnv, NULL, NULL), -EINVAL);
    CHECK_EQ(rtsMain(&config, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(capabilityCount(), 0);
}

static void *nestedMain(void *env)
{
    void *result = NULL;
    CHECK_EQ(rtsInit(NULL), 0);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), -EPERM);
    CHECK_EQ(rtsMain(NULL, returnEnv, env, &result), 0);
    CHECK_EQ(result, env);
    return env;
}

/* What a green thread starts it ends, too: only the last one waits for anybody. */
TEST(Main, nestsOnGreenThreads)
{
    static const RtsConfig configs[] = {{.capabilities = 2}, {.stepped = true}};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(rtsMain(&configs[i], nestedMain, &ended, NULL), 0);
        CHECK_EQ(capabilityCount(), 0);
    }
}
