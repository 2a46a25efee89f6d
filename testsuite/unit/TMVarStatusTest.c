/* TMVarStatusTest.c -- boxes and semaphores without jumps; made and freed inside; from outside. */
#include <capri/tmvar.h>

#include "testsuite/support/Famine.h"

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != 0)                                                                       \
            return try_status;                                                                     \
    } while (0)

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Box {
    TMVar *box;
    TSem *sem;
} Box;

static int useBox(Transaction *tx, void *env)
{
    Box *it = env;
    void *value = env;
    bool yes;
    TRY(tmvarNewEmptyStatus(tx, &it->box));
    TRY(tmvarIsEmptyStatus(tx, it->box, &yes));
    CHECK(yes);
    TRY(tmvarTryTakeStatus(tx, it->box, &value, &yes));
    CHECK(!yes);
    TRY(tmvarTryReadStatus(tx, it->box, &value, &yes));
    CHECK(!yes);
    CHECK_EQ(value, env);
    TRY(tmvarTryPutStatus(tx, it->box, V(1), &yes));
    CHECK(yes);
    TRY(tmvarTryPutStatus(tx, it->box, V(2), &yes));
    CHECK(!yes);
    TRY(tmvarReadStatus(tx, it->box, &value));
    CHECK_EQ(value, V(1));
    TRY(tmvarSwapStatus(tx, it->box, V(3), &value));
    CHECK_EQ(value, V(1));
    TRY(tmvarTakeStatus(tx, it->box, &value));
    CHECK_EQ(value, V(3));
    TRY(tmvarWriteStatus(tx, it->box, V(4))); /* fills, then overwrites; neither waits */
    TRY(tmvarWriteStatus(tx, it->box, V(5)));
    TRY(tmvarTryTakeStatus(tx, it->box, &value, &yes));
    CHECK(yes);
    CHECK_EQ(value, V(5));
    return tmvarPutStatus(tx, it->box, NULL);
}

static int putMore(Transaction *tx, void *env)
{
    return tmvarPutStatus(tx, ((Box *)env)->box, NULL);
}

static int takeIt(Transaction *tx, void *env)
{
    void *value;
    return tmvarTakeStatus(tx, ((Box *)env)->box, &value);
}

static int swapIt(Transaction *tx, void *env)
{
    void *value;
    return tmvarSwapStatus(tx, ((Box *)env)->box, NULL, &value);
}

static int useSem(Transaction *tx, void *env)
{
    Box *it = env;
    bool yes;
    TRY(tsemNewStatus(tx, -2, &it->sem)); /* owes two */
    TRY(tsemTryWaitStatus(tx, it->sem, &yes));
    CHECK(!yes);
    TRY(tsemSignalStatus(tx, it->sem, 4));
    TRY(tsemSignalStatus(tx, it->sem, 0));
    TRY(tsemWaitStatus(tx, it->sem));
    TRY(tsemTryWaitStatus(tx, it->sem, &yes));
    CHECK(yes);
    TRY(tsemTryWaitStatus(tx, it->sem, &yes));
    CHECK(!yes);
    return 0;
}

static int waitSem(Transaction *tx, void *env)
{
    return tsemWaitStatus(tx, ((Box *)env)->sem);
}

static int signalMuch(Transaction *tx, void *env)
{
    TRY(tsemSignalStatus(tx, ((Box *)env)->sem, INT64_MAX));
    return tsemSignalStatus(tx, ((Box *)env)->sem, 1);
}

static int signalTooMuch(Transaction *tx, void *env)
{
    return tsemSignalStatus(tx, ((Box *)env)->sem, UINT64_MAX);
}

static int freeThem(Transaction *tx, void *env)
{
    TRY(tmvarFreeStatus(tx, ((Box *)env)->box));
    return tsemFreeStatus(tx, ((Box *)env)->sem);
}

static int runStatus(StmStatusAction *action, void *env)
{
    return stmAtomicallyStatus(action, env, NULL, 0);
}

static void *statuses(void *env)
{
    Box it;
    void *value = &it;
    (void)env;
    CHECK_EQ(runStatus(useBox, &it), 0);
    CHECK(tmvarTryReadIO(it.box, &value));
    CHECK_EQ(value, NULL);
    CHECK(!tmvarIsEmptyIO(it.box));
    CHECK_EQ(runStatus(putMore, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(takeIt, &it), 0);
    CHECK(tmvarIsEmptyIO(it.box));
    CHECK(!tmvarTryReadIO(it.box, &value));
    CHECK_EQ(value, NULL);
    CHECK_EQ(runStatus(takeIt, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(swapIt, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(useSem, &it), 0);
    CHECK_EQ(runStatus(waitSem, &it), -ETIMEDOUT);
    CHECK_EQ(runStatus(signalMuch, &it), -EOVERFLOW);
    CHECK_EQ(runStatus(signalTooMuch, &it), -EOVERFLOW);
    CHECK_EQ(runStatus(waitSem, &it), -ETIMEDOUT); /* nothing has changed */
    CHECK_EQ(runStatus(freeThem, &it), 0);
    return NULL;
}

TEST(TMVarStatus, saysWhatTheJumpsDo)
{
    runCounted(statuses, 1);
    greenStart(1);
    statuses(NULL);
    greenStop();
}

/* ---- by jumps ---- */

static void *useBoth(Transaction *tx, void *env)
{
    Box *it = env;
    TMVar *full = tmvarNewSTM(tx, V(3));
    it->box = tmvarNewEmptySTM(tx);
    it->sem = tsemNewSTM(tx, 1);
    tmvarPut(tx, it->box, tmvarTake(tx, full));
    CHECK(tsemTryWait(tx, it->sem));
    CHECK(!tsemTryWait(tx, it->sem));
    tmvarFreeSTM(tx, full);
    return NULL;
}

static void *useAndRetry(Transaction *tx, void *env)
{
    useBoth(tx, env);
    stmRetry(tx);
}

static void *useTwice(Transaction *tx, void *env)
{
    return stmOrElse(tx, useAndRetry, env, useBoth, env);
}

static void *freeBoth(Transaction *tx, void *env)
{
    Box *it = env;
    CHECK_EQ(tmvarTake(tx, it->box), V(3));
    tmvarFreeSTM(tx, it->box);
    tsemFreeSTM(tx, it->sem);
    return NULL;
}

static void *noMemory(void *env)
{
    Box it;
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        famineBegin(&famine);
        int status = stmAtomically(useTwice, &it, NULL);
        famineEnd(&famine, status == 0);
        if (status == 0)
            CHECK_EQ(stmAtomically(freeBoth, &it, NULL), 0);
        else
            CHECK_EQ(status, -ENOMEM);
        CHECK(!famine.over || famine.failures >= 2);
    }
    return NULL;
}

TEST(TMVarStatus, noMemoryLeavesNothing)
{
    runCounted(noMemory, 1);
}
