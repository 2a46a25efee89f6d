/* TSem.c -- a semaphore inside of transactions: one variable that holds the units.
 *
 * Owns    nothing: a TSem is a TVar by another name.
 * After   rts/stm/Status.c.
 * Tests   testsuite/unit/TMVarTest.c
 *
 * See Note [Twins].
 */
#include <capri/tmvar.h>

#include "rts/stm/Container.h"

#include <errno.h>

static TVar *cellOf(TSem *tsem)
{
    return (TVar *)(void *)tsem;
}

TSem *tsemNew(int64_t units)
{
    return (TSem *)(void *)tvarNew((void *)(intptr_t)units);
}

void tsemFree(TSem *tsem)
{
    tvarFree(cellOf(tsem));
}

int tsemNewStatus(Transaction *tx, int64_t units, TSem **tsem)
{
    TVar *cell = NULL;
    int status = tvarNewStatus(tx, (void *)(intptr_t)units, &cell);
    *tsem = (TSem *)(void *)cell;
    return status;
}

int tsemFreeStatus(Transaction *tx, TSem *tsem)
{
    return tvarFreeStatus(tx, cellOf(tsem));
}

static int readUnits(Transaction *tx, TSem *tsem, int64_t *units)
{
    void *word;
    STM_TRY(tvarReadStatus(tx, cellOf(tsem), &word));
    *units = (intptr_t)word;
    return 0;
}

int tsemTryWaitStatus(Transaction *tx, TSem *tsem, bool *taken)
{
    int64_t units;
    *taken = false;
    STM_TRY(readUnits(tx, tsem, &units));
    if (units <= 0)
        return 0;
    *taken = true;
    return tvarWriteStatus(tx, cellOf(tsem), (void *)(intptr_t)(units - 1));
}

int tsemWaitStatus(Transaction *tx, TSem *tsem)
{
    bool taken;
    STM_TRY(tsemTryWaitStatus(tx, tsem, &taken));
    return containerRetryUnless(tx, taken);
}

int tsemSignalStatus(Transaction *tx, TSem *tsem, uint64_t units)
{
    int64_t has, sum;
    STM_TRY(readUnits(tx, tsem, &has));
    if (units > INT64_MAX || __builtin_add_overflow(has, (int64_t)units, &sum))
        return stmThrowStatus(tx, -EOVERFLOW, NULL);
    return units == 0 ? 0 : tvarWriteStatus(tx, cellOf(tsem), (void *)(intptr_t)sum);
}

/* ---- by jumps ---- */

TSem *tsemNewSTM(Transaction *tx, int64_t units)
{
    TSem *tsem;
    containerLeaveUnless(tx, tsemNewStatus(tx, units, &tsem));
    return tsem;
}

void tsemFreeSTM(Transaction *tx, TSem *tsem)
{
    containerLeaveUnless(tx, tsemFreeStatus(tx, tsem));
}

bool tsemTryWait(Transaction *tx, TSem *tsem)
{
    bool taken;
    containerLeaveUnless(tx, tsemTryWaitStatus(tx, tsem, &taken));
    return taken;
}

void tsemWait(Transaction *tx, TSem *tsem)
{
    containerLeaveUnless(tx, tsemWaitStatus(tx, tsem));
}

void tsemSignal(Transaction *tx, TSem *tsem, uint64_t units)
{
    containerLeaveUnless(tx, tsemSignalStatus(tx, tsem, units));
}
