/* DescribeFresh.c -- a thread that begins to wait is described while what it waits for lies in new
 * memory.
 *
 * Who described it had seen that it waits, but not that the memory had been cleared: a race, and
 * where stores are reordered a link to nowhere.  Here threads wait for so many ends that the pool
 * of Events grows for each, and each is described from before it waits until it is seen to wait.
 * testsuite/model/DescribeModel.c has every interleaving.
 */
#include "testsuite/support/Runtime.h"

#include <string.h>

enum {
    ENDS = 80, /* more than the pool grows by */
    WAITERS = 40
};

typedef struct Crowd {
    TVar *let_go;
    Thread *threads[ENDS];
    Thread *waiters[WAITERS];
} Crowd;

typedef struct Wait {
    Crowd *crowd;
    int from;
} Wait;

static void *stay(void *env)
{
    uint64_t seen;
    while (tvarReadVersionIO(env, &seen) == NULL)
        CHECK_EQ(tvarAwait(env, seen), 0);
    return NULL;
}

static void *joinOne(Transaction *tx, void *env)
{
    const Wait *wait = env;
    CHECK_EQ(threadJoinSTM(tx, wait->crowd->threads[wait->from], NULL), 0);
    return NULL;
}

static void *joinAny(Transaction *tx, void *env)
{
    const Wait *wait = env;
    Wait rest = {wait->crowd, wait->from + 1};
    if (rest.from == ENDS)
        return joinOne(tx, env);
    return stmOrElse(tx, joinOne, env, joinAny, &rest);
}

static void *awaitAny(void *env)
{
    return (void *)(intptr_t)stmAtomically(joinAny, &(Wait){env, 0}, NULL);
}

static bool isBlocked(const char *words)
{
    return strncmp(words, "BlockedOnTVar", strlen("BlockedOnTVar")) == 0;
}

TEST(DescribeFresh, waitersThatJustBegin)
{
    char words[200] = "";
    Crowd crowd;
    greenStart(1);
    crowd.let_go = tvarNew(NULL);
    for (int i = 0; i < ENDS; i++)
        crowd.threads[i] = greenFork(stay, crowd.let_go);
    for (int i = 0; i < WAITERS; i++, words[0] = 0) {
        crowd.waiters[i] = greenFork(awaitAny, &crowd);
        while (!isBlocked(words))
            CHECK_GT(threadDescribe(crowd.waiters[i], words, sizeof words), 0);
        CHECK(strstr(words, "Thread") != NULL);
    }
    CHECK_EQ(tvarWriteIO(crowd.let_go, &crowd), 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ((intptr_t)greenJoin(crowd.waiters[i]), 0);
    for (int i = 0; i < ENDS; i++)
        greenJoin(crowd.threads[i]);
    tvarFree(crowd.let_go);
    greenStop();
}
