/* TaskStorm.c -- tasks and green threads together: at MVars, fds, variables and delays, killed at
 * random, while the number of capabilities changes.
 *
 * Two rings, each of actors that are tasks and green threads in turn: tokens go round through MVars
 * in one, through pipes in the other.  Beside them actors wait for a variable by transaction,
 * sleep, join each other and are killed.  No token is lost or doubled: kills reach only who holds
 * none.
 */
#include "testsuite/support/Crowd.h"

#include <capri/capri.h>

enum { RING_MOST = 5000, PIPES_MOST = 200, PREY_MOST = 5000, TOKENS = 50 };

typedef struct Place Place;

/* One actor of a ring; its token, if it holds one, is `held`. */
struct Place {
    MVar *in, *out;
    int in_fd, out_fd;
    void *held;
    bool takes;
    uint64_t moved;
};

static Place ring[RING_MOST], pipes[PIPES_MOST];
static MVar *boxes[RING_MOST];
static int fds[PIPES_MOST][2];
static TVar *tick;
static uint32_t ended_prey;
static int stop_token;

/* ---- MVars ----------------------------------------------------------------------------------- */

/* The stop goes round once; who has seen it ends. */
static TaskVerdict stepRing(TaskContext *context, void *env)
{
    Place *place = env;
    CHECK_EQ(taskStatus(context), 0);
    if (place->takes) {
        place->held = taskValue(context);
        CHECK(place->held != NULL);
        place->takes = false;
        CHECK_EQ(taskWaitMVarPut(context, place->out, place->held), 0);
        return TaskBlocked;
    }
    if (place->held != NULL)
        place->moved++;
    if (place->held == &stop_token)
        return TaskDone;
    place->takes = true;
    if (place->moved % 16 == 5)
        taskDeadline(context, INT64_MAX - 1); /* the long way */
    CHECK_EQ(taskWaitMVarTake(context, place->in), 0);
    return TaskBlocked;
}

static void *runRing(void *env)
{
    Place *place = env;
    do {
        CHECK_EQ(mvarTake(place->in, &place->held), 0);
        CHECK_EQ(mvarPut(place->out, place->held), 0);
        place->moved++;
    } while (place->held != &stop_token);
    return NULL;
}

/* ---- pipes ----------------------------------------------------------------------------------- */

static TaskVerdict stepPipe(TaskContext *context, void *env)
{
    Place *place = env;
    char token = 0;
    CHECK_EQ(taskStatus(context), 0);
    for (int turns = 0; turns < 8; turns++) {
        ssize_t n = fdRead(place->in_fd, &token, 1);
        if (n == -EAGAIN) {
            CHECK_EQ(taskWaitRead(context, place->in_fd), 0);
            return TaskBlocked;
        }
        CHECK_EQ(n, 1);
        CHECK_EQ(fdWrite(place->out_fd, &token, 1), 1); /* so few tokens always fit */
        place->moved++;
        if (token == 's')
            return TaskDone;
    }
    return TaskYield;
}

static void *runPipe(void *env)
{
    Place *place = env;
    char token = 0;
    while (token != 's') {
        CHECK_EQ(fdRead(place->in_fd, &token, 1), 1);
        CHECK_EQ(fdWrite(place->out_fd, &token, 1), 1);
        place->moved++;
    }
    return NULL;
}

/* ---- prey: waits in all ways, until it is killed --------------------------------------------- */

typedef struct Prey {
    MVar *empty;
    Thread *joins;
    uint64_t random, seen;
} Prey;

static void *afterTick(Transaction *tx, void *env)
{
    uint64_t *seen = env;
    stmCheck(tx, (uint64_t)(uintptr_t)tvarRead(tx, tick) != *seen);
    *seen = (uint64_t)(uintptr_t)tvarRead(tx, tick);
    return NULL;
}

static TaskVerdict stepPrey(TaskContext *context, void *env)
{
    Prey *prey = env;
    int code = 0, status = taskStatus(context);
    uint64_t version;
    if (status == -ECANCELED) {
        CHECK(threadCaught(&code, NULL));
        CHECK_EQ(code, 77);
        ADD_RELAXED(&ended_prey, 1);
        return TaskDone;
    }
    CHECK(status == 0 || status == -ETIMEDOUT);
    if (crowdDraw(&prey->random, 4) == 0)
        taskDeadline(context, rtsNow() + (int64_t)crowdDraw(&prey->random, 300000));
    switch (crowdDraw(&prey->random, 6)) {
    case 0:
        CHECK_EQ(taskWaitMVarTake(context, prey->empty), 0);
        return TaskBlocked;
    case 1:
        CHECK_EQ(taskWaitDelay(context, (int64_t)crowdDraw(&prey->random, 500)), 0);
        return TaskBlocked;
    case 2:
        tvarReadVersionIO(tick, &version);
        CHECK_EQ(taskWaitTVar(context, tick, version), 0);
        return TaskBlocked;
    case 3:
        CHECK_EQ(taskWaitSTM(context, afterTick, &prey->seen), 0);
        return TaskBlocked;
    case 4:
        if (prey->joins != NULL) {
            CHECK_EQ(taskWaitThread(context, prey->joins), 0);
            prey->joins = NULL;
            return TaskBlocked;
        }
        return TaskYield;
    default:
        return TaskYield;
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void startRings(Crowd *crowd, uint32_t places, uint32_t pipe_count)
{
    for (uint32_t i = 0; i < places; i++)
        CHECK((boxes[i] = mvarNewEmpty()) != NULL);
    for (uint32_t i = 0; i < places; i++) {
        ring[i] = (Place){.in = boxes[i], .out = boxes[(i + 1) % places]};
        if (i % 2 == 0)
            CHECK_EQ(taskNew(&crowd->threads[crowd->count++], NULL, stepRing, &ring[i]), 0);
        else
            crowdFork(crowd, runRing, &ring[i], "ring");
    }
    for (uint32_t i = 0; i < pipe_count; i++) {
        CHECK_EQ(pipe2(fds[i], O_NONBLOCK | O_CLOEXEC), 0);
        if (i % 3 != 0) {
            CHECK_EQ(fdAdopt(fds[i][0]), 0);
            CHECK_EQ(fdAdopt(fds[i][1]), 0);
        }
    }
    for (uint32_t i = 0; i < pipe_count; i++) {
        pipes[i] = (Place){.in_fd = fds[i][0], .out_fd = fds[(i + 1) % pipe_count][1]};
        if (i % 2 == 0)
            CHECK_EQ(taskNew(&crowd->threads[crowd->count++], NULL, stepPipe, &pipes[i]), 0);
        else
            crowdFork(crowd, runPipe, &pipes[i], "pipe");
    }
    for (uint32_t i = 0; i < TOKENS; i++) {
        CHECK_EQ(mvarPut(boxes[i * (places / TOKENS)], &boxes[i]), 0);
        CHECK_EQ(write(fds[i * (pipe_count / TOKENS)][1], "t", 1), 1);
    }
}

typedef struct Hunt {
    Crowd *crowd;
    size_t first, count;
    uint32_t next;
} Hunt;

/* Two green threads that kill all there are, each one once. */
static void *hunt(void *env)
{
    Hunt *it = env;
    for (;;) {
        uint32_t number = ADD_RELAXED(&it->next, 1);
        if (number >= it->count)
            return NULL;
        CHECK_EQ(threadThrowTo(it->crowd->threads[it->first + number], 77, NULL), 0);
        CHECK_EQ(tvarWriteIO(tick, (void *)(uintptr_t)(number + 1)), 0);
        if (number % 64 == 0)
            CHECK_EQ(threadDelay(200), 0);
    }
}

static void changeCapabilities(uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        CHECK_EQ(capabilitySetCount((uint32_t)(1 + i % 3)), 0);
        crowdPause(3 * 1000 * 1000);
    }
    CHECK_EQ(capabilitySetCount(2), 0);
}

static void stopRings(uint32_t places, uint32_t pipe_count)
{
    void *token;
    char byte;
    /* Take every token out of circulation: the rings stand still, then the stop goes round. */
    for (uint32_t i = 0; i < TOKENS; i++) {
        CHECK_EQ(mvarTake(boxes[0], &token), 0);
        CHECK(token != NULL && token != &stop_token);
    }
    CHECK_EQ(mvarPut(boxes[0], &stop_token), 0);
    for (uint32_t i = 0; i < TOKENS; i++) {
        CHECK_EQ(fdRead(fds[0][0], &byte, 1), 1);
        CHECK_EQ(byte, 't');
    }
    CHECK_EQ(write(fds[0][1], "s", 1), 1);
    CHECK_EQ(mvarTake(boxes[0], &token), 0);
    CHECK_EQ(token, &stop_token); /* it has been everywhere */
    for (uint32_t i = 0; i < places; i++)
        CHECK(mvarIsEmpty(boxes[i]));
    (void)pipe_count;
}

static void storm(uint32_t places, uint32_t pipe_count, uint32_t preys)
{
    static Prey prey[PREY_MOST];
    Crowd crowd;
    crowdStart(&crowd, 2, places + pipe_count + preys);
    CHECK((tick = tvarNew(NULL)) != NULL);
    MVar *empty = mvarNewEmpty();
    RELAXED_STORE(&ended_prey, 0);
    startRings(&crowd, places, pipe_count);
    size_t first = crowd.count;
    for (uint32_t i = 0; i < preys; i++) {
        prey[i] = (Prey){.empty = empty, .random = crowdSeed(i)};
        if (i > 0 && i % 5 == 0)
            prey[i].joins = crowd.threads[first + crowdDraw(&prey[i].random, i)];
        CHECK_EQ(taskNew(&crowd.threads[crowd.count++], NULL, stepPrey, &prey[i]), 0);
    }
    Hunt hunting = {.crowd = &crowd, .first = first, .count = preys};
    Thread *hunters[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(threadFork(&hunters[i], hunt, &hunting), 0);
    changeCapabilities(20);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(threadJoin(hunters[i], NULL), 0);
        threadRelease(hunters[i]);
    }
    stopRings(places, pipe_count);
    crowdJoin(&crowd);
    CHECK_EQ(RELAXED_LOAD(&ended_prey), preys);
    for (uint32_t i = 0; i < pipe_count; i++) {
        closeFd(fds[i][0]);
        closeFd(fds[i][1]);
    }
    for (uint32_t i = 0; i < places; i++)
        mvarFree(boxes[i]);
    mvarFree(empty);
    tvarFree(tick);
    crowdStop(&crowd);
}

/* Goal: 10,000 tasks and threads in every kind of wait lose and double nothing. */
TEST(TaskStorm, nothingIsLost)
{
    uint32_t places = (uint32_t)crowdScale(RING_MOST, 200);
    uint32_t preys = (uint32_t)crowdScale(PREY_MOST, 400);
    int64_t until_ns = 0;
    do {
        storm(places, PIPES_MOST / 2, preys);
        if (until_ns == 0)
            until_ns = rtsNow() + (int64_t)testSeconds() * CROWD_SECOND_NS;
    } while (rtsNow() < until_ns);
}
