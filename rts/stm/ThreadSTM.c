/* ThreadSTM.c -- waiting for an fd, a thread's end or a time inside of a transaction, in both
 * styles.
 *
 * Owns    nothing: the Events are Event.c's.
 * Before  the host's action.   After  rts/stm/Event.c, rts/stm/Transaction.c: reading it.
 * Tests   testsuite/unit/ThreadSTMTest.c, testsuite/unit/TaskSTMTest.c
 *
 * See Note [Events in transactions].
 */
#include "rts/Schedule.h"
#include "rts/Thread.h"
#include "rts/stm/Block.h"
#include "rts/stm/Event.h"
#include "rts/stm/STM.h"

#include <errno.h>

/* It has happened already, and no version tells that this is news. */
static int lookAtNews(Transaction *tx)
{
    return tx->log.count == 0 ? 0 : transactionLook(tx);
}

/* The Event's value.  0: it has happened; else the attempt has ended. */
static int readEvent(Transaction *tx, Event *event, bool *happened)
{
    void *value = NULL;
    int status = transactionReadQuick(tx, &event->tvar, &value)
                     ? 0
                     : transactionRead(tx, &event->tvar, &value);
    *happened = status == 0 && value == EVENT_HAPPENED;
    if (status != 0 || *happened)
        return status;
    if (value == NULL)
        return transactionEnd(tx, FateRetry);
    return stmThrowCode(tx, (int)(intptr_t)value, NULL);
}

/* Those that a task's transaction has kept from the run that it waited in: See Note [Detached
 * transactions]. */
static void attachKept(Transaction *tx)
{
    BlockArming *arming = tx->here == NULL ? NULL : schedulerOf(tx->here)->arming;
    if (tx->eventful || LIKELY(arming == NULL))
        return;
    eventAttach(tx, arming->kept);
    arming->kept = NULL;
}

static int waitFd(Transaction *tx, int fd, FdDirection direction)
{
    EventKind kind = direction == FdRead ? EventOfRead : EventOfWrite;
    bool happened;
    attachKept(tx);
    Event *event = eventFind(tx, kind, fd, NULL);
    if (event == NULL) {
        event = eventNew(tx, kind, fd, NULL);
        if (event == NULL)
            return transactionEnd(tx, FateNoMemory);
        eventAskFd(event, direction, tx->here);
        if (!event->published && lookAtNews(tx) != 0)
            return -ECANCELED;
    }
    int status = readEvent(tx, event, &happened);
    if (status == 0 && UNLIKELY(eventIsStale(event, direction)))
        return stmThrowCode(tx, -EBADF, NULL);
    return status;
}

/* What threadJoin returns at once: *code.  False: it would wait. */
static bool hasOutcome(const Transaction *tx, Thread *thread, int *code, void **result)
{
    if (thread == NULL)
        *code = -EINVAL;
    else if (tx->here != NULL && thread == tx->here->current)
        *code = -EDEADLK;
    else if (threadHasEnded(thread))
        *code = threadOutcome(thread, result);
    else
        return false;
    return true;
}

static int joinThread(Transaction *tx, Thread *thread, int *code, void **result)
{
    bool happened;
    attachKept(tx);
    Event *event = eventFind(tx, EventOfEnd, -1, thread);
    if (event == NULL) {
        if (hasOutcome(tx, thread, code, result))
            return lookAtNews(tx);
        event = eventNew(tx, EventOfEnd, -1, thread);
        if (event == NULL)
            return transactionEnd(tx, FateNoMemory);
        eventArm(event);
        if (!watchListAdd(&thread->ended, 0, &event->node)) {
            eventDisarm(event);
            eventSet(event, 0); /* ended since */
            if (lookAtNews(tx) != 0)
                return -ECANCELED;
        }
    }
    int status = readEvent(tx, event, &happened);
    if (status == 0)
        *code = threadOutcome(thread, result);
    return status;
}

/* The time stands still in an attempt; it needs no Event, for the park has a deadline anyhow. */
static int delayUntil(Transaction *tx, int64_t deadline_ns)
{
    if (!tx->timed) {
        tx->timed = true;
        tx->now_ns = clockRead(tx->here == NULL ? &clockMonotonic : tx->here->manager.clock);
        tx->wake_ns = DEADLINE_NEVER;
    }
    if (tx->now_ns >= deadline_ns)
        return 0;
    if (deadline_ns < tx->wake_ns)
        tx->wake_ns = deadline_ns;
    return transactionEnd(tx, FateRetry);
}

static inline void leaveUnless(Transaction *tx, int status)
{
    if (UNLIKELY(status != 0))
        stmLeave(tx);
}

void threadWaitReadSTM(Transaction *tx, int fd)
{
    leaveUnless(tx, waitFd(tx, fd, FdRead));
}

void threadWaitWriteSTM(Transaction *tx, int fd)
{
    leaveUnless(tx, waitFd(tx, fd, FdWrite));
}

void threadDelayUntilSTM(Transaction *tx, int64_t deadline_ns)
{
    leaveUnless(tx, delayUntil(tx, deadline_ns));
}

int threadJoinSTM(Transaction *tx, Thread *thread, void **result)
{
    int code = 0;
    leaveUnless(tx, joinThread(tx, thread, &code, result));
    return code;
}

int threadWaitReadStatus(Transaction *tx, int fd)
{
    return tx->fate != FateNone ? -ECANCELED : waitFd(tx, fd, FdRead);
}

int threadWaitWriteStatus(Transaction *tx, int fd)
{
    return tx->fate != FateNone ? -ECANCELED : waitFd(tx, fd, FdWrite);
}

int threadDelayUntilStatus(Transaction *tx, int64_t deadline_ns)
{
    return tx->fate != FateNone ? -ECANCELED : delayUntil(tx, deadline_ns);
}

int threadJoinStatus(Transaction *tx, Thread *thread, int *code, void **result)
{
    int ignored;
    return tx->fate != FateNone ? -ECANCELED
                                : joinThread(tx, thread, code == NULL ? &ignored : code, result);
}
