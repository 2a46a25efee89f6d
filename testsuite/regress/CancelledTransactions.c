/* CancelledTransactions.c -- a runtime ends while a plain OS thread is anywhere in a transaction.
 *
 * Between an attempt and the wait, woken, and on its way out it looks at variables and gives memory
 * back: of a runtime that is gone, once (AddressSanitizer and the allocator tell).  Every other
 * round it is woken by a write just before the shutdown.
 */
#include "rts/stm/TVar.h"
#include "testsuite/support/Crowd.h"
#include "testsuite/support/Runtime.h"

enum { ROUNDS = 1500, MANY = 300 };

static TVar *many[MANY]; /* constant while threads run */
static uint32_t waits;   /* release, acquire */

static void *waitForOne(Transaction *tx, void *env)
{
    void *value = NULL;
    for (int i = 0; i < MANY; i++)
        value = tvarRead(tx, many[i]);
    RELEASE_STORE(&waits, 1);
    stmCheck(tx, value != NULL);
    return env;
}

static void checkEnd(int result)
{
    CHECK(result == 0 || result == -ECANCELED || result == -ESHUTDOWN || result == -ENXIO);
}

static void *runTransaction(void *env)
{
    checkEnd(stmAtomically(waitForOne, env, NULL));
    return NULL;
}

static void *awaitOne(void *env)
{
    RELEASE_STORE(&waits, 1);
    checkEnd(tvarAwait(many[MANY - 1], 0));
    return env;
}

static void runRound(ThreadFn *fn, bool late, bool writes)
{
    greenStart(1);
    for (int i = 0; i < MANY; i++)
        many[i] = tvarNew(NULL);
    RELEASE_STORE(&waits, 0);
    pthread_t os = osFork(fn, NULL);
    while (ACQUIRE_LOAD(&waits) == 0 ||
           (fn == awaitOne && RELAXED_LOAD(&many[MANY - 1]->watchers) == 0))
        SMP_PAUSE();
    if (late)
        usleep(200);
    if (writes)
        CHECK_EQ(tvarWriteIO(many[MANY - 1], many), 0);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    osJoin(os);
}

TEST(CancelledTransactions, leaveBeforeTheRuntime)
{
    size_t rounds = crowdScale(ROUNDS, UNDER_ASAN ? ROUNDS : ROUNDS / 10);
    for (size_t i = 0; i < rounds; i++)
        runRound(i % 8 < 6 ? runTransaction : awaitOne, i % 2 != 0, i % 4 >= 2);
}
