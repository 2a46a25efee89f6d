/* TMVar.c -- a box for one value inside of transactions: one variable.
 *
 * Owns    nothing: a TMVar is a TVar by another name, whose value may be `nothing`.
 * After   rts/stm/Status.c.
 * Tests   testsuite/unit/TMVarTest.c
 *
 * See Note [Twins].
 */
#include <capri/tmvar.h>

#include "rts/stm/Container.h"

static char nothing[1]; /* its address is no value of anybody's */

static TVar *cellOf(TMVar *tmvar)
{
    return (TVar *)(void *)tmvar;
}

TMVar *tmvarNew(void *value)
{
    return (TMVar *)(void *)tvarNew(value);
}

TMVar *tmvarNewEmpty(void)
{
    return tmvarNew(nothing);
}

void tmvarFree(TMVar *tmvar)
{
    tvarFree(cellOf(tmvar));
}

bool tmvarTryReadIO(TMVar *tmvar, void **value)
{
    void *held = tvarReadIO(cellOf(tmvar));
    if (held == nothing)
        return false;
    *value = held;
    return true;
}

bool tmvarIsEmptyIO(TMVar *tmvar)
{
    return tvarReadIO(cellOf(tmvar)) == nothing;
}

int tmvarNewStatus(Transaction *tx, void *value, TMVar **tmvar)
{
    TVar *cell = NULL;
    int status = tvarNewStatus(tx, value, &cell);
    *tmvar = (TMVar *)(void *)cell;
    return status;
}

int tmvarNewEmptyStatus(Transaction *tx, TMVar **tmvar)
{
    return tmvarNewStatus(tx, nothing, tmvar);
}

int tmvarFreeStatus(Transaction *tx, TMVar *tmvar)
{
    return tvarFreeStatus(tx, cellOf(tmvar));
}

int tmvarTryReadStatus(Transaction *tx, TMVar *tmvar, void **value, bool *found)
{
    void *held;
    *found = false;
    STM_TRY(tvarReadStatus(tx, cellOf(tmvar), &held));
    if (held == nothing)
        return 0;
    *value = held;
    *found = true;
    return 0;
}

int tmvarTryTakeStatus(Transaction *tx, TMVar *tmvar, void **value, bool *found)
{
    STM_TRY(tmvarTryReadStatus(tx, tmvar, value, found));
    return *found ? tvarWriteStatus(tx, cellOf(tmvar), nothing) : 0;
}

int tmvarIsEmptyStatus(Transaction *tx, TMVar *tmvar, bool *empty)
{
    void *value;
    STM_TRY(tmvarTryReadStatus(tx, tmvar, &value, empty));
    *empty = !*empty;
    return 0;
}

int tmvarTryPutStatus(Transaction *tx, TMVar *tmvar, void *value, bool *done)
{
    STM_TRY(tmvarIsEmptyStatus(tx, tmvar, done));
    return *done ? tvarWriteStatus(tx, cellOf(tmvar), value) : 0;
}

int tmvarReadStatus(Transaction *tx, TMVar *tmvar, void **value)
{
    bool found;
    STM_TRY(tmvarTryReadStatus(tx, tmvar, value, &found));
    return containerRetryUnless(tx, found);
}

int tmvarTakeStatus(Transaction *tx, TMVar *tmvar, void **value)
{
    bool found;
    STM_TRY(tmvarTryTakeStatus(tx, tmvar, value, &found));
    return containerRetryUnless(tx, found);
}

int tmvarPutStatus(Transaction *tx, TMVar *tmvar, void *value)
{
    bool done;
    STM_TRY(tmvarTryPutStatus(tx, tmvar, value, &done));
    return containerRetryUnless(tx, done);
}

int tmvarSwapStatus(Transaction *tx, TMVar *tmvar, void *value, void **old)
{
    STM_TRY(tmvarReadStatus(tx, tmvar, old));
    return tvarWriteStatus(tx, cellOf(tmvar), value);
}

int tmvarWriteStatus(Transaction *tx, TMVar *tmvar, void *value)
{
    return tvarWriteStatus(tx, cellOf(tmvar), value);
}

/* ---- by jumps ---- */

TMVar *tmvarNewSTM(Transaction *tx, void *value)
{
    TMVar *tmvar;
    containerLeaveUnless(tx, tmvarNewStatus(tx, value, &tmvar));
    return tmvar;
}

TMVar *tmvarNewEmptySTM(Transaction *tx)
{
    return tmvarNewSTM(tx, nothing);
}

void tmvarFreeSTM(Transaction *tx, TMVar *tmvar)
{
    containerLeaveUnless(tx, tmvarFreeStatus(tx, tmvar));
}

bool tmvarTryRead(Transaction *tx, TMVar *tmvar, void **value)
{
    bool found;
    containerLeaveUnless(tx, tmvarTryReadStatus(tx, tmvar, value, &found));
    return found;
}

bool tmvarTryTake(Transaction *tx, TMVar *tmvar, void **value)
{
    bool found;
    containerLeaveUnless(tx, tmvarTryTakeStatus(tx, tmvar, value, &found));
    return found;
}

bool tmvarTryPut(Transaction *tx, TMVar *tmvar, void *value)
{
    bool done;
    containerLeaveUnless(tx, tmvarTryPutStatus(tx, tmvar, value, &done));
    return done;
}

bool tmvarIsEmpty(Transaction *tx, TMVar *tmvar)
{
    bool empty;
    containerLeaveUnless(tx, tmvarIsEmptyStatus(tx, tmvar, &empty));
    return empty;
}

void *tmvarRead(Transaction *tx, TMVar *tmvar)
{
    void *value = NULL;
    containerLeaveUnless(tx, tmvarReadStatus(tx, tmvar, &value));
    return value;
}

void *tmvarTake(Transaction *tx, TMVar *tmvar)
{
    void *value = NULL;
    containerLeaveUnless(tx, tmvarTakeStatus(tx, tmvar, &value));
    return value;
}

void tmvarPut(Transaction *tx, TMVar *tmvar, void *value)
{
    containerLeaveUnless(tx, tmvarPutStatus(tx, tmvar, value));
}

void *tmvarSwap(Transaction *tx, TMVar *tmvar, void *value)
{
    void *old = NULL;
    containerLeaveUnless(tx, tmvarSwapStatus(tx, tmvar, value, &old));
    return old;
}

void tmvarWrite(Transaction *tx, TMVar *tmvar, void *value)
{
    containerLeaveUnless(tx, tmvarWriteStatus(tx, tmvar, value));
}
