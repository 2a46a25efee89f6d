/* Steps.c -- row 46: what a turn of the host's loop costs that makes a step of the runtime.
 *
 * `step_idle`: a green thread waits for a pipe that stays silent, nothing is ready.  `step_task`:
 * the host puts into an MVar between the steps, and a task takes it in the step.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/capri.h>

#include <errno.h>

typedef struct Taker {
    MVar *box;
    uint64_t taken;
} Taker;

static TaskVerdict take(TaskContext *context, void *env)
{
    Taker *taker = env;
    if (taskStatus(context) < 0) /* the runtime is being stopped */
        return TaskDone;
    taker->taken += taskValue(context) != NULL;
    BENCH_CHECK(taskWaitMVarTake(context, taker->box) == 0);
    return TaskBlocked;
}

static void *readForEver(void *env)
{
    char byte;
    BENCH_CHECK(fdRead(*(int *)env, &byte, 1) == -ECANCELED);
    return env;
}

static void stepIdle(uint64_t count, void *env)
{
    (void)env;
    while (count-- != 0)
        BENCH_CHECK(rtsStep(0) == 0);
}

static void stepTask(uint64_t count, void *env)
{
    Taker *taker = env;
    uint64_t end = taker->taken + count;
    for (; count != 0; count--) {
        BENCH_CHECK(mvarTryPut(taker->box, taker) == 0);
        BENCH_CHECK(rtsStep(0) == 0);
    }
    BENCH_CHECK(taker->taken == end);
}

int main(int argc, char **argv)
{
    RtsConfig config = {.stepped = true};
    Thread *reader, *task;
    Taker taker = {.taken = 0};
    int ends[2];
    BENCH_CHECK(benchArgument(argc, argv, "--cores", 1) == 1);
    BENCH_CHECK(rtsInit(&config) == 0);
    taker.box = mvarNewEmpty();
    BENCH_CHECK(taker.box != NULL && fdPipe(ends) == 0);
    BENCH_CHECK(threadFork(&reader, readForEver, &ends[0]) == 0);
    BENCH_CHECK(taskNew(&task, NULL, take, &taker) == 0);
    while (rtsStep(0) > 0)
        continue;
    benchPrint("step_idle", benchRate(stepIdle, NULL), "ns");
    benchPrint("step_task", benchRate(stepTask, &taker), "ns");
    threadRelease(reader);
    threadRelease(task);
    benchStop();
    return 0;
}
