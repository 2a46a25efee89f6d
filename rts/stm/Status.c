/* Status.c -- the calls of a transaction for hosts that cannot be jumped over.
 *
 * Owns    nothing: Transaction.c does the work.
 * Before  the host's action.   After  rts/stm/STM.c.
 * Tests   testsuite/unit/StatusTest.c
 */
#include "rts/stm/STM.h"

#include <errno.h>

int stmAtomicallyStatus(StmStatusAction *action, void *env, void **payload, int64_t deadline_ns)
{
    return stmRun(NULL, action, env, payload, deadline_ns);
}

/* An action that went on after its attempt had ended gets the same answer again. */
static inline bool isOver(const Transaction *tx)
{
    return UNLIKELY(tx->fate != FateNone);
}

int tvarReadStatus(Transaction *tx, TVar *tvar, void **value)
{
    if (isOver(tx))
        return -ECANCELED;
    return LIKELY(transactionReadQuick(tx, tvar, value)) ? 0 : transactionRead(tx, tvar, value);
}

int tvarWriteStatus(Transaction *tx, TVar *tvar, void *value)
{
    if (isOver(tx))
        return -ECANCELED;
    return LIKELY(transactionWriteQuick(tx, tvar, value)) ? 0 : transactionWrite(tx, tvar, value);
}

int stmRetryStatus(Transaction *tx)
{
    return isOver(tx) ? -ECANCELED : transactionEnd(tx, FateRetry);
}

int stmThrowStatus(Transaction *tx, int code, void *payload)
{
    return isOver(tx) ? -ECANCELED : stmThrowCode(tx, code, payload);
}

int tvarNewStatus(Transaction *tx, void *value, TVar **tvar)
{
    return isOver(tx) ? -ECANCELED : stmNewTVar(tx, value, tvar);
}

int tvarFreeStatus(Transaction *tx, TVar *tvar)
{
    return isOver(tx) ? -ECANCELED : stmFreeTVar(tx, tvar);
}

int stmOnAbortStatus(Transaction *tx, StmHook *hook, void *env)
{
    return isOver(tx) ? -ECANCELED : stmAddHook(tx, EffectAbort, hook, env);
}

int stmOnCommitStatus(Transaction *tx, StmHook *hook, void *env)
{
    return isOver(tx) ? -ECANCELED : stmAddHook(tx, EffectCommit, hook, env);
}

int stmRetireStatus(Transaction *tx, void *pointer, void (*free)(void *pointer))
{
    return isOver(tx) ? -ECANCELED : stmAddRetired(tx, pointer, free);
}

/* Run a branch.  True: it ended in `fate` and is undone; false: *status is its status. */
static bool runBranch(Transaction *tx, StmStatusAction *action, void *env, Fate fate, int *status)
{
    StmBranch branch = stmBranchBegin(tx);
    *status = action(tx, env);
    if (*status != 0 && tx->fate == FateNone)
        stmThrowCode(tx, *status, NULL);
    if (stmBranchEnd(tx, branch, fate))
        return true;
    *status = tx->fate == FateNone ? 0 : -ECANCELED;
    return false;
}

int stmOrElseStatus(Transaction *tx, StmStatusAction *first, void *first_env,
                    StmStatusAction *second, void *second_env)
{
    int status;
    if (isOver(tx))
        return -ECANCELED;
    if (first == NULL || second == NULL)
        return stmThrowCode(tx, -EINVAL, NULL);
    return runBranch(tx, first, first_env, FateRetry, &status) ? second(tx, second_env) : status;
}

int stmCatchStatus(Transaction *tx, StmStatusAction *action, void *env, StmStatusHandler *handler,
                   void *handler_env)
{
    int status;
    if (isOver(tx))
        return -ECANCELED;
    if (action == NULL || handler == NULL)
        return stmThrowCode(tx, -EINVAL, NULL);
    if (!runBranch(tx, action, env, FateThrown, &status))
        return status;
    return handler(tx, tx->code, tx->payload, handler_env);
}
