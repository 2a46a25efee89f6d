/* TaskTest.c -- tasks: steps, verdicts, broken contracts, interrupts, what they have in common with
 * threads.
 */
#include "capability/CapabilityTable.h"
#include "testsuite/support/Tasks.h"

#include <stdio.h>
#include <string.h>

static char said[1024];
static uint32_t lines;

static void hear(const char *line)
{
    CHECK_LT(strlen(said) + strlen(line) + 2, sizeof said);
    strcat(strcat(said, line), "\n");
    lines++;
}

/* ---- from step to step ----------------------------------------------------------------------- */

typedef struct Counter {
    int steps, most;
    void *user;
} Counter;

static TaskVerdict count(TaskContext *context, void *env)
{
    Counter *counter = env;
    CHECK_EQ(taskStatus(context), 0);
    CHECK_EQ(taskUser(context), counter->user);
    counter->user = (void *)(intptr_t)(counter->steps + 1);
    taskSetUser(context, counter->user);
    taskSetResult(context, counter);
    RELAXED_STORE(&counter->steps, counter->steps + 1); /* others look */
    return counter->steps < counter->most ? TaskYield : TaskDone;
}

static void *greenCounts(void *env)
{
    (void)env;
    Counter counter = {.most = 1000};
    Thread *task = taskMake(count, &counter);
    if (capabilityCount() == 1) /* else it may run already */
        CHECK_EQ(threadStatus(task).state, ThreadReady);
    CHECK_EQ(greenJoin(task), &counter);
    CHECK_EQ(counter.steps, 1000);
    Counter alone = {.most = 3};
    CHECK_EQ(taskNew(NULL, NULL, count, &alone), 0); /* detached */
    while (RELAXED_LOAD(&alone.steps) < 3)
        threadYield();
    return NULL;
}

/* Goal: a task's steps are called one after the other; its user word and its result are its own. */
TEST(Task, steps)
{
    greenRun(1, greenCounts, NULL);
    greenRun(2, greenCounts, NULL);
}

/* Goal: a plain OS thread makes and joins tasks. */
TEST(Task, fromOutside)
{
    Counter counter = {.most = 10};
    greenStart(2);
    CHECK_EQ(greenJoin(taskMake(count, &counter)), &counter);
    CHECK_EQ(counter.steps, 10);
    CHECK_EQ(taskContext(), NULL);
    greenStop();
    CHECK_EQ(taskNew(NULL, NULL, count, &counter), -ENXIO);
}

static TaskVerdict second(TaskContext *context, void *env)
{
    taskSetResult(context, env);
    return TaskDone;
}

static TaskVerdict first(TaskContext *context, void *env)
{
    taskSetResult(context, &said); /* not this step's to give */
    taskSetStep(context, second, (char *)env + 1);
    return TaskYield;
}

static void *greenBecomes(void *env)
{
    (void)env;
    char bytes[2] = {0, 0};
    CHECK_EQ(greenJoin(taskMake(first, bytes)), &bytes[1]);
    return NULL;
}

/* Goal: a task can become another step with another env. */
TEST(Task, setStep)
{
    greenRun(1, greenBecomes, NULL);
}

static void *yields(void *env)
{
    Counter *counter = env;
    for (; counter->steps < counter->most; counter->steps++) {
        CHECK_EQ(threadYield(), 0);
    }
    return env;
}

static void *greenMixed(void *env)
{
    (void)env;
    Counter tasks[3] = {{.most = 500}, {.most = 500}, {.most = 500}};
    Counter threads[3] = {{.most = 500}, {.most = 500}, {.most = 500}};
    Thread *running[6];
    for (int i = 0; i < 3; i++) {
        running[i] = taskMake(count, &tasks[i]);
        running[3 + i] = greenFork(yields, &threads[i]);
    }
    while (tasks[0].steps < 250) /* nobody is left behind: the old end is next */
        CHECK_EQ(threadYield(), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_GE(tasks[i].steps, 150);
        CHECK_GE(threads[i].steps, 150);
    }
    for (int i = 0; i < 6; i++)
        greenJoin(running[i]);
    return NULL;
}

/* Goal: tasks and threads that yield take turns. */
TEST(Task, takeTurnsWithThreads)
{
    greenRun(1, greenMixed, NULL);
}

/* ---- broken contracts ------------------------------------------------------------------------ */

typedef enum Breach { NoWait, TwoWaits, Garbage, Zero, WaitAndYield, WaitAndDone } Breach;

static TaskVerdict breaks(TaskContext *context, void *env)
{
    Breach breach = (Breach)(uintptr_t)env;
    if (breach != NoWait && breach != Garbage && breach != Zero)
        CHECK_EQ(taskWaitDelay(context, 1), 0);
    if (breach == TwoWaits)
        CHECK_EQ(taskWaitRead(context, 0), -EALREADY);
    taskSetResult(context, context);
    switch (breach) {
    case Garbage:
        return (TaskVerdict)4711;
    case Zero:
        return (TaskVerdict)0;
    case WaitAndYield:
        return TaskYield;
    case WaitAndDone:
        return TaskDone;
    default:
        return TaskBlocked;
    }
}

static void *greenBreaks(void *env)
{
    static const char *const words[] = {"has recorded no wait",    "more than one wait",
                                        "no TaskVerdict (4711)",   "no TaskVerdict (0)",
                                        "did not say TaskBlocked", "did not say TaskBlocked"};
    (void)env;
    for (uintptr_t breach = NoWait; breach <= WaitAndDone; breach++) {
        ThreadAttributes attributes = {.label = "parser"};
        Thread *task;
        char number[64];
        said[0] = 0;
        lines = 0;
        CHECK_EQ(taskNew(&task, &attributes, breaks, (void *)breach), 0);
        snprintf(number, sizeof number, "task %llu \"parser\"", (unsigned long long)threadId(task));
        CHECK_EQ(threadJoin(task, NULL), -EPROTO);
        CHECK_EQ(threadStatus(task).state, ThreadDied);
        threadRelease(task);
        CHECK_EQ(lines, 1);
        CHECK(strstr(said, number) != NULL);
        CHECK(strstr(said, words[breach]) != NULL);
    }
    CHECK_EQ(taskNew(NULL, NULL, breaks, (void *)NoWait), 0); /* without a label, detached */
    while (lines < 2)
        threadYield();
    Counter counter = {.most = 10};
    CHECK_EQ(greenJoin(taskMake(count, &counter)), &counter);
    return NULL;
}

/* Goal: who breaks the contract is named, and ends alone. */
TEST(Task, brokenContracts)
{
    RtsConfig config = {.capabilities = 1, .log = hear};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(greenBreaks, NULL));
    greenStop();
}

/* Goal: bad arguments are told, and leave nothing behind. */
TEST(Task, badArguments)
{
    ThreadAttributes stack = {.stack_size = 1 << 16}, bound = {.bound = true},
                     mask = {.masking = 9};
    greenStart(1);
    CHECK_EQ(taskNew(NULL, NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(taskNew(NULL, &stack, count, NULL), -EINVAL);
    CHECK_EQ(taskNew(NULL, &bound, count, NULL), -EINVAL);
    CHECK_EQ(taskNew(NULL, &mask, count, NULL), -EINVAL);
    greenStop();
}

/* ---- interrupts and masks -------------------------------------------------------------------- */

typedef struct Masked {
    int stage;
    int status[6];
    MVar *box;
} Masked;

static TaskVerdict masks(TaskContext *context, void *env)
{
    Masked *masked = env;
    masked->status[masked->stage] = taskStatus(context);
    switch (masked->stage++) {
    case 0:
        CHECK_EQ(threadMaskingState(), Unmasked);
        CHECK_EQ(threadMask(), Unmasked);
        return TaskYield;
    case 1: /* masked, and so it stays over a yield: pending */
        CHECK_EQ(threadMaskingState(), MaskedInterruptible);
        return TaskYield;
    case 2: /* a wait may be interrupted */
        CHECK_EQ(taskWaitMVarTake(context, masked->box), 0);
        return TaskBlocked;
    case 3:
        CHECK(threadCaught(NULL, NULL));
        CHECK_EQ(threadRestore(Unmasked), 0);
        return TaskYield;
    default:
        return TaskDone;
    }
}

static TaskVerdict notesStatus(TaskContext *context, void *env)
{
    *(int *)env = taskStatus(context);
    return threadCaught(NULL, NULL) ? TaskDone : TaskYield;
}

static void *greenMasks(void *env)
{
    (void)env;
    Masked masked = {.box = mvarNewEmpty()};
    Thread *task = taskMake(masks, &masked);
    while (masked.stage < 1)
        threadYield();
    CHECK_EQ(threadThrowTo(task, 9, NULL), 0); /* until it waits */
    greenJoin(task);
    CHECK_EQ(masked.status[1], 0);
    CHECK_EQ(masked.status[2], 0);
    CHECK_EQ(masked.status[3], -ECANCELED);
    CHECK_EQ(masked.status[4], 0);
    mvarFree(masked.box);
    int status = 1;
    task = taskMake(notesStatus, &status); /* before its first step */
    CHECK_EQ(threadKill(task), 0);
    CHECK_EQ(threadJoin(task, NULL), 0);
    CHECK_EQ(status, -ECANCELED);
    CHECK_EQ(threadStatus(task).state, ThreadFinished);
    threadRelease(task);
    return NULL;
}

/* Goal: masking belongs to the task and stays from step to step; the first step always runs. */
TEST(Task, masking)
{
    greenRun(1, greenMasks, NULL);
}

static TaskVerdict dies(TaskContext *context, void *env)
{
    (void)env;
    return taskStatus(context) == 0 ? TaskYield : TaskDone;
}

static int uncaught_code;

static void hearUncaught(Thread *thread, int code, void *payload)
{
    CHECK(thread != NULL);
    CHECK_EQ(payload, said);
    uncaught_code = code;
    CHECK_EQ(threadThrowTo(thread, code + 1, NULL), -ECANCELED); /* that is forgotten */
}

static void *returnEnv(void *env)
{
    return env;
}

static void *greenDies(void *env)
{
    (void)env;
    Thread *task = taskMake(dies, NULL);
    CHECK_EQ(threadThrowTo(task, 12, said), 0);
    CHECK_EQ(threadJoin(task, NULL), 0);
    CHECK_EQ(threadStatus(task).state, ThreadDied);
    CHECK_EQ(uncaught_code, 12);
    threadRelease(task);
    for (int i = 0; i < 10; i++) { /* in its memory */
        task = greenFork(returnEnv, NULL);
        CHECK_EQ(threadJoin(task, NULL), 0);
        CHECK_EQ(threadStatus(task).state, ThreadFinished);
        threadRelease(task);
    }
    return NULL;
}

/* Goal: who ends with an interrupt that it has not caught has died, and the hook is told. */
TEST(Task, dies)
{
    RtsConfig config = {.capabilities = 1, .uncaught = hearUncaught};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(greenDies, NULL));
    greenStop();
}

/* ---- like a thread --------------------------------------------------------------------------- */

static TaskVerdict notesWhere(TaskContext *context, void *env)
{
    int *steps = env;
    (void)context;
    CHECK_EQ(threadCapability(), 1);
    return ++*steps < 100 ? TaskYield : TaskDone;
}

static void *greenLike(void *env)
{
    (void)env;
    ThreadAttributes pinned = {.pinned = 2, .label = "pinned"};
    Thread *task, *list[8];
    char text[64];
    int steps = 0;
    CHECK_EQ(taskNew(&task, &pinned, notesWhere, &steps), 0);
    ThreadWeak weak = threadWeak(task);
    CHECK_EQ(threadLabelOf(task, text, sizeof text), 6);
    greenJoin(task);
    CHECK_EQ(threadWeakUpgrade(weak), NULL);
    OneWait wait = {.begin = beginTake, .mvar = mvarNewEmpty()};
    task = oneWaitStart(&wait);
    greenUntil(task, ThreadBlockedOnMVar);
    size_t count = threadList(list, 8);
    CHECK_EQ(count, 2);
    CHECK(list[0] == task || list[1] == task);
    threadRelease(list[0]);
    threadRelease(list[1]);
    threadDescribe(task, text, sizeof text);
    CHECK(strstr(text, "BlockedOnMVar 0x") != NULL);
    Thread *again = threadWeakUpgrade(threadWeak(task));
    CHECK_EQ(again, task);
    threadRelease(again);
    CHECK_EQ(mvarTryPut(wait.mvar, NULL), 0);
    oneWaitEnd(task, &wait);
    mvarFree(wait.mvar);
    return NULL;
}

/* Goal: pinning, labels, weak handles, lists and descriptions are a thread's. */
TEST(Task, likeAThread)
{
    greenRun(2, greenLike, NULL);
}

typedef struct Shown {
    const Thread *task;
    void **low;
    int words;
} Shown;

static void look(const PausedThread *paused, void *env)
{
    Shown *shown = env;
    if (paused->thread == shown->task) {
        CHECK(!paused->is_stack);
        shown->low = paused->low;
        shown->words = (int)((void **)paused->high - (void **)paused->low);
    }
}

static void *greenPaused(void *env)
{
    (void)env;
    OneWait wait = {.begin = beginTake, .mvar = mvarNewEmpty()};
    Shown shown = {.task = oneWaitStart(&wait)};
    greenUntil(shown.task, ThreadBlockedOnMVar);
    CHECK_EQ(rtsPause(INT64_MAX), 0);
    CHECK_EQ(rtsPausedThreads(look, &shown), 2);
    CHECK_EQ(shown.words, 2);
    CHECK_EQ(shown.low[0], &wait);
    CHECK_EQ(shown.low[1], NULL);
    static OneWait moved;
    moved = wait; /* a collector may move it */
    shown.low[0] = &moved;
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(mvarTryPut(wait.mvar, NULL), 0);
    oneWaitEnd((Thread *)(uintptr_t)shown.task, &moved);
    mvarFree(wait.mvar);
    return NULL;
}

/* Goal: a collector sees a task's env and user word, and may change them. */
TEST(Task, paused)
{
    greenRun(2, greenPaused, NULL);
}

static void *closedWorld(void *env)
{
    OneWait *wait = env;
    wait->mvar = mvarNewEmpty();
    Thread *task = oneWaitStart(wait);
    CHECK_EQ(threadJoin(task, NULL), -EDEADLK); /* it is told as well */
    oneWaitEnd(task, wait);
    mvarFree(wait->mvar);
    return NULL;
}

/* Goal: a task that waits for ever is found and told. */
TEST(Task, blockedForEver)
{
    OneWait wait = {.begin = beginTake};
    RtsConfig config = {.capabilities = 1, .closed_world = true, .log = hear};
    said[0] = 0;
    CHECK_EQ(rtsMain(&config, closedWorld, &wait, NULL), 0);
    CHECK(strstr(said, "task ") != NULL);
    CHECK_EQ(wait.status, -EDEADLK);
}

/* Goal: shutting down ends the waits of tasks, and gives everything back. */
TEST(Task, cancelled)
{
    CountingHeap heap = {0};
    Allocator allocator = countingAllocator(&heap);
    RtsConfig config = {.capabilities = 2, .allocator = allocator};
    OneWait waits[3] = {{.begin = beginTake}, {.begin = beginTVar}, {.begin = beginDelay}};
    Thread *tasks[3];
    CHECK_EQ(rtsInit(&config), 0);
    waits[0].mvar = mvarNewEmpty();
    waits[1].tvar = tvarNew(NULL);
    waits[2].value = (void *)(intptr_t)1000000000;
    for (int i = 0; i < 3; i++) {
        tasks[i] = oneWaitStart(&waits[i]);
        greenUntil(tasks[i], i == 0   ? ThreadBlockedOnMVar
                             : i == 1 ? ThreadBlockedOnTVar
                                      : ThreadBlockedOnDelay);
        threadRelease(tasks[i]);
    }
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(waits[i].status, -ECANCELED);
    CHECK_EQ(heap.live_bytes, 0);
}

/* Goal: without memory no task is made, and nothing leaks; waiting needs none. */
TEST(Task, outOfMemory)
{
    CountingHeap heap = {0};
    Allocator allocator = countingAllocator(&heap);
    RtsConfig config = {.capabilities = 1, .allocator = allocator};
    Counter counter = {.most = 1};
    CHECK_EQ(rtsInit(&config), 0);
    RELAXED_STORE(&heap.fail_from, 1);
    CHECK_EQ(taskNew(NULL, NULL, count, &counter), -ENOMEM);
    RELAXED_STORE(&heap.fail_from, 0);
    CHECK_EQ(greenJoin(taskMake(count, &counter)), &counter);
    OneWait wait = {.begin = beginTake, .mvar = mvarNewEmpty()};
    RELAXED_STORE(&heap.fail_from, 1);
    Thread *task = oneWaitStart(&wait);
    while (threadStatus(task).state != ThreadBlockedOnMVar)
        sched_yield();
    RELAXED_STORE(&heap.fail_from, 0);
    CHECK_EQ(mvarTryPut(wait.mvar, &wait), 0);
    oneWaitEnd(task, &wait);
    CHECK_EQ(wait.status, 0);
    CHECK_EQ(wait.got, &wait);
    mvarFree(wait.mvar);
    greenStop();
    CHECK_EQ(heap.live_bytes, 0);
}
