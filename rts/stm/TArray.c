/* TArray.c -- an array of variables.
 *
 * Owns    nothing but the list of its variables.
 * After   rts/stm/Status.c.
 * Tests   testsuite/unit/TArrayTest.c
 *
 * Note [A line for each element]
 *   An element is a variable like any other: a cache line of its own, from the pool, plus its
 *   pointer here: 72 bytes.  Packing them would let neighbours disturb each other, which is what
 *   one takes an array of variables for to avoid; and who waits may still look at a variable that
 *   has been freed, so they cannot be part of a block that goes back.  Who wants less memory puts
 *   several values behind one variable.
 *
 * See Note [Twins].
 */
#include <capri/tarray.h>

#include "rts/stm/Container.h"

#include <errno.h>

struct TArray {
    size_t size;   /* constant */
    TVar *items[]; /* constant; See Note [A line for each element] */
};

static size_t bytesOf(size_t size)
{
    return sizeof(TArray) + size * sizeof(TVar *);
}

static void freeArray(void *array)
{
    tarrayFree(array);
}

TArray *tarrayNew(size_t size, void *value)
{
    if (size > (SIZE_MAX / 2 - sizeof(TArray)) / sizeof(TVar *))
        return NULL;
    TArray *array = memoryAllocate(startupAllocator(), bytesOf(size), sizeof(void *));
    if (array == NULL)
        return NULL;
    array->size = size;
    for (size_t i = 0; i < size; i++)
        array->items[i] = NULL;
    for (size_t i = 0; i < size; i++) {
        array->items[i] = tvarNew(value);
        if (array->items[i] == NULL) {
            tarrayFree(array);
            return NULL;
        }
    }
    return array;
}

int tarrayNewStatus(Transaction *tx, size_t size, void *value, TArray **array)
{
    *array = tarrayNew(size, value);
    return stmAddNew(tx, *array, freeArray);
}

void tarrayFree(TArray *array)
{
    if (array == NULL)
        return;
    for (size_t i = 0; i < array->size; i++)
        tvarFree(array->items[i]);
    memoryRelease(startupAllocator(), array, bytesOf(array->size), sizeof(void *));
}

int tarrayFreeStatus(Transaction *tx, TArray *array)
{
    return containerFreeLater(tx, array, freeArray);
}

size_t tarraySize(const TArray *array)
{
    return array->size;
}

TVar *tarrayVar(const TArray *array, size_t index)
{
    return index < array->size ? array->items[index] : NULL;
}

int tarrayReadStatus(Transaction *tx, const TArray *array, size_t index, void **value)
{
    if (UNLIKELY(index >= array->size))
        return stmThrowStatus(tx, -ERANGE, NULL);
    return tvarReadStatus(tx, array->items[index], value);
}

int tarrayWriteStatus(Transaction *tx, const TArray *array, size_t index, void *value)
{
    if (UNLIKELY(index >= array->size))
        return stmThrowStatus(tx, -ERANGE, NULL);
    return tvarWriteStatus(tx, array->items[index], value);
}

int tarrayEachStatus(Transaction *tx, const TArray *array, TArrayVisit *visit, void *env)
{
    if (visit == NULL)
        return stmThrowStatus(tx, -EINVAL, NULL);
    for (size_t i = 0; i < array->size; i++) {
        void *value;
        STM_TRY(tvarReadStatus(tx, array->items[i], &value));
        if (!visit(env, i, value))
            break;
    }
    return tx->fate == FateNone ? 0 : -ECANCELED;
}

/* ---- by jumps ---- */

TArray *tarrayNewSTM(Transaction *tx, size_t size, void *value)
{
    TArray *array;
    containerLeaveUnless(tx, tarrayNewStatus(tx, size, value, &array));
    return array;
}

void tarrayFreeSTM(Transaction *tx, TArray *array)
{
    containerLeaveUnless(tx, tarrayFreeStatus(tx, array));
}

void *tarrayRead(Transaction *tx, const TArray *array, size_t index)
{
    void *value = NULL;
    containerLeaveUnless(tx, tarrayReadStatus(tx, array, index, &value));
    return value;
}

void tarrayWrite(Transaction *tx, const TArray *array, size_t index, void *value)
{
    containerLeaveUnless(tx, tarrayWriteStatus(tx, array, index, value));
}

void *tarrayModify(Transaction *tx, const TArray *array, size_t index,
                   void *(*f)(void *value, void *env), void *env)
{
    void *value = f(tarrayRead(tx, array, index), env);
    tarrayWrite(tx, array, index, value);
    return value;
}

void tarrayEach(Transaction *tx, const TArray *array, TArrayVisit *visit, void *env)
{
    containerLeaveUnless(tx, tarrayEachStatus(tx, array, visit, env));
}
