/* TArrayTest.c -- an array of variables: bounds, elements by themselves, all as of one moment. */
#include <capri/tarray.h>

#include "testsuite/support/Famine.h"

enum { SIZE = 20 };

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Use {
    TArray *array;
    size_t index;
    intptr_t sum;
    uint32_t runs; /* attempts */
    uint32_t go;   /* relaxed */
} Use;

static void *plusOne(void *value, void *env)
{
    (void)env;
    return V((intptr_t)value + 1);
}

static bool addUp(void *env, size_t index, void *value)
{
    Use *it = env;
    it->sum += (intptr_t)value * (intptr_t)(index + 1);
    return index != it->index;
}

static void *useArray(Transaction *tx, void *env)
{
    Use *it = env;
    it->sum = 0;
    it->index = SIZE;
    CHECK_EQ(tarraySize(it->array), SIZE);
    for (size_t i = 0; i < SIZE; i++)
        CHECK_EQ(tarrayRead(tx, it->array, i), V(3));
    tarrayWrite(tx, it->array, 0, V(10));
    CHECK_EQ(tarrayModify(tx, it->array, SIZE - 1, plusOne, NULL), V(4));
    tarrayEach(tx, it->array, addUp, it);
    CHECK_EQ(it->sum, 10 + 3 * (SIZE * (SIZE - 1) / 2 - 1) + 4 * SIZE);
    it->sum = 0;
    it->index = 1;
    tarrayEach(tx, it->array, addUp, it); /* two */
    CHECK_EQ(it->sum, 10 + 2 * 3);
    return NULL;
}

static void *readAt(Transaction *tx, void *env)
{
    Use *it = env;
    return tarrayRead(tx, it->array, it->index);
}

static void *writeAt(Transaction *tx, void *env)
{
    Use *it = env;
    tarrayWrite(tx, it->array, it->index, V(1));
    return NULL;
}

static void *modifyAt(Transaction *tx, void *env)
{
    Use *it = env;
    return tarrayModify(tx, it->array, it->index, plusOne, NULL);
}

static void *visitNobody(Transaction *tx, void *env)
{
    tarrayEach(tx, ((Use *)env)->array, NULL, NULL);
    return NULL;
}

static void *rules(void *env)
{
    Use it = {.array = tarrayNew(SIZE, V(3))};
    StmAction *outside[] = {readAt, writeAt, modifyAt};
    (void)env;
    CHECK_EQ(stmAtomically(useArray, &it, NULL), 0);
    it.index = SIZE;
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(stmAtomically(outside[i % 3], &it, NULL), -ERANGE);
        it.index = i < 3 ? SIZE : SIZE_MAX;
    }
    CHECK_EQ(stmAtomically(visitNobody, &it, NULL), -EINVAL);
    CHECK_EQ(tarrayVar(it.array, SIZE), NULL);
    CHECK_EQ(tvarReadIO(tarrayVar(it.array, SIZE - 1)), V(4));
    tarrayFree(it.array);
    it.array = tarrayNew(0, NULL);
    it.index = 0;
    CHECK_EQ(tarraySize(it.array), 0);
    CHECK_EQ(stmAtomically(readAt, &it, NULL), -ERANGE);
    tarrayFree(it.array);
    tarrayFree(NULL);
    CHECK_EQ(tarrayNew(SIZE_MAX, NULL), NULL);
    CHECK_EQ(tarrayNew(SIZE_MAX / 8, NULL), NULL);
    return NULL;
}

TEST(TArray, boundsAndElements)
{
    CHECK_EQ(tarrayNew(1, NULL), NULL);
    runCounted(rules, 1);
    greenStart(1);
    rules(NULL);
    greenStop();
}

/* ---- made inside; no memory ---- */

static void *makeInside(Transaction *tx, void *env)
{
    Use *it = env;
    it->array = tarrayNewSTM(tx, SIZE, V(3));
    tarrayWrite(tx, it->array, 7, V(8));
    return NULL;
}

static void *makeAndThrow(Transaction *tx, void *env)
{
    makeInside(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *freeInside(Transaction *tx, void *env)
{
    tarrayFreeSTM(tx, ((Use *)env)->array);
    return NULL;
}

static void *noMemory(void *env)
{
    Use it = {.index = 7};
    void *value;
    CHECK_EQ(stmAtomically(makeAndThrow, &it, NULL), -EDOM);
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        famineBegin(&famine);
        int status = stmAtomically(makeInside, &it, NULL);
        famineEnd(&famine, status == 0);
        CHECK(!famine.over || famine.failures >= 1);
        if (status != 0) {
            CHECK_EQ(status, -ENOMEM);
            continue;
        }
        CHECK_EQ(stmAtomically(readAt, &it, &value), 0);
        CHECK_EQ(value, V(8));
        CHECK_EQ(stmAtomically(freeInside, &it, NULL), 0);
        runQuiescent();
    }
    return NULL;
}

TEST(TArray, noMemoryLeavesNothing)
{
    runCounted(noMemory, 1);
}

/* ---- elements do not disturb each other ---- */

static void *writeSlowly(Transaction *tx, void *env)
{
    Use *it = env;
    it->runs++;
    tarrayWrite(tx, it->array, 1, tarrayRead(tx, it->array, 1));
    RELAXED_STORE(&it->go, 1);
    while (RELAXED_LOAD(&it->go) != 2) /* another commits meanwhile */
        SMP_PAUSE();
    return NULL;
}

static void *runSlowly(void *env)
{
    CHECK_EQ(stmAtomically(writeSlowly, env, NULL), 0);
    return NULL;
}

static void *neighbours(void *env)
{
    Use it = {.array = tarrayNew(SIZE, NULL), .index = 2};
    Thread *slow;
    (void)env;
    CHECK_EQ(threadForkOn(&slow, 1, runSlowly, &it), 0);
    while (RELAXED_LOAD(&it.go) == 0)
        threadYield();
    CHECK_EQ(stmAtomically(writeAt, &it, NULL), 0);
    RELAXED_STORE(&it.go, 2);
    greenJoin(slow);
    CHECK_EQ(it.runs, 1);
    tarrayFree(it.array);
    return NULL;
}

static void *pinned(void *env)
{
    Thread *thread;
    CHECK_EQ(threadForkOn(&thread, 0, neighbours, env), 0);
    return greenJoin(thread);
}

TEST(TArray, neighboursDoNotMeet)
{
    runCounted(pinned, 2);
}

/* ---- without jumps ---- */

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != 0)                                                                       \
            return try_status;                                                                     \
    } while (0)

static int useStatuses(Transaction *tx, void *env)
{
    Use *it = env;
    void *value;
    TRY(tarrayNewStatus(tx, SIZE, V(3), &it->array));
    TRY(tarrayWriteStatus(tx, it->array, 2, V(4)));
    TRY(tarrayReadStatus(tx, it->array, 2, &value));
    CHECK_EQ(value, V(4));
    TRY(tarrayEachStatus(tx, it->array, addUp, it));
    TRY(tarrayFreeStatus(tx, it->array));
    CHECK_NE(tarrayReadStatus(tx, it->array, SIZE, &value), 0);
    CHECK_NE(tarrayWriteStatus(tx, it->array, 0, value), 0); /* it is over */
    CHECK_NE(tarrayEachStatus(tx, it->array, addUp, it), 0);
    return 0;
}

static void *statuses(void *env)
{
    Use it = {.index = SIZE};
    (void)env;
    CHECK_EQ(stmAtomicallyStatus(useStatuses, &it, NULL, INT64_MAX), -ERANGE);
    CHECK_EQ(it.sum, 3 * SIZE * (SIZE + 1) / 2 + 3);
    return NULL;
}

TEST(TArray, statuses)
{
    runCounted(statuses, 1);
}
