/* STM.h -- running a transaction: attempts until one commits.
 *
 * Note [Transaction attempts]
 *   fate      then
 *   none      commit; done, or spoilt
 *   spoilt    undo; wait a little (longer each time), or take the token; again
 *   retry     undo; wait until something that was read is written; again
 *   thrown    if all that was read still holds: undo and leave; else as spoilt
 *   no memory undo and leave
 *   An attempt begins and ends on one OS thread and does not switch: safepoints pass it by, waits
 *   in it are errors, its share is that of the capability it runs on.  Between attempts the thread
 *   may park and go on elsewhere; its log is on its own stack.
 */
#ifndef RTS_STM_H
#define RTS_STM_H

#include "rts/stm/Transaction.h"

/* stmRun -- stmAtomicallyUntil for either style: one of the actions is NULL. */
int stmRun(StmAction *action, StmStatusAction *status_action, void *env, void **result,
           int64_t deadline_ns);

/* stmLeave -- the attempt or branch has ended: back to the frame that sees to it. */
_Noreturn void stmLeave(Transaction *tx);

/* A branch of stmOrElse, stmCatch. */
typedef struct StmBranch {
    LogMark log;
    uint32_t effects;
} StmBranch;

static inline StmBranch stmBranchBegin(Transaction *tx)
{
    return (StmBranch){logNestBegin(&tx->log), tx->effects.count};
}

/* stmBranchEnd -- true: it ended in `fate`, is undone, and the transaction goes on.  False: it
 * succeeded, or whatever is around it must see to its end. */
bool stmBranchEnd(Transaction *tx, StmBranch branch, Fate fate);

/* What the calls of both styles do; 0, or the attempt has ended.
 * stmAddNew -- object (NULL: out of memory) is freed if it does not come to a commit. */
int stmAddNew(Transaction *tx, void *object, StmHook *free);
int stmThrowCode(Transaction *tx, int code, void *payload);
int stmAddHook(Transaction *tx, EffectKind kind, StmHook *hook, void *env);
int stmAddRetired(Transaction *tx, void *pointer, void (*free)(void *pointer));
int stmNewTVar(Transaction *tx, void *value, TVar **tvar);
int stmFreeTVar(Transaction *tx, TVar *tvar);

#endif
