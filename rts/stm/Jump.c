/* Jump.c -- the calls of a transaction that leave its action by themselves.
 *
 * Owns    nothing: Transaction.c does the work.
 * Before  the host's action.   After  rts/context/Escape.h: the way back.
 * Tests   testsuite/unit/STMTest.c, testsuite/unit/OrElseTest.c
 *
 * See Note [Escapes].
 */
#include "rts/stm/STM.h"

#include "iomgr/Clock.h"

#include <errno.h>

int stmAtomically(StmAction *action, void *env, void **result)
{
    return stmRun(action, NULL, env, result, DEADLINE_NEVER);
}

int stmAtomicallyUntil(StmAction *action, void *env, void **result, int64_t deadline_ns)
{
    return stmRun(action, NULL, env, result, deadline_ns);
}

static inline void leaveUnless(Transaction *tx, int status)
{
    if (UNLIKELY(status != 0))
        stmLeave(tx);
}

static __attribute__((noinline)) void *readSlow(Transaction *tx, TVar *tvar)
{
    void *value = NULL;
    leaveUnless(tx, transactionRead(tx, tvar, &value));
    return value;
}

static __attribute__((noinline)) void *readHashed(Transaction *tx, TVar *tvar)
{
    void *value = NULL;
    return LIKELY(transactionReadHashed(tx, tvar, &value)) ? value : readSlow(tx, tvar);
}

static __attribute__((noinline)) void writeSlow(Transaction *tx, TVar *tvar, void *value)
{
    leaveUnless(tx, transactionWrite(tx, tvar, value));
}

void *tvarRead(Transaction *tx, TVar *tvar)
{
    void *value = NULL;
    return LIKELY(transactionReadQuick(tx, tvar, &value)) ? value : readHashed(tx, tvar);
}

void tvarWrite(Transaction *tx, TVar *tvar, void *value)
{
    if (UNLIKELY(!transactionWriteQuick(tx, tvar, value)))
        writeSlow(tx, tvar, value);
}

void tvarWriteIfChanged(Transaction *tx, TVar *tvar, void *value)
{
    if (tvarRead(tx, tvar) != value)
        tvarWrite(tx, tvar, value);
}

void *tvarSwap(Transaction *tx, TVar *tvar, void *value)
{
    void *old = tvarRead(tx, tvar);
    tvarWrite(tx, tvar, value);
    return old;
}

void *tvarModify(Transaction *tx, TVar *tvar, void *(*f)(void *value, void *env), void *env)
{
    void *value = f(tvarRead(tx, tvar), env);
    tvarWrite(tx, tvar, value);
    return value;
}

TVar *tvarNewSTM(Transaction *tx, void *value)
{
    TVar *tvar;
    leaveUnless(tx, stmNewTVar(tx, value, &tvar));
    return tvar;
}

void tvarFreeSTM(Transaction *tx, TVar *tvar)
{
    leaveUnless(tx, stmFreeTVar(tx, tvar));
}

void stmRetry(Transaction *tx)
{
    transactionEnd(tx, FateRetry);
    stmLeave(tx);
}

void stmThrow(Transaction *tx, int code, void *payload)
{
    stmThrowCode(tx, code, payload);
    stmLeave(tx);
}

void stmOnAbort(Transaction *tx, StmHook *hook, void *env)
{
    leaveUnless(tx, stmAddHook(tx, EffectAbort, hook, env));
}

void stmOnCommit(Transaction *tx, StmHook *hook, void *env)
{
    leaveUnless(tx, stmAddHook(tx, EffectCommit, hook, env));
}

void stmRetire(Transaction *tx, void *pointer, void (*free)(void *pointer))
{
    leaveUnless(tx, stmAddRetired(tx, pointer, free));
}

/* Run a branch.  True: it ended in `fate` and is undone; false: *result is its result. */
static bool runBranch(Transaction *tx, StmAction *action, void *env, Fate fate, void **result)
{
    Escape escape, *outer = tx->escape;
    StmBranch branch = stmBranchBegin(tx);
    if (outer == NULL)
        stmLeave(tx);
    tx->escape = &escape;
    *result = escapeCall(&escape, action, tx, env);
    tx->escape = outer;
    if (stmBranchEnd(tx, branch, fate))
        return true;
    if (tx->fate != FateNone)
        stmLeave(tx);
    return false;
}

void *stmOrElse(Transaction *tx, StmAction *first, void *first_env, StmAction *second,
                void *second_env)
{
    void *result;
    if (first == NULL || second == NULL)
        stmThrow(tx, -EINVAL, NULL);
    if (runBranch(tx, first, first_env, FateRetry, &result))
        return second(tx, second_env);
    return result;
}

void *stmCatch(Transaction *tx, StmAction *action, void *env, StmHandler *handler,
               void *handler_env)
{
    void *result;
    if (action == NULL || handler == NULL)
        stmThrow(tx, -EINVAL, NULL);
    if (runBranch(tx, action, env, FateThrown, &result))
        return handler(tx, tx->code, tx->payload, handler_env);
    return result;
}
