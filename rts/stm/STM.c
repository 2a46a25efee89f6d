/* STM.c -- running a transaction: attempts until one commits.
 *
 * Owns    the order of attempts; back-off; what stmStats counts.
 * Before  the host, through Jump.c and Status.c.   After  rts/stm/Transaction.c: the commit;
 *         rts/stm/Block.c: waiting; rts/stm/Serial.c: running alone.
 * Tests   testsuite/unit/STMTest.c, STMHooksTest.c, testsuite/stress/Histories.c
 *
 * See Note [Transaction attempts].
 */
#include "rts/stm/STM.h"

#include "capability/CapabilityTable.h"
#include "rts/Outside.h"
#include "rts/Startup.h"
#include "rts/stm/Block.h"
#include "rts/stm/Event.h"
#include "rts/stm/Serial.h"

#include <errno.h>

enum { BACKOFF_PAUSES = 128, BACKOFF_DOUBLINGS = 5 };

_Noreturn void stmLeave(Transaction *tx)
{
    if (tx->escape == NULL)
        barf("a transaction of status calls was left by a call that jumps");
    escapeTo(tx->escape);
}

/* ---- one attempt ---- */

/* 0, or why a plain OS thread cannot begin.  From its first attempt until it returns a shutdown
 * waits for it, in an attempt or between them. */
static __attribute__((noinline)) int beginOutside(Transaction *tx)
{
    int result = startupEnter();
    if (result != 0)
        return result;
    tx->share = reclaimBorrow();
    if (tx->share == NULL) {
        startupLeave();
        return -ENOMEM;
    }
    if (!tx->stays)
        outsideStay();
    tx->stays = true;
    workerSetOutside(tx);
    return 0;
}

static inline int beginAttempt(Transaction *tx)
{
    tx->here = scheduleHere();
    if (LIKELY(tx->here != NULL)) {
        tx->share = &schedulerOf(tx->here)->stm;
    } else {
        int result = beginOutside(tx);
        if (result != 0)
            return result;
    }
    tx->share->running = tx;
    tx->fate = FateNone;
    tx->timed = false;
    tx->looks = 0;
    logReset(&tx->log);
    reclaimEnter(tx->share);
    return 0;
}

static inline void endAttempt(Transaction *tx)
{
    reclaimLeave(tx->share);
    if (reclaimDue(tx->share))
        reclaimSome(tx->share);
    tx->share->running = NULL;
    if (UNLIKELY(tx->here == NULL)) {
        workerSetOutside(NULL);
        reclaimGiveBack(tx->share);
        startupLeave();
    }
}

/* A due time slice is taken between attempts. */
static inline void passSafepoint(void)
{
    Capability *here = scheduleHere();
    if (LIKELY(here != NULL))
        scheduleSafepoint(here);
}

static void runStatus(Transaction *tx, StmStatusAction *action, void *env)
{
    tx->escape = NULL;
    int status = action(tx, env);
    if (status != 0 && tx->fate == FateNone)
        stmThrowCode(tx, status, NULL);
}

/* ---- between attempts ---- */

static void countSpoilt(Transaction *tx)
{
    StmStats *stats = &tx->share->stats;
    if (tx->spoilt_by == SpoiltByLock)
        COUNT(&stats->locked, 1);
    else if (tx->spoilt_by == SpoiltBySerial)
        COUNT(&stats->yielded, 1);
    else
        COUNT(&stats->changed, 1);
}

/* How many pauses before the attempt after `aborts` spoilt ones. */
static uint32_t drawPauses(StmShare *share, uint32_t aborts)
{
    uint32_t doublings = aborts < BACKOFF_DOUBLINGS ? aborts : BACKOFF_DOUBLINGS;
    share->random = share->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(share->random >> 33) % ((uint32_t)BACKOFF_PAUSES << doublings);
}

static void dropToken(Transaction *tx)
{
    if (tx->serial)
        serialGive();
    tx->serial = false;
}

/* Spoilt: undo, and see to it that the next attempt has a better chance. */
static __attribute__((noinline)) void tryAgain(Transaction *tx, uint32_t *aborts)
{
    SpoiltBy by = tx->spoilt_by;
    countSpoilt(tx);
    effectsUndo(&tx->effects);
    effectsForget(&tx->effects);
    uint32_t pauses = drawPauses(tx->share, *aborts);
    endAttempt(tx);
    if (by == SpoiltBySerial) {
        serialAwait();
        return;
    }
    ++*aborts;
    if (tx->serial)
        return;
    if (*aborts >= SERIAL_AFTER || by == SpoiltByLooks) {
        serialTake();
        tx->serial = true;
        return;
    }
    while (pauses-- > 0)
        SMP_PAUSE();
    passSafepoint();
}

/* What waits mostly: a green thread that has read one variable, and has nothing else to see to.  A
 * task's transaction, and who waits for a time or an fd beside it, go the long way. */
static inline bool waitsForOne(const Transaction *tx, int64_t deadline_ns)
{
    const Log *log = &tx->log;
    return log->count == 1 && (log->entries->flags & LOG_READ) != 0 &&
           deadline_ns == DEADLINE_NEVER && tx->effects.count == 0 && tx->here != NULL &&
           schedulerOf(tx->here)->arming == NULL && !(tx->timed | tx->eventful | tx->serial);
}

/* Its wait: being woken for a change of that variable it need not look for one again. */
static __attribute__((noinline)) int waitForOne(Transaction *tx)
{
    const LogEntry *entry = tx->log.entries;
    StmStats *stats = &tx->share->stats;
    COUNT(&stats->retries, 1);
    if (UNLIKELY(RELAXED_LOAD(&entry->tvar->version) != entry->version)) { /* blockIsOver */
        endAttempt(tx);
        passSafepoint();
        return 0;
    }
    COUNT(&stats->waits, 1);
    endAttempt(tx);
    int result = tvarAwaitHere(tx->here, entry->tvar, entry->version);
    if (UNLIKELY(result == -EINVAL && blockIsOver(tx)))
        result = 0; /* as in waitForChange */
    return result;
}

/* Retry reached the top: wait.  0: again, or -E... */
static __attribute__((noinline)) int waitForChange(Transaction *tx, int64_t deadline_ns)
{
    int result = 0;
    StmStats *stats = &tx->share->stats;
    COUNT(&stats->retries, 1);
    effectsUndo(&tx->effects);
    bool over = blockIsOver(tx);
    if (!over)
        COUNT(&stats->waits, 1);
    endAttempt(tx);
    dropToken(tx);
    int64_t until_ns = tx->timed && tx->wake_ns < deadline_ns ? tx->wake_ns : deadline_ns;
    while (!over && result == 0) {
        result = blockUntilWritten(tx, until_ns);
        if (result == -ETIMEDOUT && until_ns != deadline_ns) {
            result = 0; /* what it waited for */
            break;
        }
        if (result != 0 && result != -EINVAL)
            break;
        over = blockIsOver(tx);
        if (over && result == -EINVAL)
            result = 0; /* what it read led to a variable that is gone, and does so no more */
    }
    effectsForget(&tx->effects);
    passSafepoint();
    return result;
}

static __attribute__((noinline)) int giveUp(Transaction *tx, int code, void **result)
{
    COUNT(&tx->share->stats.failures, 1);
    effectsUndo(&tx->effects);
    effectsForget(&tx->effects);
    endAttempt(tx);
    if (result != NULL && tx->fate == FateThrown)
        *result = tx->payload;
    return code;
}

static inline void succeed(Transaction *tx, uint32_t aborts)
{
    StmStats *stats = &tx->share->stats;
    COUNT(&stats->commits, 1);
    if (UNLIKELY(tx->serial))
        COUNT(&stats->serial, 1);
    if (UNLIKELY(aborts > RELAXED_LOAD(&stats->longest_abort)))
        RELAXED_STORE(&stats->longest_abort, aborts);
    if (UNLIKELY(tx->effects.count != 0))
        effectsCommit(&tx->effects, tx->share);
    endAttempt(tx);
}

static inline int runAttempts(Transaction *tx, StmAction *action, StmStatusAction *status_action,
                              void *env, void **result, int64_t deadline_ns)
{
    uint32_t aborts = 0;
    Escape escape;
    for (;;) {
        int again = beginAttempt(tx);
        if (UNLIKELY(again != 0))
            return again;
        void *value = NULL;
        if (LIKELY(action != NULL)) {
            tx->escape = &escape;
            value = escapeCall(&escape, action, tx, env);
        } else {
            runStatus(tx, status_action, env);
        }
        if (LIKELY(tx->fate == FateNone && transactionCommit(tx))) {
            succeed(tx, aborts);
            if (result != NULL)
                *result = value;
            return 0;
        }
        if (tx->fate == FateRetry) {
            again = LIKELY(waitsForOne(tx, deadline_ns)) ? waitForOne(tx)
                                                         : waitForChange(tx, deadline_ns);
            aborts = 0;
        } else {
            if (tx->fate == FateNoMemory)
                return giveUp(tx, -ENOMEM, result);
            if (tx->fate == FateThrown) {
                if (transactionHolds(tx))
                    return giveUp(tx, tx->code, result);
                transactionSpoil(tx, SpoiltByChange);
            }
            tryAgain(tx, &aborts);
        }
        if (again != 0)
            return again;
    }
}

static __attribute__((noinline)) void closeLog(Log *log)
{
    Capability *here = scheduleHere();
    logClose(log, here == NULL ? NULL : &schedulerOf(here)->stm);
}

int stmRun(StmAction *action, StmStatusAction *status_action, void *env, void **result,
           int64_t deadline_ns)
{
    Capability *here = scheduleEnter();
    Transaction tx;
    if (UNLIKELY(action == NULL && status_action == NULL))
        return -EINVAL;
    if (LIKELY(here != NULL) ? scheduleCalledBack(here) || schedulerOf(here)->stm.running != NULL
                             : workerOutside() != NULL)
        return -EPERM;
    tx.serial = tx.eventful = tx.stays = false;
    effectsOpen(&tx.effects);
    logOpen(&tx.log);
    int done = runAttempts(&tx, action, status_action, env, result, deadline_ns);
    if (UNLIKELY(tx.serial))
        dropToken(&tx);
    if (UNLIKELY(tx.effects.items != NULL))
        effectsClose(&tx.effects);
    if (UNLIKELY(logHasMemory(&tx.log)))
        closeLog(&tx.log);
    if (UNLIKELY(tx.eventful))
        eventRelease(&tx);
    if (UNLIKELY(tx.stays))
        outsideStayOver(); /* the runtime may be gone after this */
    passSafepoint();
    return done;
}

/* ---- branches, and what both styles do ---- */

bool stmBranchEnd(Transaction *tx, StmBranch branch, Fate fate)
{
    if (tx->fate == FateNone) {
        logNestKeep(&tx->log, branch.log);
        return false;
    }
    if (tx->fate != fate)
        return false;
    logNestDrop(&tx->log, branch.log);
    effectsDrop(&tx->effects, branch.effects);
    tx->fate = FateNone;
    return true;
}

int stmThrowCode(Transaction *tx, int code, void *payload)
{
    tx->code = code < 0 ? code : -EINVAL;
    tx->payload = payload;
    return transactionEnd(tx, FateThrown);
}

int stmAddHook(Transaction *tx, EffectKind kind, StmHook *hook, void *env)
{
    if (hook == NULL)
        return stmThrowCode(tx, -EINVAL, NULL);
    return effectsAdd(&tx->effects, kind, hook, env) ? 0 : transactionEnd(tx, FateNoMemory);
}

int stmAddRetired(Transaction *tx, void *pointer, void (*free)(void *pointer))
{
    if (free == NULL)
        return stmThrowCode(tx, -EINVAL, NULL);
    Retired *retired = reclaimNew(pointer, free);
    if (retired == NULL)
        return transactionEnd(tx, FateNoMemory);
    if (effectsAdd(&tx->effects, EffectRetire, NULL, retired))
        return 0;
    reclaimForget(retired);
    return transactionEnd(tx, FateNoMemory);
}

static void freeTVar(void *tvar)
{
    tvarFree(tvar);
}

int stmFreeTVar(Transaction *tx, TVar *tvar)
{
    return tvar == NULL ? 0 : stmAddRetired(tx, tvar, freeTVar);
}

int stmAddNew(Transaction *tx, void *object, StmHook *free)
{
    if (object != NULL && tx->fate == FateNone && effectsAdd(&tx->effects, EffectNew, free, object))
        return 0;
    if (object != NULL)
        free(object);
    return tx->fate == FateNone ? transactionEnd(tx, FateNoMemory) : -ECANCELED;
}

int stmNewTVar(Transaction *tx, void *value, TVar **tvar)
{
    *tvar = tvarNew(value);
    return stmAddNew(tx, *tvar, freeTVar);
}

int stmStats(uint32_t capability, StmStats *stats)
{
    if (startupIsBroken())
        return -ENOTRECOVERABLE;
    if (capabilityCount() == 0)
        return -ENXIO;
    if (stats == NULL || (capability >= capabilityTableCount() && capability != STM_OUTSIDE))
        return -EINVAL;
    if (capability == STM_OUTSIDE) {
        reclaimOutsideStats(stats);
    } else {
        *stats = (StmStats){0};
        shareStatsAdd(stats, &schedulerOf(capabilities.items[capability])->stm.stats);
    }
    return 0;
}
