/* LookTest.c -- whose turn it is when events have come; when the next look is. */
#include "rts/Look.h"
#include "testsuite/support/Runtime.h"

#include <unistd.h>

enum { READERS = 8 };

static struct {
    int ends[READERS][2];
    int order[READERS]; /* the one capability's threads */
    uint32_t waiting, served;
} arrivals;

static void *readOne(void *env)
{
    int which = (int)(intptr_t)env;
    char byte;
    arrivals.waiting++;
    CHECK_EQ(fdRead(arrivals.ends[which][0], &byte, 1), 1);
    arrivals.order[arrivals.served++] = which;
    return NULL;
}

/* Goal: who waited longest for its event is served first.  Method: bytes come in an order of chance
 * while nobody polls. */
static void *serveInOrder(void *env)
{
    Thread *readers[READERS];
    int wanted[READERS];
    (void)env;
    arrivals.waiting = arrivals.served = 0;
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(fdPipe(arrivals.ends[i]), 0);
        readers[i] = greenFork(readOne, (void *)(intptr_t)i);
        wanted[i] = i;
    }
    while (arrivals.waiting < READERS)
        threadYield();
    for (int i = READERS - 1; i > 0; i--) {
        int other = (int)(testRandom() % (uint64_t)(i + 1)), moved = wanted[i];
        wanted[i] = wanted[other];
        wanted[other] = moved;
    }
    for (int i = 0; i < READERS; i++)
        CHECK_EQ(write(arrivals.ends[wanted[i]][1], "x", 1), 1);
    for (int i = 0; i < READERS; i++)
        greenJoin(readers[i]);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(arrivals.order[i], wanted[i]);
        closeFd(arrivals.ends[i][0]);
        closeFd(arrivals.ends[i][1]);
    }
    return NULL;
}

TEST(Look, eventsRunInTheOrderOfArrival)
{
    for (int round = 0; round < 20; round++)
        greenRun(1, serveInOrder, NULL);
}

/* Who submits where threads run for long asks for a look soon: never for a later one than others
 * have. */
static void *submitSlowly(void *env)
{
    Scheduler *scheduler = schedulerOf(scheduleHere());
    uint64_t switches = capabilityOf(scheduler)->stats.switches;
    scheduler->mean_run_ns = INT64_MAX;
    RELAXED_STORE(&scheduler->look_at, UINT64_MAX);
    lookSoon(scheduler);
    CHECK_EQ(scheduler->look_at, switches + 1);
    RELAXED_STORE(&scheduler->look_at, 0); /* the world is to stand still */
    lookSoon(scheduler);
    CHECK_EQ(scheduler->look_at, 0);
    return env;
}

TEST(Look, isNotPutOff)
{
    greenRun(1, submitSlowly, NULL);
}
