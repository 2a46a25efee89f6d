/* ErrandModel.c -- every interleaving of an errand, of who gives it up, and of who runs it.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Errand.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * Actor 0 waits, model thread 1 is the pool's OS thread.  See testsuite/model/WaitStage.h.
 */
#include "rts/Errand.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/QueueStubs.h"
#include "testsuite/model/WaitStage.h"

#include <errno.h>

typedef struct State {
    Actor actors[ACTORS];
    Errand errand;
    BlockingJob *job; /* submitted: for the pool (release) */
    uint64_t bytes;   /* plain: what the errand works on; 1 brought, 9 freed */
    uint64_t ran;     /* the pool's, for check */
    uint64_t freed;   /* relaxed add: it is counted by whoever is last */
    uint64_t refuses; /* constant: the pool has no OS thread */
    int result;       /* the waiter's, for check */
} State;

static State *current; /* the one state of this execution */

int blockingPoolSubmit(BlockingJob *job)
{
    if (current->refuses)
        return -EAGAIN;
    RELEASE_STORE(&current->job, job);
    return 0;
}

static void bring(Errand *errand)
{
    (void)errand;
    MODEL_WRITE(current->bytes, 1);
    current->ran = 1;
}

static void freeIt(Errand *errand)
{
    (void)errand;
    MODEL_WRITE(current->bytes, 9);
    ADD_RELAXED(&current->freed, 1);
}

static void setUp(void *at)
{
    current = at;
    stage_actors = current->actors;
    current->errand = (Errand){.run = bring, .free = freeIt};
    parkCancelReset();
}

static void setUpRefused(void *at)
{
    setUp(at);
    current->refuses = 1;
}

static void waitFor(int64_t deadline_ns)
{
    current->result = errandRun(&current->errand, deadline_ns);
    if (current->result != 0)
        return;
    MODEL_CHECK(MODEL_READ(current->bytes) == 1);
    errandRelease(&current->errand);
}

static void waitForEver(void *at)
{
    (void)at;
    waitFor(DEADLINE_NEVER);
}

static void waitAWhile(void *at)
{
    (void)at;
    waitFor(1);
}

static bool isSubmitted(void *at)
{
    return ((State *)at)->job != NULL;
}

static void runPool(void *at)
{
    modelBlock(isSubmitted, at);
    BlockingJob *job = ACQUIRE_LOAD(&current->job);
    job->run(job);
}

/* The timer of wait 1, whenever it knows of that wait. */
static void timeOut(void *at)
{
    Thread *thread = &((State *)at)->actors[0].thread;
    if (claimNumber(ACQUIRE_LOAD(&thread->claim)) != 0)
        parkTimerFired(&thread->timer, 1, NULL);
}

static void cancel(void *at)
{
    (void)at;
    parkCancelAll();
}

/* Freed once, by the last; what was not given up has run. */
static void checkFreed(void *at)
{
    State *state = at;
    MODEL_CHECK(state->freed == 1 && state->bytes == 9);
    MODEL_CHECK(state->result != 0 || state->ran == 1);
    MODEL_CHECK(state->result == 0 || state->result == -ETIMEDOUT || state->result == -ECANCELED);
}

static void checkRefused(void *at)
{
    State *state = at;
    MODEL_CHECK(state->freed == 1 && state->ran == 0 && state->result == -EAGAIN);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"run", SIZE, 2, setUp, {waitForEver, runPool}, checkFreed, NULL, 0},
    {"runAgainstTimeOut", SIZE, 3, setUp, {waitAWhile, runPool, timeOut}, checkFreed, NULL, 0},
    {"runAgainstCancel", SIZE, 3, setUp, {waitForEver, runPool, cancel}, checkFreed, NULL, 0},
    {"refused", SIZE, 1, setUpRefused, {waitAWhile}, checkRefused, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
