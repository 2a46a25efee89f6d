/* TaskMemoryTest.c -- what a task costs while it waits.
 *
 * not-under: tsan asan valgrind qemu
 */
#include "testsuite/support/Tasks.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

enum { TASKS = 1000 * 1000 };

static MVar *gate;
static TVar *bell;
static int waiting;

static uint64_t residentBytes(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%lu %lu", &pages, &resident), 2);
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* env: NULL at the MVar, else at the variable, which holds NULL until all are to go. */
static TaskVerdict waitOnce(TaskContext *context, void *env)
{
    uint64_t version;
    CHECK_EQ(taskStatus(context), 0);
    if (env == NULL && taskValue(context) == NULL) {
        waiting++;
        CHECK_EQ(taskWaitMVarRead(context, gate), 0);
        return TaskBlocked;
    }
    if (env != NULL && tvarReadVersionIO(bell, &version) == NULL) {
        waiting++;
        CHECK_EQ(taskWaitTVar(context, bell, version), 0);
        return TaskBlocked;
    }
    return TaskDone;
}

/* Bytes for each of TASKS that wait there. */
static uint64_t costOf(void *env)
{
    gate = mvarNewEmpty();
    bell = tvarNew(NULL);
    malloc_trim(0); /* what an earlier runtime has given back */
    uint64_t before = residentBytes();
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(taskNew(NULL, NULL, waitOnce, env), 0);
    while (waiting < TASKS)
        CHECK_EQ(threadYield(), 0);
    waiting = 0;
    uint64_t after = residentBytes();
    CHECK_EQ(mvarPut(gate, &gate), 0);
    CHECK_EQ(tvarWriteIO(bell, &bell), 0);
    return (after - before) / TASKS;
}

static void *greenMemory(void *env)
{
    uint64_t *cost = env;
    cost[0] = costOf(cost);
    return NULL;
}

static void *greenMVarMemory(void *env)
{
    uint64_t *cost = env;
    cost[0] = costOf(NULL);
    return NULL;
}

/* Goal: a million tasks wait in 250 MB, for a variable or at an MVar. */
TEST(TaskMemory, aMillion)
{
    uint64_t cost = 0;
    greenRun(1, greenMemory, &cost);
    CHECK_LE(cost, 250);
    CHECK_GE(cost, 150); /* it has measured something */
    printf("%d B each at a variable\n", (int)cost);
    greenRun(1, greenMVarMemory, &cost);
    CHECK_LE(cost, 250);
    printf("%d B each at an MVar\n", (int)cost);
}

/* ---- to the byte ----------------------------------------------------------------------------- */

enum { COUNTED = 20 * 1000, SLACK = 256 * 1024 }; /* what chunks have left over */

static CountingHeap heap;
static Thread *keeper;
static int left;

static void beginGateTake(TaskContext *context)
{
    CHECK_EQ(taskWaitMVarTake(context, gate), 0);
}

static void beginGateRead(TaskContext *context)
{
    CHECK_EQ(taskWaitMVarRead(context, gate), 0);
}

static void beginBell(TaskContext *context)
{
    uint64_t version;
    CHECK_EQ(tvarReadVersionIO(bell, &version), NULL);
    CHECK_EQ(taskWaitTVar(context, bell, version), 0);
}

static void beginKeeper(TaskContext *context)
{
    CHECK_EQ(taskWaitThread(context, keeper), 0);
}

static void *untilBell(Transaction *tx, void *env)
{
    stmCheck(tx, tvarRead(tx, bell) != NULL);
    return env;
}

static void beginCondition(TaskContext *context)
{
    CHECK_EQ(taskWaitSTM(context, untilBell, NULL), 0);
}

/* What include/capri/task.h says that it costs. */
static const struct Wait {
    const char *name;
    void (*begin)(TaskContext *context);
    uint32_t bytes;
} waits[] = {
    {"take", beginGateTake, 200},
    {"read", beginGateRead, 200},
    {"variable", beginBell, 200},
    {"end", beginKeeper, 200},
    {"transaction", beginCondition, 200 + 64 + 64},
};

static TaskVerdict waitAs(TaskContext *context, void *env)
{
    const struct Wait *wait = env;
    CHECK_EQ(taskStatus(context), 0);
    if (taskUser(context) != NULL) {
        left--;
        return TaskDone;
    }
    taskSetUser(context, &left);
    waiting++;
    wait->begin(context);
    return TaskBlocked;
}

static void *keepGate(void *env)
{
    void *value = NULL;
    CHECK_EQ(mvarTake(env, &value), 0);
    return value;
}

static void letGo(MVar *kept)
{
    CHECK_EQ(tvarWriteIO(bell, &bell), 0);
    CHECK_EQ(mvarTryPut(kept, NULL), 0);
    CHECK_EQ(threadJoin(keeper, NULL), 0);
    while (left > 0) {
        mvarTryPut(gate, &gate);
        CHECK_EQ(threadYield(), 0);
    }
    threadRelease(keeper); /* those who join it still look */
}

static void *greenCounted(void *env)
{
    const struct Wait *wait = env;
    MVar *kept = mvarNewEmpty();
    gate = mvarNewEmpty();
    bell = tvarNew(NULL);
    keeper = greenFork(keepGate, kept);
    waiting = 0;
    left = COUNTED;
    uint64_t before = RELAXED_LOAD(&heap.live_bytes);
    for (int i = 0; i < COUNTED; i++)
        CHECK_EQ(taskNew(NULL, NULL, waitAs, (void *)(uintptr_t)wait), 0);
    while (waiting < COUNTED)
        CHECK_EQ(threadYield(), 0);
    uint64_t bytes = RELAXED_LOAD(&heap.live_bytes) - before;
    printf("%s: %d.%02d B\n", wait->name, (int)(bytes / COUNTED),
           (int)(bytes % COUNTED * 100 / COUNTED));
    CHECK_LE(bytes, (uint64_t)wait->bytes * COUNTED + SLACK);
    CHECK_GE(bytes + SLACK, (uint64_t)wait->bytes * COUNTED);
    letGo(kept);
    tvarFree(bell);
    mvarFree(gate);
    mvarFree(kept);
    return NULL;
}

/* Goal: each wait costs what the manual says, all that was allocated counted. */
TEST(TaskMemory, toTheByte)
{
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(greenCounted, (void *)(uintptr_t)&waits[i]));
        greenStop();
        CHECK_EQ(heap.live_bytes, 0);
    }
}
