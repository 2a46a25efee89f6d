/* capri/stm.h -- transactions: read and write variables all at once, wait until one of them
 * changes, choose between alternatives.
 *
 *     static void *move(Transaction *tx, void *env)
 *     {
 *         Transfer *it = env;
 *         intptr_t has = (intptr_t)tvarRead(tx, it->from);
 *         stmCheck(tx, has >= it->amount);              // waits until there is enough
 *         tvarWrite(tx, it->from, (void *)(has - it->amount));
 *         ...
 *         return NULL;
 *     }
 *     result = stmAtomically(move, &transfer, NULL);
 *
 * An action may run many times and may be cut off at any call that takes the transaction: it must
 * not change anything else, not wait (which is refused: -EPERM), and not hold what a cut would
 * leave behind (stmOnAbort lets go of it).  At no time, be it in an attempt that will be given up,
 * does it see values that never stood together.
 *
 * Two styles.  The calls without a suffix leave the action by themselves (a jump back to
 * stmAtomically; no destructor of another language runs).  For hosts that cannot be jumped over the
 * calls with the suffix Status return a result; one that is not 0 is to be returned by the action
 * at once.  Which style an action uses is told by how it was started; they cannot be mixed.
 */
#ifndef CAPRI_STM_H
#define CAPRI_STM_H

#include <capri/api.h>
#include <capri/thread.h>
#include <capri/tvar.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define CAPRI_NORETURN [[noreturn]]
#else
#define CAPRI_NORETURN _Noreturn
#endif

typedef struct Transaction Transaction; /* one that runs; only the action it was given to uses it */

/* StmAction -- what a transaction does; its result is stmAtomically's.
 * StmHandler -- what stmCatch does about `code` and `payload` that were thrown. */
typedef void *StmAction(Transaction *tx, void *env);
typedef void *StmHandler(Transaction *tx, int code, void *payload, void *env);

/* StmHook -- stmOnAbort's and stmOnCommit's.  It must neither wait nor begin a transaction. */
typedef void StmHook(void *env);

/* ---- running ---- */

/* stmAtomically -- run action(tx, env) as if nothing else ran meanwhile.
 *
 * result   the action's result, or the payload it threw; may be NULL
 * Returns  0; the code that was thrown; -ECANCELED (while it waited); -EINVAL (action NULL, or a
 *          variable it waited for was freed); -EPERM (inside of a transaction, or in a callback of
 *          the runtime); -EDEADLK (in a closed world: nobody can end its wait); -ENOMEM; plain OS
 *          threads: -ENXIO, -ESHUTDOWN, and in a fork's child -EAGAIN, -ENOTRECOVERABLE.  Whatever
 *          is not 0 has changed nothing.
 * Promise  all or nothing, serialisable, in the order of real time.  No livelock: after some
 *          attempts that others spoilt it runs alone.
 * Context  green threads and plain OS threads.  Takes a due time slice after an attempt.
 * Source   GHC.Conc.atomically; differs: a result code; attempts see consistent values only.
 */
CAPRI_EXPORT int stmAtomically(StmAction *action, void *env, void **result)
    CAPRI_NAME(stmAtomically);

/* stmAtomicallyUntil -- likewise; -ETIMEDOUT if it would have to wait past deadline_ns (rtsNow). */
CAPRI_EXPORT int stmAtomicallyUntil(StmAction *action, void *env, void **result,
                                    int64_t deadline_ns) CAPRI_NAME(stmAtomicallyUntil);

/* ---- inside ---- */

/* tvarRead -- the value as this transaction sees it.
 * tvarWrite -- what it will be; seen by others when all of it is done.  A variable that the runtime
 * writes (registerDelay) throws -EPERM.  Writing an equal value is a write.
 * tvarWriteIfChanged -- only if it is another value: then nobody is woken for nothing.
 * tvarSwap -- write, and return what it was.
 * tvarModify -- write f(value, env), and return that. */
CAPRI_EXPORT void *tvarRead(Transaction *tx, TVar *tvar) CAPRI_NAME(tvarRead);
CAPRI_EXPORT void tvarWrite(Transaction *tx, TVar *tvar, void *value) CAPRI_NAME(tvarWrite);
CAPRI_EXPORT void tvarWriteIfChanged(Transaction *tx, TVar *tvar, void *value)
    CAPRI_NAME(tvarWriteIfChanged);
CAPRI_EXPORT void *tvarSwap(Transaction *tx, TVar *tvar, void *value) CAPRI_NAME(tvarSwap);
CAPRI_EXPORT void *tvarModify(Transaction *tx, TVar *tvar, void *(*f)(void *value, void *env),
                              void *env) CAPRI_NAME(tvarModify);

/* tvarNewSTM -- a variable that is gone again if the transaction does not commit.
 * tvarFreeSTM -- tvarFree once it has committed and no running transaction can know the variable;
 * whoever would begin to use it later must not find it any more. */
CAPRI_EXPORT TVar *tvarNewSTM(Transaction *tx, void *value) CAPRI_NAME(tvarNewSTM);
CAPRI_EXPORT void tvarFreeSTM(Transaction *tx, TVar *tvar) CAPRI_NAME(tvarFreeSTM);

/* stmRetry -- undo everything, wait until a variable that was read is written, run again.  Having
 * read none it waits until it is cancelled.
 * stmCheck -- retry unless `ready`. */
CAPRI_EXPORT CAPRI_NORETURN void stmRetry(Transaction *tx) CAPRI_NAME(stmRetry);

static inline void stmCheck(Transaction *tx, bool ready)
{
    if (!ready)
        stmRetry(tx);
}

/* stmOrElse -- first's result; if it retries its writes are undone, and second runs.  If both
 * retry, the whole waits for what either has read. */
CAPRI_EXPORT void *stmOrElse(Transaction *tx, StmAction *first, void *first_env, StmAction *second,
                             void *second_env) CAPRI_NAME(stmOrElse);

/* stmThrow -- undo everything and leave stmAtomically, or the innermost stmCatch, with `code` and
 * `payload`.  code: negative; anything else becomes -EINVAL.
 * stmCatch -- action's result; if it throws, its writes are undone, what it has read still counts,
 * and handler runs.  A retry passes through, in the handler as well. */
CAPRI_EXPORT CAPRI_NORETURN void stmThrow(Transaction *tx, int code, void *payload)
    CAPRI_NAME(stmThrow);
CAPRI_EXPORT void *stmCatch(Transaction *tx, StmAction *action, void *env, StmHandler *handler,
                            void *handler_env) CAPRI_NAME(stmCatch);

/* stmOnAbort -- hook(env) when what has been done up to here is undone: this attempt fails, waits
 * or throws, or the branch of stmOrElse or stmCatch is given up.  Newest first.
 * stmOnCommit -- hook(env) once all is visible to others.  Oldest first.
 * stmRetire -- free(pointer) once the transaction has committed and no transaction that is running
 * then can hold the pointer any more: later, on some OS thread that commits, or at shutdown.  For
 * memory that this transaction has taken out of what others read. */
CAPRI_EXPORT void stmOnAbort(Transaction *tx, StmHook *hook, void *env) CAPRI_NAME(stmOnAbort);
CAPRI_EXPORT void stmOnCommit(Transaction *tx, StmHook *hook, void *env) CAPRI_NAME(stmOnCommit);
CAPRI_EXPORT void stmRetire(Transaction *tx, void *pointer, void (*free)(void *pointer))
    CAPRI_NAME(stmRetire);

/* ---- waiting for anything ---- */

/* threadWaitReadSTM, threadWaitWriteSTM -- retry unless fd may be ready.
 *
 * fd       of any kind; the fd itself is looked at, so nothing need have said EAGAIN before.
 * Throws   -EBADF: not open, or closed by closeFd since this transaction looked at it first; and
 *          what threadWaitRead returns: -EMFILE, -ENOMEM, -ENOSPC.
 * Promise  what was ready stays so until stmAtomically returns; like any readiness it is a hint,
 *          others may have read meanwhile.  An fd that becomes ready between the look and the wait
 *          is not missed.  Nothing need be undone: whether this branch is taken or not, nothing is
 *          left of it when stmAtomically has returned.
 * Cost     a poll(2), and for an fd that was not adopted one change of what is watched; plain
 *          waits for the same fd pay nothing.
 * Source   GHC.Conc.threadWaitReadSTM; differs: inside the transaction, no deregister action. */
CAPRI_EXPORT void threadWaitReadSTM(Transaction *tx, int fd) CAPRI_NAME(threadWaitReadSTM);
CAPRI_EXPORT void threadWaitWriteSTM(Transaction *tx, int fd) CAPRI_NAME(threadWaitWriteSTM);

/* threadDelayUntilSTM -- retry unless rtsNow() had reached deadline_ns when this attempt first
 * asked for the time.
 *
 * Promise  never early; nothing is registered, so nothing is left.  In a branch of stmOrElse it is
 *          that branch's time-out, where stmAtomicallyUntil's deadline ends the whole. */
CAPRI_EXPORT void threadDelayUntilSTM(Transaction *tx, int64_t deadline_ns)
    CAPRI_NAME(threadDelayUntilSTM);

/* threadJoinSTM -- retry unless thread has ended.
 *
 * thread   the caller has a handle to it until the transaction is over.
 * result   receives what its body returned; may be NULL.
 * Returns  as threadJoin: 0, -ENOMEM, -ESRCH, -EINTR, -EPROTO, -EDEADLK, -EINVAL.
 * Promise  as above: it leaves nothing behind. */
CAPRI_EXPORT int threadJoinSTM(Transaction *tx, Thread *thread, void **result)
    CAPRI_NAME(threadJoinSTM);

/* ---- the same without jumps ---- */

/* StmStatusAction -- 0: done; what a call returned: that; another negative code: thrown. */
typedef int StmStatusAction(Transaction *tx, void *env);
typedef int StmStatusHandler(Transaction *tx, int code, void *payload, void *env);

/* As stmAtomically and the calls above.  Each returns 0, or a negative number that the action
 * returns at once: the attempt is over, or the branch. */
CAPRI_EXPORT int stmAtomicallyStatus(StmStatusAction *action, void *env, void **payload,
                                     int64_t deadline_ns) CAPRI_NAME(stmAtomicallyStatus);
CAPRI_EXPORT int tvarReadStatus(Transaction *tx, TVar *tvar, void **value)
    CAPRI_NAME(tvarReadStatus);
CAPRI_EXPORT int tvarWriteStatus(Transaction *tx, TVar *tvar, void *value)
    CAPRI_NAME(tvarWriteStatus);
CAPRI_EXPORT int stmRetryStatus(Transaction *tx) CAPRI_NAME(stmRetryStatus);
CAPRI_EXPORT int stmThrowStatus(Transaction *tx, int code, void *payload)
    CAPRI_NAME(stmThrowStatus);
CAPRI_EXPORT int stmOrElseStatus(Transaction *tx, StmStatusAction *first, void *first_env,
                                 StmStatusAction *second, void *second_env)
    CAPRI_NAME(stmOrElseStatus);
CAPRI_EXPORT int stmCatchStatus(Transaction *tx, StmStatusAction *action, void *env,
                                StmStatusHandler *handler, void *handler_env)
    CAPRI_NAME(stmCatchStatus);
CAPRI_EXPORT int tvarNewStatus(Transaction *tx, void *value, TVar **tvar) CAPRI_NAME(tvarNewStatus);
CAPRI_EXPORT int tvarFreeStatus(Transaction *tx, TVar *tvar) CAPRI_NAME(tvarFreeStatus);
CAPRI_EXPORT int threadWaitReadStatus(Transaction *tx, int fd) CAPRI_NAME(threadWaitReadStatus);
CAPRI_EXPORT int threadWaitWriteStatus(Transaction *tx, int fd) CAPRI_NAME(threadWaitWriteStatus);
CAPRI_EXPORT int threadDelayUntilStatus(Transaction *tx, int64_t deadline_ns)
    CAPRI_NAME(threadDelayUntilStatus);
/* *code is threadJoinSTM's result. */
CAPRI_EXPORT int threadJoinStatus(Transaction *tx, Thread *thread, int *code, void **result)
    CAPRI_NAME(threadJoinStatus);
CAPRI_EXPORT int stmOnAbortStatus(Transaction *tx, StmHook *hook, void *env)
    CAPRI_NAME(stmOnAbortStatus);
CAPRI_EXPORT int stmOnCommitStatus(Transaction *tx, StmHook *hook, void *env)
    CAPRI_NAME(stmOnCommitStatus);
CAPRI_EXPORT int stmRetireStatus(Transaction *tx, void *pointer, void (*free)(void *pointer))
    CAPRI_NAME(stmRetireStatus);

/* ---- seeing inside ---- */

/* StmStats -- counters of one capability since rtsInit. */
typedef struct StmStats {
    uint64_t starts;        /* attempts that have ended, however: the sum of the next six */
    uint64_t commits;       /* attempts that committed */
    uint64_t changed;       /* aborts: something read had been written */
    uint64_t locked;        /* aborts: another was committing the same variable */
    uint64_t yielded;       /* aborts: another was running alone */
    uint64_t retries;       /* attempts that ended in stmRetry */
    uint64_t failures;      /* attempts that threw, or were out of memory */
    uint64_t waits;         /* of the retries, those that parked */
    uint64_t serial;        /* attempts that ran alone */
    uint64_t longest_abort; /* the longest run of aborts of one transaction */
    uint64_t retired;       /* things given to stmRetire and tvarFreeSTM by what committed */
    uint64_t freed;         /* of these, those freed by now */
} StmStats;

enum { STM_OUTSIDE = 0x7fffffff }; /* for stmStats: plain OS threads, all together */

/* stmStats -- fill *stats for one capability: 0, -EINVAL (no such), -ENXIO (no runtime). */
CAPRI_EXPORT int stmStats(uint32_t capability, StmStats *stats) CAPRI_NAME(stmStats);

#ifdef __cplusplus
}
#endif

#endif
