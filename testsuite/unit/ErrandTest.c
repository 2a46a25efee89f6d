/* ErrandTest.c -- Errand.c of rts/: calls that their callers give up, or not. */
#include "rts/Errand.h"

#include "testsuite/support/Runtime.h"

typedef struct Trip {
    Errand errand;     /* first */
    uint32_t *release; /* run returns once it is not 0; NULL: at once */
    uint32_t *begun, *freed;
    uint32_t brought;
} Trip;

static uint32_t release_trips, begun_trips, freed_trips;

static void runTrip(Errand *errand)
{
    Trip *trip = (Trip *)(void *)errand;
    ADD_SEQ_CST(trip->begun, 1);
    while (trip->release != NULL && ACQUIRE_LOAD(trip->release) == 0)
        sched_yield();
    trip->brought = 42;
}

static void freeTrip(Errand *errand)
{
    Trip *trip = (Trip *)(void *)errand;
    ADD_SEQ_CST(trip->freed, 1);
    free(trip);
}

static Trip *newTrip(bool waits)
{
    Trip *trip = malloc(sizeof *trip);
    CHECK(trip != NULL);
    *trip = (Trip){.errand = {.run = runTrip, .free = freeTrip},
                   .release = waits ? &release_trips : NULL,
                   .begun = &begun_trips,
                   .freed = &freed_trips};
    return trip;
}

static void reset(uint32_t threads)
{
    RtsConfig config = {.capabilities = 2, .blocking_threads = threads};
    release_trips = begun_trips = freed_trips = 0;
    CHECK_EQ(rtsInit(&config), 0);
}

/* Until the pool has done everything: what was given up ends by itself. */
static void stop(void)
{
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

static void *bringOne(void *env)
{
    Trip *trip = newTrip(false);
    (void)env;
    CHECK_EQ(errandRun(&trip->errand, rtsNow() + 3600 * 1000 * MS_NS), 0);
    CHECK_EQ(trip->brought, 42);
    errandRelease(&trip->errand);
    return NULL;
}

TEST(Errand, bringsWhatItWasSentFor)
{
    reset(2);
    greenJoin(greenFork(bringOne, NULL));
    bringOne(NULL); /* on a plain OS thread, too */
    stop();
    CHECK_EQ(freed_trips, 2);
}

static void *giveUp(void *env)
{
    Trip *trip = newTrip(true);
    CHECK_EQ(errandRun(&trip->errand, rtsNow() + MS_NS), -ETIMEDOUT);
    return env;
}

/* One is given up while it runs (those before it were too late to begin), the others while they
 * wait: they are not run. */
TEST(Errand, isGivenUp)
{
    uint32_t trips = 2;
    reset(1);
    for (; SEQ_CST_LOAD(&begun_trips) == 0; trips++)
        greenJoin(greenFork(giveUp, NULL));
    greenJoin(greenFork(giveUp, NULL));
    giveUp(NULL);
    CHECK_LE(SEQ_CST_LOAD(&freed_trips), trips - 3);
    CHECK_EQ(rtsShutdown(Drain, rtsNow() + MS_NS), -ETIMEDOUT); /* the first still runs */
    RELEASE_STORE(&release_trips, 1);
    stop();
    CHECK_EQ(begun_trips, 1);
    CHECK_EQ(freed_trips, trips);
}

static void *waitForCancel(void *env)
{
    Trip *trip = newTrip(true);
    (void)env;
    return (void *)(intptr_t)errandRun(&trip->errand, INT64_MAX);
}

TEST(Errand, isCancelled)
{
    reset(1);
    Thread *waiter = greenFork(waitForCancel, NULL);
    while (SEQ_CST_LOAD(&begun_trips) == 0)
        sched_yield();
    CHECK_EQ(threadStatus(waiter).fd, -1);
    CHECK_EQ(rtsShutdown(Cancel, rtsNow() + 20 * MS_NS), -ETIMEDOUT);
    void *result = NULL;
    CHECK_EQ(threadJoin(waiter, &result), 0);
    threadRelease(waiter);
    CHECK_EQ((intptr_t)result, -ECANCELED);
    RELEASE_STORE(&release_trips, 1);
    stop();
    CHECK_EQ(freed_trips, 1);
}

TEST(Errand, needsARuntime)
{
    freed_trips = begun_trips = 0;
    Trip *trip = newTrip(false);
    CHECK_EQ(errandRun(&trip->errand, INT64_MAX), -ENXIO);
    CHECK_EQ(freed_trips, 1);
}
