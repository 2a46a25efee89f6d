/* Block.h -- a transaction that retries waits until something it has read is written.
 *
 * Note [Blocked transactions]
 *   It is in no attempt.  It puts a node into the list of each variable it has read, and after each
 *   looks whether that variable is still of the version it read (a write that began later takes the
 *   node: Note [TVar versions]).  The first writer that fires one of the nodes claims the wait.
 *     held   1       waiter   before it publishes the node
 *     held   1 -> 0  firer    release  its last touch of a node, after the claim
 *   Awake, by whatever source, it takes out every node that is still in a list; of one that has
 *   been taken it waits for `held` to be 0 (acquire).  So nodes live as long as the wait, and need
 *   no type-stable memory.  Both take time linear in what it has read.
 *   If nothing it had read was written (a freed variable, a late node), it waits again; the action
 *   does not run.  One variable alone, as mostly: tvarAwait.
 *
 * Note [Detached transactions]
 *   A task's transaction (Scheduler.arming) has no stack to wait on.  When it retries its nodes are
 *   published in memory of their own, and stmRun leaves with -EINPROGRESS; the task's wait has
 *   begun then and is committed by the loop.  Woken, the task gives that memory back (blockForget)
 *   and the action runs from the start, be it that nothing was written.
 */
#ifndef RTS_BLOCK_H
#define RTS_BLOCK_H

#include "rts/stm/Transaction.h"

/* blockUntilWritten -- 0; -ECANCELED, -ETIMEDOUT, -EINVAL (freed), -ENOMEM. */
int blockUntilWritten(Transaction *tx, int64_t deadline_ns);

/* What a detached transaction leaves behind. */
typedef struct BlockWatches {
    StmAction *action; /* as it was given to the task, like the next two */
    StmStatusAction *status_action;
    void *env;
    uint32_t room; /* bytes of all this */
} BlockWatches;

/* A task's transaction that runs; stmRun said -EINPROGRESS: `watches` are the task's node.next. */
struct BlockArming {
    Thread *task;
    StmAction *action;
    StmStatusAction *status_action;
    void *env;
    BlockWatches *watches;
};

/* blockForget -- the wait is over: they are taken out of all lists and given back.
 * blockForgetLost -- likewise in the child of a fork: nobody is in a list any more. */
void blockForget(BlockWatches *watches, Capability *here);
void blockForgetLost(BlockWatches *watches);

/* blockIsOver -- something it has read has been written since. */
bool blockIsOver(const Transaction *tx);

#endif
