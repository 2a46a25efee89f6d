/* TSem.c -- a semaphore inside of transactions: one variable that holds the units.
 *
 * Owns    nothing: a TSem is a TVar by another name.
 * After   rts/stm/Jump.c.
 * Tests   testsuite/unit/TMVarTest.c
 */
#include <capri/tmvar.h>

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

void tsemWait(Transaction *tx, TSem *tsem)
{
    int64_t units = (intptr_t)tvarRead(tx, cellOf(tsem));
    stmCheck(tx, units > 0);
    tvarWrite(tx, cellOf(tsem), (void *)(intptr_t)(units - 1));
}

void tsemSignal(Transaction *tx, TSem *tsem, uint64_t units)
{
    int64_t has = (intptr_t)tvarRead(tx, cellOf(tsem)), sum;
    if (units > INT64_MAX || __builtin_add_overflow(has, (int64_t)units, &sum))
        stmThrow(tx, -EOVERFLOW, NULL);
    if (units != 0)
        tvarWrite(tx, cellOf(tsem), (void *)(intptr_t)sum);
}
