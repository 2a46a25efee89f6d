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

/* Goal: a million tasks wait for a variable in 250 MB, at MVars in 350. */
TEST(TaskMemory, aMillion)
{
    uint64_t cost = 0;
    greenRun(1, greenMemory, &cost);
    CHECK_LE(cost, 250);
    CHECK_GE(cost, 150); /* it has measured something */
    printf("%d B each at a variable\n", (int)cost);
    greenRun(1, greenMVarMemory, &cost);
    CHECK_LE(cost, 350);
    printf("%d B each at an MVar\n", (int)cost);
}
