/* capri/tarray.h -- an array of variables, each of which is read and written by itself.
 *
 * Transactions that use different elements do not disturb each other.  An element takes 72 bytes.
 * The calls with a transaction jump; their twins with the suffix Status return (capri/stm.h).
 */
#ifndef CAPRI_TARRAY_H
#define CAPRI_TARRAY_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TArray TArray;

/* TArrayVisit -- false: enough seen. */
typedef bool TArrayVisit(void *env, size_t index, void *value);

/* tarrayNew -- `size` elements, each holding value; NULL: out of memory or no runtime.
 * tarrayFree -- nobody uses it any more, values are forgotten; NULL is ignored.
 * tarrayNewSTM, tarrayFreeSTM -- likewise, if and when the transaction commits.
 * Source  Control.Concurrent.STM.TArray; differs: one dimension, from 0. */
CAPRI_EXPORT TArray *tarrayNew(size_t size, void *value) CAPRI_NAME(tarrayNew);
CAPRI_EXPORT void tarrayFree(TArray *array) CAPRI_NAME(tarrayFree);
CAPRI_EXPORT TArray *tarrayNewSTM(Transaction *tx, size_t size, void *value)
    CAPRI_NAME(tarrayNewSTM);
CAPRI_EXPORT void tarrayFreeSTM(Transaction *tx, TArray *array) CAPRI_NAME(tarrayFreeSTM);

/* tarraySize -- how many.
 * tarrayVar -- the variable of an element, for tvarReadIO, tvarAwait, tvarSwap and their kin; it is
 * the array's.  NULL: there is no such element. */
CAPRI_EXPORT size_t tarraySize(const TArray *array) CAPRI_NAME(tarraySize);
CAPRI_EXPORT TVar *tarrayVar(const TArray *array, size_t index) CAPRI_NAME(tarrayVar);

/* tarrayRead, tarrayWrite, tarrayModify -- as tvarRead, tvarWrite, tvarModify.  An index that is
 * not below the size throws -ERANGE.
 * tarrayEach -- visit(env, index, value) from 0 up, all as of one moment; NULL throws -EINVAL. */
CAPRI_EXPORT void *tarrayRead(Transaction *tx, const TArray *array, size_t index)
    CAPRI_NAME(tarrayRead);
CAPRI_EXPORT void tarrayWrite(Transaction *tx, const TArray *array, size_t index, void *value)
    CAPRI_NAME(tarrayWrite);
CAPRI_EXPORT void *tarrayModify(Transaction *tx, const TArray *array, size_t index,
                                void *(*f)(void *value, void *env), void *env)
    CAPRI_NAME(tarrayModify);
CAPRI_EXPORT void tarrayEach(Transaction *tx, const TArray *array, TArrayVisit *visit, void *env)
    CAPRI_NAME(tarrayEach);

/* The same without jumps. */
CAPRI_EXPORT int tarrayNewStatus(Transaction *tx, size_t size, void *value, TArray **array)
    CAPRI_NAME(tarrayNewStatus);
CAPRI_EXPORT int tarrayFreeStatus(Transaction *tx, TArray *array) CAPRI_NAME(tarrayFreeStatus);
CAPRI_EXPORT int tarrayReadStatus(Transaction *tx, const TArray *array, size_t index, void **value)
    CAPRI_NAME(tarrayReadStatus);
CAPRI_EXPORT int tarrayWriteStatus(Transaction *tx, const TArray *array, size_t index, void *value)
    CAPRI_NAME(tarrayWriteStatus);
CAPRI_EXPORT int tarrayEachStatus(Transaction *tx, const TArray *array, TArrayVisit *visit,
                                  void *env) CAPRI_NAME(tarrayEachStatus);

#ifdef __cplusplus
}
#endif

#endif
