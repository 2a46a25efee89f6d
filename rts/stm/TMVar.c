/* TMVar.c -- a box for one value inside of transactions: one variable.
 *
 * Owns    nothing: a TMVar is a TVar by another name, whose value may be `nothing`.
 * After   rts/stm/Jump.c.
 * Tests   testsuite/unit/TMVarTest.c
 */
#include <capri/tmvar.h>

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

bool tmvarTryRead(Transaction *tx, TMVar *tmvar, void **value)
{
    *value = tvarRead(tx, cellOf(tmvar));
    return *value != nothing;
}

bool tmvarTryTake(Transaction *tx, TMVar *tmvar, void **value)
{
    if (!tmvarTryRead(tx, tmvar, value))
        return false;
    tvarWrite(tx, cellOf(tmvar), nothing);
    return true;
}

bool tmvarIsEmpty(Transaction *tx, TMVar *tmvar)
{
    return tvarRead(tx, cellOf(tmvar)) == nothing;
}

bool tmvarTryPut(Transaction *tx, TMVar *tmvar, void *value)
{
    if (!tmvarIsEmpty(tx, tmvar))
        return false;
    tvarWrite(tx, cellOf(tmvar), value);
    return true;
}

void *tmvarRead(Transaction *tx, TMVar *tmvar)
{
    void *value;
    stmCheck(tx, tmvarTryRead(tx, tmvar, &value));
    return value;
}

void *tmvarTake(Transaction *tx, TMVar *tmvar)
{
    void *value;
    stmCheck(tx, tmvarTryTake(tx, tmvar, &value));
    return value;
}

void tmvarPut(Transaction *tx, TMVar *tmvar, void *value)
{
    stmCheck(tx, tmvarTryPut(tx, tmvar, value));
}

void *tmvarSwap(Transaction *tx, TMVar *tmvar, void *value)
{
    void *old = tmvarRead(tx, tmvar);
    tvarWrite(tx, cellOf(tmvar), value);
    return old;
}

void tmvarWrite(Transaction *tx, TMVar *tmvar, void *value)
{
    tvarWrite(tx, cellOf(tmvar), value);
}
