/* TMap.c -- a hash map inside of transactions.
 *
 * Owns    what a key is; the map's keys and values.
 * After   rts/stm/Buckets.c: where entries are; rts/stm/KeyHash.c.
 * Tests   testsuite/unit/TMapTest.c, testsuite/unit/TMapKeysTest.c,
 *         testsuite/stress/MapStorm.c
 *
 * See Note [Buckets that split] and Note [Twins].
 */
#include <capri/tmap.h>

#include "rts/stm/Buckets.h"
#include "rts/stm/KeyHash.h"

#include <errno.h>

struct TMap {
    TMapConfig config; /* constant */
    KeySeed seed;      /* constant */
    Buckets buckets;   /* see Buckets.h */
};

/* ---- keys ---- */

/* A key of bytes as the map keeps it: the bytes stand behind it. */
static void *copyBytes(const void *key)
{
    const TMapBytes *from = key;
    if (from->size > SIZE_MAX / 2)
        return NULL;
    TMapBytes *copy = memoryAllocate(startupAllocator(), sizeof *copy + from->size, sizeof(void *));
    if (copy == NULL)
        return NULL;
    *copy = (TMapBytes){copy + 1, from->size};
    if (from->size != 0)
        memcpy(copy + 1, from->data, from->size);
    return copy;
}

static void freeBytes(void *key)
{
    TMapBytes *bytes = key;
    memoryRelease(startupAllocator(), bytes, sizeof *bytes + bytes->size, sizeof(void *));
}

static bool sameBytes(const void *left, const void *right)
{
    const TMapBytes *a = left, *b = right;
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static uint64_t hashKey(const TMap *map, const void *key)
{
    if (map->config.bytes) {
        const TMapBytes *bytes = key;
        return keyHashBytes(&map->seed, bytes->data, bytes->size);
    }
    uint64_t word =
        map->config.hash == NULL ? (uintptr_t)key : map->config.hash(key, map->seed.words[1]);
    return keyHashWord(&map->seed, word);
}

static void freeKey(void *env, const Entry *entry)
{
    const TMap *map = env;
    if (map->config.free_key != NULL)
        map->config.free_key(entry->key);
    if (map->config.free_value != NULL)
        map->config.free_value(entry->value);
}

/* ---- coming and going ---- */

static void freeMap(void *map)
{
    tmapFree(map);
}

static bool isSane(const TMapConfig *config)
{
    if ((config->hash == NULL) != (config->equal == NULL))
        return false;
    if (config->copy_key != NULL && config->free_key == NULL)
        return false;
    return !config->bytes ||
           (config->hash == NULL && config->copy_key == NULL && config->free_key == NULL);
}

TMap *tmapNew(const TMapConfig *config)
{
    if (config != NULL && !isSane(config))
        return NULL;
    TMap *map = memoryAllocate(startupAllocator(), sizeof *map, sizeof(void *));
    if (map == NULL)
        return NULL;
    map->config = config == NULL ? (TMapConfig){0} : *config;
    map->seed = keyHashSeed();
    if (map->config.bytes) {
        map->config.equal = sameBytes;
        map->config.copy_key = copyBytes;
        map->config.free_key = freeBytes;
    }
    if (bucketsOpen(&map->buckets) == 0)
        return map;
    memoryRelease(startupAllocator(), map, sizeof *map, sizeof(void *));
    return NULL;
}

int tmapNewStatus(Transaction *tx, const TMapConfig *config, TMap **map)
{
    *map = NULL;
    if (config != NULL && !isSane(config))
        return stmThrowStatus(tx, -EINVAL, NULL);
    *map = tmapNew(config);
    return stmAddNew(tx, *map, freeMap);
}

void tmapFree(TMap *map)
{
    if (map == NULL)
        return;
    bucketsClose(&map->buckets, freeKey, map);
    memoryRelease(startupAllocator(), map, sizeof *map, sizeof(void *));
}

int tmapFreeStatus(Transaction *tx, TMap *map)
{
    return containerFreeLater(tx, map, freeMap);
}

/* ---- one key ---- */

typedef struct Found {
    BucketPlace place;
    uint32_t index;     /* in place.bucket */
    const Entry *entry; /* NULL: not there */
} Found;

static int findKey(Transaction *tx, TMap *map, uint64_t hash, const void *key, Found *found)
{
    found->entry = NULL;
    STM_TRY(bucketsFind(tx, &map->buckets, hash, &found->place));
    const Bucket *bucket = found->place.bucket;
    for (uint32_t i = 0; i < bucket->count; i++) {
        const Entry *entry = &bucket->entries[i];
        if (entry->hash == hash &&
            (map->config.equal == NULL ? entry->key == key : map->config.equal(entry->key, key))) {
            found->index = i;
            found->entry = entry;
            break;
        }
    }
    return 0;
}

static int addKey(Transaction *tx, TMap *map, uint64_t hash, const void *key, void *value,
                  const Found *found)
{
    Entry entry = {hash, (void *)(uintptr_t)key, value};
    if (map->config.copy_key != NULL) {
        entry.key = map->config.copy_key(key);
        STM_TRY(stmAddNew(tx, entry.key, map->config.free_key));
    }
    return bucketsAdd(tx, &map->buckets, &found->place, &entry);
}

static int replaceValue(Transaction *tx, TMap *map, void *value, const Found *found)
{
    void *old = found->entry->value;
    STM_TRY(bucketsReplace(tx, &found->place, found->index, value));
    if (map->config.free_value == NULL || old == value)
        return 0;
    return stmRetireStatus(tx, old, map->config.free_value);
}

static int removeKey(Transaction *tx, TMap *map, const Found *found)
{
    Entry entry = *found->entry;
    STM_TRY(bucketsRemove(tx, &map->buckets, &found->place, found->index));
    if (map->config.free_key != NULL)
        STM_TRY(stmRetireStatus(tx, entry.key, map->config.free_key));
    if (map->config.free_value != NULL)
        STM_TRY(stmRetireStatus(tx, entry.value, map->config.free_value));
    return 0;
}

int tmapLookupStatus(Transaction *tx, TMap *map, const void *key, void **value, bool *found)
{
    Found at;
    *found = false;
    STM_TRY(findKey(tx, map, hashKey(map, key), key, &at));
    if (at.entry != NULL)
        *value = at.entry->value;
    *found = at.entry != NULL;
    return 0;
}

int tmapInsertStatus(Transaction *tx, TMap *map, const void *key, void *value, bool *is_new)
{
    uint64_t hash = hashKey(map, key);
    Found at;
    STM_TRY(findKey(tx, map, hash, key, &at));
    *is_new = at.entry == NULL;
    return *is_new ? addKey(tx, map, hash, key, value, &at) : replaceValue(tx, map, value, &at);
}

int tmapInsertIfAbsentStatus(Transaction *tx, TMap *map, const void *key, void *value,
                             void **present, bool *is_new)
{
    uint64_t hash = hashKey(map, key);
    Found at;
    STM_TRY(findKey(tx, map, hash, key, &at));
    *is_new = at.entry == NULL;
    if (*is_new)
        return addKey(tx, map, hash, key, value, &at);
    if (present != NULL)
        *present = at.entry->value;
    return 0;
}

int tmapDeleteStatus(Transaction *tx, TMap *map, const void *key, bool *found)
{
    Found at;
    *found = false;
    STM_TRY(findKey(tx, map, hashKey(map, key), key, &at));
    *found = at.entry != NULL;
    return *found ? removeKey(tx, map, &at) : 0;
}

/* f may have changed the map, so it is looked up again. */
int tmapUpdateStatus(Transaction *tx, TMap *map, const void *key, TMapUpdate *f, void *env,
                     TMapChange *change)
{
    bool found;
    void *value = NULL;
    *change = TMapKeep;
    if (f == NULL)
        return stmThrowStatus(tx, -EINVAL, NULL);
    STM_TRY(tmapLookupStatus(tx, map, key, &value, &found));
    *change = f(env, found, &value);
    if (tx->fate != FateNone)
        return -ECANCELED;
    if (*change == TMapSet)
        return tmapInsertStatus(tx, map, key, value, &found);
    return *change == TMapRemove ? tmapDeleteStatus(tx, map, key, &found) : 0;
}

/* ---- all keys ---- */

typedef struct Visitor {
    TMapVisit *visit;
    void *env;
} Visitor;

static bool showEntry(void *env, const Entry *entry)
{
    const Visitor *visitor = env;
    return visitor->visit(visitor->env, entry->key, entry->value);
}

int tmapEachStatus(Transaction *tx, TMap *map, TMapVisit *visit, void *env)
{
    if (visit == NULL)
        return stmThrowStatus(tx, -EINVAL, NULL);
    return bucketsEach(tx, &map->buckets, showEntry, &(Visitor){visit, env});
}

int tmapSizeStatus(Transaction *tx, TMap *map, size_t *size)
{
    return bucketsSize(tx, &map->buckets, size);
}

/* ---- by jumps ---- */

TMap *tmapNewSTM(Transaction *tx, const TMapConfig *config)
{
    TMap *map;
    containerLeaveUnless(tx, tmapNewStatus(tx, config, &map));
    return map;
}

void tmapFreeSTM(Transaction *tx, TMap *map)
{
    containerLeaveUnless(tx, tmapFreeStatus(tx, map));
}

bool tmapLookup(Transaction *tx, TMap *map, const void *key, void **value)
{
    bool found;
    containerLeaveUnless(tx, tmapLookupStatus(tx, map, key, value, &found));
    return found;
}

bool tmapInsert(Transaction *tx, TMap *map, const void *key, void *value)
{
    bool is_new;
    containerLeaveUnless(tx, tmapInsertStatus(tx, map, key, value, &is_new));
    return is_new;
}

bool tmapInsertIfAbsent(Transaction *tx, TMap *map, const void *key, void *value, void **present)
{
    bool is_new;
    containerLeaveUnless(tx, tmapInsertIfAbsentStatus(tx, map, key, value, present, &is_new));
    return is_new;
}

bool tmapDelete(Transaction *tx, TMap *map, const void *key)
{
    bool found;
    containerLeaveUnless(tx, tmapDeleteStatus(tx, map, key, &found));
    return found;
}

TMapChange tmapUpdate(Transaction *tx, TMap *map, const void *key, TMapUpdate *f, void *env)
{
    TMapChange change;
    containerLeaveUnless(tx, tmapUpdateStatus(tx, map, key, f, env, &change));
    return change;
}

void tmapEach(Transaction *tx, TMap *map, TMapVisit *visit, void *env)
{
    containerLeaveUnless(tx, tmapEachStatus(tx, map, visit, env));
}

size_t tmapSize(Transaction *tx, TMap *map)
{
    size_t size;
    containerLeaveUnless(tx, tmapSizeStatus(tx, map, &size));
    return size;
}
