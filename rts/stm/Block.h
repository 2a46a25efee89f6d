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
 *   and the action runs from the start, be it that nothing was written, or that a time has come
 *   which it waits for (threadDelayUntilSTM).  Its Events (See Note [Events in transactions]) stay
 *   beside the nodes meanwhile, and are those of the next run.  So does what its attempt has made
 *   (Note [Effects]): a new variable that it has read is watched like the others, and freed once
 *   the nodes are out, or it would be woken by that.
 *
 * Note [What a transaction waits for]
 *   For threadDescribe only.  threadSetAbout names the list of one variable that it waits for.  The
 *   Events come first; each names the next variable in tvar.link (which is the pool's while it is
 *   free), the last one of them a plain variable or nothing.  With a plain one goes BLOCK_MORE if
 *   there are more of these.  All of that stands still while it waits, and lies in type-stable
 *   memory: who looks at the claim before and after is told the truth.  All that he looks at in
 *   between is stored with release, the pool's links too, and read with acquire: he who finds
 *   anything of the next wait's finds that this one is over, and what he follows is initialised.
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
    int64_t
        deadline_ns; /* the task's; its timer may be armed for an earlier time that is waited for */
    Event *events;   /* what it waits for beside variables */
    uint32_t room;   /* bytes of all this */
    uint32_t made;   /* Effects behind the nodes: what its attempt has made */
} BlockWatches;

/* A task's transaction that runs; stmRun said -EINPROGRESS: `watches` are the task's node.next. */
struct BlockArming {
    Thread *task;
    StmAction *action;
    StmStatusAction *status_action;
    void *env;
    int64_t deadline_ns; /* as it was given, too */
    int64_t until_ns;    /* when to look again: the deadline, or threadDelayUntilSTM's time */
    Event *kept;         /* in: of the run before, until this one asks for one of them */
    BlockWatches *watches;
};

/* blockForget -- the wait is over: they are taken out of all lists and given back, and so is what
 * the attempt had made.  Returns the Events, which are the caller's.
 * blockForgetLost -- likewise in the child of a fork: nobody is in a list any more. */
Event *blockForget(BlockWatches *watches, Capability *here);
void blockForgetLost(BlockWatches *watches);

#define BLOCK_MORE UINT64_C(1) /* See Note [What a transaction waits for] */

/* blockIsOver -- something it has read has been written since. */
bool blockIsOver(const Transaction *tx);

#endif
