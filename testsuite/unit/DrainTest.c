/* DrainTest.c -- a shutdown waits for those that live, and for no others. */
#include "rts/Drain.h"

#include "testsuite/support/Runtime.h"

/* ---- several shutdowns ----------------------------------------------------------------------- */

static uint32_t stopped; /* shutdowns that have returned */

static void *sleepForEver(void *env)
{
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    return env;
}

static void *drainForEver(void *env)
{
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    ADD_SEQ_CST(&stopped, 1);
    return env;
}

TEST(Drain, aSecondShutdownHasADeadlineAndCancels)
{
    greenStart(1);
    stopped = 0;
    CHECK_EQ(threadFork(NULL, sleepForEver, NULL), 0);
    pthread_t first = osFork(drainForEver, NULL);
    while (RELAXED_LOAD(&drain_on) == 0)
        sched_yield();
    int64_t deadline_ns = rtsNow() + 5 * MS_NS;
    CHECK_EQ(rtsShutdown(Drain, deadline_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), deadline_ns);
    CHECK_EQ(SEQ_CST_LOAD(&stopped), 0);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), -ENXIO); /* the first one has ended it */
    osJoin(first);
    CHECK_EQ(stopped, 1);
    greenStart(1); /* and a new life knows nothing of it */
    CHECK_EQ(threadFork(NULL, sleepForEver, NULL), 0);
    CHECK_EQ(rtsShutdown(Drain, rtsNow() + 5 * MS_NS), -ETIMEDOUT);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}
