/* capri/tmap.h -- a hash map inside of transactions.
 *
 * Transactions that use different keys do not disturb each other, but for keys that meet in one
 * bucket (of 2 to 4 keys, on average) and for tmapSize and tmapEach, which look at everything.
 * That holds while the map grows as well: it grows bucket by bucket.  Who waits for a key is woken
 * by changes of the key's bucket alone.  A map does not shrink below the buckets it has had.
 *
 *     TMap *map = tmapNew(&(TMapConfig){.bytes = true});
 *     ...
 *     tmapInsert(tx, map, &(TMapBytes){name, strlen(name)}, value);
 *
 * The calls with a transaction jump; their twins with the suffix Status return (capri/stm.h).  Out
 * of memory: stmAtomically returns -ENOMEM, nothing has changed.
 */
#ifndef CAPRI_TMAP_H
#define CAPRI_TMAP_H

#include <capri/stm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct TMap TMap;

/* TMapBytes -- a key of bytes; data may be NULL if size is 0. */
typedef struct TMapBytes {
    const void *data;
    size_t size;
} TMapBytes;

/* TMapConfig -- what keys are, and whose.  All zeroes: a key is its pointer.
 *
 * bytes       keys are given as TMapBytes *; the map copies them, and hashes them under a secret
 *             seed: who cannot see hashes cannot make keys collide.  The next four must be NULL.
 * hash        of *key; equal keys, equal hashes.  With equal, or neither.  The map spreads the
 *             result's bits, but cannot tell apart what has the same hash: keys that an adversary
 *             chooses need a keyed hash, and `seed` is one of this map's own for it.
 * equal       are they the same key?
 * copy_key    what the map keeps instead of `key` when it begins to hold it; NULL from it: out of
 *             memory.  NULL: the pointer itself, which is the map's once an insert has said "new".
 *             With copy_key there must be free_key.
 * free_key    a key that the map no longer holds; NULL: nobody frees it
 * free_value  a value that was replaced or deleted; NULL: nobody frees it
 *
 * The last two run once no transaction can hold what they free (stmRetire), or in tmapFree.  None
 * of them waits, begins or uses a transaction.
 */
typedef struct TMapConfig {
    bool bytes;
    uint64_t (*hash)(const void *key, uint64_t seed);
    bool (*equal)(const void *left, const void *right);
    void *(*copy_key)(const void *key);
    void (*free_key)(void *key);
    void (*free_value)(void *value);
} TMapConfig;

/* tmapNew -- an empty one; config NULL: all zeroes.  NULL: out of memory, no runtime, or config
 * contradicts itself.
 * tmapFree -- nobody uses it any more; keys and values are freed as config says.  NULL is ignored.
 * tmapNewSTM, tmapFreeSTM -- likewise, if and when the transaction commits. */
CAPRI_EXPORT TMap *tmapNew(const TMapConfig *config) CAPRI_NAME(tmapNew);
CAPRI_EXPORT void tmapFree(TMap *map) CAPRI_NAME(tmapFree);
CAPRI_EXPORT TMap *tmapNewSTM(Transaction *tx, const TMapConfig *config) CAPRI_NAME(tmapNewSTM);
CAPRI_EXPORT void tmapFreeSTM(Transaction *tx, TMap *map) CAPRI_NAME(tmapFreeSTM);

/* tmapLookup -- true: *value is what stands under key.
 * tmapInsert -- let value stand under key; true: key is new, false: value replaces another.  A
 * value that replaces itself is not freed.
 * tmapInsertIfAbsent -- true: likewise; false: *present is what stands there, nothing is done.
 * tmapDelete -- false: key is not there.
 * Source  StmContainers.Map (stm-containers): lookup, insert, delete, focus. */
CAPRI_EXPORT bool tmapLookup(Transaction *tx, TMap *map, const void *key, void **value)
    CAPRI_NAME(tmapLookup);
CAPRI_EXPORT bool tmapInsert(Transaction *tx, TMap *map, const void *key, void *value)
    CAPRI_NAME(tmapInsert);
CAPRI_EXPORT bool tmapInsertIfAbsent(Transaction *tx, TMap *map, const void *key, void *value,
                                     void **present) CAPRI_NAME(tmapInsertIfAbsent);
CAPRI_EXPORT bool tmapDelete(Transaction *tx, TMap *map, const void *key) CAPRI_NAME(tmapDelete);

/* TMapChange -- what an update does.  tmapUpdate's f is given what stands under key (present false:
 * *value is NULL); TMapSet: *value shall.  f may use the transaction, this map included.
 * Returns what f returned. */
typedef enum TMapChange { TMapKeep, TMapSet, TMapRemove } TMapChange;
typedef TMapChange TMapUpdate(void *env, bool present, void **value);

CAPRI_EXPORT TMapChange tmapUpdate(Transaction *tx, TMap *map, const void *key, TMapUpdate *f,
                                   void *env) CAPRI_NAME(tmapUpdate);

/* TMapVisit -- false: enough seen.  tmapEach -- visit(env, key, value) for all, in no order; NULL
 * throws -EINVAL.  A pair that the visit inserts or deletes may be visited or not.
 * tmapSize -- how many: a look at 16 counters, each of which changes with some inserts and
 * deletes. */
typedef bool TMapVisit(void *env, const void *key, void *value);

CAPRI_EXPORT void tmapEach(Transaction *tx, TMap *map, TMapVisit *visit, void *env)
    CAPRI_NAME(tmapEach);
CAPRI_EXPORT size_t tmapSize(Transaction *tx, TMap *map) CAPRI_NAME(tmapSize);

/* The same without jumps. */
CAPRI_EXPORT int tmapNewStatus(Transaction *tx, const TMapConfig *config, TMap **map)
    CAPRI_NAME(tmapNewStatus);
CAPRI_EXPORT int tmapFreeStatus(Transaction *tx, TMap *map) CAPRI_NAME(tmapFreeStatus);
CAPRI_EXPORT int tmapLookupStatus(Transaction *tx, TMap *map, const void *key, void **value,
                                  bool *found) CAPRI_NAME(tmapLookupStatus);
CAPRI_EXPORT int tmapInsertStatus(Transaction *tx, TMap *map, const void *key, void *value,
                                  bool *is_new) CAPRI_NAME(tmapInsertStatus);
CAPRI_EXPORT int tmapInsertIfAbsentStatus(Transaction *tx, TMap *map, const void *key, void *value,
                                          void **present, bool *is_new)
    CAPRI_NAME(tmapInsertIfAbsentStatus);
CAPRI_EXPORT int tmapDeleteStatus(Transaction *tx, TMap *map, const void *key, bool *found)
    CAPRI_NAME(tmapDeleteStatus);
CAPRI_EXPORT int tmapUpdateStatus(Transaction *tx, TMap *map, const void *key, TMapUpdate *f,
                                  void *env, TMapChange *change) CAPRI_NAME(tmapUpdateStatus);
CAPRI_EXPORT int tmapEachStatus(Transaction *tx, TMap *map, TMapVisit *visit, void *env)
    CAPRI_NAME(tmapEachStatus);
CAPRI_EXPORT int tmapSizeStatus(Transaction *tx, TMap *map, size_t *size)
    CAPRI_NAME(tmapSizeStatus);

#ifdef __cplusplus
}
#endif

#endif
