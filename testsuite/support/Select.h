/* Select.h -- for tests of transactions that wait for an fd, a variable or a thread's end. */
#ifndef TESTSUITE_SELECT_H
#define TESTSUITE_SELECT_H

#include "capability/FdHome.h"
#include "rts/stm/Event.h"
#include "rts/stm/STM.h"
#include "testsuite/support/Runtime.h"

static inline void *V(intptr_t number)
{
    return (void *)number;
}

enum { PLAIN = 0, ADOPTED = 1, KINDS = 2 };

static inline void makePair(int kind, int ends[2])
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    if (kind == ADOPTED) {
        CHECK_EQ(fdAdopt(ends[0]), 0);
        CHECK_EQ(fdAdopt(ends[1]), 0);
    }
}

static inline void closePair(int ends[2])
{
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
}

static inline bool nobodyWaits(int fd)
{
    EventManager *manager = fdHomeManager(fdHomeLook(fd));
    FdSlot *slot = manager == NULL ? NULL : fdTableFind(&manager->table, fd);
    return slot == NULL || (!watchListHasWatchers(&slot->waiters[FdRead]) &&
                            !watchListHasWatchers(&slot->waiters[FdWrite]));
}

typedef struct Wait {
    int fd;
    bool writes;
    TVar *tvar;     /* or this, if it is not NULL */
    uint32_t runs;  /* relaxed, by who waits */
    Thread *thread; /* or its end */
    int code;       /* threadJoinSTM's */
} Wait;

static inline void *onFd(Transaction *tx, void *env)
{
    Wait *it = env;
    if (it->writes)
        threadWaitWriteSTM(tx, it->fd);
    else
        threadWaitReadSTM(tx, it->fd);
    return V(1);
}

static inline void *onTVar(Transaction *tx, void *env)
{
    Wait *it = env;
    if (it->tvar == NULL || tvarRead(tx, it->tvar) == NULL)
        stmRetry(tx);
    return V(2);
}

static inline void *onEnd(Transaction *tx, void *env)
{
    Wait *it = env;
    void *result = NULL;
    if (it->thread == NULL)
        stmRetry(tx);
    it->code = threadJoinSTM(tx, it->thread, &result);
    return V(100 + (intptr_t)result);
}

static inline void *onFdOrTVar(Transaction *tx, void *env)
{
    return stmOrElse(tx, onFd, env, onTVar, env);
}

static inline void *onAny(Transaction *tx, void *env)
{
    COUNT(&((Wait *)env)->runs, 1);
    return stmOrElse(tx, onFdOrTVar, env, onEnd, env);
}

static inline void *waitForAny(void *env)
{
    void *result = NULL;
    int status = stmAtomically(onAny, env, &result);
    return status == 0 ? result : V(status);
}

#endif
