/* StatusTest.c -- transactions without jumps: the same results by statuses. */
#include "rts/stm/STM.h"

#include "testsuite/support/Runtime.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

typedef struct Pair {
    TVar *x, *y;
    TVar *made;
    uint32_t runs, undone, committed;
} Pair;

static void countUndone(void *env)
{
    ((Pair *)env)->undone++;
}

static void countCommitted(void *env)
{
    ((Pair *)env)->committed++;
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != 0)                                                                       \
            return try_status;                                                                     \
    } while (0)

static int takeX(Transaction *tx, void *env)
{
    Pair *it = env;
    void *value;
    TRY(tvarWriteStatus(tx, it->y, V(50)));
    TRY(stmOnAbortStatus(tx, countUndone, it));
    TRY(tvarReadStatus(tx, it->x, &value));
    if (value == NULL)
        return stmRetryStatus(tx);
    return tvarWriteStatus(tx, it->x, NULL);
}

static int noteIt(Transaction *tx, void *env)
{
    Pair *it = env;
    void *value;
    TRY(tvarReadStatus(tx, it->y, &value));
    CHECK_EQ(value, NULL);
    TRY(tvarNewStatus(tx, V(7), &it->made));
    return stmOnCommitStatus(tx, countCommitted, it);
}

static int takeOrNote(Transaction *tx, void *env)
{
    Pair *it = env;
    it->runs++;
    return stmOrElseStatus(tx, takeX, it, noteIt, it);
}

static int takeOnly(Transaction *tx, void *env)
{
    ((Pair *)env)->runs++;
    return takeX(tx, env);
}

static int writeAndFail(Transaction *tx, void *env)
{
    Pair *it = env;
    TRY(tvarWriteStatus(tx, it->x, V(9)));
    return -EDOM; /* as good as throwing it */
}

static int throwOn(Transaction *tx, void *env)
{
    return stmThrowStatus(tx, -ERANGE, env);
}

static int handle(Transaction *tx, int code, void *payload, void *env)
{
    Pair *it = env;
    void *value;
    TRY(tvarReadStatus(tx, it->x, &value));
    CHECK_EQ(value, NULL); /* undone */
    CHECK_EQ(payload, NULL);
    return tvarWriteStatus(tx, it->y, V(code));
}

static int catchIt(Transaction *tx, void *env)
{
    return stmCatchStatus(tx, writeAndFail, env, handle, env);
}

/* Goes on although its attempt is over: it changes nothing, and is answered the same. */
static int stubborn(Transaction *tx, void *env)
{
    Pair *it = env;
    void *value = &value;
    CHECK_NE(stmThrowStatus(tx, -EILSEQ, NULL), 0);
    CHECK_NE(tvarReadStatus(tx, it->x, &value), 0);
    CHECK_NE(tvarWriteStatus(tx, it->x, V(1)), 0);
    CHECK_NE(stmRetryStatus(tx), 0);
    CHECK_NE(stmOrElseStatus(tx, takeX, it, noteIt, it), 0);
    CHECK_NE(stmCatchStatus(tx, takeX, it, handle, it), 0);
    CHECK_NE(stmOnCommitStatus(tx, countCommitted, it), 0);
    CHECK_NE(tvarFreeStatus(tx, it->x), 0);
    CHECK_NE(stmRetireStatus(tx, NULL, free), 0);
    return 0;
}

static int nothing(Transaction *tx, void *env)
{
    (void)tx, (void)env;
    return 0;
}

static int noBranch(Transaction *tx, void *env)
{
    return stmOrElseStatus(tx, NULL, env, nothing, env);
}

static int freeMade(Transaction *tx, void *env)
{
    return tvarFreeStatus(tx, ((Pair *)env)->made);
}

static int runStatus(StmStatusAction *action, void *env)
{
    return stmAtomicallyStatus(action, env, NULL, INT64_MAX);
}

static void *useStatuses(void *env)
{
    Pair it = {.x = tvarNew(NULL), .y = tvarNew(NULL)};
    void *payload = NULL;
    (void)env;
    CHECK_EQ(runStatus(takeOrNote, &it), 0);
    CHECK_EQ(it.undone, 1);
    CHECK_EQ(it.committed, 1);
    CHECK_EQ(tvarReadIO(it.made), V(7));
    CHECK_EQ(runStatus(freeMade, &it), 0);
    CHECK_EQ(stmAtomicallyStatus(takeOnly, &it, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(tvarReadIO(it.y), NULL);
    CHECK_EQ(runStatus(writeAndFail, &it), -EDOM);
    CHECK_EQ(stmAtomicallyStatus(throwOn, &it, &payload, 0), -ERANGE);
    CHECK_EQ(payload, (void *)&it);
    CHECK_EQ(runStatus(catchIt, &it), 0);
    CHECK_EQ(tvarReadIO(it.y), V(-EDOM));
    CHECK_EQ(runStatus(stubborn, &it), -EILSEQ);
    CHECK_EQ(runStatus(noBranch, &it), -EINVAL);
    CHECK_EQ(runStatus(NULL, &it), -EINVAL);
    CHECK_EQ(it.committed, 1);
    tvarFree(it.x);
    tvarFree(it.y);
    return NULL;
}

TEST(Status, saysWhatTheJumpsDo)
{
    greenRun(1, useStatuses, NULL);
    greenStart(1);
    useStatuses(NULL);
    greenStop();
}

static void *waitForX(void *env)
{
    return V(runStatus(takeOnly, env));
}

static void *wakeIt(void *env)
{
    Pair it = {.x = tvarNew(NULL), .y = tvarNew(NULL)};
    (void)env;
    Thread *thread = greenFork(waitForX, &it);
    greenUntil(thread, ThreadBlockedOnTVar);
    tvarWriteIO(it.x, V(1));
    CHECK_EQ(greenJoin(thread), NULL);
    CHECK_EQ(it.runs, 2);
    CHECK_EQ(tvarReadIO(it.y), V(50));
    tvarFree(it.x);
    tvarFree(it.y);
    return NULL;
}

TEST(Status, waits)
{
    greenRun(1, wakeIt, NULL);
}
