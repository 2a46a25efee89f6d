/* Buckets.c -- the table of a TMap: entries by hash, in buckets that split.
 *
 * Owns    buckets, their variables, the segments that find them.
 * Before  rts/stm/TMap.c.   After  rts/stm/Status.c.
 * Tests   testsuite/unit/BucketsTest.c, testsuite/unit/TMapTest.c,
 *         testsuite/stress/MapStorm.c
 *
 * See Note [Buckets that split] and Note [Counting entries].
 */
#include "rts/stm/Buckets.h"

#include <errno.h>

enum {
    BUCKET_MOST = 4, /* entries of a bucket that splits if it may */
    LOAD = 2         /* entries per bucket of the highest level, before there is a higher one */
};

/* ---- buckets ---- */

static size_t bytesOf(uint32_t count)
{
    return sizeof(Bucket) + count * sizeof(Entry);
}

static Bucket *makeBucket(uint32_t depth, uint32_t count)
{
    Bucket *bucket = memoryAllocate(startupAllocator(), bytesOf(count), sizeof(void *));
    if (bucket != NULL) {
        bucket->depth = depth;
        bucket->count = count;
    }
    return bucket;
}

static void freeBucket(void *env)
{
    Bucket *bucket = env;
    memoryRelease(startupAllocator(), bucket, bytesOf(bucket->count), sizeof(void *));
}

static int newBucket(Transaction *tx, uint32_t depth, uint32_t count, Bucket **bucket)
{
    *bucket = makeBucket(depth, count);
    return stmAddNew(tx, *bucket, freeBucket);
}

/* bucket stands in the place of what is there. */
static int putBucket(Transaction *tx, const BucketPlace *place, Bucket *bucket)
{
    STM_TRY(tvarWriteStatus(tx, place->tvar, bucket));
    return stmRetireStatus(tx, (void *)(uintptr_t)place->bucket, freeBucket);
}

/* ---- segments: 1, 1, 2, 4, ... variables ---- */

static inline uint64_t maskOf(uint32_t bits)
{
    return (UINT64_C(1) << bits) - 1;
}

static inline uint32_t bitsOf(uint64_t number)
{
    return number == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(number);
}

static inline size_t segmentSize(uint32_t segment)
{
    return segment == 0 ? 1 : (size_t)1 << (segment - 1);
}

/* Where the variable of bucket `number` is or will be; NULL: its segment is not there. */
static inline TVar **slotOf(Buckets *buckets, uint64_t number)
{
    uint32_t segment = bitsOf(number);
    TVar **items = ACQUIRE_LOAD(&buckets->segments[segment]);
    return items == NULL ? NULL : &items[number & (segmentSize(segment) - 1)];
}

static inline TVar *variableOf(Buckets *buckets, uint64_t number)
{
    TVar **slot = slotOf(buckets, number);
    return slot == NULL ? NULL : ACQUIRE_LOAD(slot);
}

/* The same; it is made if need be.  NULL: out of memory. */
static TVar *makeVariable(Buckets *buckets, uint64_t number)
{
    TVar **slot = slotOf(buckets, number);
    TVar *tvar = ACQUIRE_LOAD(slot), *made;
    if (tvar != NULL)
        return tvar;
    made = tvarNew(NULL);
    if (made == NULL || CAS_ACQ_REL(slot, &tvar, made))
        return made;
    tvarFree(made); /* somebody else was first */
    return tvar;
}

static bool makeSegment(Buckets *buckets, uint32_t segment)
{
    size_t bytes = segmentSize(segment) * sizeof(TVar *);
    TVar **items = NULL, **made;
    if (ACQUIRE_LOAD(&buckets->segments[segment]) != NULL)
        return true;
    made = memoryAllocateZeroed(startupAllocator(), bytes, sizeof(void *));
    if (made == NULL)
        return false;
    if (!CAS_ACQ_REL(&buckets->segments[segment], &items, made))
        memoryRelease(startupAllocator(), made, bytes, sizeof(void *));
    return true;
}

int bucketsOpen(Buckets *buckets)
{
    bool made = true;
    *buckets = (Buckets){.level = 0};
    for (uint32_t i = 0; i < BUCKETS_COUNTS; i++) {
        buckets->counts[i] = tvarNew(NULL);
        made = made && buckets->counts[i] != NULL;
    }
    Bucket *bucket = makeBucket(0, 0);
    TVar *tvar = tvarNew(bucket);
    if (made && bucket != NULL && tvar != NULL && makeSegment(buckets, 0)) {
        buckets->segments[0][0] = tvar;
        return 0;
    }
    tvarFree(tvar);
    if (bucket != NULL)
        freeBucket(bucket);
    for (uint32_t i = 0; i < BUCKETS_COUNTS; i++)
        tvarFree(buckets->counts[i]);
    return -ENOMEM;
}

static void closeBucket(TVar *tvar, void (*each)(void *env, const Entry *entry), void *env)
{
    Bucket *bucket = tvar == NULL ? NULL : tvarReadIO(tvar);
    if (bucket != NULL) {
        for (uint32_t i = 0; i < bucket->count; i++)
            each(env, &bucket->entries[i]);
        freeBucket(bucket);
    }
    tvarFree(tvar);
}

void bucketsClose(Buckets *buckets, void (*each)(void *env, const Entry *entry), void *env)
{
    for (uint32_t segment = 0; segment < BUCKETS_LEVELS; segment++) {
        TVar **items = ACQUIRE_LOAD(&buckets->segments[segment]);
        if (items == NULL)
            continue;
        for (size_t i = 0; i < segmentSize(segment); i++)
            closeBucket(items[i], each, env);
        memoryRelease(startupAllocator(), items, segmentSize(segment) * sizeof(TVar *),
                      sizeof(void *));
    }
    for (uint32_t i = 0; i < BUCKETS_COUNTS; i++)
        tvarFree(buckets->counts[i]);
}

/* ---- finding ---- */

static int readBucket(Transaction *tx, TVar *tvar, const Bucket **bucket)
{
    void *value;
    STM_TRY(tvarReadStatus(tx, tvar, &value));
    *bucket = value;
    return 0;
}

int bucketsFind(Transaction *tx, Buckets *buckets, uint64_t hash, BucketPlace *place)
{
    uint64_t number = hash & maskOf(ACQUIRE_LOAD(&buckets->level));
    for (;; number &= maskOf(bitsOf(number) - 1)) {
        place->tvar = variableOf(buckets, number);
        place->bucket = NULL;
        if (place->tvar != NULL)
            STM_TRY(readBucket(tx, place->tvar, &place->bucket));
        if (place->bucket != NULL)
            break;
        ASSERT(number != 0); /* always born */
    }
    while ((hash & maskOf(place->bucket->depth)) != number) {
        number = hash & maskOf(1 + (uint32_t)__builtin_ctzll(hash ^ number));
        place->tvar = variableOf(buckets, number);
        STM_TRY(readBucket(tx, place->tvar, &place->bucket));
    }
    place->number = number;
    return 0;
}

/* ---- counting ---- */

static TVar *countOf(const Transaction *tx, const Buckets *buckets)
{
    size_t part = tx->here != NULL ? tx->here->index : (uintptr_t)tx->share / sizeof *tx->share;
    return buckets->counts[part % BUCKETS_COUNTS];
}

static int addCount(Transaction *tx, Buckets *buckets, intptr_t change)
{
    TVar *count = countOf(tx, buckets);
    void *value;
    STM_TRY(tvarReadStatus(tx, count, &value));
    return tvarWriteStatus(tx, count, (void *)((intptr_t)value + change));
}

int bucketsSize(Transaction *tx, Buckets *buckets, size_t *size)
{
    intptr_t sum = 0;
    for (uint32_t i = 0; i < BUCKETS_COUNTS; i++) {
        void *value;
        STM_TRY(tvarReadStatus(tx, buckets->counts[i], &value));
        sum += (intptr_t)value;
    }
    *size = (size_t)sum;
    return 0;
}

/* About how many, with what this transaction has added: disturbs nobody. */
static int guessSize(Transaction *tx, Buckets *buckets, intptr_t *size)
{
    TVar *own = countOf(tx, buckets);
    void *value;
    STM_TRY(tvarReadStatus(tx, own, &value));
    *size = (intptr_t)value;
    for (uint32_t i = 0; i < BUCKETS_COUNTS; i++) {
        if (buckets->counts[i] != own)
            *size += (intptr_t)tvarReadIO(buckets->counts[i]);
    }
    return 0;
}

/* ---- changing ---- */

/* May a bucket of this depth split?  level grows if it is time for that. */
static int maySplit(Transaction *tx, Buckets *buckets, uint32_t depth, bool *may)
{
    uint32_t level = ACQUIRE_LOAD(&buckets->level);
    intptr_t size;
    *may = depth < level;
    if (*may || level + 1 == BUCKETS_LEVELS)
        return 0;
    STM_TRY(guessSize(tx, buckets, &size));
    if (size < (intptr_t)LOAD << level || !makeSegment(buckets, level + 1))
        return 0; /* without more buckets it works as well */
    CAS_ACQ_REL(&buckets->level, &level, level + 1);
    *may = true;
    return 0;
}

/* The entries of place and one more, in two buckets. */
static int splitBucket(Transaction *tx, Buckets *buckets, const BucketPlace *place,
                       const Entry *more)
{
    const Bucket *old = place->bucket;
    uint64_t bit = UINT64_C(1) << old->depth;
    uint32_t counts[2] = {0, 0};
    Bucket *halves[2];
    TVar *sibling = makeVariable(buckets, place->number | bit);
    if (sibling == NULL)
        return transactionEnd(tx, FateNoMemory);
    for (uint32_t i = 0; i <= old->count; i++)
        counts[((i < old->count ? old->entries[i].hash : more->hash) & bit) != 0]++;
    for (int half = 0; half < 2; half++) {
        STM_TRY(newBucket(tx, old->depth + 1, counts[half], &halves[half]));
        counts[half] = 0;
    }
    for (uint32_t i = 0; i <= old->count; i++) {
        const Entry *entry = i < old->count ? &old->entries[i] : more;
        int half = (entry->hash & bit) != 0;
        halves[half]->entries[counts[half]++] = *entry;
    }
    STM_TRY(tvarWriteStatus(tx, sibling, halves[1]));
    return putBucket(tx, place, halves[0]);
}

int bucketsAdd(Transaction *tx, Buckets *buckets, const BucketPlace *place, const Entry *entry)
{
    const Bucket *old = place->bucket;
    bool split = false;
    Bucket *bucket;
    STM_TRY(addCount(tx, buckets, 1));
    if (old->count >= BUCKET_MOST)
        STM_TRY(maySplit(tx, buckets, old->depth, &split));
    if (split)
        return splitBucket(tx, buckets, place, entry);
    STM_TRY(newBucket(tx, old->depth, old->count + 1, &bucket));
    memcpy(bucket->entries, old->entries, old->count * sizeof(Entry));
    bucket->entries[old->count] = *entry;
    return putBucket(tx, place, bucket);
}

int bucketsReplace(Transaction *tx, const BucketPlace *place, uint32_t index, void *value)
{
    const Bucket *old = place->bucket;
    Bucket *bucket;
    STM_TRY(newBucket(tx, old->depth, old->count, &bucket));
    memcpy(bucket->entries, old->entries, old->count * sizeof(Entry));
    bucket->entries[index].value = value;
    return putBucket(tx, place, bucket);
}

int bucketsRemove(Transaction *tx, Buckets *buckets, const BucketPlace *place, uint32_t index)
{
    const Bucket *old = place->bucket;
    Bucket *bucket;
    STM_TRY(addCount(tx, buckets, -1));
    STM_TRY(newBucket(tx, old->depth, old->count - 1, &bucket));
    memcpy(bucket->entries, old->entries, index * sizeof(Entry));
    memcpy(bucket->entries + index, old->entries + index + 1,
           (old->count - 1 - index) * sizeof(Entry));
    return putBucket(tx, place, bucket);
}

/* ---- all of them ---- */

typedef struct Walk {
    Transaction *tx;
    Buckets *buckets;
    bool (*visit)(void *env, const Entry *entry);
    void *env;
    bool more;      /* go on */
    bool misplaced; /* an entry is where it does not belong */
    size_t count;
} Walk;

/* Bucket `number`, which was born with this depth, and those that it has split off since. */
static int walkFrom(Walk *walk, uint64_t number, uint32_t depth)
{
    const Bucket *bucket;
    STM_TRY(readBucket(walk->tx, variableOf(walk->buckets, number), &bucket));
    for (uint32_t i = 0; i < bucket->count && walk->more; i++) {
        const Entry *entry = &bucket->entries[i];
        walk->misplaced |= (entry->hash & maskOf(bucket->depth)) != number;
        walk->count++;
        walk->more = walk->visit(walk->env, entry);
    }
    walk->misplaced |= bucket->depth < depth;
    if (walk->tx->fate != FateNone)
        return -ECANCELED;
    for (uint32_t d = depth; d < bucket->depth && walk->more; d++)
        STM_TRY(walkFrom(walk, number | UINT64_C(1) << d, d + 1));
    return 0;
}

int bucketsEach(Transaction *tx, Buckets *buckets, bool (*visit)(void *env, const Entry *entry),
                void *env)
{
    return walkFrom(&(Walk){tx, buckets, visit, env, true, false, 0}, 0, 0);
}

static bool passOver(void *env, const Entry *entry)
{
    (void)env, (void)entry;
    return true;
}

int bucketsSane(Transaction *tx, Buckets *buckets, bool *sane)
{
    Walk walk = {tx, buckets, passOver, NULL, true, false, 0};
    size_t size;
    STM_TRY(walkFrom(&walk, 0, 0));
    STM_TRY(bucketsSize(tx, buckets, &size));
    *sane = !walk.misplaced && walk.count == size;
    return 0;
}
